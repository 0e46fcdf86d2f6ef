"""Regular lattices of values over an image, and how to read between them."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..kernels import BSpline, Kernel, spline
from ..ops.resample import resample

# Entries that are put around a lattice, so that all that a point reads lies inside: there the sampler is fast.
MARGIN = 2


class _Smooth(Kernel):
    """The cubic B-spline itself: twice continuously differentiable; passes near the entries, not through them."""

    support = 2.0

    def weight(self, distance: Tensor) -> Tensor:
        return spline(3, distance)

    def polynomials(self) -> np.ndarray:
        return BSpline(3).polynomials()


SMOOTH = _Smooth()


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


def interpolate(field: Tensor, position: Tensor) -> Tensor:
    """Read the cubic B-spline of a field. Outside of the lattice its border goes on.

    Args:
        field: (N | 1, F, *control) coefficients, F of them per control point.
        position: (N | 1, K, D) positions in units of the lattice, x first. NaN reads as NaN.

    Returns:
        (N, F, K) values.
    """
    wide = nn.functional.pad(field.contiguous(), [MARGIN] * (2 * position.shape[-1]), mode="replicate")
    axes = [position[..., d] * (2 / n) + ((2 * MARGIN + 1) / n - 1) for d, n in enumerate(wide.shape[:1:-1])]
    read = read_wide(wide, torch.stack(axes, dim=-1))
    return torch.where(position.isnan().any(dim=-1)[:, None], torch.nan, read)


def read_wide(field: Tensor, points: Tensor) -> Tensor:
    """The spline of an (N | 1, F, *wide) field with margins, at (N | 1, K, D) points normalised to its outer edges."""
    return resample(field, points, kernel=SMOOTH, padding=("border",) * points.shape[-1])


def along_axes(values: Tensor, matrices: Sequence[Tensor]) -> Tensor:
    """(N, F, *lengths) values, multiplied along each axis by a matrix (new length, length)."""
    values = values @ matrices[-1].mT
    for axis in range(values.ndim - 2, 1, -1):
        values = (matrices[axis - 2] @ values.flatten(axis + 1)).unflatten(-1, values.shape[axis + 1 :])
    return values


def spline_weights(position: Tensor, length: int) -> Tensor:
    """(K, n): coefficients along an axis of n entries to the spline at (K,) positions in units of the lattice."""
    entries = torch.arange(-MARGIN, length + MARGIN)
    distance = position.clamp(-1, length)[:, None] - entries.to(position)  # beyond, every entry is the border
    return spline(3, distance) @ _border(length).to(position)


def for_grid(points: Tensor, size: Sequence[int], control: Sequence[int], reach: float = 1.0) -> tuple[Tensor, ...]:
    """What `move_by_field` takes: points (1, K, D), the pixels of an output of a size, and a matrix for each axis."""
    weights = []
    for pixels, length in zip(size, control, strict=True):
        centres = torch.arange(1 - pixels, pixels, 2, dtype=torch.float64)[:, None] / pixels
        weights.append(spline_weights(lattice_position(centres, [length], reach)[:, 0], length))
    unit = torch.eye(len(size), dtype=torch.float64)[:, None]  # (D, 1, D)
    weights[-1] = (weights[-1][:, None, :, None] * unit).flatten(2).flatten(0, 1)  # x and y stay next to each other
    return points, *(weight.to(points) for weight in weights)


def move_by_field(points: Tensor, field: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Add the spline of an (N, *control, D) field to points as `for_grid` returns them: (N, K, D)."""
    first, *others = weights
    rows = along_axes(field.flatten(-2), others).flatten(2)  # (N, length of the first axis, ...)
    start = points.unflatten(1, (first.shape[0], -1)).flatten(2)  # (1, pixels along the first axis, ...)
    moved = torch.baddbmm(start, first.expand(rows.shape[0], -1, -1), rows)
    return moved.flatten(1).unflatten(1, points.shape[1:])


def spline_filter(length: int) -> Tensor:
    """(n, n): values along an axis of n entries to the coefficients of the cubic B-spline through them."""
    nodes = torch.arange(length, dtype=torch.float64)
    return torch.linalg.inv(spline_weights(nodes, length))


def widen(matrix: Tensor) -> Tensor:
    """(n + 2 MARGIN, ...) from (n, ...): the first and the last row as often again as there are entries outside."""
    return _border(len(matrix)).to(matrix) @ matrix


def _border(length: int) -> Tensor:
    """(n + 2 MARGIN, n): an axis to one with margins, in which its ends go on."""
    inside = torch.arange(-MARGIN, length + MARGIN).clamp(0, length - 1)
    return torch.eye(length, dtype=torch.float64)[inside]
