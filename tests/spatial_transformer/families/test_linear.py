"""Families that are groups of matrices: formulas, composition, inverses."""

import math

import pytest
import torch
import torch.nn.functional as F

import spatial_transformer as st
from spatial_transformer import testing

ATOL = testing.TOLERANCES[torch.float64]


def close(actual, expected, atol=ATOL):
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol)


def row(*values):
    return torch.tensor([values], dtype=torch.float64)


@pytest.mark.parametrize("size", [(17, 11), (1, 7), (1, 1), (3, 4, 5), (1, 2, 1)], ids=str)
def test_affine_grid_agrees_with_torch(size):
    family = st.Affine(dims=len(size))
    theta = testing.random_theta(family, batch=3, spread=1).requires_grad_()
    expected = F.affine_grid(theta.unflatten(1, (family.dims, -1)), [3, 1, *size], align_corners=False)
    actual = family.grid(theta, size)
    close(actual, expected)
    cotangent = testing.random_points(family.dims, *actual.shape[:-1])
    close(*(torch.autograd.grad(grid, theta, cotangent)[0] for grid in (actual, expected)))


FORMULAS = [
    (st.Translation(), row(0.1, -0.2), [[1, 0, 0.1], [0, 1, -0.2]]),
    (st.Attention(), row(0.5, 0.1, -0.2), [[0.5, 0, 0.1], [0, 0.5, -0.2]]),
    (st.Attention(), row(-0.5, 0.1, -0.2), [[-0.5, 0, 0.1], [0, -0.5, -0.2]]),
    (st.Attention(dims=3), row(2, 0.1, 0.2, 0.3), [[2, 0, 0, 0.1], [0, 2, 0, 0.2], [0, 0, 2, 0.3]]),
    (st.Rigid(), row(math.pi / 6, 0.1, 0.2), [[math.sqrt(0.75), -0.5, 0.1], [0.5, math.sqrt(0.75), 0.2]]),
    (st.Similarity(), row(2, math.pi / 6, 0.1, 0.2), [[math.sqrt(3), -1, 0.1], [1, math.sqrt(3), 0.2]]),
    (st.Similarity(extent=(4, 2)), row(2, math.pi / 6, 0, 0), [[math.sqrt(3), -0.5, 0], [2, math.sqrt(3), 0]]),
    (st.Affine(), row(1, 2, 3, 4, 5, 6), [[1, 2, 3], [4, 5, 6]]),
    (st.Affine(dims=3), torch.arange(12.0, dtype=torch.float64)[None], torch.arange(12.0).reshape(3, 4).tolist()),
]


@pytest.mark.parametrize(
    ("family", "theta", "upper"), FORMULAS, ids=lambda value: str(value) if isinstance(value, st.Family) else ""
)
def test_theta_means_this_matrix(family, theta, upper):
    close(family.matrix(theta)[0, :-1], torch.tensor(upper, dtype=torch.float64))
    close(family.matrix(theta)[0, -1], torch.eye(family.dims + 1, dtype=torch.float64)[-1])


def test_points_are_multiplied_by_the_matrix(matrix_family):
    theta, points = testing.random_theta(matrix_family), testing.random_points(matrix_family.dims, 2, 5)
    homogeneous = torch.cat([points, torch.ones_like(points[..., :1])], dim=-1) @ matrix_family.matrix(theta).mT
    close(matrix_family.points(theta, points), homogeneous[..., :-1] / homogeneous[..., -1:])


def test_from_matrix_undoes_matrix(matrix_family):
    theta = testing.random_theta(matrix_family, batch=4)
    matrix = matrix_family.matrix(theta)
    close(matrix_family.from_matrix(matrix), theta)
    close(matrix_family.from_matrix(-3 * matrix), theta)  # homogeneous: the factor means nothing


def test_from_matrix_takes_matrices_without_their_last_row():
    upper = testing.random_theta(st.Affine()).unflatten(1, (2, 3))
    assert torch.equal(st.Affine().from_matrix(upper), upper.flatten(1))


def test_compose_applies_first_and_then_the_other(matrix_family):
    first, then = (testing.random_theta(matrix_family, seed=seed) for seed in (1, 2))
    points = testing.random_points(matrix_family.dims, 2, 6)
    one_after_the_other = matrix_family.points(then, matrix_family.points(first, points))
    close(matrix_family.points(matrix_family.compose(first, then), points), one_after_the_other)


