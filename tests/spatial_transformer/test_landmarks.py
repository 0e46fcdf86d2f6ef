"""Landmarks: exact fits, from algebra and NumPy."""

import math

import numpy as np
import pytest
import torch
from skimage import transform

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


@pytest.mark.parametrize("kind", [st.Rigid, st.Similarity], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("seed", range(3))
def test_landmarks_of_a_mirror_image_are_turned_and_never_mirrored(dims, kind, seed):
    points = testing.random_points(dims, 1, 7, seed=seed)
    mirrored = points * torch.tensor([-1.0] + [1.0] * (dims - 1))
    matrix = kind(dims).matrix(st.fit_points(kind(dims), points, mirrored))[0]
    assert torch.linalg.det(matrix) > 0
    expected = transform.estimate_transform(  # Umeyama's, which does not mirror either
        "euclidean" if kind is st.Rigid else "similarity", points[0].numpy(), mirrored[0].numpy()
    )
    np.testing.assert_allclose(matrix.numpy(), expected.params, atol=1e-9)
    mirror = st.fit_points(st.Affine(dims), points, mirrored)
    torch.testing.assert_close(st.Affine(dims).points(mirror, points), mirrored, rtol=0, atol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_what_landmarks_on_a_line_or_too_few_leave_open_stays_as_it_is(dims, count):
    at = torch.linspace(-0.8, 0.7, count, dtype=torch.float64)[:, None] * torch.arange(1.0, dims + 1) + 0.1
    to = testing.random_points(dims, count)
    rows = np.c_[at.numpy(), np.ones(count)]
    least = np.linalg.lstsq(rows, (to - at).numpy(), rcond=None)[0]  # the smallest change of least distance
    expected = np.eye(dims, dims + 1) + least.T
    theta = st.fit_points(st.Affine(dims), at[None], to[None])
    np.testing.assert_allclose(theta[0].numpy(), expected.ravel(), atol=1e-9)


@pytest.mark.parametrize("kind", [st.Rigid, st.Similarity], ids=lambda kind: kind.__name__)
def test_landmarks_on_a_line_are_turned_by_the_smallest_angle(dims, kind):
    line = torch.linspace(-0.6, 0.9, 4, dtype=torch.float64)[:, None]
    along = torch.nn.functional.normalize(testing.random_points(dims, 2, seed=3), dim=1)  # two directions
    theta = st.fit_points(kind(dims), (line * along[0])[None], (line * along[1] + 0.2)[None])
    matrix = kind(dims).matrix(theta)[0]
    np.testing.assert_allclose(matrix[:-1, :-1] @ along[0], along[1], atol=1e-9)
    np.testing.assert_allclose(matrix[:-1, -1], 0.2, atol=1e-9)
    turn = torch.arccos((torch.trace(matrix[:-1, :-1]) - (dims - 2)) / 2)
    assert turn.item() == pytest.approx(torch.arccos(along[0] @ along[1]).item(), abs=1e-6)


@pytest.mark.parametrize("family", [st.Rigid(), st.Similarity(3), st.Affine(), st.Projective(), st.BSpline()], ids=str)
def test_landmarks_in_one_place_are_moved_there(family):
    point = torch.full((2, 3, family.dims), 0.25)
    theta, residual = st.fit_points(family, point, point - 0.5, return_residual=True)
    assert theta.isfinite().all()
    assert residual.max() < 1e-6


POINTS = torch.rand(2, 4, 2)
MISSING = POINTS.masked_fill(torch.arange(4)[:, None] == 3, math.nan)
BAD_LANDMARKS = {
    r"`target` must hold at least one point for each image; got \(2, 0, 2\).*family.identity": (POINTS[:, :0],) * 2,
    r"`source` must hold points \(N, K, 2\), x first; got \(4, 2\).*`source\[None\]`": (POINTS, POINTS[0]),
    r"`target` .* \(N, K, 2\), x first; got \(2, 4, 3\)": (torch.rand(2, 4, 3), torch.rand(2, 4, 3)),
    r"`target` and `source` must have one shape.* got \(2, 4, 2\) and \(2, 3, 2\). Leave out": (POINTS, POINTS[:, 1:]),
    r"`source` must hold finite points; got \[nan, nan\] at \[0, 3\]. Leave out": (POINTS, MISSING),
}


@pytest.mark.parametrize("message", BAD_LANDMARKS)
def test_bad_landmarks_are_named(message):
    with pytest.raises(ValueError, match=message):
        st.fit_points(st.Affine(), *BAD_LANDMARKS[message])
    with pytest.raises(TypeError, match=r"`target` must be a torch.Tensor; got ndarray. Wrap it"):
        st.fit_points(st.Affine(), POINTS.numpy(), POINTS)


def test_a_spline_whose_points_nearly_coincide_is_as_exact_in_float32():
    control = torch.tensor([[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9], [0, 0], [1e-3, 0]], dtype=torch.float64)
    family = st.ThinPlateSpline(control)
    theta = family.identity(1, dtype=torch.float64) + 0.05 * testing.random_points(2, 1, 6).flatten(1)
    theta[0, -2:] = theta[0, -4:-2] + torch.tensor([1e-3, 0])
    theta = theta.float()
    apart = family.grid(theta, (64, 64)) - family.grid(theta.double(), (64, 64))
    assert apart.abs().max() * 128 < 0.05


@pytest.mark.parametrize("off", [1e-2, 1e-3, 1e-4, 1e-5])
@pytest.mark.parametrize("read", ["points", "grid"])
def test_a_spline_whose_points_nearly_lie_on_a_line_is_as_exact_in_float32_or_asks_for_float64(off, read):
    """Right is what float64 makes of the same theta before it was rounded."""
    along = torch.linspace(-1, 1, 5, dtype=torch.float64)
    control = torch.stack([along, off * torch.tensor([0, 1.0, 0, -1, 0])], dim=1)
    family = st.ThinPlateSpline(control)
    theta = control.reshape(1, -1) + 0.1 * testing.random_points(2, 5, seed=2).reshape(1, -1)

    def warped(theta):
        at = st.target_points((32, 32), dtype=theta.dtype)
        return family.points(theta, at) if read == "points" else family.grid(theta, (32, 32))

    if off < 1e-3:
        with pytest.raises(
            ValueError, match=r"`theta` must be float64 .*; got float32, .* pixels .*`theta.double\(\)`"
        ):
            warped(theta.float())
        assert warped(theta).isfinite().all()
        return
    assert (warped(theta.float()) - warped(theta)).abs().max() * 128 < 0.05


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
