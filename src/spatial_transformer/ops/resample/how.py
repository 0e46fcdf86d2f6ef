"""How an image is read: everything about a sampling but the tensors."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...boundary import fill_value
from ...compiling import constant_when_compiled
from ...kernels import Kernel

# In the order of the numbers that the compiled kernels know them by; a number to fill with counts as "zeros".
RULES = ("zeros", "border", "reflection", "wrap")

MOST_TAPS = 6**3  # of a sample, that compiled kernels have room for: those of the largest B-spline in a volume


class How(NamedTuple):
    """Arguments of the operators, in types that PyTorch's dispatcher knows.

    Attributes:
        table: (taps * taps) coefficients; the weight of tap t at a fraction f is the sum of table[t, j] f^j.
        margin: pixels around each axis that are not part of the image, in the order of its size.
        padding: index in `RULES` for each axis of the size.
        fill: what stands outside along the axes that are filled.
    """

    table: Sequence[float]
    margin: Sequence[int]
    padding: Sequence[int]
    fill: float

    @classmethod
    def of(cls, table: Sequence[float], margin: Sequence[int], padding: Sequence[int], fill: float) -> "How":
        """From lists, which the dispatcher makes of tuples: this one can be hashed."""
        return cls(tuple(table), tuple(margin), tuple(padding), fill)

    @property
    def taps(self) -> int:
        return round(len(self.table) ** 0.5)

    def weigh(self, position: Tensor) -> tuple[Tensor, list[Tensor]]:
        """What `Kernel.taps` returns for positions in pixels."""
        taps = self.taps
        centre = (position.floor() if taps % 2 == 0 else (position - 0.5).floor() + 1).detach()
        fraction = position - centre
        rows = [self.table[taps * tap : taps * (tap + 1)] for tap in range(taps)]
        # A constant weight is written so that it has a gradient of zero rather than none.
        weights = [functools.reduce(lambda sum_, c: sum_ * fraction + c, row[::-1], 0 * fraction) for row in rows]
        return centre - (taps - 1) // 2, weights

    def to_pixels(self, size: Sequence[int]) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Scale and shift from normalised coordinates to pixels for each axis of an image with margins, x first."""
        inner = [n - 2 * margin for n, margin in zip(size, self.margin, strict=True)]
        shift = [(n - 1) / 2 + margin for n, margin in zip(inner, self.margin, strict=True)]
        return tuple(n / 2 for n in inner[::-1]), tuple(shift[::-1])

    def numbers(self, dtype: torch.dtype) -> Tensor:
        """(3 taps taps + 1,) the table, that of its first and of its second derivative, and the value that fills."""
        return _numbers(tuple(self.table), self.fill, dtype)


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
