"""scipy.ndimage as an oracle: splines of order 0 to 5, in images and volumes, every mode that both have."""

import numpy as np
import pytest
import torch
from scipy import ndimage

import spatial_transformer as st
from spatial_transformer import converters, testing
from spatial_transformer.kernels import BSpline

ATOL = testing.TOLERANCES[torch.float64]
SIZES = {2: ((17, 11), (13, 19)), 3: ((7, 9, 6), (8, 5, 10))}
# Long enough for scipy's mode "reflect": the first coefficient of an axis of n pixels is off by |pole|^(2n - 1), which
# is 1e-5 with 6 pixels and order 5; the spline then misses the pixels it is made from.
LONG = {2: (17, 16), 3: (16, 18, 17)}
POLES = {2: 0.172, 3: 0.268, 4: 0.362, 5: 0.431}  # the largest of a spline, by order
MODES = {
    "zeros": "grid-constant",
    0.5: "grid-constant",
    "border": "nearest",
    "reflection": "reflect",
    "wrap": "grid-wrap",
}


def options(padding, order):
    return {"mode": MODES[padding], "cval": padding if isinstance(padding, float) else 0.0, "order": order}


def same_values(ours, theirs, atol=ATOL):
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=atol)


def one_image(size):
    return testing.random_image(size, batch=1, channels=1, dtype=torch.float64)


@pytest.mark.parametrize("padding", MODES, ids=str)
@pytest.mark.parametrize("order", [0, 1])
def test_our_matrix_in_scipy(dims, order, padding):
    source, target = SIZES[dims]
    image, family = one_image(source), st.Affine(dims)
    theta = testing.random_theta(family, batch=1, spread=0.3)
    matrix = converters.to_scipy(family.matrix(theta), source, target)[0].numpy()
    ours = st.warp(image, family, theta, target, mode=("nearest", "bilinear")[order], padding=padding)
    picture = image[0, 0].numpy()
    same_values(ours[0, 0], ndimage.affine_transform(picture, matrix, output_shape=target, **options(padding, order)))
    apart = ndimage.affine_transform(
        picture, matrix[:-1, :-1], matrix[:-1, -1], output_shape=target, **options(padding, order)
    )
    same_values(ours[0, 0], apart)


def test_a_matrix_of_scipy_here(dims):
    source, target = SIZES[dims]
    image = one_image(source)
    theirs = np.eye(dims + 1) + 0.2 * np.random.default_rng(0).standard_normal((dims + 1, dims + 1))
    theirs[-1] = np.eye(dims + 1)[-1]
    expected = ndimage.affine_transform(image[0, 0].numpy(), theirs, output_shape=target, **options("border", 1))
    family = st.Affine(dims)
    theta = family.from_matrix(converters.from_scipy(torch.as_tensor(theirs)[None], source, target))
    same_values(st.warp(image, family, theta, target, padding="border")[0, 0], expected)


def read_by_both(dims, mode, padding, order, reach):
    """Values at positions up to `reach` half-widths from the centre, some of them whole."""
    pixels = st.normalised_to_pixel(testing.random_points(dims, 200, spread=reach), LONG[dims])  # (200, D), x first
    pixels = torch.cat([pixels, pixels[:20].round()])
    image = one_image(LONG[dims])
    ours = st.sample(image, st.pixel_to_normalised(pixels, LONG[dims])[None], mode=mode, padding=padding)[0, 0]
    return ours, ndimage.map_coordinates(image[0, 0].numpy(), pixels.flip(-1).T.numpy(), **options(padding, order))


@pytest.mark.parametrize("padding", MODES, ids=str)
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_map_coordinates(dims, mode, padding):
    same_values(*read_by_both(dims, mode, padding, ("nearest", "bilinear").index(mode), reach=3))


@pytest.mark.parametrize("padding", ["reflection", "wrap"])
@pytest.mark.parametrize("order", range(6))
def test_splines_of_an_image_that_goes_on_for_ever(dims, order, padding):
    same_values(*read_by_both(dims, BSpline(order), padding, order, reach=3))


@pytest.mark.parametrize("padding", ["zeros", 0.5, "border"], ids=str)
@pytest.mark.parametrize("order", POLES)
def test_splines_of_an_image_with_an_outside(dims, order, padding):
    # scipy surrounds the image by 12 pixels and mirrors at their end, where this library goes on. Points up to 4.5
    # pixels outside are more than 7 pixels from there, and the mirrored ones 7 further.
    same_values(*read_by_both(dims, BSpline(order), padding, order, reach=1.5), max(ATOL, POLES[order] ** 14))


def test_the_name_bspline3_is_the_cubic_spline(dims):
    same_values(*read_by_both(dims, "bspline3", "reflection", 3, reach=3))
