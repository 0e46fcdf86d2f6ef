"""Rigid and Similarity: agreement with SciPy, the neighbourhood of no turn and of half a turn, scales."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

import spatial_transformer as st
from spatial_transformer import matrices, testing

ATOL = testing.TOLERANCES[torch.float64]
ANGLES = [0.0, 1e-9, 1e-4, 0.02, 0.3, 0.99, 1.01, 2.5, math.pi - 1e-6]


def close(actual, expected, atol=ATOL):
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol)


def axis_angles(angle, count=20):
    """(count, 3) vectors of one length in all directions, the axes themselves among them."""
    axes = torch.cat([torch.eye(3, dtype=torch.float64), -torch.eye(3, dtype=torch.float64)])
    others = testing.random_points(3, count)
    axes = torch.cat([axes, others / others.norm(dim=1, keepdim=True)])
    return axes * angle


@pytest.mark.parametrize("angle", [*ANGLES, 4.0, 7.0])
def test_rotations_agree_with_scipy(angle):
    vectors = axis_angles(angle)
    theta = torch.cat([vectors, torch.zeros_like(vectors)], dim=1)
    expected = Rotation.from_rotvec(vectors.numpy()).as_matrix()
    np.testing.assert_allclose(st.Rigid(dims=3).matrix(theta)[:, :3, :3].numpy(), expected, rtol=0, atol=ATOL)
    np.testing.assert_allclose(st.rotation_matrix(vectors)[:, :3, :3].numpy(), expected, rtol=0, atol=ATOL)


@pytest.mark.parametrize("angle", [*ANGLES, math.pi, 4.0, 7.0])
def test_axis_and_angle_read_from_a_matrix_agree_with_scipy(angle):
    rotations = Rotation.from_rotvec(axis_angles(angle).numpy())
    vectors = matrices.rotation_axis_angle(torch.from_numpy(rotations.as_matrix()))
    if angle == math.pi:  # both directions of the axis are right
        close(matrices.axis_angle_rotation(vectors), torch.from_numpy(rotations.as_matrix()))
    else:
        np.testing.assert_allclose(vectors.numpy(), rotations.as_rotvec(), rtol=0, atol=1e-9)
    assert (vectors.norm(dim=1) <= math.pi + ATOL).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("angle", ANGLES)
def test_matrix_and_back_is_the_same_theta(angle, dtype):
    family = st.Similarity(dims=3, extent=(4, 3, 2))
    vectors = axis_angles(angle)
    theta = torch.cat([torch.full_like(vectors[:, :1], 1.5), vectors, vectors + 1], dim=1).to(dtype)
    close(family.from_matrix(family.matrix(theta)), theta, atol=ATOL if dtype == torch.float64 else 2e-5)


@pytest.mark.parametrize("angle", [1e-9, 1e-4, 0.3, 0.999, 1.001, 3.0])
def test_derivatives_of_every_order_asked_for_are_right(angle):
    vectors = axis_angles(angle, count=2)[-4:].requires_grad_()
    assert torch.autograd.gradcheck(matrices.axis_angle_rotation, vectors)
    assert torch.autograd.gradgradcheck(matrices.axis_angle_rotation, vectors)
    if angle < 3:

        def turned_twice(vector):  # a rotation for every vector, so that the derivative stays on the group
            rotation = matrices.axis_angle_rotation(vector)
            return matrices.rotation_axis_angle(rotation @ rotation.mT @ rotation)

        assert torch.autograd.gradcheck(turned_twice, vectors)


def test_derivatives_exist_at_no_turn_at_all():
    zero = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(matrices.axis_angle_rotation, zero)
    assert torch.autograd.gradgradcheck(matrices.axis_angle_rotation, zero)
    hessian = torch.autograd.functional.hessian(lambda w: matrices.axis_angle_rotation(w)[0, 0, 0], zero)[0, :, 0]
    close(hessian, torch.diag(torch.tensor([0.0, -1.0, -1.0], dtype=torch.float64)))
    there_and_back = torch.func.jacrev(lambda w: matrices.rotation_axis_angle(matrices.axis_angle_rotation(w)))(zero)
    close(there_and_back[0, :, 0], torch.eye(3, dtype=torch.float64))


def test_half_a_turn_has_finite_derivatives():
    half = torch.tensor([[math.pi, 0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    vector = matrices.rotation_axis_angle(matrices.axis_angle_rotation(half))
    assert torch.autograd.grad(vector.sum(), half)[0].isfinite().all()


def test_a_turn_about_z_is_the_turn_of_the_plane():
    plane = st.Rigid().matrix(torch.tensor([[0.7, 0.0, 0.0]], dtype=torch.float64))
    space = st.Rigid(dims=3).matrix(torch.tensor([[0, 0, 0.7, 0, 0, 0]], dtype=torch.float64))
    close(space[:, :2, :2], plane[:, :2, :2])
    close(space[0, 2], torch.tensor([0.0, 0, 1, 0], dtype=torch.float64))


@pytest.mark.parametrize("family", [st.Rigid(3, extent=(6, 4, 2)), st.Similarity(3, extent=(6, 4, 2))], ids=str)
def test_lengths_and_angles_in_voxels_stay_with_extent(family):
    size = (20, 40, 60)
    theta = testing.random_theta(family, batch=5, spread=0.5)
    corner = torch.tensor([[10.0, 10, 10], [13, 10, 10], [10, 16, 10], [10, 10, 15]], dtype=torch.float64)
    mapped = st.normalised_to_pixel(family.points(theta, st.pixel_to_normalised(corner, size)), size)
    edges = mapped[:, 1:] - mapped[:, :1]  # (5, 3, 3)
    scale = theta[:, :1, None] if isinstance(family, st.Similarity) else torch.ones(5, 1, 1, dtype=torch.float64)
    lengths = torch.diag(torch.tensor([9.0, 36, 25], dtype=torch.float64))
    close(edges @ edges.mT, scale**2 * lengths, atol=1e-9)


def test_three_dimensional_scales_may_be_negative_and_zero():
    family = st.Similarity(dims=3)
    theta = torch.tensor([[-0.5, 0.1, 0.2, 0.3, 1, 2, 3]], dtype=torch.float64)
    close(family.from_matrix(family.matrix(theta)), theta)  # a point reflection: no turn undoes it
    theta[0, 0] = 0
    composed = family.compose(theta, family.identity(1, dtype=torch.float64))
    close(family.matrix(composed), family.matrix(theta))
    with pytest.raises(ValueError, match="has no inverse: its `Similarity"):
        family.inverse(theta)


BAD = {
    "four dimensions": (lambda: st.Rigid(dims=4), "`dims` of `Rigid` must be 2 or 3; got 4"),
    "extent of the plane": (
        lambda: st.Similarity(dims=3, extent=(4, 3)),
        r"`extent` must hold 3 lengths, x first; got \(4.0, 3.0\)",
    ),
    "shear": (
        lambda: st.Similarity(3).from_matrix(st.scale_matrix(torch.tensor([[1.0, 2.0, 1.0]]))),
        "`matrix` is not a transformation of `Similarity",
    ),
    "mirror": (
        lambda: st.Rigid(3).from_matrix(st.scale_matrix(torch.tensor([[1.0, 1.0, -1.0]]))),
        "`matrix` is not a transformation of `Rigid",
    ),
    "quaternion": (lambda: st.rotation_matrix(torch.zeros(2, 4)), r"`angle` must have shape \(N,\), or \(N, 3\)"),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
