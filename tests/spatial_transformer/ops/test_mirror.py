"""A mirrored image, read at mirrored places, has the mirrored values and the mirrored derivatives."""

import numpy as np
import pytest
import torch

import spatial_transformer as st
from spatial_transformer import ops, testing
from spatial_transformer.kernels import BSpline, Cubic, Gaussian, Kernel, Lanczos, Linear
from spatial_transformer.ops.resample import cells, compiled, cpu

pytestmark = [
    pytest.mark.usefixtures("backend"),
    pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated"),  # by `torch.func.jvp` itself
]
DOUBLE = torch.float64


class Tent(Kernel):
    """With a kink in its middle and at both ends."""

    support = 2.0

    def __repr__(self):  # processes that share the tests must call them the same
        return "Tent()"

    def weight(self, distance):
        return (2 - distance.abs()) / 4


class Dodgson(Kernel):
    """The quadratic interpolation of Dodgson (1997): three taps, and kinks half-way between pixels."""

    support = 1.5

    def __repr__(self):  # processes that share the tests must call them the same
        return "Dodgson()"

    def weight(self, distance):
        d = distance.abs()
        return torch.where(d < 0.5, 1 - 2 * d * d, d * d - 2.5 * d + 1.5)

    def polynomials(self):
        return np.array([[0.0, -0.5, 1.0], [1.0, 0.0, -2.0], [0.0, 0.5, 1.0]])


class Box(Kernel):
    """The mean of two pixels, which jumps at every pixel."""

    support = 1.0

    def __repr__(self):  # processes that share the tests must call them the same
        return "Box()"

    def weight(self, distance):
        return 0 * distance + 0.5

    def polynomials(self):
        return np.array([[0.5, 0.0], [0.5, 0.0]])


KINKED = [Linear(), BSpline(1), Tent(), Dodgson(), Box()]
SMOOTH = [Cubic(), Cubic(-0.5), BSpline(2), BSpline(3), Lanczos(2), Gaussian(0.5), Gaussian(0.6)]


def places(size, *, dtype=DOUBLE):
    """(1, K, D) points: every pixel and every place half-way between two, some way beyond the image too."""
    axes = [torch.arange(-2.0, n + 1.5, 0.5, dtype=dtype) for n in size[::-1]]
    if len(size) == 3:
        axes = [axis[::3] for axis in axes]
    return st.pixel_to_normalised(torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, -2), size)[None]


def read(image, points, kernel, padding):
    if kernel.polynomials() is None:  # which the readable twin reads alone
        with st.backends.use("reference"):
            return ops.resample.resample(image, points, kernel=kernel, padding=(padding,) * (image.ndim - 2))
    return ops.resample.resample(image, points, kernel=kernel, padding=(padding,) * (image.ndim - 2))


def everything(image, points, kernel, padding, sign, *, orders):
    """Values and gradients of image and points; for the second order also those of a slope along a direction."""
    image, points = image.clone().requires_grad_(), points.clone().requires_grad_()
    values = read(image, points, kernel, padding)
    cotangent = torch.arange(values.numel(), dtype=values.dtype).reshape(values.shape).cos()
    first = torch.autograd.grad(values, (image, points), cotangent, create_graph=orders > 1)
    if orders == 1:
        return values, *first
    along = sign * torch.arange(points.numel(), dtype=points.dtype).reshape(points.shape).sin()
    return values, *first, *torch.autograd.grad((first[1] * along).sum(), (image, points))


def assert_mirrored(size, kernel, axes, padding, *, orders):
    image, points = testing.random_image(size, batch=1, channels=1, dtype=DOUBLE), places(size)
    sign = torch.tensor([-1.0 if axis in axes else 1.0 for axis in range(len(size))], dtype=DOUBLE)
    backwards = [-1 - axis for axis in axes]
    plain = everything(image, points, kernel, padding, 1, orders=orders)
    mirrored = everything(image.flip(backwards), points * sign, kernel, padding, sign, orders=orders)
    for one, other in zip(plain, mirrored, strict=True):
        expected = one.flip(backwards) if one.shape == image.shape else one * sign if one.shape == points.shape else one
        torch.testing.assert_close(other, expected, rtol=0, atol=1e-10)


@pytest.mark.pairwise
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)], ids=["x", "y", "both"])
@pytest.mark.parametrize("kernel", [*KINKED, *SMOOTH], ids=repr)
def test_at_pixels_and_half_way_between_them(kernel, axes, padding):
    second = kernel in (Linear(), Cubic(-0.5)) and padding in ("zeros", "reflection")
    assert_mirrored((4, 5), kernel, axes, padding, orders=1 + second)


@pytest.mark.parametrize("axes", [(0,), (2,), (0, 1, 2)], ids=["x", "z", "all"])
@pytest.mark.parametrize("kernel", [Linear(), Dodgson(), BSpline(2)], ids=repr)
def test_in_volumes(kernel, axes):
    assert_mirrored((3, 2, 4), kernel, axes, 0.5, orders=1 + (kernel == Linear()))


