"""Elementary matrices, to be multiplied and given to a family."""

import cv2
import numpy as np
import pytest
import torch

import spatial_transformer as st
from spatial_transformer import testing


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=0, atol=testing.TOLERANCES[torch.float64])


def test_rotation_turns_x_towards_y():
    quarter = st.rotation_matrix(torch.tensor([torch.pi / 2], dtype=torch.float64))
    x_axis = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)
    close(quarter @ x_axis, torch.tensor([[0.0, 1.0, 1.0]], dtype=torch.float64))


def test_rotations_add_up():
    angle = torch.tensor([0.3, -1.2], dtype=torch.float64)
    close(st.rotation_matrix(angle) @ st.rotation_matrix(angle), st.rotation_matrix(2 * angle))


@pytest.mark.parametrize("row", [[2.0, 3.0], [2.0, 3.0, 4.0]], ids=["2D", "3D"])
def test_scale_and_translation_act_on_their_own_axis(row):
    row = torch.tensor([row])
    point = torch.tensor([*[1.0, 10.0, 100.0][: row.shape[1]], 1.0])
    assert (st.scale_matrix(row) @ point)[:, :-1].tolist() == (row * point[:-1]).tolist()
    assert (st.translation_matrix(row) @ point)[:, :-1].tolist() == (row + point[:-1]).tolist()
    assert (st.scale_matrix(row) @ point)[0, -1] == (st.translation_matrix(row) @ point)[0, -1] == 1


def test_products_become_a_theta():
    angle, factor = torch.full((3,), 0.3), torch.tensor([[2.0, 0.5]]).expand(3, -1)
    matrix = st.translation_matrix(factor) @ st.rotation_matrix(angle) @ st.scale_matrix(factor)
    theta = st.Affine().from_matrix(matrix)
    assert theta.shape == (3, 6)
    assert torch.equal(st.Affine().matrix(theta), matrix)


def test_perspective_agrees_with_opencv():
    start = testing.random_theta(st.ThinPlateSpline((2, 2)), batch=3).unflatten(1, (4, 2))
    end = testing.random_theta(st.ThinPlateSpline((2, 2)), batch=3, seed=1).unflatten(1, (4, 2))
    matrices = st.perspective_matrix(start, end)
    for matrix, before, after in zip(matrices, start, end, strict=True):
        # OpenCV takes float32 corners, and solves in float64.
        expected = cv2.getPerspectiveTransform(before.float().numpy(), after.float().numpy())
        np.testing.assert_allclose(matrix.numpy(), expected, rtol=0, atol=1e-5)


def test_perspective_takes_the_four_points_where_asked():
    start = testing.random_theta(st.ThinPlateSpline((2, 2)), batch=3).unflatten(1, (4, 2))
    end = testing.random_theta(st.ThinPlateSpline((2, 2)), batch=3, seed=1).unflatten(1, (4, 2))
    family = st.Projective()
    close(family.points(family.from_matrix(st.perspective_matrix(start, end)), start[:, None])[:, 0], end)


def test_a_rotation_about_z_is_that_of_the_plane_and_the_others_follow_in_turn():
    angle = torch.tensor([0.4, -2.0], dtype=torch.float64)
    plane = st.rotation_matrix(angle)
    for axis in range(3):
        space = st.rotation_matrix(angle[:, None] * torch.eye(3, dtype=torch.float64)[axis])
        first, second = (axis + 1) % 3, (axis + 2) % 3
        close(space[:, [first, second]][:, :, [first, second]], plane[:, :2, :2])
        close(space[:, axis, axis], torch.ones(2, dtype=torch.float64))
        close(space[:, 3], torch.tensor([[0.0, 0, 0, 1]] * 2, dtype=torch.float64))


def test_perspective_of_points_on_a_line_is_refused():
    line = torch.tensor([[[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [0.0, 1.0]]])
    with pytest.raises(torch.linalg.LinAlgError):
        st.perspective_matrix(line, line)


@pytest.mark.parametrize(
    "build", [st.rotation_matrix, st.scale_matrix, st.translation_matrix], ids=lambda f: f.__name__
)
def test_matrices_are_differentiable(build):
    shape = (2,) if build is st.rotation_matrix else (2, 3)
    values = torch.linspace(0.5, 1, 2 * len(shape) * (3 if len(shape) == 2 else 1), dtype=torch.float64)
    values = values[: torch.Size(shape).numel()].reshape(shape).requires_grad_()
    assert torch.autograd.gradcheck(build, values)


def test_matrices_of_an_empty_batch_are_empty():
    assert st.rotation_matrix(torch.zeros(0)).shape == (0, 3, 3)
    assert st.rotation_matrix(torch.zeros(0, 3)).shape == (0, 4, 4)
    assert st.scale_matrix(torch.zeros(0, 3)).shape == (0, 4, 4)
    assert st.translation_matrix(torch.zeros(0, 2)).shape == (0, 3, 3)
