"""scikit-image as an oracle: `warp` with matrices, orders 0, 1 and 3."""

import numpy as np
import pytest
import torch
from skimage import transform

import spatial_transformer as st
from spatial_transformer import converters, testing
from spatial_transformer.kernels import Cubic

SOURCE, TARGET = (17, 11), (13, 19)
ATOL = testing.TOLERANCES[torch.float64]
# Order 3 is Keys's kernel with a = -0.5, not the spline of that order.
KERNELS = {0: "nearest", 1: "bilinear", 3: Cubic(-0.5)}
MODES = {"zeros": "constant", 0.5: "constant", "border": "edge", "reflection": "symmetric", "wrap": "wrap"}
FAMILIES = [st.Affine(), st.Projective()]


def same_picture(ours, theirs):
    np.testing.assert_allclose(ours[0, 0].numpy(), theirs, rtol=0, atol=ATOL)


def one_image():
    return testing.random_image(SOURCE, batch=1, channels=1, dtype=torch.float64)


@pytest.mark.parametrize("padding", MODES, ids=str)
@pytest.mark.parametrize("order", KERNELS)
@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_our_matrix_in_scikit_image(family, order, padding):
    image, theta = one_image(), testing.random_theta(family, batch=1, spread=0.3)
    ours = st.warp(image, family, theta, TARGET, mode=KERNELS[order], padding=padding)
    inverse_map = converters.to_skimage(family.matrix(theta), SOURCE, TARGET)[0].numpy()
    cval = padding if isinstance(padding, float) else 0.0
    options = {"output_shape": TARGET, "order": order, "mode": MODES[padding], "cval": cval, "clip": False}
    same_picture(ours, transform.warp(image[0, 0].numpy(), inverse_map, **options))
    same_picture(ours, transform.warp(image[0, 0].numpy(), transform.ProjectiveTransform(inverse_map), **options))


@pytest.mark.parametrize(
    ("family", "theirs"),
    [
        (st.Affine(), transform.AffineTransform(rotation=0.4, shear=0.2, scale=(1.2, 0.7), translation=(2, -3))),
        (st.Projective(), transform.ProjectiveTransform(np.array([[1.1, 0.2, -3], [0.1, 0.8, 1], [0.01, 0.02, 1]]))),
    ],
    ids=["AffineTransform", "ProjectiveTransform"],
)
def test_a_transform_of_scikit_image_here(family, theirs):
    image = one_image()
    params = torch.as_tensor(theirs.inverse.params)[None]
    theta = family.from_matrix(converters.from_skimage(params, SOURCE, TARGET))
    expected = transform.warp(image[0, 0].numpy(), theirs.inverse, output_shape=TARGET, order=1, mode="edge")
    same_picture(st.warp(image, family, theta, TARGET, padding="border"), expected)
