"""PyTorch as an oracle: `affine_grid` and `grid_sample`, with both values of `align_corners`."""

import pytest
import torch
import torch.nn.functional as F

import spatial_transformer as st
from spatial_transformer import converters, testing

ATOL = testing.TOLERANCES[torch.float64]
SIZES = {2: ((17, 11), (13, 19)), 3: ((7, 9, 6), (8, 5, 10))}


def torch_warp(image, theta, target, align_corners, **options):
    grid = F.affine_grid(theta, [*image.shape[:2], *target], align_corners=align_corners)
    return F.grid_sample(image, grid, align_corners=align_corners, **options)


# With "reflection", align_corners=True mirrors about the centres of the border pixels, which no `padding` here does.
PADDINGS = {False: ("zeros", "border", "reflection"), True: ("zeros", "border")}


@pytest.mark.parametrize(("align_corners", "padding"), [(a, p) for a in PADDINGS for p in PADDINGS[a]])
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_our_matrix_in_torch(dims, mode, align_corners, padding):
    source, target = SIZES[dims]
    image, family = testing.random_image(source, channels=1, dtype=torch.float64), st.Affine(dims)
    theta = testing.random_theta(family, spread=0.3)
    theirs = converters.to_torch(family.matrix(theta), source, target, align_corners=align_corners)[:, :-1]
    ours = st.warp(image, family, theta, target, mode=mode, padding=padding)
    expected = torch_warp(image, theirs, target, align_corners, mode=mode, padding_mode=padding)
    torch.testing.assert_close(ours, expected, rtol=0, atol=ATOL)


@pytest.mark.parametrize("align_corners", [False, True])
def test_a_theta_of_torch_here(dims, align_corners):
    source, target = SIZES[dims]
    image, family = testing.random_image(source, channels=1, dtype=torch.float64), st.Affine(dims)
    theirs = testing.random_theta(family, spread=0.3).unflatten(1, (dims, dims + 1))
    theta = family.from_matrix(converters.from_torch(theirs, source, target, align_corners=align_corners))
    expected = torch_warp(image, theirs, target, align_corners)
    torch.testing.assert_close(st.warp(image, family, theta, target), expected, rtol=0, atol=ATOL)


@pytest.mark.filterwarnings("ignore:Since version 1.3.0, affine_grid behavior has changed for unit-size grids")
@pytest.mark.parametrize("align_corners", [False, True])
def test_one_pixel_outputs(dims, align_corners):
    source, target = SIZES[dims][0], (1,) * dims
    image, family = testing.random_image(source, channels=1, dtype=torch.float64), st.Affine(dims)
    theta = testing.random_theta(family, spread=0.3)
    theirs = converters.to_torch(family.matrix(theta), source, target, align_corners=align_corners)[:, :-1]
    expected = torch_warp(image, theirs, target, align_corners)
    torch.testing.assert_close(st.warp(image, family, theta, target), expected, rtol=0, atol=ATOL)
