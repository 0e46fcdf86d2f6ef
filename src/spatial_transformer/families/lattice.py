"""Regular lattices of values over an image, and how to read between them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

# From the fractional part of a position to the weights of the 2 or 4 entries around it, all (M, 1, K).
Kernel = Callable[[Tensor], list[Tensor]]


class Tap(NamedTuple):
    """One entry that a point touches along an axis. Each field is (M, 1, K)."""

    entry: Tensor  # its index in the flattened lattice, as far as this axis goes
    weight: Tensor


def lattice_points(control: Sequence[int], reach: float = 1.0) -> Tensor:
    """The control points of a lattice over [-reach, reach], the outermost on its corners: (K, D) by rows, x first."""
    axes = [torch.linspace(-reach, reach, length, dtype=torch.float64) for length in control]
    return torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1], dim=-1).flatten(0, -2)


def lattice_position(points: Tensor, control: Sequence[int], reach: float = 1.0) -> Tensor:
    """(..., D) points to positions in units of the lattice: 0 is the first control point of an axis, n - 1 the last."""
    axes = [
        points[..., d] * ((length - 1) / (2 * reach)) + (length - 1) / 2 for d, length in enumerate(reversed(control))
    ]
    return torch.stack(axes, dim=-1)


def as_field(theta: Tensor, control: Sequence[int]) -> Tensor:
    """(N, P) parameters, a vector per control point, to a field of vectors (N, D, *control)."""
    return theta.unflatten(1, (*control, len(control))).movedim(-1, 1)


def interpolate(field: Tensor, position: Tensor, kernel: Kernel) -> Tensor:
    """Read a field between its entries. Outside of the lattice its border goes on.

    Args:
        field: (N | 1, F, *control) values, F of them per control point.
        position: (N | 1, K, D) positions in units of the lattice, x first. NaN reads as NaN.
        kernel: how entries are blended.

    Returns:
        (N, F, K) values.
    """
    batch = torch.broadcast_shapes(field.shape[:1], position.shape[:1])[0]
    axes = []
    stride = 1
    for axis, length in enumerate(reversed(field.shape[2:])):  # the last axis is x, a point's first coordinate
        axes.append(_taps(position[:, None, :, axis], length, stride, kernel))
        stride *= length
    return _blend(field.flatten(2).expand(batch, -1, -1), axes[::-1], None)


def _taps(position: Tensor, length: int, stride: int, kernel: Kernel) -> list[Tap]:
    """The entries along an axis of `length` entries that (M, 1, K) positions touch."""
    reach = len(kernel(position[..., :0])) // 2
    position = position.clamp(-reach, length - 1 + reach)  # beyond, every entry is the border; NaN stays
    first = position.detach().floor()
    taps = []
    for offset, weight in enumerate(kernel(position - first)):
        index = (first + (offset + 1 - reach)).nan_to_num(0).clamp(0, length - 1).long()
        taps.append(Tap(index * stride, weight))
    return taps


def _blend(entries: Tensor, axes: list[list[Tap]], index: Tensor | None) -> Tensor:
    """The weighted sum over the taps of the first axis, each the weighted sum over those of the others: (N, F, K)."""
    if not axes:
        assert index is not None
        return entries.gather(2, index.expand(*entries.shape[:2], -1))
    parts = [
        tap.weight * _blend(entries, axes[1:], tap.entry if index is None else index + tap.entry) for tap in axes[0]
    ]
    return sum(parts[1:], parts[0])


def linear(f: Tensor) -> list[Tensor]:
    """Straight lines from entry to entry."""
    return [1 - f, f]


def cubic_bspline(f: Tensor) -> list[Tensor]:
    """The uniform cubic B-spline: twice continuously differentiable; passes near its entries, not through them."""
    g = 1 - f
    return [g**3 / 6, ((3 * f - 6) * f * f + 4) / 6, ((3 * g - 6) * g * g + 4) / 6, f**3 / 6]


def spline_through(values: Tensor, filters: Sequence[Tensor]) -> Tensor:
    """(N, F, *control) values to the field whose cubic B-spline passes through them; a filter for each axis."""
    for axis, axis_filter in enumerate(filters, start=2):
        values = (values.movedim(axis, -1) @ axis_filter.mT).movedim(-1, axis)
    return values


def spline_filter(length: int) -> Tensor:
    """(n, n): values along an axis of n entries to the coefficients of the cubic B-spline through them."""
    unit = torch.eye(length, dtype=torch.float64)
    before, after = (unit[:, (torch.arange(length) + step).clamp(0, length - 1)] for step in (-1, 1))
    return torch.linalg.inv((before + 4 * unit + after) / 6)
