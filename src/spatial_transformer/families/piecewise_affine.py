"""Piecewise affine warps: a mesh of triangles, or of tetrahedra in a volume, each with an affine map of its own."""

import math
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from .. import checks
from .base import Family
from .basis import for_grid, move_on_grid
from .kept import kept
from .lattice import as_field, lattice_points, lattice_position

# Vertices times pixels of an output, up to which a product of matrices is quicker than to look for the vertices.
LARGEST_BASIS = 2**22


@final
class PiecewiseAffine(Family):
    """A mesh whose vertices go where theta says, and each triangle between them by the affine map of its corners.

    The vertices lie on a regular lattice over the target image, the outermost ones on its corners. theta lists the
    source point of each, (x, y) after (x, y), row by row, as in `ThinPlateSpline`; the identity theta is the lattice.
    Every cell is cut along its diagonal from the corner with the lowest coordinates to the one with the highest: into
    two triangles, or six tetrahedra in a volume. The pieces share their sides, so the warp is continuous; it has kinks
    there, where the derivative is that of one of the sides. Outside of [-1, 1] the mesh is continued by another ring of
    cells of the same size, so that the map of a border cell goes on, and the maps of that ring go on for ever.

    Args:
        control: (rows, columns) or (depth, rows, columns) of the lattice, 2 or more each; says the dimension too.

    Raises:
        ValueError: an axis of the lattice has fewer than two points.

    Source: named in Jaderberg et al. (2015), section 3.2; Kuhn (1960) for the cut: with the local coordinates sorted,
    the weights of the corners are the differences of neighbours.

    Example:
        >>> family = PiecewiseAffine(control=(2, 2))
        >>> theta = family.identity(1)
        >>> theta[0, 2] = 3.0  # x of the upper right corner
        >>> family.points(theta, torch.tensor([[0.5, -0.5], [-0.5, 0.5]]))
        tensor([[[ 1.5000, -0.5000],
                 [-0.5000,  0.5000]]])
    """

    def __init__(self, control: Sequence[int] = (4, 4)) -> None:
        control = checks.control(control)
        super().__init__(len(control), lambda: lattice_points(control))
        self.control = control
        lengths = [length + 2 for length in reversed(control)]  # x first, with the ring
        self._keep("last_cell", lambda: torch.tensor(lengths) - 2)  # (D,)
        self._keep("strides", lambda: torch.tensor([1, *lengths[:-1]]).cumprod(dim=0))  # (D,)

    def _transform(self, theta: Tensor, points: Tensor) -> Tensor:
        # Displacements rather than source points, so that the identity is exact.
        moves = as_field(theta - self._constant("identity", theta), self.control)
        return points + self._read(moves, points).mT

    def _on_grid(self, theta: Tensor, size: tuple[int, ...]) -> Tensor:
        # While it is compiled the size may be open, and nothing is kept.
        if torch.compiler.is_compiling() or math.prod(self.control) * math.prod(size) > LARGEST_BASIS:
            return super()._on_grid(theta, size)
        where, basis = kept(self, size, theta, lambda points: for_grid(points, self._basis(points)))
        return move_on_grid(theta, self._constant("identity", theta), where, basis, size)

    def _basis(self, points: Tensor) -> Tensor:
        """How far the displacement of each vertex moves (1, K, D) points: (1, vertices, K)."""
        unit = torch.eye(math.prod(self.control), dtype=points.dtype, device=points.device)  # a vertex at a time
        return self._read(unit.unflatten(1, self.control)[None], points)

    def _read(self, field: Tensor, points: Tensor) -> Tensor:
        """(N | 1, F, *control) values of the vertices at (1 | N, K, D) points: (N, F, K)."""
        values = _ringed(field).flatten(2)  # (N, F, L)
        corners, weights = self._simplex(lattice_position(points, self.control) + 1)  # (1 | N, K, D+1)
        index = corners.flatten(1)[:, None].expand(values.shape[0], values.shape[1], -1)  # (N, F, K (D+1))
        return (values.gather(2, index).unflatten(2, corners.shape[1:]) * weights[:, None]).sum(dim=-1)

    def _simplex(self, position: Tensor) -> tuple[Tensor, Tensor]:
        """(M, K, D) positions in the ringed lattice to the corners of their simplex and the weights, (M, K, D+1)."""
        cell = position.detach().nan_to_num(0).floor().clamp(min=0).minimum(self._constant("last_cell", position))
        local, order = (position - cell).sort(dim=-1, descending=True)
        # From the lowest corner of the cell, one step along each axis in the order of the coordinates.
        strides = self._constant("strides", position).long()
        base = (cell.long() * strides).sum(dim=-1, keepdim=True)  # (M, K, 1)
        corners = torch.cat([base, base + strides[order].cumsum(dim=-1)], dim=-1)
        ends = torch.ones_like(local[..., :1])
        return corners, torch.cat([ends, local], dim=-1) - torch.cat([local, 0 * ends], dim=-1)

    def extra_repr(self) -> str:
        return f"control={self.control}"


def _ringed(field: Tensor) -> Tensor:
    """(N, D, *control) with another entry at both ends of every axis, on the straight line through the last two."""
    for axis in range(2, field.ndim):
        first, second = field.narrow(axis, 0, 1), field.narrow(axis, 1, 1)
        last, last_but_one = field.narrow(axis, -1, 1), field.narrow(axis, -2, 1)
        field = torch.cat([2 * first - second, field, 2 * last - last_but_one], dim=axis)
    return field
