"""Numerical inversion: which target point does a warp take to a given source point?"""

from collections.abc import Callable

import torch
from torch import Tensor

from ..checks import readable
from ..compiling import recorded
from ..constants import without_values

# Lengths of a Newton step that are tried, longest first.
LENGTHS = (1.0, 0.5, 0.25, 0.1, 0.03, 0.01)
# Steps while it is exported or compiled: all of them are written out, whether they are needed or not.
RECORDED_STEPS = 6

Map = Callable[[Tensor], Tensor]


def solve(warp: Map, slope: Map, goal: Tensor, start: Tensor, *, tolerance: float, steps: int) -> Tensor:
    """Points that `warp` takes to `goal`, by Newton's method, damped so that no step makes a point worse.

    Args:
        warp: (N, K, D) points to (N, K, D) points.
        slope: its Jacobian, (N, K, D) points to (N, K, D, D).
        goal: (N, K, D).
        start: (N, K, D), where to begin.
        tolerance: a point is done when its image is this near to its goal, in every coordinate.
        steps: after how many steps to give up.

    Returns:
        (N, K, D) points; those that could not be found are where the search ended.
    """
    at, missed = start, warp(start) - goal
    if without_values(at):
        return _undamped(warp, slope, goal, at, missed, min(steps, 1))
    if recorded() or torch.compiler.is_compiling():
        return _undamped(warp, slope, goal, at, missed, min(steps, RECORDED_STEPS))
    for _ in range(steps):
        open_ = _worst(missed) > tolerance  # NaN is not: it would stay
        if readable(open_) and not bool(open_.any()):
            break
        before = at
        at, missed = _step(warp, slope(at), goal, at, missed, open_)
        if readable(at) and torch.equal(at, before):
            break
    return at


def _undamped(warp: Map, slope: Map, goal: Tensor, at: Tensor, missed: Tensor, steps: int) -> Tensor:
    """Newton's method as it is: a point stays where a step would not bring it nearer."""
    for _ in range(steps):
        trial = at - newton_step(slope(at), missed)
        trial_missed = warp(trial) - goal
        take = (_worst(trial_missed) < _worst(missed))[..., None]  # (N, K, 1); NaN is never taken
        at, missed = torch.where(take, trial, at), torch.where(take, trial_missed, missed)
    return at


def _step(warp: Map, slope: Tensor, goal: Tensor, at: Tensor, missed: Tensor, open_: Tensor) -> tuple[Tensor, Tensor]:
    """The longest step that brings each point nearer; where Newton's direction has none, the miss itself is one."""
    start, before = at, _worst(missed)
    for direction in (newton_step(slope, missed), missed):
        for length in LENGTHS:
            trial = start - length * direction
            trial_missed = warp(trial) - goal
            take = open_ & (_worst(trial_missed) < before)  # (N, K); NaN is never taken
            at = torch.where(take[..., None], trial, at)
            missed = torch.where(take[..., None], trial_missed, missed)
            open_ = open_ & ~take
            if readable(open_) and not bool(open_.any()):
                return at, missed
    return at, missed


def newton_step(slope: Tensor, missed: Tensor) -> Tensor:
    """Solve (..., D, D) slopes against (..., D) misses; a singular slope gives NaN or infinity, not an error."""
    return torch.linalg.solve_ex(slope, missed[..., None])[0][..., 0]


def _worst(missed: Tensor) -> Tensor:
    """(N, K, D) misses to the largest coordinate of each, (N, K)."""
    return missed.abs().amax(dim=-1)
