"""Plane projective transformations (homographies), and their 3D form."""

from typing import final

import torch
from torch import Tensor

from .. import checks
from ..homography import transform
from .linear import MatrixFamily


@final
class Projective(MatrixFamily):
    """A homography: what a flat scene goes through when a camera moves around it.

    theta is the (D+1, D+1) matrix row by row without its last entry, which is 1: 8 numbers in 2D, 15 in 3D. A point is
    multiplied and divided by its last homogeneous coordinate. Points on or behind the horizon, where that coordinate
    is not positive, have no source; they are put far outside and read as padding, never as NaN. `inverse` and `compose`
    scale their result so that its last entry is 1 again; where the centre of the target lies behind the horizon of the
    result, that turns front and back around, and what should be seen reads as padding.

    Args:
        dims: 2 or 3.

    Raises:
        ValueError: `dims` is neither.

    Source: named in Jaderberg et al. (2015), section 3.2, which does not print the formula.

    Example:
        >>> theta = torch.tensor([[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0]])
        >>> Projective().points(theta, torch.tensor([[1.0, 0.5]]))
        tensor([[[0.5000, 0.2500]]])
    """

    def __init__(self, dims: int = 2) -> None:
        checks.dims("Projective", dims, allowed=(2, 3))
        super().__init__(dims, lambda: torch.eye(dims + 1).flatten()[:-1])

    def _build(self, theta: Tensor) -> Tensor:
        last = torch.ones_like(theta[:, :1])
        return torch.cat([theta, last], dim=1).unflatten(1, (self.dims + 1, self.dims + 1))

    def _read(self, matrix: Tensor) -> Tensor:
        return (matrix / matrix[:, -1:, -1:]).flatten(1)[:, :-1]

    def _transform(self, theta: Tensor, points: Tensor) -> Tensor:
        return transform(self._build(theta), points)

    def _rows(self, theta: Tensor) -> Tensor:
        return self._build(theta)

    def extra_repr(self) -> str:
        return f"dims={self.dims}"
