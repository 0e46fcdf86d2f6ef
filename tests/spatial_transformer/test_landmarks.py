"""Landmarks: exact fits, from algebra and NumPy."""

import math

import numpy as np
import pytest
import torch

import spatial_transformer as st
from spatial_transformer import testing


@pytest.mark.parametrize("extent", [None, (640, 480)])
def test_half_a_turn(extent):
    family = st.Rigid(extent=extent)
    points = testing.random_points(2, 2, 4)
    theta, residual = st.fit_points(family, points, -points, return_residual=True)
    assert theta[:, 0].abs().tolist() == pytest.approx([math.pi] * 2)
    assert residual.max() < 1e-12


@pytest.mark.parametrize("seed", range(5))
def test_large_turns_in_space(seed):
    axis = torch.nn.functional.normalize(testing.random_points(3, 1, seed=seed), dim=1)
    truth = torch.cat([torch.full((1, 1), 0.7, dtype=axis.dtype), 2.6 * axis, 0.1 * axis], dim=1)
    family = st.Similarity(dims=3, extent=(4, 3, 2))
    points = testing.random_points(3, 1, 6, seed=seed)
    found = st.fit_points(family, points, family.points(truth, points))
    torch.testing.assert_close(found, truth, rtol=0, atol=1e-12)


def test_clustered_landmarks_agree_with_lstsq():
    at = 0.3 + 1e-3 * testing.random_points(2, 1, 6)
    to = testing.random_points(2, 1, 6, seed=1)
    rows = np.c_[at[0].numpy(), np.ones(6)]
    expected = np.linalg.lstsq(rows, to[0].numpy(), rcond=None)[0].T.ravel()
    np.testing.assert_allclose(st.fit_points(st.Affine(), at, to)[0].numpy(), expected, rtol=1e-9)


def test_a_homography_is_found_exactly(dims):
    family = st.Projective(dims)
    truth = testing.random_theta(family)
    points = testing.random_points(dims, 2, 9)
    torch.testing.assert_close(st.fit_points(family, points, family.points(truth, points)), truth, rtol=0, atol=1e-11)


def test_a_spline_whose_points_nearly_coincide_is_as_exact_in_float32():
    control = torch.tensor([[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9], [0, 0], [1e-3, 0]], dtype=torch.float64)
    family = st.ThinPlateSpline(control)
    theta = family.identity(1, dtype=torch.float64) + 0.05 * testing.random_points(2, 1, 6).flatten(1)
    theta[0, -2:] = theta[0, -4:-2] + torch.tensor([1e-3, 0])
    theta = theta.float()
    apart = family.grid(theta, (64, 64)) - family.grid(theta.double(), (64, 64))
    assert apart.abs().max() * 128 < 0.05


def test_a_homography_whose_centre_is_beyond_the_horizon_is_refused():
    beyond = torch.tensor([[[1.0, 0, 0], [0, 1, 0], [0, -0.1, 1]]])  # pixels, target to source: horizon at row 10
    matrix = st.converters.from_pixel_matrix(beyond, (4, 4), (24, 4))
    with pytest.raises(ValueError, match=r"`matrix\[0\]` cannot be held by `Projective.*beyond the horizon"):
        st.Projective().from_matrix(matrix)
    on = torch.eye(3)[None].clone()
    on[0, 2] = torch.tensor([1.0, 0, 0])
    with pytest.raises(ValueError, match=r"horizon passes through the centre"):
        st.Projective().from_matrix(torch.cat([torch.eye(3)[None], on])[1:])
    near = st.converters.from_pixel_matrix(beyond, (4, 4), (18, 4))
    torch.testing.assert_close(st.Projective().from_matrix(near), st.Projective().from_matrix(-near))


def test_a_signal_is_told_how_to_become_an_image():
    with pytest.raises(ValueError, match=r"one-dimensional signal .* image of height one"):
        st.sample(torch.rand(1, 1, 8), torch.zeros(1, 1, 2))
