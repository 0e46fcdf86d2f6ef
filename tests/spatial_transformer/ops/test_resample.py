"""The operator against loops, PyTorch, SciPy, NumPy and finite differences, on every backend that runs here."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import map_coordinates

import spatial_transformer as st
from spatial_transformer import kernels, ops, testing

ATOL = testing.TOLERANCES[torch.float64]
SIZES = [(9, 7), (1, 7), (5, 1), (1, 1), (4, 5, 3), (1, 5, 1), (1, 1, 1)]
SCIPY = {"border": "nearest", "reflection": "reflect", "wrap": "grid-wrap"}
NUMPY = {"border": "edge", "reflection": "symmetric", "wrap": "wrap"}
TORCH = [
    (mode, padding, size)
    for mode, padding, size in itertools.product(testing.MODES, ("zeros", "border", "reflection"), SIZES)
    if mode != "bicubic" or len(size) == 2  # PyTorch has no bicubic for volumes
]


def resample(image, points, *, mode, padding):
    """The operator, with a mode by name and one rule for all axes."""
    rules = (padding,) * (image.ndim - 2)
    return ops.resample.resample(image, points, kernel=kernels.NAMED[mode], padding=rules)


pytestmark = pytest.mark.usefixtures("backend")


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=0, atol=ATOL)


def points_between_pixels(size, *shape, reach=3):
    """Points whose distance from a whole pixel, and from half-way, is at least 0.1 pixel: no kink is near."""
    generator = torch.Generator().manual_seed(0)
    whole = [torch.randint(-reach, n + reach, shape, generator=generator) for n in size[::-1]]
    half = torch.randint(2, (*shape, len(size)), generator=generator) / 2
    part = 0.1 + 0.3 * torch.rand(*shape, len(size), generator=generator, dtype=torch.float64)
    return st.pixel_to_normalised(torch.stack(whole, dim=-1) + half + part, size)


@pytest.mark.parametrize(("mode", "padding", "size"), TORCH, ids=str)
def test_values_and_gradients_agree_with_torch(mode, padding, size):
    channels = 2 if mode == "bilinear" else 1  # for each number of them kernels are compiled
    image = testing.random_image(size, channels=channels, dtype=torch.float64).requires_grad_()
    points = testing.random_points(len(size), 2, 40, spread=4).requires_grad_()
    as_grid = points.unflatten(1, (*[1] * (len(size) - 1), 40))  # (2, (1,) 1, 40, D)
    theirs = F.grid_sample(image, as_grid, mode=mode, padding_mode=padding, align_corners=False).flatten(2)
    ours = resample(image, points, mode=mode, padding=padding)
    close(ours, theirs)
    cotangent = testing.random_image(ours.shape[2:], channels=channels, dtype=torch.float64)
    expected, actual = (torch.autograd.grad(read, (image, points), cotangent) for read in (theirs, ours))
    close(actual[0], expected[0])
    close(actual[1], expected[1])


def equation_5(image, pixels):
    """The bilinear sampler of the paper as it is printed: for every sample a sum over every pixel of the image."""
    result = torch.zeros(*image.shape[:2], pixels.shape[1], dtype=torch.float64)
    for n, k in itertools.product(range(image.shape[0]), range(pixels.shape[1])):
        for position in itertools.product(*map(range, image.shape[2:])):
            weight = 1.0
            for source, pixel in zip(pixels[n, k].tolist(), reversed(position), strict=True):
                weight *= max(0.0, 1 - abs(source - pixel))
            result[n, :, k] += weight * image[n, :, *position]
    return result


@pytest.mark.parametrize("size", [(4, 3), (1, 3), (3, 2, 4)], ids=str)
def test_bilinear_is_equation_5_of_the_paper(size):
    image = testing.random_image(size, channels=2, dtype=torch.float64)
    points = testing.random_points(len(size), 2, 30, spread=1.8)
    close(
        resample(image, points, mode="bilinear", padding="zeros"),
        equation_5(image, st.normalised_to_pixel(points, size)),
    )


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_bilinear_agrees_with_scipy(size, padding):
    image = testing.random_image(size, batch=1, channels=1, dtype=torch.float64)
    points = testing.random_points(len(size), 1, 60, spread=4)
    expected = map_coordinates(
        image[0, 0].numpy(),
        st.normalised_to_pixel(points, size)[0].flip(-1).T.numpy(),
        order=1,
        mode=SCIPY.get(padding, "grid-constant"),
        cval=0.0 if isinstance(padding, str) else padding,
    )
    np.testing.assert_allclose(
        resample(image, points, mode="bilinear", padding=padding)[0, 0], expected, rtol=0, atol=ATOL
    )


def padded(image, width, padding):
    """One image with `width` more pixels on every side, by NumPy."""
    kind = {"mode": NUMPY[padding]} if padding in NUMPY else {"constant_values": 0 if padding == "zeros" else padding}
    return torch.from_numpy(np.pad(image[0, 0].numpy(), width, **kind))[None, None]


@pytest.mark.pairwise
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_whole_pixels_outside_are_those_of_numpy_pad(size, mode, padding):
    image = testing.random_image(size, batch=1, channels=1, dtype=torch.float64)
    expected = padded(image, 7, padding)
    axes = [torch.arange(-7.0, n + 7, dtype=torch.float64) for n in size]
    pixels = torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1], dim=-1)
    # A hair towards the pixel's far side, so that a rounded division cannot put "nearest" or `floor` one pixel off.
    points = st.pixel_to_normalised(pixels + 1e-13, size)
    close(resample(image, points.flatten(0, -2)[None], mode=mode, padding=padding), expected.flatten(2))


@pytest.mark.pairwise
@pytest.mark.parametrize("size", [(9, 7), (1, 7), (4, 5, 3)], ids=str)
def test_padding_means_reading_from_a_padded_image(size, mode, padding):
    image = testing.random_image(size, batch=1, channels=1, dtype=torch.float64)
    larger = padded(image, 8, padding)
    points = points_between_pixels(size, 1, 60, reach=6)
    in_larger = st.pixel_to_normalised(st.normalised_to_pixel(points, size) + 8, larger.shape[2:])
    expected = resample(larger, in_larger, mode=mode, padding="border")
    close(resample(image, points, mode=mode, padding=padding), expected)


def keys_kernel(distance):
    """The cubic convolution of Keys (1981), equation 4, with a = -0.75."""
    a, d = -0.75, abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


@pytest.mark.parametrize("size", [(4, 3), (3, 2, 4)], ids=str)
def test_bicubic_is_the_convolution_with_the_kernel_of_keys(size):
    image = testing.random_image(size, batch=1, channels=1, dtype=torch.float64)
    points = testing.random_points(len(size), 1, 15, spread=1.8)
    expected = torch.zeros(1, 1, 15, dtype=torch.float64)
    for k, source in enumerate(st.normalised_to_pixel(points, size)[0].tolist()):
        for position in itertools.product(*map(range, size)):
            weights = [keys_kernel(x - pixel) for x, pixel in zip(source, reversed(position), strict=True)]
            expected[0, 0, k] += np.prod(weights) * image[0, 0, *position]
    close(resample(image, points, mode="bicubic", padding="zeros"), expected)


def test_a_constant_image_stays_constant(dims, mode):
    image = torch.full((1, 1, *(4, 5, 3)[-dims:]), 0.7, dtype=torch.float64)
    points = testing.random_points(dims, 1, 50, spread=3)
    for padding in ("border", "reflection", "wrap", 0.7):
        close(resample(image, points, mode=mode, padding=padding), torch.full((1, 1, 50), 0.7, dtype=torch.float64))


@pytest.mark.parametrize(("positions", "read"), [([-0.5, 0.5, 1.5, 2.5], [0.0, 1.0, 2.0, 3.0])])
def test_nearest_takes_the_pixel_at_floor_of_x_plus_one_half(positions, read):
    ramp = torch.arange(4.0).reshape(1, 1, 1, 4)
    points = st.pixel_to_normalised(torch.tensor([[x, 0.0] for x in positions]), (1, 4))
    assert resample(ramp, points[None], mode="nearest", padding="zeros").flatten().tolist() == read
    column = ramp.mT.contiguous()
    assert resample(column, points[None].flip(-1), mode="nearest", padding="zeros").flatten().tolist() == read


SQUARES = torch.tensor([[[[0.0, 1.0, 4.0, 9.0]]]])


@pytest.mark.parametrize(
    ("padding", "slopes"),
    [
        ("zeros", [0.5, 2.0, 4.0, -2.0]),
        ("border", [0.5, 2.0, 4.0, 2.5]),
        ("reflection", [0.5, 2.0, 4.0, 2.5]),
        ("wrap", [-4.0, 2.0, 4.0, -2.0]),
        (10.0, [-4.5, 2.0, 4.0, 3.0]),
    ],
    ids=str,
)
def test_gradient_at_a_whole_pixel_is_the_central_difference(padding, slopes):
    # Equation 7 of the paper, read literally, would give the pixels themselves: 0, 1, 4, 9.
    points = st.target_points((1, 4)).flatten(1, 2).requires_grad_()
    read = resample(SQUARES, points, mode="bilinear", padding=padding)
    assert read.flatten().tolist() == [0, 1, 4, 9]
    (gradient,) = torch.autograd.grad(read.sum(), points)
    assert gradient[0, :, 0].tolist() == [2 * slope for slope in slopes]  # 2 pixels per normalised unit


@pytest.mark.parametrize("size", [(8, 4), (2, 4, 8)], ids=str)  # powers of two: torch's arithmetic is exact there too
def test_gradient_at_whole_pixels_is_the_mean_of_torch_s_there_and_in_the_mirror(size):
    image = testing.random_image(size, channels=2, dtype=torch.float64)
    points = st.target_points(size, dtype=torch.float64).repeat(2, *[1] * (len(size) + 1)).requires_grad_()
    cotangent = testing.random_image(size, channels=2, dtype=torch.float64, seed=1)
    ours = resample(image, points.flatten(1, -2), mode="bilinear", padding="zeros").unflatten(2, size)
    axes = tuple(range(1, len(size) + 1))
    there = torch.autograd.grad(F.grid_sample(image, points, align_corners=False), points, cotangent)[0]
    mirrored = F.grid_sample(image.flip([axis + 1 for axis in axes]), points, align_corners=False)
    (mirror,) = torch.autograd.grad(mirrored, points, cotangent.flip([axis + 1 for axis in axes]))
    close(torch.autograd.grad(ours, points, cotangent)[0], (there - mirror.flip(axes)) / 2)


@pytest.mark.pairwise
@pytest.mark.parametrize("size", [(3, 4), (1, 3), (2, 3, 2)], ids=str)
def test_gradients_are_those_of_finite_differences(size, mode, padding):
    image = testing.random_image(size, channels=1, dtype=torch.float64).requires_grad_()
    points = points_between_pixels(size, 2, 5).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda i, p: resample(i, p, mode=mode, padding=padding), (image, points), fast_mode=len(size) == 3
    )


@pytest.mark.pairwise
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(3, 4), (2, 3, 2)], ids=str)
def test_second_derivatives_are_those_of_finite_differences(size, mode, padding):
    image = testing.random_image(size, batch=1, channels=1, dtype=torch.float64).requires_grad_()
    points = points_between_pixels(size, 1, 3).requires_grad_()
    assert torch.autograd.gradgradcheck(
        lambda i, p: resample(i, p, mode=mode, padding=padding), (image, points), fast_mode=True
    )


def test_nearest_has_a_zero_gradient_rather_than_none():
    points = testing.random_points(2, 1, 5).requires_grad_()
    image = testing.random_image((4, 3), batch=1, channels=1, dtype=torch.float64).requires_grad_()
    read = resample(image, points, mode="nearest", padding="zeros")
    to_image, to_points = torch.autograd.grad(read.sum(), (image, points))
    assert (to_points == 0).all()
    assert to_image.sum() == read.numel()
