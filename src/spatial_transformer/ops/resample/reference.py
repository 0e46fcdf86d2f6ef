"""The readable twin: sampling in plain PyTorch, any dtype, any device, any kernel, any order of derivative.

The sampler of Jaderberg et al. (2015), equation 3. Along each axis a source position x touches a few consecutive
pixels, its taps; each has an index and a weight that depends on x. The value is the sum over all combinations of one
tap per axis, and autograd does the rest.

The gradient with respect to x is the slope of the cell that x lies in, and where two cells meet the mean of both: at a
whole x the bilinear one is (U(x + 1) - U(x - 1)) / 2. A mirrored image then has the mirrored gradient. Equation 7 of
the paper, read literally, returns the pixel's own value there, and an identity transformation puts every sample on
whole pixels.
"""

import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from ...boundary import fill_value, source_index
from ...compiling import differentiated, recorded
from ...coordinates import axis_to_pixel
from ...kernels import Kernel
from .how import RULES, How, how_to_read

# Positions are taken as no further away than this many pixels: infinity becomes "far outside", and whole numbers stay
# exact in float32.
FURTHEST = 2.0**23

Padding = tuple[str | float, ...]

# From positions in pixels, and how far these are rounded, to the pixels that each touches and their weights.
Weigh = Callable[[Tensor, float], list[tuple[Tensor, Tensor]]]

# From normalised coordinates, the axis and its length without margins to positions in pixels.
Locate = Callable[[Tensor, int, int], Tensor]


class Tap(NamedTuple):
    """One pixel that a sample touches along an axis. Each field is (M | 1, 1, K)."""

    pixel: Tensor  # its index in the flattened image, as far as this axis goes
    weight: Tensor


def resample(image: Tensor, points: Tensor, *, kernel: Kernel, padding: Padding, index: Tensor | None = None) -> Tensor:
    """Read an image at points.

    Args:
        image: (N, C, *size), floating point, or integer with the nearest kernel.
        points: (M, K, D) normalised points, x first; K samples per image. Without `index`, M = N, or either is 1.
        kernel: weighs the pixels around a point.
        padding: for each axis of `size`: "zeros", "border", "reflection", "wrap" or a number.
        index: (M,) the image that each set of points reads; None for the first, the second, ...

    Returns:
        (M, C, K) in the dtype of the image; sums are taken in that of the points or of the image, the wider one.
    """
    dtype, rounding = image.dtype, torch.finfo(points.dtype).eps
    fill: float = fill_value(padding)
    margins = (0,) * len(padding)
    if dtype.is_floating_point:
        image = image.to(torch.promote_types(dtype, points.dtype))
        points = points.to(image.dtype)
        image, margins = kernel.prepare(image, padding)
    else:
        fill = int(fill)  # labels never meet a float
    how = how_to_read(kernel, padding, margins)
    if how is None:
        return _read(image, points, kernel.taps, _locate(margins), margins, padding, fill, index, rounding).to(dtype)
    how = How(how.table, how.margin, how.padding, fill, rounding)
    return pull(image, points, how, index=index).to(dtype)


def pull(image: Tensor, points: Tensor, how: How, *, index: Tensor | None = None) -> Tensor:
    """The same with the arguments of `operators.pull`, for points."""
    padding = tuple(RULES[rule] for rule in how.padding)

    def read(order: int) -> Tensor:
        weigh = functools.partial(how.weigh, order=order)
        return _read(image, points, weigh, how.position, how.margin, padding, how.fill, index, how.rounding)

    order = _order(points)
    values = read(order)
    if how.sides(order) <= 1:
        return values
    # What is read for derivatives only does not count in values: zero times a NaN is NaN, and so is the gradient then.
    return torch.where(values.isfinite(), values, read(0))


def _order(points: Tensor) -> int:
    """Up to which order derivatives with respect to points may be asked for; of what is exported, it says so itself."""
    if recorded():
        return 0 if torch.compiler.is_dynamo_compiling() else int(differentiated.get())
    if torch.compiler.is_compiling():  # which does not say
        return 2
    transformed = torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0
    return 2 if points.requires_grad or transformed else 0


