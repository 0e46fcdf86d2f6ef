"""OpenCV as an oracle: `warpAffine`, `warpPerspective`, `remap`, every border that both have."""

import cv2
import numpy as np
import pytest
import torch

import spatial_transformer as st
from spatial_transformer import converters, testing
from spatial_transformer.kernels import Lanczos

SOURCE, TARGET = (17, 11), (13, 19)
# OpenCV computes positions in float32 from our matrix in another order; a slope of white noise is up to 1 per pixel,
# twice that for bicubic.
ATOL = 5e-6
# For float32 images. With other dtypes OpenCV rounds positions to 1/32 pixel.
KERNELS = {"nearest": cv2.INTER_NEAREST, "bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}
BORDERS = {
    "zeros": cv2.BORDER_CONSTANT,
    0.5: cv2.BORDER_CONSTANT,
    "border": cv2.BORDER_REPLICATE,
    "reflection": cv2.BORDER_REFLECT,
    "wrap": cv2.BORDER_WRAP,
}
WARPS = {"affine": st.Affine(), "perspective": st.Projective()}


def border(padding):
    return {"borderMode": BORDERS[padding], "borderValue": (padding if isinstance(padding, float) else 0.0,) * 4}


def random_warp(name):
    return WARPS[name], testing.random_theta(WARPS[name], batch=1, spread=0.3)


def pictures():
    image = testing.random_image(SOURCE, batch=1)
    return image, np.ascontiguousarray(image[0].permute(1, 2, 0).numpy())  # (1, 3, H, W), (H, W, 3)


def opencv_warp(name, picture, matrix, flags, padding):
    if name == "affine":
        return cv2.warpAffine(picture, matrix[:2], TARGET[::-1], flags=flags, **border(padding))
    return cv2.warpPerspective(picture, matrix, TARGET[::-1], flags=flags, **border(padding))


def same_picture(ours, theirs, atol=ATOL):
    np.testing.assert_allclose(ours[0].permute(1, 2, 0).numpy(), theirs, rtol=0, atol=atol)


@pytest.mark.parametrize("padding", BORDERS, ids=str)
@pytest.mark.parametrize("mode", KERNELS)
@pytest.mark.parametrize("name", WARPS)
def test_our_matrix_in_opencv(name, mode, padding):
    family, theta = random_warp(name)
    image, picture = pictures()
    ours = st.warp(image, family, theta.float(), TARGET, mode=mode, padding=padding)
    matrix = family.matrix(theta)
    forward = converters.to_opencv(matrix, SOURCE, TARGET)[0].numpy()
    same_picture(ours, opencv_warp(name, picture, forward, KERNELS[mode], padding))
    inverse = converters.to_pixel_matrix(matrix, SOURCE, TARGET)[0].numpy()
    same_picture(ours, opencv_warp(name, picture, inverse, KERNELS[mode] | cv2.WARP_INVERSE_MAP, padding))


def test_a_rotation_matrix_of_opencv_here():
    image, picture = pictures()
    theirs = cv2.getRotationMatrix2D((4.0, 9.0), 30, 1.2)  # (2, 3), float64
    expected = cv2.warpAffine(picture, theirs, TARGET[::-1], flags=cv2.INTER_LINEAR)
    theta = st.Affine().from_matrix(converters.from_opencv(torch.as_tensor(theirs)[None], SOURCE, TARGET))
    same_picture(st.warp(image, st.Affine(), theta.float(), TARGET), expected)


def test_a_perspective_transform_of_opencv_here():
    image, picture = pictures()
    corners = np.array([[0, 0], [10, 0], [10, 16], [0, 16]], dtype=np.float32)
    moved = np.array([[2, 1], [17, 0], [14, 11], [1, 12]], dtype=np.float32)
    theirs = cv2.getPerspectiveTransform(corners, moved)  # (3, 3), float64
    expected = cv2.warpPerspective(picture, theirs, TARGET[::-1], flags=cv2.INTER_LINEAR)
    theta = st.Projective().from_matrix(converters.from_opencv(torch.as_tensor(theirs)[None], SOURCE, TARGET))
    same_picture(st.warp(image, st.Projective(), theta.float(), TARGET), expected)


def positions(step):
    """(H, W, 2) float32 positions in pixels, multiples of `step`, in and around the image."""
    points = st.normalised_to_pixel(testing.random_points(2, *TARGET, spread=1.6), SOURCE)
    return ((points / step).round() * step).float()


def remap(picture, pixels, kernel, padding):
    x, y = np.ascontiguousarray(pixels.numpy().transpose(2, 0, 1))
    return cv2.remap(picture, x, y, kernel, **border(padding))


@pytest.mark.parametrize("padding", BORDERS, ids=str)
@pytest.mark.parametrize("mode", KERNELS)
def test_remap(mode, padding):
    image, picture = pictures()
    # float32 positions with steps fine enough to be arbitrary, yet never half-way between two pixels: there `nearest`
    # is a matter of taste.
    pixels = positions(1 / 1000 + 1e-7)
    points = st.pixel_to_normalised(pixels.double(), SOURCE)[None]
    ours = st.sample(image.double(), points, mode=mode, padding=padding)
    same_picture(ours, remap(picture, pixels, KERNELS[mode], padding))


@pytest.mark.parametrize("padding", BORDERS, ids=str)
def test_remap_with_lanczos(padding):
    # OpenCV looks Lanczos weights up in a table with steps of 1/32 pixel, so positions are multiples of that.
    image, picture = pictures()
    pixels = positions(1 / 32)
    points = st.pixel_to_normalised(pixels.double(), SOURCE)[None]
    ours = st.sample(image.double(), points, mode=Lanczos(4), padding=padding)
    same_picture(ours, remap(picture, pixels, cv2.INTER_LANCZOS4, padding))
