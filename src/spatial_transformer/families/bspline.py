"""Free-form deformation: a smooth warp moved by a lattice of control points, each of which moves what is near it."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from .. import checks
from .base import Family
from .kept import kept
from .lattice import as_field, for_grid, interpolate, lattice_position, move_by_field


@final
class BSpline(Family):
    """Cubic free-form deformation: `x_s = x + sum_k B(x - c_k) d_k`, smooth and local.

    Control points c lie on a regular lattice over the target image, the outermost ones on its corners. theta lists the
    displacement d of each, (x, y) after (x, y), row by row, in half-widths of the source image; the identity theta is
    zero. B is the product of a uniform cubic B-spline per axis, so a point is moved by the 4 x 4 (x 4) control points
    around it. The warp is twice continuously differentiable. It approximates: a control point moved alone moves the
    image at its place by 4/9 of that (8/27 in a volume). The border of the lattice is repeated outside, so that equal
    displacements are a shift, everywhere.

    Args:
        control: (rows, columns) or (depth, rows, columns) of the lattice, 2 or more each; says the dimension too.

    Raises:
        ValueError: an axis of the lattice has fewer than two points.

    Source: Rueckert et al. (1999), "Nonrigid registration using free-form deformations".

    Example:
        >>> family = BSpline(control=(5, 5))
        >>> theta = family.identity(1)
        >>> theta[0, 24] = 0.9  # x of the control point in the middle
        >>> family.points(theta, torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
        tensor([[[0.4000, 0.0000],
                 [1.0000, 1.0000]]])
    """

    def __init__(self, control: Sequence[int] = (4, 4)) -> None:
        control = checks.control(control)
        super().__init__(len(control), lambda: torch.zeros(*control, len(control)))
        self.control = control

    def _transform(self, theta: Tensor, points: Tensor) -> Tensor:
        position = lattice_position(points, self.control)  # (1 | N, K, D)
        return points + interpolate(as_field(theta, self.control), position).mT

    def _on_grid(self, theta: Tensor, size: tuple[int, ...]) -> Tensor:
        points, *weights = kept(self, size, theta, lambda points: for_grid(points, size, self.control))
        return move_by_field(points, theta.unflatten(1, (*self.control, self.dims)), weights).unflatten(1, size)

    def extra_repr(self) -> str:
        return f"control={self.control}"
