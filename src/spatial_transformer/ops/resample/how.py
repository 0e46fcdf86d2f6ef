"""How an image is read: everything about a sampling but the tensors."""

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.polynomial import Polynomial
from torch import Tensor

from ...boundary import fill_value
from ...compiling import constant_when_compiled
from ...coordinates import axis_to_pixel
from ...kernels import Kernel

# In the order of the numbers that the compiled kernels know them by; a number to fill with counts as "zeros".
RULES = ("zeros", "border", "reflection", "wrap")

# Where -1 and +1 lie and how positions are rounded: as in this library, or as PyTorch's `grid_sample` does it with
# `align_corners` False (outer edges) and True (centres of the border pixels).
OURS, TORCH_EDGES, TORCH_CENTRES = range(3)

MOST_TAPS = 6**3  # of a sample, that compiled kernels have room for: those of the largest B-spline in a volume


class How(NamedTuple):
    """Arguments of the operators, in types that PyTorch's dispatcher knows.

    Attributes:
        table: (taps * taps) coefficients; the weight of tap t at a fraction f is the sum of table[t, j] f^j.
        margin: pixels around each axis that are not part of the image, in the order of its size.
        padding: index in `RULES` for each axis of the size.
        fill: what stands outside along the axes that are filled.
        rounding: how far off a position may be, in pixels for each pixel of an axis; what is nearer to the end of a
            cell is on it.
        convention: `OURS`, `TORCH_EDGES` or `TORCH_CENTRES`. In PyTorch's, where cells meet a derivative is that of the
            cell to the right, ties of the nearest pixel go to the even one, and a linear kernel has no slope where
            `"border"` has clipped a position. Points only, without margins and rounding.
    """

    table: Sequence[float]
    margin: Sequence[int]
    padding: Sequence[int]
    fill: float
    rounding: float = 0.0
    convention: int = OURS

    @classmethod
    def of(cls, table: Sequence[float], margin: Sequence[int], padding: Sequence[int], *numbers: Any) -> "How":
        """From lists, which the dispatcher makes of tuples: this one can be hashed."""
        return cls(tuple(table), tuple(margin), tuple(padding), *numbers)

    @property
    def taps(self) -> int:
        return round(len(self.table) ** 0.5)

    @property
    def low(self) -> float:
        """The fraction at which a cell begins: cells lie between pixels, or for odd numbers of taps around them."""
        return 0.0 if self.taps % 2 == 0 else -0.5

    def sides(self, order: int) -> int:
        """From how many cells a position is read that lies where cells meet, for derivatives up to an order.

        1 if they agree in both cells. If they jump along one axis at a time 2 do, to the right and to the left along
        all axes; if along several, those along each axis. One tap is copied from one pixel, the one at floor(x + 0.5),
        and for its derivatives, which are zero, none is read.
        """
        if self.taps == 1:
            return int(order == 0)
        if self.convention != OURS:
            return 1
        smoothness = _smoothness(tuple(self.table))
        if order <= smoothness:
            return 1
        return 2 if order < 2 * (smoothness + 1) else 2 ** len(self.padding)

    def weigh(self, position: Tensor, rounding: float, *, order: int) -> list[tuple[Tensor, Tensor]]:
        """What `Kernel.taps` returns for positions in pixels, right for derivatives up to an order."""
        still = position.detach()
        to_even = self.taps == 1 and self.convention != OURS
        centre = still.round() if to_even else (still + (rounding - self.low)).floor()
        fraction = position - centre
        first, right = centre - (self.taps - 1) // 2, self._polynomials(fraction)
        pixels = [first + tap for tap in range(self.taps)]
        if self.sides(order) <= 1:
            return list(zip(pixels, right, strict=True))
        # Where two cells meet, the mean of both; the one to the left begins with the pixel before.
        on_end, left = fraction <= self.low + rounding, self._polynomials(fraction + 1)
        nothing = torch.zeros_like(fraction)
        pairs = zip([*left, nothing], [nothing, *right], strict=True)
        weights = [torch.where(on_end, (one + other) / 2, other) for one, other in pairs]
        return list(zip([torch.where(on_end, first - 1, first), *pixels], weights, strict=True))

    def _polynomials(self, fraction: Tensor) -> list[Tensor]:
        """The weight of each tap."""
        taps = self.taps
        rows = [self.table[taps * tap : taps * (tap + 1)] for tap in range(taps)]
        # A constant weight is written so that it has a gradient of zero rather than none.
        return [functools.reduce(lambda sum_, c: sum_ * fraction + c, row[::-1], 0 * fraction) for row in rows]

    def position(self, coordinate: Tensor, axis: int, length: int) -> Tensor:
        """Where (...) normalised coordinates are in pixels, along an axis of so many without margins."""
        if self.convention == OURS:
            return axis_to_pixel(coordinate, length) + self.margin[axis]
        edges = self.convention == TORCH_EDGES
        position = (coordinate + 1) * (length / 2) - 0.5 if edges else (coordinate + 1) * ((length - 1) / 2)
        return torch.where(position > self.lowest[axis], position, self.instead[axis])

    @property
    def lowest(self) -> tuple[float, ...]:
        """In PyTorch's conventions: up to where, along each axis of the size, a position is taken for another one."""
        return tuple(0.0 if clipped else -math.inf for clipped in self._clips)

    @property
    def instead(self) -> tuple[float, ...]:
        """That other one: between two pixels that are read as the first one, where there is no slope; else nowhere."""
        return tuple(-0.5 if clipped else math.nan for clipped in self._clips)

    @property
    def _clips(self) -> tuple[bool, ...]:
        """Along each axis, whether positions are clipped, and not only the pixels that they touch."""
        return tuple(self.taps == 2 and RULES[rule] == "border" for rule in self.padding)

    def to_pixels(self, size: Sequence[int]) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Scale and shift from normalised coordinates to pixels for each axis of an image with margins, x first.

        In PyTorch's conventions 1 is added to a coordinate before it is scaled.
        """
        if self.convention == TORCH_EDGES:
            return tuple(n / 2 for n in size[::-1]), (-0.5,) * len(size)
        if self.convention == TORCH_CENTRES:
            return tuple((n - 1) / 2 for n in size[::-1]), (0.0,) * len(size)
        inner = [n - 2 * margin for n, margin in zip(size, self.margin, strict=True)]
        shift = [(n - 1) / 2 + margin for n, margin in zip(inner, self.margin, strict=True)]
        return tuple(n / 2 for n in inner[::-1]), tuple(shift[::-1])

    def roundings(self, size: Sequence[int]) -> tuple[float, ...]:
        """How far off a position may be along each axis of an image with margins, in pixels."""
        return tuple(self.rounding * (n - 2 * margin) for n, margin in zip(size, self.margin, strict=True))

    def numbers(self, dtype: torch.dtype) -> Tensor:
        """(3 taps taps + 1,) the table, that of its first and of its second derivative, and the value that fills."""
        return _numbers(tuple(self.table), self.fill, dtype)


@constant_when_compiled  # which the compiler sees on a plain function only
def _smoothness(table: tuple[float, ...]) -> int:
    return _smoothness_of(table)


@functools.lru_cache(maxsize=64)
def _smoothness_of(table: tuple[float, ...]) -> int:
    """How often the weights can be differentiated without a jump from cell to cell; -1 if they jump themselves."""
    taps = round(len(table) ** 0.5)
    low = 0.0 if taps % 2 == 0 else -0.5
    rows = [Polynomial(table[taps * tap : taps * (tap + 1)]) for tap in range(taps)]
    for order in range(taps):
        # A pixel is tap t of the cell to the right, and tap t + 1 of the one to the left.
        right = np.array([0.0, *(row.deriv(order)(low) for row in rows)])
        left = np.array([*(row.deriv(order)(low + 1) for row in rows), 0.0])
        if not np.allclose(left, right, rtol=0, atol=1e-9 * max(1, np.abs(table).max())):
            return order - 1
    return taps


@functools.lru_cache(maxsize=64)
def _numbers(table: tuple[float, ...], fill: float, dtype: torch.dtype) -> Tensor:
    taps = round(len(table) ** 0.5)
    tables = [np.array(table).reshape(taps, taps)]
    for _ in range(2):
        # j c_j f^(j-1); the constant, times zero, comes last.
        tables.append(np.roll(tables[-1] * np.arange(taps), -1, axis=1))
    return torch.from_numpy(np.append(np.stack(tables), fill)).to(dtype)


def how_to_read(kernel: Kernel, padding: tuple[str | float, ...], margins: tuple[int, ...]) -> How | None:
    """None if the weights of the kernel are not polynomials of the fraction."""
    values = tuple(vars(kernel).items()) if torch.compiler.is_compiling() else ()
    if values and all(isinstance(value, int | float | str) for _, value in values):
        # The compiler takes an object made while it traces for one made without arguments: it is made again.
        return _constant_of_values(type(kernel), values, padding, margins)
    return _constant(kernel, padding, margins)


@constant_when_compiled
def _constant(kernel: Kernel, padding: tuple[str | float, ...], margins: tuple[int, ...]) -> How | None:
    return _how_to_read(kernel, padding, margins)


@constant_when_compiled
def _constant_of_values(
    kind: type[Kernel],
    values: tuple[tuple[str, float | str], ...],
    padding: tuple[str | float, ...],
    margins: tuple[int, ...],
) -> How | None:
    kernel = object.__new__(kind)
    kernel.__dict__.update(values)
    return _how_to_read(kernel, padding, margins)


@functools.lru_cache(maxsize=64)
def _how_to_read(kernel: Kernel, padding: tuple[str | float, ...], margins: tuple[int, ...]) -> How | None:
    table = kernel.polynomials()
    if table is None:
        return None
    rules = tuple(RULES.index(rule) if isinstance(rule, str) else 0 for rule in padding)
    return How(tuple(float(c) for row in table for c in row), margins, rules, fill_value(padding))