def _locate(margins: Sequence[int]) -> Locate:
    return lambda coordinate, axis, length: axis_to_pixel(coordinate, length) + margins[axis]


def _read(
    image: Tensor,
    points: Tensor,
    weigh: Weigh,
    locate: Locate,
    margins: Sequence[int],
    padding: Padding,
    fill: float,
    index: Tensor | None,
    rounding: float,
) -> Tensor:
    size = [length - 2 * margin for length, margin in zip(image.shape[2:], margins, strict=True)]
    axes = []
    stride = 1
    for d in range(len(size)):  # the image's last axis is x, a point's first coordinate
        axis = len(size) - 1 - d
        position = locate(points[:, None, :, d], axis, size[axis])  # (M, 1, K)
        touched = weigh(position.nan_to_num(0).clamp(-FURTHEST, FURTHEST), rounding * size[axis])
        axes.append(list(_taps(touched, image.shape[2 + axis], stride, padding[axis])))
        stride *= image.shape[2 + axis] + 2
    # A ring of fill pixels around the image: what is outside reads it, and no tap needs a mask.
    ringed = nn.functional.pad(image, [1, 1] * len(size), value=fill).flatten(2)  # (N, C, pixels)
    if len(axes[0]) == 1:
        values = _copy(Reader(ringed, index), [axis[0] for axis in axes])  # (M, C, K)
    else:
        values = _blend(Reader(ringed, index), axes[::-1])
    nowhere = functools.reduce(torch.logical_or, (points[:, None, :, axis].isnan() for axis in range(len(axes))))
    return torch.where(nowhere, fill, values)


class Reader:
    """Reads single pixels of flattened images.

    Args:
        pixels: (N, C, P).
        index: (M,) the image for each of M sets of pixel numbers; None for one each.
    """

    def __init__(self, pixels: Tensor, index: Tensor | None) -> None:
        self.pixels = pixels
        self.index = index

    def __call__(self, pixel: Tensor) -> Tensor:
        """(M | 1, 1, K) pixel numbers to (M, C, K) values."""
        count, channels, length = self.pixels.shape
        if self.index is None:
            batch = torch.broadcast_shapes((count,), pixel.shape[:1])[0]
            return self.pixels.expand(batch, -1, -1).gather(2, pixel.expand(batch, channels, -1))
        # Counted through all images, which therefore need not be copied.
        channel = torch.arange(channels, device=pixel.device)[:, None]
        return self.pixels.take((self.index[:, None, None] * channels + channel) * length + pixel)


def _copy(read: Reader, taps: list[Tap]) -> Tensor:
    """The nearest pixel, times its weight if that is not 1: labels are not blended, and neither is NaN."""
    pixel = functools.reduce(operator.add, (tap.pixel for tap in taps))
    weight = functools.reduce(operator.mul, (tap.weight for tap in taps))
    value = read(pixel)
    if not value.is_floating_point():
        return value
    return value * weight.detach() + (weight - weight.detach())  # with a gradient of zero rather than none


def _blend(read: Reader, axes: list[list[Tap]], pixel: Tensor | None = None) -> Tensor:
    """Equation 3 of the paper, an axis at a time: the weighted sum over the taps of the first, each of which is the
    weighted sum over those of the others, down to single pixels."""
    if not axes:
        assert pixel is not None
        return read(pixel)
    total: Tensor | None = None
    for tap in axes[0]:
        value = _blend(read, axes[1:], tap.pixel if pixel is None else pixel + tap.pixel)
        total = tap.weight * value if total is None else torch.addcmul(total, tap.weight, value)
    assert total is not None
    return total


def _taps(touched: list[tuple[Tensor, Tensor]], length: int, stride: int, padding: str | float) -> Iterator[Tap]:
    """The taps along an axis of `length` pixels, which lie `stride` apart when flattened."""
    for pixel, weight in touched:
        # Whole numbers kept in floating point as long as possible: exact, and several times as fast as int64.
        ringed = (source_index(pixel, length, padding) + 1).long()  # 0 and length + 1 are the ring
        yield Tap(ringed * stride if stride > 1 else ringed, weight)
