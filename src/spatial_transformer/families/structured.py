"""The paper's general form M_theta B: a matrix predicted per image times a basis, fixed or learnt."""

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor, nn

from .. import checks
from ..kernels import Linear
from ..ops.resample import resample
from .base import Family
from .basis import move

Basis = Callable[[Tensor], Tensor]


@final
class Structured(Family):
    """Displacements in a space of F basis functions: `x_s = x + M b(x)`.

    theta is the (D, F) matrix M row by row: row 0 moves along x, row 1 along y. The identity theta is zero. The basis b
    says what the warp can do, and M, predicted for each image, what it does. Every family that is linear in theta has
    this form. With b(x, y) = (x, y, 1) it is `Affine`, M being the affine matrix minus the identity; `Attention` is the
    same basis with M filled as (s - 1, 0, tx; 0, s - 1, ty); with the kernels of a thin plate spline, or the B-splines
    of a lattice, in b it is `ThinPlateSpline` or `BSpline`. The basis can also be learnt for the task, as the paper
    remarks: `learnable=True` makes the images a parameter, and a module as basis brings parameters of its own. In these
    two cases, and in no other family, a state dict holds something.

    Args:
        basis: F basis images over the target, (F, H, W) or (F, D, H, W), read linearly between pixel centres, with the
            border value outside; or a function, or module, from points (..., D) to (..., F).
        dims: 2 or 3, for a function as basis; 2 by default. Images say it themselves.
        learnable: make the basis images a parameter that is trained along.

    Raises:
        ValueError: the images are not (F, *size), `dims` is another than theirs, or `learnable` with a function.
        TypeError: `basis` is neither a tensor of floating-point numbers nor callable.

    Source: Jaderberg et al. (2015), section 3.2: the form T_theta = M_theta B, and the remark that B may be learnt.

    Example:
        >>> waves = Structured(lambda points: torch.sin(torch.pi * points))  # F = 2
        >>> theta = torch.tensor([[0.0, 0.1, 0.0, 0.0]])  # x moves with sin(pi y)
        >>> waves.points(theta, torch.tensor([[0.0, 0.5]]))
        tensor([[[0.1000, 0.5000]]])
    """

    def __init__(self, basis: Tensor | Basis, *, dims: int | None = None, learnable: bool = False) -> None:
        dims = checks.basis(basis, dims, learnable=learnable)
        count = len(basis) if isinstance(basis, Tensor) else _count(basis, dims)
        super().__init__(dims, lambda: torch.zeros(dims * count))
        self.learnable = learnable
        self.basis: Basis | Tensor | None = None
        if not isinstance(basis, Tensor):
            self.basis = basis
        elif learnable:
            self.basis = nn.Parameter(basis.detach().clone())
        else:
            self._keep("basis", lambda: basis)

    def _transform(self, theta: Tensor, points: Tensor) -> Tensor:
        matrix = theta.unflatten(1, (self.dims, -1))  # (N, D, F)
        return move(points, matrix.mT, self._values(points))

    def _values(self, points: Tensor) -> Tensor:
        """b at (1 | N, K, D) points: (1 | N, F, K)."""
        if isinstance(self.basis, nn.Module):
            # In the precision of the points, also when the network around it was cast to half.
            weights = {name: value.to(points.dtype) for name, value in self.basis.named_parameters()}
            return torch.func.functional_call(self.basis, weights, (points,)).mT
        if self.basis is not None and not isinstance(self.basis, Tensor):
            return self.basis(points).mT
        images = self._constant("basis", points) if self.basis is None else self.basis.to(points.dtype)
        return resample(images[None], points, kernel=Linear(), padding=("border",) * self.dims)

    def extra_repr(self) -> str:
        if self.basis is not None and not isinstance(self.basis, Tensor):
            return f"dims={self.dims}, functions={self.parameter_count // self.dims}"
        images = self._constants["basis"] if self.basis is None else self.basis
        return f"basis={tuple(images.shape)}, learnable={self.learnable}"


def _count(basis: Basis, dims: int) -> int:
    """F, found out by asking for the values at two points."""
    points = torch.zeros(1, 2, dims)
    if isinstance(basis, nn.Module):
        weight = next(basis.parameters(), points)
        points = points.to(weight)
    with torch.no_grad():
        return checks.basis_values(basis(points), (1, 2))
