"""Limits for theta that a network cannot cross, and that leave its start where it is."""

from collections.abc import Sequence
from typing import Self, final

import torch
from torch import Tensor

from .. import checks
from ..constants import constant, given, plainly

Limit = float | Sequence[float] | Tensor


@final
class Bound:
    """A lowest and a highest value for every parameter, approached smoothly and never passed.

    A regression gives any number; the bound squeezes it. Around the start (the identity, or the own start of each of
    the `ParallelTransformers`) it changes nothing: value and slope stay, so that training begins as without it. Towards
    a limit it bends like tanh: `start + reach tanh((theta - start) / reach)`, where `reach` is the distance from the
    start to the limit on that side. A parameter without a limit is left alone; one whose two limits are its start is
    frozen there.

    Args:
        low: a number for all parameters, or one for each; -inf is no limit.
        high: likewise; inf is no limit.

    Raises:
        ValueError: `low` is above `high` or NaN, or the two do not have the same length.

    Example:
        >>> bound = Bound(low=(-0.5, -1, -1), high=(0.5, 1, 1))  # Rigid: half a radian, and a window inside the image
        >>> start = torch.zeros(1, 3)
        >>> bound(torch.tensor([[0.0, 0.1, 10.0]]), start)
        tensor([[0.0000, 0.0997, 1.0000]])
        >>> zoom = Bound(low=(0.2, -1, -1), high=(2.0, 1, 1))  # Attention: the scale stays positive
    """

    def __init__(self, low: Limit = -float("inf"), high: Limit = float("inf")) -> None:
        self.low, self.high = _row(low), _row(high)  # (1,) or (P,)
        if len(self.low) != len(self.high) and 1 not in (len(self.low), len(self.high)):
            raise ValueError(f"`low` and `high` must be of one length; got {len(self.low)} and {len(self.high)}.")
        with plainly():
            ordered = bool((self.low <= self.high).all())
        if not ordered:
            raise ValueError(f"`low` must not be above `high`; got {self}.")

    @classmethod
    def around(cls, start: Tensor, reach: Limit) -> Self:
        """The same distance to both sides of a start, for families with many parameters.

        Args:
            start: (P,) or (1, P) parameters, such as `family.identity()`.
            reach: how far from it, for all parameters or for each.

        Returns:
            The bound.

        Raises:
            ValueError: `reach` is negative, or not as long as `start`.

        Example:
            >>> from spatial_transformer import ThinPlateSpline
            >>> bound = Bound.around(ThinPlateSpline((4, 4)).identity(), 0.3)  # no control point moves further
        """
        centre, distance = _row(start), _row(reach)
        if len(distance) not in (1, len(centre)):
            raise ValueError(f"`reach` must be one number or {len(centre)}; got {len(distance)}.")
        with plainly():
            return cls(centre - distance, centre + distance)

    def reach(self, start: Tensor) -> tuple[Tensor, Tensor]:
        """The distances from a start down to the lowest and up to the highest value.

        Args:
            start: (..., P) parameters.

        Returns:
            Two float64 tensors (..., P).

        Raises:
            ValueError: the bound is for another number of parameters, or a start lies on or outside of its limits.
        """
        start = start.double()
        for name, limits in (("low", self.low), ("high", self.high)):
            if len(limits) not in (1, start.shape[-1]):
                raise ValueError(f"`{name}` must be one number or {start.shape[-1]}, one each; got {len(limits)}.")
        low, high = (given(limits, start.device, start.dtype, start) for limits in (self.low, self.high))
        below, above = _snap(start - low), _snap(high - start)
        within = (below > 0) & (above > 0) | (below == 0) & (above == 0)  # (..., P); in between, or frozen
        if checks.readable(within) and not within.all():
            raise ValueError(
                f"the start must lie between the limits, with room on both sides, or be equal to both, which freezes "
                f"it; parameter {int((~within).nonzero()[0, -1])} of the start {start.tolist()} does neither in {self}."
            )
        return below, above

    def __call__(self, theta: Tensor, start: Tensor) -> Tensor:
        """Squeeze parameters between the limits.

        Args:
            theta: (..., P) parameters, any numbers.
            start: (..., P) parameters that are to be left as they are.

        Returns:
            (..., P) parameters between the limits.

        Raises:
            ValueError: as `reach`.
        """
        below, above = (distance.to(theta.dtype) for distance in self.reach(start))
        return start + limit(theta - start, below, above)

    def __repr__(self) -> str:
        return f"Bound(low={self.low.tolist()}, high={self.high.tolist()})"


def limit(moved: Tensor, below: Tensor, above: Tensor) -> Tensor:
    """Squeeze (..., P) distances from a start, so that they stay less than `below` under and `above` over it."""
    reach = torch.where(moved < 0, below, above)
    bending = reach.isfinite() & (reach > 0)
    room = torch.where(bending, reach, 1)  # elsewhere any number will do: its branch is not taken
    bent = torch.where(bending, room * torch.tanh(moved / room), moved)
    return torch.where(reach == 0, 0, bent)


def _row(value: Limit) -> Tensor:
    return constant(lambda: torch.as_tensor(value, dtype=torch.float64).flatten())


def _snap(room: Tensor) -> Tensor:
    """Zero where start and limit differ by the rounding of float32 alone."""
    return torch.where(room.abs() < 1e-6, 0, room)
