"""Thin plate splines: the smoothest warp that moves a set of control points where theta says."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from .. import checks
from ..constants import plainly
from .base import Family, full_precision
from .basis import for_grid, move, move_on_grid
from .kept import kept
from .lattice import lattice_points

# In how far a displacement moves a point: one of a half-width is then off by 1/40 pixel at a width of 256.
LARGEST_ERROR = 2e-4
# Half-widths that points may move by because theta itself is rounded to float32: 1/20 pixel at a width of 256.
LARGEST_ROUNDING = 4e-4


@final
class ThinPlateSpline(Family):
    """The warp of least bending that takes each control point to the source point given for it.

    Control points sit on a regular lattice over the target image, its outermost ones on the image's corners, or
    wherever you put them. theta lists the source point of each, (x, y) after (x, y), row by row or in your order: 2 K
    numbers for K points, 3 K in a volume. The identity theta is the control points themselves.

    With control points c, displacements d = theta - c and the kernel U (r^2 log r in 2D, -r in 3D), the warp is
    `x_s = x + sum_k w_k U(|x - c_k|) + a_0 + A x`, where (w, a_0, A) solve Bookstein's linear system. The system
    depends on the control points alone, so its inverse is computed once, at construction, and the warp is linear in
    theta.

    Args:
        control: (rows, columns) or (depth, rows, columns) of the lattice, 2 or more each; or a tensor or array
            (K, D) of control points, normalised, x first. Both say the dimension too.
        stiffness: 0 interpolates: every control point arrives where theta says. Above 0 the spline approximates and
            bends less, up to the best affine fit as the number grows.

    Raises:
        ValueError: an axis of the lattice has fewer than two points; of the control points there are fewer than D + 1,
            two coincide, or all lie on a line (or plane, in a volume); or `stiffness` is negative. When it is used:
            theta is float32, and the control points lie so near to a line that its rounding would move others by more
            than 1/20 pixel at a width of 256.

    Source: Jaderberg et al. (2015), section 3.2 (16 points in section 4.1); Bookstein (1989); Wahba (1990) for the
    stiffness.

    Example:
        >>> family = ThinPlateSpline(control=(4, 4))
        >>> family.parameter_count
        32
        >>> corner = torch.tensor([[-1.0, -1.0]])
        >>> family.points(family.identity(1) + 0.5, corner)
        tensor([[[-0.5000, -0.5000]]])
    """

    def __init__(self, control: Sequence[int] | Tensor = (4, 4), *, stiffness: float = 0.0) -> None:
        lattice = None if hasattr(control, "ndim") else checks.control(control)  # a tensor or array has axes
        with plainly():
            points = checks.control_points(control) if lattice is None else lattice_points(lattice)  # (K, D)
        super().__init__(points.shape[1], lambda: points)
        self.control = lattice or f"{len(points)} points"
        self.stiffness = checks.non_negative("stiffness", stiffness)
        self._keep("control", lambda: points)
        self._keep("coefficients", lambda: _coefficients(points, self.stiffness))
        with plainly():
            self._wide = self._needs_float64()
            self._rounding = self._rounding_of_theta()

    def bending_energy(self, theta: Tensor) -> Tensor:
        """How much the warp bends: zero for every affine warp. A penalty on it keeps a spline from tangling.

        Args:
            theta: (N, P) parameters.

        Returns:
            (N,) energies, the sum over coordinates of w . K w.

        Raises:
            ValueError: `theta` is not (N, P).
        """
        checks.theta(self, self.parameter_count, theta)
        if self._wide and theta.dtype != torch.float64:
            return self.bending_energy(theta.double()).to(theta.dtype)
        control = self._constant("control", theta)  # (K, D)
        with full_precision(theta):
            weights = self._constant("coefficients", theta)[: len(control)] @ self._displacements(theta)  # (N, K, D)
            return (weights * (_kernel(control, control) @ weights)).sum(dim=(1, 2))

    def _needs_float64(self) -> bool:
        """Whether control points lie so close together that large coefficients cancel: float32 would lose pixels."""
        points = lattice_points((9,) * self.dims)[None]
        exact = self._basis(points, points)
        apart = self._basis(points.float(), points.float()) - exact
        return bool(apart.abs().amax() > LARGEST_ERROR)

    def _rounding_of_theta(self) -> float:
        """How far points of the image may move because theta is rounded to float32, half of its last digit."""
        points = lattice_points((9,) * self.dims)[None]
        return 2.0**-25 * float(self._basis(points, points).abs().sum(dim=1).amax())

    def _displacements(self, theta: Tensor) -> Tensor:
        # Measured from the control points, so that the identity is exact: zero displacement, whatever the rounding.
        return (theta - self._constant("identity", theta)).unflatten(1, (-1, self.dims))  # (N, K, D)

    def _transform(self, theta: Tensor, points: Tensor) -> Tensor:
        if self._wide and theta.dtype != torch.float64:
            checks.exact_enough(self, self._rounding, LARGEST_ROUNDING)
            return self._transform(theta.double(), points.double()).to(theta.dtype)
        return move(points, self._displacements(theta), self._basis(points, theta))

    def _on_grid(self, theta: Tensor, size: tuple[int, ...]) -> Tensor:
        if self._wide and theta.dtype != torch.float64:
            checks.exact_enough(self, self._rounding, LARGEST_ROUNDING)
            return self._on_grid(theta.double(), size).to(theta.dtype)
        where, basis = kept(self, size, theta, lambda points: for_grid(points, self._basis(points, theta)))
        return move_on_grid(theta, self._constant("identity", theta), where, basis, size)

    def _basis(self, points: Tensor, like: Tensor) -> Tensor:
        """How far the displacement of each control point moves points (1 | N, K, D): (1 | N, K_control, K)."""
        return (_features(points, self._constant("control", like)) @ self._constant("coefficients", like)).mT

    def extra_repr(self) -> str:
        return f"control={self.control}, stiffness={self.stiffness}"


def _kernel(points: Tensor, control: Tensor) -> Tensor:
    """U(r) between (..., P, D) points and (K, D) control points: (..., P, K)."""
    squared = (points[..., :, None, :] - control).square().sum(dim=-1)
    # At r = 0 both the logarithm and the root have infinite slope while U itself is 0: step around it, so that
    # values and derivatives of every order stay finite.
    apart = squared > 0
    safe = torch.where(apart, squared, 1)
    radial = safe * safe.log() / 2 if control.shape[-1] == 2 else -safe.sqrt()
    # The signs are those with which the bending energy is positive; with the others a stiffness would add bends.
    return torch.where(apart, radial, 0)


def _features(points: Tensor, control: Tensor) -> Tensor:
    """The row (U_1 ... U_K, 1, x, y (, z)) of each of (..., P, D) points: (..., P, K + 1 + D)."""
    return torch.cat([_kernel(points, control), torch.ones_like(points[..., :1]), points], dim=-1)


def _coefficients(control: Tensor, stiffness: float) -> Tensor:
    """What takes the displacements of (K, D) control points to (w, a_0, A): (K + 1 + D, K)."""
    return torch.linalg.inv(_bookstein_matrix(control, stiffness))[:, : len(control)]


def _bookstein_matrix(control: Tensor, stiffness: float) -> Tensor:
    """The system that (w, a_0, A) solve; (K + 1 + D, K + 1 + D)."""
    count, dims = control.shape
    upper = _features(control, control)
    upper[:, :count] += stiffness * torch.eye(count, dtype=control.dtype)
    sides = upper[:, count:].T  # (1 + D, K): no net force, no net torque
    return torch.cat([upper, torch.cat([sides, control.new_zeros(1 + dims, 1 + dims)], dim=1)])
