"""Kornia as an oracle: pixel matrices in `warp_affine` and `warp_perspective`, normalised ones in `homography_warp`."""

import pytest
import torch
from kornia.geometry import transform

import spatial_transformer as st
from spatial_transformer import converters, testing

ATOL = testing.TOLERANCES[torch.float64]
SIZES = {2: ((17, 11), (13, 19)), 3: ((7, 9, 6), (8, 5, 10))}
# With "reflection", align_corners=True mirrors about the centres of the border pixels, which no `padding` here does.
PADDINGS = {False: ("zeros", "border", "reflection"), True: ("zeros", "border")}
# In volumes Kornia 0.9 takes pixels to points as with align_corners=True whatever the flag.
CASES = [
    (dims, align_corners, padding)
    for dims, align_corners in ((2, False), (2, True), (3, True))
    for padding in PADDINGS[align_corners]
]


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=0, atol=ATOL)


def random_warp(family, padding="zeros"):
    source, target = SIZES[family.dims]
    image, theta = (
        testing.random_image(source, channels=1, dtype=torch.float64),
        testing.random_theta(family, spread=0.2),
    )
    return image, family.matrix(theta), st.warp(image, family, theta, target, padding=padding)


@pytest.mark.parametrize(("dims", "align_corners", "padding"), CASES)
def test_our_matrix_in_warp_affine(dims, align_corners, padding):
    image, matrix, ours = random_warp(st.Affine(dims), padding)
    theirs = converters.to_kornia(matrix, *SIZES[dims])[:, :-1]
    warp_affine = transform.warp_affine if dims == 2 else transform.warp_affine3d
    close(ours, warp_affine(image, theirs, SIZES[dims][1], padding_mode=padding, align_corners=align_corners))


@pytest.mark.parametrize(("dims", "align_corners", "padding"), CASES)
def test_our_matrix_in_warp_perspective(dims, align_corners, padding):
    image, matrix, ours = random_warp(st.Projective(dims), padding)
    theirs = converters.to_kornia(matrix, *SIZES[dims])
    if dims == 2:
        warped = transform.warp_perspective(
            image, theirs, SIZES[dims][1], padding_mode=padding, align_corners=align_corners
        )
    else:
        warped = transform.warp_perspective3d(
            image, theirs, SIZES[dims][1], border_mode=padding, align_corners=align_corners
        )
    close(ours, warped)


@pytest.mark.parametrize(("dims", "align_corners", "padding"), CASES)
def test_our_matrix_in_homography_warp(dims, align_corners, padding):
    image, matrix, ours = random_warp(st.Projective(dims), padding)
    theirs = converters.to_kornia_homography(matrix, *SIZES[dims], align_corners=align_corners)
    homography_warp = transform.homography_warp if dims == 2 else transform.homography_warp3d
    close(ours, homography_warp(image, theirs, SIZES[dims][1], padding_mode=padding, align_corners=align_corners))


def test_matrices_of_kornia_here():
    source, target = SIZES[2]
    image = testing.random_image(source, channels=1, dtype=torch.float64)
    start = torch.tensor([[[0, 0], [10, 0], [10, 16], [0, 16]]], dtype=torch.float64)
    end = torch.tensor([[[2, 1], [17, 0], [14, 11], [1, 12]]], dtype=torch.float64)
    theirs = transform.get_perspective_transform(start, end).expand(2, -1, -1)
    theta = st.Projective().from_matrix(converters.from_kornia(theirs, source, target))
    close(st.warp(image, st.Projective(), theta, target), transform.warp_perspective(image, theirs, target))


@pytest.mark.parametrize("align_corners", [False, True])
def test_a_normalised_homography_of_kornia_here(align_corners):
    source, target = SIZES[2]
    image, family = testing.random_image(source, channels=1, dtype=torch.float64), st.Projective()
    theirs = family.matrix(testing.random_theta(family, spread=0.2))
    matrix = converters.from_kornia_homography(theirs, source, target, align_corners=align_corners)
    expected = transform.homography_warp(image, theirs, target, align_corners=align_corners)
    close(st.warp(image, family, family.from_matrix(matrix), target), expected)
