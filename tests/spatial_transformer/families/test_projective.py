"""Homographies: agreement with OpenCV, and the horizon."""

import cv2
import numpy as np
import pytest
import torch

import spatial_transformer as st
from spatial_transformer import testing

IMAGE, OUTPUT = (17, 11), (13, 19)
THETA = torch.tensor([[0.9, 0.2, 0.1, -0.15, 1.1, -0.05, 0.2, -0.1]], dtype=torch.float64)
READ = {"nearest": cv2.INTER_NEAREST, "bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}
BORDER = {"border": cv2.BORDER_REPLICATE, "reflection": cv2.BORDER_REFLECT, "wrap": cv2.BORDER_WRAP}


def pixels_to_pixels(matrix, source, target):
    """The homography in normalised coordinates as the one that takes pixels of the target to pixels of the source."""

    def to_pixels(size):
        return np.array([[size[1] / 2, 0, (size[1] - 1) / 2], [0, size[0] / 2, (size[0] - 1) / 2], [0, 0, 1]])

    return to_pixels(source) @ matrix.numpy() @ np.linalg.inv(to_pixels(target))


def test_warp_agrees_with_opencv(mode, padding):
    family = st.Projective()
    image = testing.random_image(IMAGE, batch=1, channels=1)
    expected = cv2.warpPerspective(
        image[0, 0].numpy(),
        pixels_to_pixels(family.matrix(THETA)[0], IMAGE, OUTPUT),
        OUTPUT[::-1],
        flags=READ[mode] | cv2.WARP_INVERSE_MAP,
        borderMode=BORDER.get(padding, cv2.BORDER_CONSTANT),
        borderValue=0.0 if isinstance(padding, str) else padding,
    )
    warped = st.warp(image, family, THETA, OUTPUT, mode=mode, padding=padding)
    # OpenCV computes positions in float32; before version 5 it rounded them to 1/32 of a pixel.
    np.testing.assert_allclose(warped[0, 0].numpy(), expected, rtol=0, atol=1e-4)


def test_an_affine_homography_is_the_affine_warp(dims):
    affine = testing.random_theta(st.Affine(dims))
    theta = st.Projective(dims).from_matrix(st.Affine(dims).matrix(affine))
    points = testing.random_points(dims, 2, 5)
    torch.testing.assert_close(st.Projective(dims).points(theta, points), st.Affine(dims).points(affine, points))


def turned_away(dims):
    """A homography whose horizon is x = 0.5, and points in front of it, on it and behind it."""
    theta = st.Projective(dims).identity(1, dtype=torch.float64)
    theta[0, -dims] = -2  # the weight of a point is 1 - 2 x
    points = torch.zeros(1, 4, dims, dtype=torch.float64)
    points[0, :, 0] = torch.tensor([-0.25, 0.5, 0.75, 1e30])
    return theta, points


@pytest.mark.pairwise
@pytest.mark.parametrize("padding", ["zeros", 0.5], ids=str)
def test_points_behind_the_horizon_read_as_padding(dims, mode, padding):
    theta, points = turned_away(dims)
    image = testing.random_image((5, 4, 3)[-dims:], channels=1, batch=1, dtype=torch.float64) + 1
    read = st.sample(image, st.Projective(dims).points(theta, points), mode=mode, padding=padding)
    fill = 0 if padding == "zeros" else padding
    assert (read[..., 1:] == fill).all()
    assert (read[..., 0] != fill).all()


@pytest.mark.pairwise
def test_points_behind_the_horizon_give_no_nan(dims, mode, padding):
    theta, points = turned_away(dims)
    for dtype in (torch.float32, torch.float64):
        image = testing.random_image((5, 4, 3)[-dims:], channels=1, batch=1, dtype=dtype).requires_grad_()
        leaf, at = theta.to(dtype).requires_grad_(), points.to(dtype).requires_grad_()
        read = st.sample(image, st.Projective(dims).points(leaf, at), mode=mode, padding=padding)
        assert read.isfinite().all()
        for gradient in torch.autograd.grad(read.sum(), (image, leaf, at)):
            assert gradient.isfinite().all()


def test_points_behind_the_horizon_are_finite_and_outside(dims):
    theta, points = turned_away(dims)
    mapped = st.Projective(dims).points(theta, points)
    assert mapped.isfinite().all()
    assert (mapped[0, 1:].abs() > 1000).all()
    assert mapped[0, 0].tolist() == pytest.approx([-0.25 / 1.5] + [0] * (dims - 1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1.0, -1.0, 1e6])
@pytest.mark.parametrize("rows", [8, 12, 18])
def test_a_horizon_across_the_target_is_warped_as_opencv_does(rows, scale, dtype):
    matrix = scale * np.array([[1.0, 0, 0], [0, 1, 0], [0, 0.1, 1]])  # the target's horizon is row 10
    expected = cv2.warpPerspective(np.ones((4, 4), np.float32), matrix, (4, rows))
    normalised = st.converters.from_opencv(torch.tensor(matrix, dtype=dtype)[None], (4, 4), (rows, 4))
    theta = st.Projective().from_matrix(normalised)
    warped = st.warp(torch.ones(1, 1, 4, 4, dtype=dtype), st.Projective(), theta, (rows, 4))
    np.testing.assert_allclose(warped[0, 0].numpy(), expected, rtol=0, atol=1e-4)
    assert expected.sum() == pytest.approx(10.917, abs=1e-3)


def test_the_matrix_whose_centre_sees_nothing_is_named():
    matrices = torch.eye(3).repeat(3, 1, 1)
    matrices[1, 2, 1] = 0.1
    beyond = st.converters.from_opencv(matrices, (4, 4), (24, 4))
    with pytest.raises(ValueError, match=r"`matrix\[1\]` cannot be held by `Projective.*beyond the horizon"):
        st.Projective().from_matrix(beyond)
