"""What users of other libraries reported, as far as it means something in our convention: none of it happens here."""

import math

import pytest
import torch

import spatial_transformer as st
from spatial_transformer import converters, testing

PADDINGS = ("zeros", "border", "reflection", "wrap", 0.5)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e20])
def test_pytorch_24823_nan_and_infinite_coordinates(dims, mode, value):
    # There: NaN in images, 0 in volumes, depending on the padding; a crash on the GPU.
    image = 1 + testing.random_image((5, 4, 3)[:dims], channels=1, dtype=torch.float64)
    points = torch.zeros(2, 3, dims, dtype=torch.float64)
    points[:, 1, 0] = value
    for padding in PADDINGS:
        read = st.sample(image, points, mode=mode, padding=padding)
        assert read.isfinite().all()
        fills = math.isnan(value) or padding in ("zeros", 0.5)
        if fills:
            torch.testing.assert_close(read[..., 1], torch.full_like(read[..., 1], 0.5 if padding == 0.5 else 0.0))
        expected = st.sample(image, points[:, [0, 2]], mode=mode, padding=padding)
        assert torch.equal(read[..., [0, 2]], expected)  # the neighbours are not touched


def test_pytorch_15386_an_image_of_height_one_has_something_above_and_below_it():
    # There: with align_corners=True a row is read however far above or below it the point lies.
    row = torch.tensor([[[[1.0, 2.0]]]])
    below = torch.tensor([[[0.0, 30.0]]])
    assert st.sample(row, below).item() == 0
    assert st.sample(row, below, padding="border").item() == 1.5
    foreign = torch.tensor([[[0.0, 1.0]]])  # on the row: with align_corners=True every y is
    assert st.sample(row, st.from_align_corners(foreign, (1, 2))).item() == 1.5


def test_pytorch_42625_a_single_pixel_has_an_outside(dims):
    # There: with align_corners=True an image of one pixel is that pixel everywhere.
    pixel = torch.ones(1, 1, *(1,) * dims)
    axis = torch.zeros(1, 4, dims)
    axis[0, :, 0] = torch.tensor([0.0, 1.0, 2.0, -5.0])  # the centre, the edge, one pixel further, far away
    assert st.sample(pixel, axis).flatten().tolist() == [1, 0.5, 0, 0]
    assert st.sample(pixel, axis, padding=3.0).flatten().tolist() == [1, 2, 3, 3]
    assert st.sample(pixel, axis, padding="border").flatten().tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("padding", ["border", "reflection"])
def test_pytorch_23925_the_gradient_at_the_border_is_not_that_of_zeros(dims, padding):
    # There: at the last pixel the slope was that towards a zero outside, -4 in this ramp.
    size = (5,) * dims
    ramp = torch.arange(5.0).expand(1, 1, *size)
    points = st.target_points(size).requires_grad_()
    (slope,) = torch.autograd.grad(st.sample(ramp, points, padding=padding).sum(), points)
    inner = 5 / 2  # a pixel is 2/5 wide
    along = slope[..., 0].movedim(-1, 0).flatten(1)  # (5, points of a column)
    assert (along[1:-1] == inner).all()
    assert (
        along[[0, -1]] == inner / 2
    ).all()  # the outside repeats the last pixel: the mean of its slope and the ramp's
    assert (slope[..., 1:] == 0).all()


def test_pytorch_149013_what_zeros_mean_outside_of_the_image(dims):
    # Reported: points outside of [-1, 1] still read the image, unlike scipy and ITK. Here -1 and +1 are the edges, and
    # "nearest" reads nothing beyond them; "bilinear" fades over half a pixel on either side, as equation 5 says.
    image = torch.ones(1, 1, *(10,) * dims)
    near_the_edge = torch.full((1, 8, dims), 0.0)
    near_the_edge[0, :, 0] = torch.tensor([0.9, 0.95, 0.99, 0.9999, 1.0001, 1.01, 1.05, 1.1])
    assert st.sample(image, near_the_edge, mode="nearest").flatten().tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    faded = st.sample(image, near_the_edge).flatten()
    torch.testing.assert_close(faded, torch.tensor([1.0, 0.75, 0.55, 0.5005, 0.4995, 0.45, 0.25, 0.0]))


@pytest.mark.parametrize("size", [(4, 4), (17, 11), (1, 6)], ids=str)
def test_kornia_3904_the_identity_homography_returns_the_input(size):
    # There: before 0.9, with align_corners=False, each picture was off by up to half a pixel.
    image = testing.random_image(size, channels=1)
    eye = torch.eye(3).expand(2, -1, -1)
    for convert in (converters.from_kornia, converters.from_opencv):
        theta = st.Projective().from_matrix(convert(eye, size, size))
        assert torch.equal(st.warp(image, st.Projective(), theta), image)


def test_kornia_3904_a_shift_by_whole_pixels_is_exact():
    # From the discussion: `warp_affine` was wrong for every shift, and for outputs of another size.
    image = testing.random_image((6, 8), channels=1, dtype=torch.float64)
    shift = torch.tensor([[[1.0, 0.0, -2.0], [0.0, 1.0, -1.0]]], dtype=torch.float64)  # source to target
    theta = st.Affine().from_matrix(converters.from_kornia(shift, (6, 8), (3, 5)))
    warped = st.warp(image, st.Affine(), theta, (3, 5))
    torch.testing.assert_close(warped, image[..., 1:4, 2:7], rtol=0, atol=testing.TOLERANCES[torch.float64])


@pytest.mark.parametrize("size", [(4, 4), (17, 11)], ids=str)
def test_kornia_3928_a_thin_plate_spline_at_rest_returns_the_input(size):
    # There: `warp_image_tps` mixed both conventions by default, and moved every image.
    image, family = testing.random_image(size, channels=1), st.ThinPlateSpline((3, 3))
    assert torch.equal(st.warp(image, family, family.identity(2)), image)
