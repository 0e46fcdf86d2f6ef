import math

import numpy as np
import pytest
import scipy.ndimage
import torch

import spatial_transformer as st
from spatial_transformer import kernels, testing

SMOOTH = [kernels.Cubic(), kernels.Cubic(-0.5), *map(kernels.BSpline, (2, 3, 4, 5)), kernels.Lanczos(3)]
ALL = [kernels.Nearest(), kernels.Linear(), *SMOOTH, kernels.Lanczos(2), kernels.Gaussian(0.7), kernels.Gaussian(1.5)]
INTERPOLATING = [kernel for kernel in ALL if not isinstance(kernel, kernels.Gaussian)]
SCIPY = {"reflection": "reflect", "wrap": "grid-wrap", "border": "nearest", "zeros": "grid-constant"}
SIZES = {2: (19, 17), 3: (13, 14, 12)}


class Tent(st.Kernel):
    """The paper's general kernel as a user writes it."""

    support = 2.0

    def __repr__(self):  # processes that share the tests must call them the same
        return "Tent()"

    def weight(self, distance):
        return (2 - distance.abs()) / 4


@pytest.mark.parametrize("kernel", [*ALL, Tent()], ids=repr)
def test_a_sample_is_the_paper_s_double_sum(kernel):
    image = testing.random_image((6, 5), batch=1, channels=1, dtype=torch.float64)
    points = testing.random_points(2, 1, 20, spread=1.2)
    coefficients, (margin, _) = kernel.prepare(image, ("zeros", "zeros"))
    x, y = st.normalised_to_pixel(points[0], (6, 5)).unbind(-1)

    def weights(position, length):  # equation 3, over every pixel there is
        distance = position[:, None] + margin - torch.arange(length)
        inside = distance.abs() < kernel.support - 1e-12
        return torch.where(inside, kernel.weight(distance.where(inside, 0)), 0)

    def total(position):
        whole = position[:, None] - torch.arange(-20, 40)
        inside = whole.abs() < kernel.support - 1e-12
        return torch.where(inside, kernel.weight(whole.where(inside, 0)), 0).sum(1)

    rows, columns = weights(y, coefficients.shape[2]), weights(x, coefficients.shape[3])
    expected = torch.einsum("kn,nm,km->k", rows, coefficients[0, 0], columns)
    if kernel.normalise:
        expected = expected / (total(x) * total(y))
    torch.testing.assert_close(st.sample(image, points, mode=kernel)[0, 0], expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("padding", SCIPY)
@pytest.mark.parametrize("order", range(6))
def test_splines_are_scipy_s(order, padding, dims):
    size = SIZES[dims]
    image = testing.random_image(size, batch=1, channels=1, dtype=torch.float64)
    points = testing.random_points(dims, 1, 60, spread=2.0)
    pixels = st.normalised_to_pixel(points[0], size).numpy()[:, ::-1].T
    expected = scipy.ndimage.map_coordinates(image[0, 0].numpy(), pixels, order=order, mode=SCIPY[padding])
    got = st.sample(image, points, mode=kernels.BSpline(order), padding=padding)[0, 0].numpy()
    # SciPy's own "reflect" starts its recursion from a truncated sum, whose error grows with the order and with
    # short axes.
    np.testing.assert_allclose(got, expected, rtol=0, atol=2e-5 if order == 5 else 1e-6)


@pytest.mark.parametrize("kernel", INTERPOLATING, ids=repr)
def test_interpolating_kernels_return_pixels_at_pixels(kernel, padding):
    image = testing.random_image((7, 1), channels=1, dtype=torch.float64)
    family = st.Affine()
    warped = st.warp(image, family, family.identity(1, dtype=torch.float64), mode=kernel, padding=padding)
    torch.testing.assert_close(warped, image, atol=1e-10, rtol=0)


@pytest.mark.parametrize("kernel", [kernel for kernel in ALL if kernel not in (kernels.Nearest(),)], ids=repr)
def test_a_constant_image_stays_constant(kernel, dims):
    image = torch.full((1, 1, *SIZES[dims]), 0.7, dtype=torch.float64)
    points = testing.random_points(dims, 1, 30, spread=1.5)
    for rule in ("border", "reflection", "wrap", 0.7):
        read = st.sample(image, points, mode=kernel, padding=rule)
        torch.testing.assert_close(read, torch.full_like(read, 0.7), atol=1e-10, rtol=0)


@pytest.mark.parametrize("kernel", [*SMOOTH, kernels.Linear(), Tent()], ids=repr)
def test_derivatives_are_right(kernel, dims):
    image = testing.random_image((4, 3, 3)[:dims], batch=1, channels=1, dtype=torch.float64).requires_grad_()
    points = testing.random_points(dims, 1, 4).requires_grad_()

    def read(image, points):
        return st.sample(image, points, mode=kernel, padding="border")

    assert torch.autograd.gradcheck(read, (image, points), fast_mode=True)
    if dims == 2:
        assert torch.autograd.gradgradcheck(read, (image, points), fast_mode=True)


def test_the_gradient_of_every_kernel_is_a_difference_at_a_whole_position():
    ramp = torch.arange(64.0, dtype=torch.float64).expand(1, 1, 64, 64)
    for kernel in (kernels.Linear(), kernels.BSpline(1), kernels.BSpline(3), kernels.Cubic(-0.5)):
        x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        points = torch.stack([x + 1 / 64, x + 1 / 64], dim=-1)[None]  # the centre of pixel (32, 32)
        st.sample(ramp, points, mode=kernel).sum().backward()
        assert x.grad.item() == pytest.approx(32.0, abs=1e-6)  # one grey level per pixel, 32 pixels to a half-width


def test_a_kernel_s_own_parameters_can_be_learnt():
    class Exponential(st.Kernel):
        support = 3.0
        normalise = True

        def __init__(self):
            self.rate = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)

        def weight(self, distance):
            return torch.exp(-self.rate * distance**2)

    kernel = Exponential()
    image = testing.random_image((9, 9), channels=1, batch=1, dtype=torch.float64)
    st.sample(image, testing.random_points(2, 1, 9), mode=kernel).square().sum().backward()
    assert kernel.rate.grad.abs() > 0


