"""Warping: a family and the sampler together."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import map_coordinates

import spatial_transformer as st
from spatial_transformer import testing

ATOL = testing.TOLERANCES[torch.float64]
IMAGES = {2: (9, 7), 3: (4, 5, 3)}
OUTPUTS = {2: [(9, 7), (13, 10), (4, 1)], 3: [(4, 5, 3), (5, 6, 4), (1, 2, 3)]}
TORCH = [
    (mode, padding, dims, size)
    for mode, padding, dims in itertools.product(testing.MODES, ("zeros", "border", "reflection"), (2, 3))
    for size in OUTPUTS[dims]
    if mode != "bicubic" or dims == 2  # PyTorch has no bicubic for volumes
]


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=0, atol=ATOL)


@pytest.mark.parametrize(("mode", "padding", "dims", "size"), TORCH, ids=str)
def test_affine_warp_agrees_with_torch(mode, padding, dims, size):
    family, channels = st.Affine(dims), 3 if mode == "bilinear" else 1  # for each number of them kernels are compiled
    image = testing.random_image(IMAGES[dims], batch=3, channels=channels, dtype=torch.float64).requires_grad_()
    theta = testing.random_theta(family, batch=3, spread=1).requires_grad_()  # many positions are well outside
    ours = st.warp(image, family, theta, size, mode=mode, padding=padding)
    grid = F.affine_grid(theta.unflatten(1, (dims, dims + 1)), [3, channels, *size], align_corners=False)
    theirs = F.grid_sample(image, grid, mode=mode, padding_mode=padding, align_corners=False)
    close(ours, theirs)
    cotangent = testing.random_image(size, batch=3, channels=channels, dtype=torch.float64, seed=1)
    actual, expected = (torch.autograd.grad(warped, (image, theta), cotangent) for warped in (ours, theirs))
    close(actual[0], expected[0])
    close(actual[1], expected[1])


def test_every_family_warps_as_scipy_reads_at_its_points(family, padding):
    size = IMAGES[family.dims]
    image = testing.random_image(size, batch=1, channels=1, dtype=torch.float64)
    theta = testing.random_theta(family, batch=1, spread=0.3)
    pixels = st.normalised_to_pixel(family.grid(theta, size), size)[0].flatten(0, -2).flip(-1).T
    expected = map_coordinates(
        image[0, 0].numpy(),
        pixels.numpy(),
        order=1,
        mode={"border": "nearest", "reflection": "reflect", "wrap": "grid-wrap"}.get(padding, "grid-constant"),
        cval=0.0 if isinstance(padding, str) else padding,
    )
    warped = st.warp(image, family, theta, padding=padding)
    np.testing.assert_allclose(warped.flatten().numpy(), expected, rtol=0, atol=ATOL)


SIZES = {2: [(1, 1), (1, 7), (17, 11), (28, 28)], 3: [(1, 1, 1), (1, 1, 5), (3, 1, 4), (4, 6, 5)]}


@pytest.mark.parametrize("which", range(4))
def test_identity_returns_the_input(family, which):
    testing.assert_identity_returns_input(family, SIZES[family.dims][which])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_identity_returns_the_input_in_every_dtype(family, dtype):
    testing.assert_identity_returns_input(family, SIZES[family.dims][2], dtype=dtype)


@pytest.mark.pairwise
@pytest.mark.parametrize("dtype", testing.TOLERANCES, ids=str)
@pytest.mark.parametrize("which", range(4))
def test_identity_returns_the_input_to_the_last_bit(family, which, dtype):
    size = SIZES[family.dims][which]
    image = testing.random_image(size, channels=1, dtype=dtype)
    theta = family.identity(1, dtype=torch.float64 if dtype == torch.float64 else torch.float32)
    for mode in testing.MODES:
        assert torch.equal(st.warp(image, family, theta, mode=mode, padding=0.5), image)


def test_an_image_warped_by_a_group_element_and_back_is_read_at_whole_pixels(matrix_family):
    # Two warps blur; one warp by the composition with the inverse does not.
    size = IMAGES[matrix_family.dims]
    image = testing.random_image(size, channels=1, dtype=torch.float64)
    theta = testing.random_theta(matrix_family)
    there_and_back = matrix_family.compose(theta, matrix_family.inverse(theta))
    close(st.warp(image, matrix_family, there_and_back, padding="border"), image)


def test_gradient_with_respect_to_a_shift_is_the_central_difference():
    squares = torch.tensor([[[[0.0, 1.0, 4.0, 9.0]]]])

    def shifted(theta):
        return st.warp(squares, st.Translation(), theta).flatten()

    slopes = torch.autograd.functional.jacobian(shifted, torch.zeros(1, 2))[:, 0, 0]
    # Half the difference of both neighbours, which are zero outside; an image is 2 units, so 1 is 2 pixels.
    assert slopes.tolist() == [2 * 0.5, 2 * 2, 2 * 4, 2 * -2]


@pytest.mark.parametrize("size", [(28, 28), (17, 11)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_ramp_has_the_same_slope_everywhere_at_identity(size, dtype):
    height, width = size
    ramp = torch.arange(width, dtype=dtype).expand(1, 1, *size)
    theta = torch.zeros(1, 2, dtype=dtype, requires_grad=True)
    warped = st.warp(ramp, st.Translation(), theta, padding="border")
    inner = warped[..., 1:-1]  # in the outer columns one of the neighbours is the pixel itself
    (slope,) = torch.autograd.grad(inner.sum(), theta)
    assert slope.tolist() == [[height * (width - 2) * width / 2, 0.0]]


def test_a_shift_by_half_a_pixel_takes_the_pixel_to_the_right():
    ramp = torch.tensor([[[[0.0, 1.0, 2.0, 3.0]]]])
    half_a_pixel = torch.tensor([[0.25, 0.0]])
    assert st.warp(ramp, st.Translation(), half_a_pixel, mode="nearest").flatten().tolist() == [1, 2, 3, 0]
    assert st.warp(ramp, st.Translation(), -half_a_pixel, mode="nearest").flatten().tolist() == [0, 1, 2, 3]


def test_halving_a_picture_averages_two_by_two_pixels():
    image = testing.random_image((8, 6), channels=1, dtype=torch.float64)
    close(st.warp(image, st.Affine(), st.Affine().identity(1, dtype=torch.float64), (4, 3)), F.avg_pool2d(image, 2))


def test_a_quarter_turn_is_rot90():
    image = testing.random_image((6, 6), channels=1, dtype=torch.float64)
    theta = torch.tensor([[torch.pi / 2, 0.0, 0.0]], dtype=torch.float64)
    # A positive angle: the picture appears turned counter-clockwise.
    close(st.warp(image, st.Rigid(), theta, padding="border"), image.rot90(1, dims=(2, 3)))


def test_attention_crops_the_middle():
    image = testing.random_image((8, 12), channels=1, dtype=torch.float64)
    middle = torch.tensor([[0.5, 0.0, 0.0]], dtype=torch.float64)
    close(st.warp(image, st.Attention(), middle, (4, 6)), image[..., 2:6, 3:9])
    left = torch.tensor([[0.5, -0.5, -0.5]], dtype=torch.float64)
    close(st.warp(image, st.Attention(), left, (4, 6)), image[..., :4, :6])


def test_size_is_that_of_the_image_by_default(family):
    image = testing.random_image(IMAGES[family.dims], channels=1)
    assert st.warp(image, family, family.identity(2)).shape == image.shape


def test_one_image_with_many_thetas_and_many_images_with_one_theta(family, mode):
    images = testing.random_image(IMAGES[family.dims], channels=1, batch=3, dtype=torch.float64)
    thetas = testing.random_theta(family, batch=3)
    one_image = st.warp(images[:1], family, thetas, mode=mode)
    one_theta = st.warp(images, family, thetas[:1], mode=mode)
    for n in range(3):
        close(one_image[n : n + 1], st.warp(images[:1], family, thetas[n : n + 1], mode=mode))
        close(one_theta[n : n + 1], st.warp(images[n : n + 1], family, thetas[:1], mode=mode))


@pytest.mark.pairwise
def test_an_empty_batch_gives_an_empty_batch(family, mode, padding):
    nothing = testing.random_image(IMAGES[family.dims], channels=1, batch=0).requires_grad_()
    theta = family.identity(0).requires_grad_()
    warped = st.warp(nothing, family, theta, mode=mode, padding=padding)
    assert warped.shape == nothing.shape
    warped.sum().backward()
    assert theta.grad.shape == theta.shape


def test_every_family_gets_a_gradient(family):
    image = testing.random_image(IMAGES[family.dims], channels=1, dtype=torch.float64)
    theta = testing.random_theta(family).requires_grad_()
    cotangent = testing.random_image(IMAGES[family.dims], channels=1, dtype=torch.float64, seed=1)
    (gradient,) = torch.autograd.grad(st.warp(image, family, theta), theta, cotangent)
    assert (gradient != 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_images_are_warped_in_float32_and_rounded_once(family, dtype):
    image = testing.random_image(IMAGES[family.dims], channels=1, dtype=dtype)
    theta = testing.random_theta(family, dtype=torch.float32)
    warped = st.warp(image, family, theta)
    assert warped.dtype == dtype
    assert torch.equal(warped, st.warp(image.float(), family, theta).to(dtype))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool], ids=str)
def test_labels_are_warped_like_the_image_they_belong_to(family, dtype):
    image = (testing.random_image(IMAGES[family.dims], channels=1) * 2).to(dtype)
    theta = testing.random_theta(family, dtype=torch.float32)
    warped = st.warp(image, family, theta, mode="nearest", padding=1)
    assert torch.equal(warped.double(), st.warp(image.double(), family, theta, mode="nearest", padding=1))
    assert warped.dtype == dtype


@pytest.mark.parametrize(
    ("family", "memory_format"),
    [(st.Affine(), torch.channels_last), (st.Affine(dims=3), torch.channels_last_3d)],
    ids=["2D", "3D"],
)
def test_memory_format_in_is_memory_format_out(family, memory_format):
    image = testing.random_image(IMAGES[family.dims], channels=2)
    theta = testing.random_theta(family, dtype=torch.float32)
    last = st.warp(image.contiguous(memory_format=memory_format), family, theta, (6, 5, 4)[-family.dims :])
    plain = st.warp(image, family, theta, (6, 5, 4)[-family.dims :])
    assert last.is_contiguous(memory_format=memory_format)
    assert plain.is_contiguous()
    assert not last.is_contiguous()
    torch.testing.assert_close(last, plain)


def test_autocast_does_not_touch_a_warp(family):
    image, theta = (
        testing.random_image(IMAGES[family.dims], channels=1),
        testing.random_theta(family, dtype=torch.float32),
    )
    expected = st.warp(image, family, theta)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(st.warp(image, family, theta), expected)


@pytest.mark.parametrize("kind", [st.ThinPlateSpline, st.BSpline, st.PiecewiseAffine, st.Velocity])
def test_what_a_family_keeps_is_the_same_when_it_is_first_asked_for_under_autocast(kind):
    image, theta = torch.rand(1, 1, 9, 8), testing.random_theta(kind((4, 4)), dtype=torch.float32)[:1]
    expected = st.warp(image, kind((4, 4)), theta)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(st.warp(image, kind((4, 4)), theta), expected)


def test_nan_in_theta_reads_as_the_fill_value(family, padding):
    image = testing.random_image(IMAGES[family.dims], channels=1)
    theta = family.identity(2)
    theta[1] = torch.nan
    warped = st.warp(image, family, theta, padding=padding)
    assert torch.equal(warped[0], image[0])
    assert (warped[1] == (0.0 if isinstance(padding, str) else padding)).all()


@pytest.mark.parametrize("kind", [st.Attention, st.Similarity])
def test_a_scale_of_zero_reads_one_point_and_a_negative_one_turns_by_half(kind, dims):
    family, image = kind(dims=dims), testing.random_image((5, 5, 5)[:dims], channels=1, dtype=torch.float64)
    theta = family.identity(1, dtype=torch.float64)
    theta[:, 0] = 0
    middle = image[(..., *[slice(2, 3)] * dims)]
    torch.testing.assert_close(st.warp(image, family, theta), middle.expand_as(image), rtol=0, atol=1e-12)
    theta[:, 0] = -1
    turned = image.flip(tuple(range(2, 2 + dims)))
    torch.testing.assert_close(st.warp(image, family, theta), turned, rtol=0, atol=1e-12)
