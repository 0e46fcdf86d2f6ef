"""How smooth a deformation is: its bending and where it folds, from the grid of its points."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .. import checks


@dataclass(frozen=True)
class Smoothness:
    """What deformations pay for, beside the measure.

    Attributes:
        bending: of the bending energy, the mean square of the second derivatives of the displacement in normalised
            units. More makes smoother warps, less follows finer motion.
        folding: of the mean by which the Jacobian's determinant lies below a twentieth.
    """

    bending: float = 3e-4
    folding: float = 1.0

    def __post_init__(self) -> None:
        checks.non_negative("bending", self.bending)
        checks.non_negative("folding", self.folding)

    def penalty(self, points: Tensor) -> Tensor:
        """(N, *size, D) points of a deformation at the pixels of an image, to (N,) values, 0 at the identity."""
        return self.bending * bending_energy(points) + self.folding * folding(points)


MARGIN = 0.05  # determinants below this are paid for, so that there are none below zero


def bending_energy(points: Tensor) -> Tensor:
    """(N, *size, D) to (N,); 0 for affine maps. Axes of fewer than three pixels do not bend."""
    total = points.new_zeros(len(points))
    size = points.shape[1:-1]
    for axis in range(len(size)):
        along = _slope(points, axis, size)
        for other in range(len(size)):
            second = _slope(along, other, size)
            if second.numel():
                total = total + second.square().sum(dim=-1).flatten(1).mean(dim=1)
    return total


def folding(points: Tensor) -> Tensor:
    """(N, *size, D) to (N,): the mean by which determinants lie below `MARGIN`."""
    return (MARGIN - determinants(points)).clamp_min(0).flatten(1).mean(dim=1)


def determinants(points: Tensor) -> Tensor:
    """(N, *size, D) to (N, *size - 1): the area, or volume, that the warp reads in each cell between pixels, signed.

    Axes of one pixel are as if nothing changed along them.
    """
    size = points.shape[1:-1]
    cells = tuple(slice(0, max(1, length - 1)) for length in size)
    columns = []
    for axis in reversed(range(len(size))):  # by x, y (, z)
        unit = torch.eye(len(size), dtype=points.dtype, device=points.device)[len(size) - 1 - axis]
        slope = _slope(points, axis, size) if size[axis] > 1 else unit.expand_as(points)
        columns.append(slope[(slice(None), *cells)])
    return _determinant(torch.stack(columns, dim=-1))


def _slope(values: Tensor, axis: int, size: Sequence[int]) -> Tensor:
    """Forward differences along an axis of an image of this size, which is two normalised units long."""
    return values.diff(dim=1 + axis) * (size[axis] / 2)


def _determinant(matrix: Tensor) -> Tensor:
    """(..., D, D) to (...), written out: for many small ones much faster than LAPACK."""
    if matrix.shape[-1] == 2:
        return matrix[..., 0, 0] * matrix[..., 1, 1] - matrix[..., 0, 1] * matrix[..., 1, 0]
    a, b, c = matrix.unbind(dim=-1)  # (..., 3) each
    return (torch.linalg.cross(a, b) * c).sum(dim=-1)