def test_inverse_undoes(matrix_family):
    theta = testing.random_theta(matrix_family)
    points = testing.random_points(matrix_family.dims, 2, 6)
    inverse = matrix_family.inverse(theta)
    close(matrix_family.points(inverse, matrix_family.points(theta, points)), points)
    close(matrix_family.compose(theta, inverse), matrix_family.identity(2, dtype=torch.float64))
    close(matrix_family.inverse(inverse), theta)


def test_identity_is_the_unit_of_the_group(matrix_family):
    theta, identity = testing.random_theta(matrix_family), matrix_family.identity(2, dtype=torch.float64)
    close(matrix_family.compose(theta, identity), theta)
    close(matrix_family.compose(identity, theta), theta)
    close(matrix_family.inverse(identity), identity)


def test_group_operations_are_differentiable(matrix_family):
    first, then = (testing.random_theta(matrix_family, seed=seed).requires_grad_() for seed in (1, 2))
    assert torch.autograd.gradcheck(matrix_family.compose, (first, then), fast_mode=True)
    assert torch.autograd.gradcheck(matrix_family.inverse, first, fast_mode=True)
    matrix = matrix_family.matrix(first)
    assert torch.autograd.grad(matrix_family.from_matrix(matrix).sum(), first)[0].allclose(torch.ones_like(first))


def test_group_operations_of_an_empty_batch_are_empty(matrix_family):
    nothing = matrix_family.identity(0)
    matrix = matrix_family.matrix(nothing)
    for theta in (
        matrix_family.from_matrix(matrix),
        matrix_family.inverse(nothing),
        matrix_family.compose(nothing, nothing),
    ):
        assert theta.shape == nothing.shape


def test_one_theta_composes_with_many(matrix_family):
    one, many = testing.random_theta(matrix_family, batch=1), testing.random_theta(matrix_family, batch=3)
    close(matrix_family.compose(one, many), matrix_family.compose(one.expand(3, -1), many))


def test_compose_is_not_touched_by_autocast(matrix_family):
    theta = testing.random_theta(matrix_family, dtype=torch.float32)
    expected = matrix_family.compose(theta, theta), matrix_family.inverse(theta)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = matrix_family.compose(theta, theta), matrix_family.inverse(theta)
    assert torch.equal(actual[0], expected[0])
    assert torch.equal(actual[1], expected[1])


@pytest.mark.parametrize("family", [st.Rigid(extent=(640, 480)), st.Similarity(extent=(640, 480))], ids=str)
def test_right_angles_in_pixels_stay_right_with_extent(family):
    size = (480, 640)
    theta = testing.random_theta(family, batch=5, spread=0.5)
    corner = st.pixel_to_normalised(torch.tensor([[100.0, 100.0], [130.0, 100.0], [100.0, 160.0]]).double(), size)
    o, a, b = st.normalised_to_pixel(family.points(theta, corner), size).unbind(dim=1)  # (5, 2) each
    along, across = a - o, b - o
    scale = theta[:, 0].abs() if isinstance(family, st.Similarity) else torch.ones(5, dtype=torch.float64)
    close((along * across).sum(dim=-1), torch.zeros(5, dtype=torch.float64), atol=1e-9)  # pixels squared
    close(along.norm(dim=-1), 30 * scale, atol=1e-9)
    close(across.norm(dim=-1), 60 * scale, atol=1e-9)


def test_right_angles_in_pixels_need_the_extent():
    theta = row(0.3, 0.0, 0.0)
    size = (480, 640)
    corner = st.pixel_to_normalised(torch.tensor([[100.0, 100.0], [130.0, 100.0], [100.0, 160.0]]).double(), size)
    o, a, b = st.normalised_to_pixel(st.Rigid().points(theta, corner), size)[0]
    assert abs((a - o) @ (b - o)) > 100


def test_a_positive_angle_turns_the_grid_from_x_towards_y():
    x_axis = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    for family, theta in ((st.Rigid(), row(math.pi / 2, 0, 0)), (st.Similarity(), row(1, math.pi / 2, 0, 0))):
        close(family.points(theta, x_axis), torch.tensor([[[0.0, 1.0]]], dtype=torch.float64))
        close(family.from_matrix(st.rotation_matrix(theta[0, -3:-2])), theta)
