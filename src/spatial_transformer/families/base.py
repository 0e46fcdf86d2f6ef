"""What every family of transformations has in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, ClassVar, Self, final

import torch
from torch import Tensor, nn

from .. import checks
from ..constants import constant, given
from ..coordinates import target_points
from ..regions import Region, frame, region_of, surface
from .derivative import jacobian_of
from .inversion import newton_step, solve

# Pieces of a side of a curved outline: as many kinks as lattices of up to five points have fall between them.
PER_SIDE = 24


class Family(nn.Module, ABC):
    """A family of transformations T_theta that take target (output) points to source (input) points.

    A family knows how many parameters it has (`parameter_count`), which theta leaves everything where it is
    (`identity`), and where a theta sends a point (`points`). It holds no weights: whatever it needs to compute with are
    constants in float64, which are given out in the dtype and on the device of theta, wherever the module is, and never
    enter a state dict.

    A subclass writes `_transform`; everything else is final. Families that are closed under inversion also have
    `inverse`, which returns a theta: exact for the groups of matrices (which have `compose` too), `-theta` for
    `Velocity`. All others are inverted point by point, by `inverse_points`.

    A NaN in theta makes the points NaN that it moves, and in `grid` perhaps others of the same image; they read as the
    fill value of the sampler.

    Attributes:
        dims: 2 for images, 3 for volumes.
        parameter_count: P, the length of a theta.
        keeps_lines: whether every warp takes straight lines to straight lines.
    """

    keeps_lines: ClassVar[bool] = False

    def __init__(self, dims: int, identity: Tensor | Callable[[], Tensor]) -> None:
        super().__init__()
        self.dims = dims
        here = torch.empty(0) if callable(identity) else identity
        # Where `identity` is returned. The meta device is where modules are made before they have a place.
        self._place = None if here.device.type == "meta" else here.device
        self._constants: dict[str, Tensor] = {}
        self._keep("identity", lambda: (identity() if callable(identity) else identity).flatten())  # (P,)
        self.parameter_count = self._constants["identity"].numel()

    @final
    def _keep(self, name: str, make: Callable[[], Tensor]) -> None:
        """Make a constant for `_constant`, with values even where this module is made without."""
        self._constants[name] = constant(make)

    @final
    def identity(
        self, batch: int = 1, *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
    ) -> Tensor:
        """The theta that leaves every point where it is, exactly.

        Args:
            batch: N, how many copies.
            dtype: float32 or float64.
            device: where to put it; by default where the family was made or moved to.

        Returns:
            (N, P) parameters.

        Raises:
            ValueError: `batch` is negative.
            TypeError: `dtype` is neither float32 nor float64.
        """
        place = torch.empty(0, device=self._place if device is None else device).device
        row = given(self._constants["identity"], place, checks.coordinates_dtype(dtype))  # (P,)
        return row.repeat(checks.batch(batch), 1)

    @final
    def points(self, theta: Tensor, points: Tensor) -> Tensor:
        """Map target points to source points.

        Args:
            theta: (N, P) parameters, float32 or float64.
            points: target points, normalised, x first. Any rank: (..., D) or (1, ..., D), shared by the batch, or
                (N, ..., D), one set per image. A first axis of length N or 1 in front of two or more axes is read as
                the batch axis; give shared points of that shape a leading axis of 1, as `target_points` does.

        Returns:
            (N, ..., D) source points, normalised, x first.

        Raises:
            ValueError: `theta` is not (N, P), or the last axis of `points` is not D.
            TypeError: `theta` or `points` is not float32 or float64.
        """
        checks.theta(self, self.parameter_count, theta)
        points = checks.points_of_batch(points, self.dims, theta.shape[0])  # (1 | N, ..., D)
        dtype = torch.promote_types(theta.dtype, points.dtype)
        flat = points.to(dtype)[:, None].flatten(1, -2)  # (1 | N, K, D)
        with full_precision(theta):
            mapped = self._transform(theta.to(dtype), flat)  # (N, K, D)
        return mapped.reshape(theta.shape[0], *points.shape[1:])

    @final
    def grid(self, theta: Tensor, size: Sequence[int]) -> Tensor:
        """The sampling grid of an output image: the source point of each of its pixels.

        Args:
            theta: (N, P) parameters.
            size: (H, W) or (D, H, W) of the output.

        Returns:
            (N, H, W, 2) or (N, D, H, W, 3) source points.

        Raises:
            ValueError: `theta` is not (N, P), or `size` does not fit the family.
        """
        checks.theta(self, self.parameter_count, theta)
        with full_precision(theta):
            return self._on_grid(theta, checks.size("size", size, dims=self.dims))

    @final
    def region(self, theta: Tensor, size: Sequence[int], *, per_side: int | None = None) -> Region:
        """The part of an image that is sampled: where the border of the output comes from.

        Args:
            theta: (N, P) parameters.
            size: (H, W) or (D, H, W) of the image that is sampled, in pixels.
            per_side: of the outline, how many pieces each side of the output is drawn in. By default 1 in families
                whose warps keep lines straight: the outline is then the corners; and 24 in all others.

        Returns:
            The (N, 4 per_side, 2) outline, in a volume the (N, 8, 3) corners, and the box around it, in pixels; of a
            warp that folds, the box around its border. Both may reach beyond the image. Where a homography has its
            horizon within the output, what is sampled has no end, and the box holds everything.

        Raises:
            ValueError: `theta` is not (N, P), `size` does not fit the family, or `per_side` is below 1.

        Example:
            >>> from spatial_transformer import Attention
            >>> outline, box = Attention().region(torch.tensor([[0.5, 0.5, 0.0]]), (20, 40))
            >>> outline.tolist(), box.tolist()
            ([[[20.0, 5.0], [40.0, 5.0], [40.0, 15.0], [20.0, 15.0]]], [[20.0, 5.0, 40.0, 15.0]])
        """
        size = checks.size("size", size, dims=self.dims)
        pieces = (1 if self.keeps_lines else PER_SIDE) if per_side is None else per_side
        checks.at_least("per_side", pieces, 1)
        border = frame(pieces, theta) if self.dims == 2 else surface(pieces, theta)  # (1, K, D)
        return region_of(self.points(theta, border), size)

    @final
    def jacobian(self, theta: Tensor, points: Tensor) -> Tensor:
        """The derivative of the source point with respect to the target point.

        Args:
            theta: (N, P) parameters.
            points: target points as in `points`.

        Returns:
            (N, ..., D, D); entry [i, j] is the change of source coordinate i with target coordinate j. Its determinant
            is the local magnification of area: below 1 the warp zooms in, above 1 it shrinks, below 0 it folds.

        Raises:
            ValueError: as `points`.
        """
        checks.theta(self, self.parameter_count, theta)
        points = checks.points_of_batch(points, self.dims, theta.shape[0])  # (1 | N, ..., D)
        own = points.expand(theta.shape[0], *points.shape[1:])
        with full_precision(theta):
            return jacobian_of(partial(self.points, theta), own)

    @final
    def folds(self, theta: Tensor, points: Tensor) -> Tensor:
        """Where the warp folds: where the determinant of its Jacobian is not positive.

        Args:
            theta: (N, P) parameters.
            points: target points as in `points`.

        Returns:
            (N, ...) booleans. True as well where a warp mirrors, where it shrinks everything to a point or a line,
            where a homography has its horizon, and where the determinant is NaN.

        Raises:
            ValueError: as `points`.

        Example:
            >>> from spatial_transformer import Attention
            >>> theta = torch.tensor([[0.5, 0.0, 0.0], [0.0, 0.0, 0.0]])
            >>> Attention().folds(theta, torch.tensor([[0.0, 0.0]]))
            tensor([[False],
                    [ True]])
        """
        with full_precision(theta), torch.no_grad():
            return ~(torch.linalg.det(self.jacobian(theta, points)) > 0)

    @final
    def inverse_points(self, theta: Tensor, points: Tensor, *, tolerance: float = 1e-4, steps: int = 50) -> Tensor:
        """Map source points back to target points, numerically: `points(theta, inverse_points(theta, p))` is p.

        Newton's method with damped steps, started where `inverse` says if the family has it and at the source points
        themselves if not. A last step carries the derivatives with respect to theta and the points, of first order.
        While it is vectorised, compiled or exported, no values are read, and points that were not found are NaN; a
        graph has room for six steps, undamped.

        Args:
            theta: (N, P) parameters.
            points: (..., D) or (N, ..., D) source points, as target points in `points`.
            tolerance: how far the image of a returned point may be from its source point, in normalised units: 1e-4 is
                1/100 of a pixel at a width of 200. Most are nearer by far.
            steps: after how many steps to give up.

        Returns:
            (N, ..., D) target points. Where a warp folds, several may have the same image; it is one of them.

        Raises:
            ValueError: as `points`; or points were not found, because nothing is taken there or because the warp folds
                on the way: the message names the first image. Also where the points found lie on both sides of a fold.

        Example:
            >>> from spatial_transformer import BSpline
            >>> family = BSpline(control=(4, 4))
            >>> theta = 0.1 * torch.randn(1, family.parameter_count)
            >>> source = torch.tensor([[0.3, -0.2]])
            >>> back = family.inverse_points(theta, source)
            >>> bool((family.points(theta, back) - source).abs().max() < 1e-4)
            True
        """
        checks.theta(self, self.parameter_count, theta)
        checks.positive("tolerance", tolerance)
        points = checks.points_of_batch(points, self.dims, theta.shape[0])  # (1 | N, ..., D)
        shape = (theta.shape[0], *points.shape[1:])
        goal = points.to(torch.promote_types(theta.dtype, points.dtype)).expand(shape)
        goal = goal[:, None].flatten(1, -2)  # (N, K, D)
        with full_precision(theta):
            with torch.no_grad():
                inverse = getattr(self, "inverse", None)
                start = goal if inverse is None else self.points(inverse(theta), goal)
                steps = 0 if hasattr(self, "compose") and not checks.readable(goal) else steps  # that is exact
                warp, slope_at = partial(self.points, theta), partial(self.jacobian, theta)
                found = solve(warp, slope_at, goal, start, tolerance=tolerance, steps=steps)  # (N, K, D)
                slope = self.jacobian(theta, found)  # (N, K, D, D)
            missed = self.points(theta, found) - goal
            checks.inverted(self, missed, torch.linalg.det(slope), tolerance)
            lost = ~(missed.detach().abs().amax(dim=-1, keepdim=True) <= tolerance)  # none where values are read
            return (found - newton_step(slope, missed)).masked_fill(lost, torch.nan).reshape(shape)

    def first_fit(self, target: Tensor, source: Tensor) -> Tensor:
        """A theta that takes points near to others, in closed form where there is one; `fit_points` goes on from it.

        Args:
            target: (N, K, D) points, float64.
            source: (N, K, D) where they should go.

        Returns:
            (N, P) parameters; the identity by default.
        """
        return self.identity(target.shape[0], dtype=target.dtype, device=target.device)

    @abstractmethod
    def _transform(self, theta: Tensor, points: Tensor) -> Tensor:
        """Map (1 | N, K, D) target points by (N, P) parameters to (N, K, D) source points."""

    def _on_grid(self, theta: Tensor, size: tuple[int, ...]) -> Tensor:
        """`grid` for checked arguments; families for which a whole grid is quicker than its points say how."""
        return self.points(theta, target_points(size, dtype=theta.dtype, device=theta.device))

    def _constant(self, name: str, like: Tensor) -> Tensor:
        return given(self._constants[name], like.device, like.dtype, like)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Remember where `.to(device)` puts the module: `identity` is returned there."""
        super()._apply(fn, recurse)
        self._place = fn(torch.empty(0, device=self._place)).device
        return self


def full_precision(theta: Tensor) -> AbstractContextManager[Any]:
    """A context in which autocast does not touch coordinates: they are never computed in half precision."""
    device = theta.device.type
    if device == "meta" or not torch.is_autocast_enabled(device):  # PyTorch has no autocast for meta
        return nullcontext()
    return torch.autocast(device, enabled=False)