def test_the_slope_of_a_kinked_kernel_is_the_mean_of_both_sides():
    image = testing.random_image((4, 5), batch=1, channels=1, dtype=DOUBLE)
    points, hair = places((4, 5)), 1e-6
    for kernel in KINKED[:4]:
        at = points.clone().requires_grad_()
        (slope,) = torch.autograd.grad(read(image, at, kernel, "border").sum(), at)
        for axis, n in enumerate((5, 4)):
            way = torch.eye(2, dtype=DOUBLE)[axis] * (2 * hair / n)
            either = [read(image, points + side * way, kernel, "border").sum(1) for side in (-1, 1)]
            expected = (either[1] - either[0]) / (4 * hair / n)
            torch.testing.assert_close(slope[..., axis], expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("kernel", [Linear(), Dodgson()], ids=repr)
def test_forwards_it_is_the_slope_that_it_is_backwards(kernel):
    image, points = testing.random_image((4, 5), batch=1, channels=9, dtype=DOUBLE), places((4, 5))
    cotangent = torch.randn(1, 9, points.shape[1], generator=torch.Generator().manual_seed(0), dtype=DOUBLE)
    tangent = torch.randn(points.shape, generator=torch.Generator().manual_seed(1), dtype=DOUBLE)
    for layout in (torch.contiguous_format, torch.channels_last):
        still = image.contiguous(memory_format=layout)
        values, forwards = torch.func.jvp(lambda at: read(still, at, kernel, "zeros"), (points,), (tangent,))  # noqa: B023
        (backwards,) = torch.func.vjp(lambda at: read(still, at, kernel, "zeros"), points)[1](cotangent)  # noqa: B023
        torch.testing.assert_close((forwards * cotangent).sum(), (backwards * tangent).sum(), rtol=1e-10, atol=0)
        torch.testing.assert_close(values, read(still, points, kernel, "zeros"), rtol=0, atol=1e-12)


# The identity; moved by whole pixels; every second pixel, exactly or half-way; twice as many; turned by right angles.
MAPS = {
    "identity": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "moved": [[1, 0, 2 / 20], [0, 1, -4 / 18], [0, 0, 1]],
    "moved by halves": [[1, 0, 1 / 20], [0, 1, 3 / 18], [0, 0, 1]],
    "turned": [[0, 1, 0], [-1, 0, 0], [0, 0, 1]],
    "seen from the side": [[1, 0, 0], [0, 1, 0], [0.25, 0, 1]],
}
LAYOUTS = {"plane": 1, "planes": 2, "packed": 9, "channels_last": 9, "regions": 2}


@pytest.mark.pairwise
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE], ids=str)
def test_matrices_in_every_layout(name, layout, dtype, padding, monkeypatch):
    if layout == "regions":
        for module, constant, value in ((compiled, "near_cache", lambda: 2**11), (cells, "NARROW", 8)):
            monkeypatch.setattr(module, constant, value)
        monkeypatch.setattr(cpu, "_plan", cpu._plan.__wrapped__)  # which keeps what it has made with other constants
    size = (18, 20)
    image = testing.random_image(size, batch=1, channels=LAYOUTS[layout], dtype=dtype)
    cotangent = testing.random_image(size, batch=1, channels=LAYOUTS[layout], dtype=dtype, seed=1)
    mirror = torch.diag(torch.tensor([-1, 1, 1], dtype=dtype))
    results = []
    for flipped in (False, True):
        matrix = torch.tensor([MAPS[name]], dtype=dtype)
        matrix = (mirror @ matrix @ mirror if flipped else matrix).requires_grad_()
        source, weights = (each.flip(-1) if flipped else each for each in (image, cotangent))
        if layout == "channels_last":
            source = source.contiguous(memory_format=torch.channels_last)
        source = source.requires_grad_() if source is not image else image.clone().requires_grad_()
        kind = matrix if name == "seen from the side" else matrix[:, :2]
        values = ops.resample.resample_grid(source, kind, size, kernel=Linear(), padding=(padding,) * 2)
        of_image, of_matrix = torch.autograd.grad(values, (source, matrix), weights)
        results.append((values, of_image, of_matrix))
    (values, of_image, of_matrix), mirrored = results
    for actual, expected in zip(
        mirrored, (values.flip(-1), of_image.flip(-1), mirror @ of_matrix @ mirror), strict=True
    ):
        scale = max(1.0, expected.abs().max().item())
        torch.testing.assert_close(actual, expected, rtol=0, atol=(1e-5 if dtype == torch.float32 else 1e-11) * scale)


def test_at_the_identity_of_every_family_it_is_the_central_difference(family):
    """Positions in float32 are rounded, and not always to whole numbers."""
    for side in (7, 21, 42):
        size = (side, side + 2) if family.dims == 2 else (5, 3, side)
        image = testing.random_image(size, batch=1, channels=1)
        points = family.grid(family.identity(1), size).detach().requires_grad_()
        (slope,) = torch.autograd.grad(st.sample(image, points, padding="border").sum(), points)
        padded = torch.nn.functional.pad(image, [1, 1] + [0, 0] * (family.dims - 1), mode="replicate")
        expected = (padded[..., 2:] - padded[..., :-2])[0] * size[-1] / 4
        torch.testing.assert_close(slope[..., 0], expected, rtol=0, atol=1e-3)
