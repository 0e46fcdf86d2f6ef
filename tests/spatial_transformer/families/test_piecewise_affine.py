"""Piecewise affine meshes: agreement with scikit-image, the pieces, their continuity, what lies outside."""

import itertools

import numpy as np
import pytest
import torch
from skimage.transform import PiecewiseAffineTransform, ProjectiveTransform

import spatial_transformer as st
from spatial_transformer import testing

ATOL = testing.TOLERANCES[torch.float64]
controls = pytest.mark.parametrize("control", [(4, 4), (2, 2), (3, 5), (2, 3, 4)], ids=str)


def close(actual, expected, atol=ATOL):
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol)


def vertices(family):
    return family.identity(1, dtype=torch.float64)[0].unflatten(0, (-1, family.dims))  # (K, D)


@pytest.mark.parametrize("control", [(4, 4), (2, 2), (3, 5)], ids=str)
def test_points_agree_with_scikit_image(control):
    # scikit-image chooses its own triangles. A shear makes our diagonals the short ones, so that it chooses the same.
    family = st.PiecewiseAffine(control)
    theta, points = testing.random_theta(family, batch=1), testing.random_points(2, 200)
    shear = np.diag([control[1] - 1, control[0] - 1]) @ np.array([[1, -0.5], [-0.5, 1]])
    oracle = PiecewiseAffineTransform.from_estimate(
        vertices(family).numpy() @ shear, theta[0].unflatten(0, (-1, 2)).numpy()
    )
    expected = oracle(points.numpy() @ shear)
    triangles = np.sort(oracle._tesselation.simplices, axis=1)
    assert {tuple(triangle) for triangle in triangles} == set(triangles_of(control))
    np.testing.assert_allclose(family.points(theta, points)[0], expected, rtol=0, atol=1e-9)


def triangles_of(control):
    rows, columns = control
    for row, column in itertools.product(range(rows - 1), range(columns - 1)):
        corner = row * columns + column
        yield corner, corner + 1, corner + columns + 1
        yield corner, corner + columns, corner + columns + 1


@controls
def test_each_simplex_has_the_affine_map_of_its_corners(control):
    family = st.PiecewiseAffine(control)
    theta = testing.random_theta(family, batch=1)
    corner_of = torch.arange(len(vertices(family))).reshape(control)
    weights = torch.rand(6, family.dims + 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weights = weights / weights.sum(dim=1, keepdim=True)
    for cell in itertools.product(*(range(length - 1) for length in control)):
        for order in itertools.permutations(range(family.dims)):
            at, corners = list(cell), [corner_of[cell]]
            for axis in order:
                at[axis] += 1
                corners.append(corner_of[tuple(at)])
            chosen = torch.stack(corners)
            expected = weights @ theta[0].unflatten(0, (-1, family.dims))[chosen]
            close(family.points(theta, weights @ vertices(family)[chosen])[0], expected)


@controls
def test_vertices_arrive_where_theta_says(control):
    family = st.PiecewiseAffine(control)
    theta = testing.random_theta(family, batch=3)
    close(family.points(theta, vertices(family)[None]), theta.unflatten(1, (-1, family.dims)))


@controls
def test_an_affine_move_of_the_vertices_is_that_affine_warp_everywhere(control):
    family, affine = st.PiecewiseAffine(control), st.Affine(len(control))
    moved = testing.random_theta(affine)
    theta = affine.points(moved, vertices(family)[None]).flatten(1)
    points = testing.random_points(family.dims, 1, 40, spread=3)
    close(family.points(theta, points), affine.points(moved, points))


@controls
def test_the_warp_is_continuous_one_ring_beyond_the_image(control):
    family = st.PiecewiseAffine(control)
    theta = testing.random_theta(family, batch=1)
    spacing = torch.tensor([2 / (length - 1) for length in reversed(control)], dtype=torch.float64)
    start = testing.random_points(family.dims, 200) * (1 + spacing)
    ahead = testing.random_points(family.dims, 200, seed=1) * (1 + spacing)
    walk = start + torch.linspace(0, 1, 2000, dtype=torch.float64)[:, None, None] * (ahead - start)
    jumps = family.points(theta, walk[None]).diff(dim=1).norm(dim=-1)
    steps = walk.diff(dim=0).norm(dim=-1)
    assert (jumps <= 10 * steps + ATOL).all()


def test_a_square_with_one_corner_moved_has_two_pieces():
    family = st.PiecewiseAffine((2, 2))
    theta = family.identity(1, dtype=torch.float64)
    theta[0, 2:4] += 0.5  # the upper right corner
    jacobian = family.jacobian(theta, torch.tensor([[0.5, -0.5], [-0.5, 0.5]], dtype=torch.float64))[0]
    close(jacobian[0], torch.tensor([[1.25, -0.25], [0.25, 0.75]], dtype=torch.float64))
    close(jacobian[1], torch.eye(2, dtype=torch.float64))


def test_a_warped_image_agrees_with_scikit_image_where_a_homography_makes_the_mesh():
    # A finer and finer mesh on a homography approaches it: an oracle in which no triangle is chosen.
    homography = np.array([[1.0, 0.1, 0.05], [-0.05, 0.9, 0.0], [0.1, -0.05, 1.0]])
    oracle, points = ProjectiveTransform(homography), testing.random_points(2, 50)
    errors = []
    for length in (5, 17):
        family = st.PiecewiseAffine((length, length))
        theta = torch.from_numpy(oracle(vertices(family).numpy())).flatten()[None]
        errors.append((family.points(theta, points)[0] - torch.from_numpy(oracle(points.numpy()))).abs().max().item())
    assert errors[1] < errors[0] / 10
    assert errors[1] < 1e-3