def test_lanczos_is_sharper_than_linear_on_a_wave():
    size, frequency = 64, 0.3
    x = torch.arange(size, dtype=torch.float64)
    wave = torch.sin(math.tau * frequency * x).expand(1, 1, 1, size)
    at = torch.linspace(12, 50, 200, dtype=torch.float64)
    points = st.pixel_to_normalised(torch.stack([at, 0 * at], dim=-1), (1, size))[None]
    truth = torch.sin(math.tau * frequency * at)
    errors = [
        (st.sample(wave, points, mode=kernel, padding="border")[0, 0] - truth).abs().max()
        for kernel in (kernels.Lanczos(4), kernels.BSpline(3), kernels.Linear())
    ]
    assert errors[0] < 0.1 < errors[2]
    assert errors[1] < errors[2] / 2


class Negative(Tent):
    support = -1.0


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: kernels.BSpline(6), ValueError, r"`order` must be a whole number from 0 to 5; got 6"),
        (lambda: kernels.Gaussian(0.0), ValueError, r"`sigma` must be a positive number; got 0\.0"),
        (lambda: kernels.Lanczos(-1), ValueError, r"`lobes` must be a positive number; got -1"),
        (lambda: st.Linearised(spread=0.0), ValueError, r"`spread` must be a positive number"),
        (lambda: st.Linearised(count=2), ValueError, r"`count` must be a whole number, 4 or more; got 2"),
        (lambda: read(Negative()), ValueError, r"`support` must be a positive number; got -1\.0"),
        (lambda: read(kernels.Linear), TypeError, r"got the class Linear. Write `Linear\(\)`"),
        (lambda: read(3), TypeError, r"`mode` must be a name or a kernel.*got int"),
        (lambda: read("lanczos"), ValueError, r"`mode` must be one of .* or a kernel; got 'lanczos'"),
    ],
)
def test_kernels_that_cannot_be_used_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


def read(mode):
    return st.sample(torch.rand(1, 1, 4, 4), torch.zeros(1, 1, 2), mode=mode)


@pytest.mark.parametrize(
    ("mode", "along_an_axis"),
    # The cumulated weights half-way between pixels: 1/2, 1; and of Keys's kernel -3/32, 1/2, 35/32, 1.
    [("bilinear", 7 + 2 * 0.5**2), ("bicubic", 5 + 2 * ((3 / 32) ** 2 + 0.5**2 + (35 / 32) ** 2))],
)
def test_half_way_between_pixels_a_square_loses_what_its_blurred_edges_lose(mode, along_an_axis):
    square = torch.zeros(1, 1, 16, 16, dtype=torch.float64)
    square[..., 4:12, 4:12] = 1
    half_a_pixel = torch.full((1, 2), 1 / 16, dtype=torch.float64)
    moved = st.warp(square, st.Translation(), half_a_pixel, mode=mode)
    assert moved.square().sum().item() == pytest.approx(along_an_axis**2, abs=1e-9)
