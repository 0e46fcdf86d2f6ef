"""Plane projective transformations (homographies), and their 3D form."""

from typing import final

import torch
from torch import Tensor

from .. import checks
from ..homography import transform
from ..matrices import translation_matrix
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

    def first_fit(self, target: Tensor, source: Tensor) -> Tensor:
        """The null vector of a linear system between normalised points (Hartley, 1997), or the identity if nearer."""
        identity = super().first_fit(target, source)
        if target.shape[1] < self.dims + 2:
            return identity
        theta = self._read(_homography(target, source))
        miss, least = ((self.points(each, target) - source).square().sum(dim=(1, 2)) for each in (theta, identity))
        return torch.where((miss < least)[:, None], theta, identity)

    def _transform(self, theta: Tensor, points: Tensor) -> Tensor:
        return transform(self._build(theta), points)

    def _rows(self, theta: Tensor) -> Tensor:
        return self._build(theta)

    def extra_repr(self) -> str:
        return f"dims={self.dims}"


def _homography(target: Tensor, source: Tensor) -> Tensor:
    """(N, D+1, D+1) matrices that take (N, K, D) points to others, by the direct linear transform."""
    there, a = _normalised(target)
    back, b = _normalised(source)
    dims = target.shape[-1]
    homogeneous = torch.cat([a, torch.ones_like(a[..., :1])], dim=-1)  # (N, K, D+1)
    zero = torch.zeros_like(homogeneous)
    rows = [
        torch.cat([homogeneous if i == d else zero for i in range(dims)] + [-b[..., d, None] * homogeneous], dim=-1)
        for d in range(dims)
    ]
    system = torch.cat(rows, dim=1)  # (N, D K, (D+1)^2)
    solution = torch.linalg.svd(system, full_matrices=True)[2][:, -1]
    return torch.linalg.inv(back) @ solution.unflatten(1, (dims + 1, dims + 1)) @ there


def _normalised(points: Tensor) -> tuple[Tensor, Tensor]:
    """The (N, D+1, D+1) matrix that gives points mean zero and unit spread, and the (N, K, D) points so."""
    centre = points.mean(dim=1)  # (N, D)
    spread = (points - centre[:, None]).square().sum(dim=-1).mean(dim=1).sqrt()  # (N,)
    scale = 1 / torch.where(spread > 0, spread, 1)
    matrix = translation_matrix(-centre * scale[:, None])
    widths = torch.cat([scale[:, None].expand(-1, points.shape[-1]), torch.ones_like(scale[:, None])], dim=1)
    unit = torch.diag_embed(widths - 1)  # (N, D+1, D+1): what is added to a diagonal of ones
    return matrix + unit, (points - centre[:, None]) * scale[:, None, None]
