"""Deformations, from coarse to fine: of everything but matrices, with thousands of parameters."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..coordinates import target_points
from ..families import BSpline, Displacement
from ..sampling import sample
from .comparison import LEAST_OVERLAP, Comparison, overlap, seen
from .descent import Descended, Descent
from .lbfgs import lbfgs
from .pyramid import Level
from .smoothness import Smoothness
from .staged import Staged

Map = Callable[[Tensor], Tensor]

# Levels on which the longest axis has fewer pixels cannot show what bends; most evaluations of the loss on each level.
COARSEST, STEPS, FINEST_STEPS = 32, 80, 50
SPACING = 4  # pixels of a level: how far apart the control points are that move a dense flow on it


def deform(
    tower: list[Level], compare: Comparison, family: Staged, start: Tensor, descent: Descent, smoothness: Smoothness
) -> tuple[Descended, list[Tensor]]:
    """Descend in the parameters of the last stage, from coarse to fine.

    Args:
        tower: the levels.
        compare: what is compared.
        family: of all stages up to this one.
        start: (N, P) of all of them.
        descent: how many steps at most.
        smoothness: what the last stage pays for.

    Returns:
        Where the finest level ended, all stages' parameters, and the (steps, N) losses of each level.
    """
    begin, theta, losses = start, start, []
    floor = LEAST_OVERLAP * seen(overlap(tower[0], family, begin))  # (N,)
    for number, level in enumerate(tower):
        last = number == len(tower) - 1
        if not last and max(level.fixed.shape[2:]) < COARSEST:
            continue
        level = compare.prepared(level, finest=last)

        def loss(theta: Tensor, level: Level = level) -> Tensor:
            return _loss(level, compare, family, theta, floor, smoothness)

        # Where the levels before led away from what the start has here, they are forgotten.
        worse = ~(loss(theta) <= loss(begin))
        theta = torch.where(worse[:, None], begin, theta)
        zero, theta_of = _unknowns(family, theta, level.fixed.shape[2:])

        def loss_of(unknowns: Tensor, loss: Map = loss, theta_of: Map = theta_of) -> Tensor:
            return loss(theta_of(unknowns))

        steps = min(descent.steps, FINEST_STEPS if last else STEPS)
        found = lbfgs(loss_of, zero, steps, descent.tolerance, level.pixel())
        theta = theta_of(found.theta)
        found = found._replace(theta=theta)
        losses.append(found.curve)
    return found, losses


def _unknowns(family: Staged, theta: Tensor, size: Sequence[int]) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """What is varied on a level of this size: (N, Q) zeros, and the (N, P) theta of (N, Q) unknowns.

    The parameters of the last stage, but of a dense flow, whose pixels would each follow their noise: that is moved by
    a lattice of control points, ever finer from level to level.
    """
    *others, own = family.split(theta)
    last = family.last
    if not isinstance(last, Displacement):
        return torch.zeros_like(own), lambda z: torch.cat([*others, own + z], dim=1)
    lattice = BSpline([max(2, -(-length // SPACING) + 1) for length in size])
    at = target_points(last.size, dtype=theta.dtype, device=theta.device)

    def theta_of(z: Tensor) -> Tensor:
        flow = (lattice.grid(z, last.size) - at).movedim(-1, 1)  # (N, D, *size of the flow)
        return torch.cat([*others, own + flow.flatten(1)], dim=1)

    return own.new_zeros(len(own), lattice.parameter_count), theta_of


def _loss(
    level: Level, compare: Comparison, family: Staged, theta: Tensor, floor: Tensor, smoothness: Smoothness
) -> Tensor:
    """(M,) the measure and what the last stage pays; infinite where too little is seen."""
    own = family.last_grid(theta, level.fixed.shape[2:])  # (M, *size, D)
    points = family.before(theta, own)
    padding = "border" if compare.weighs else compare.padding
    warped = sample(level.moving, points, mode=level.mode, padding=padding)
    size = level.fixed.shape[2:]
    weight = level.overlap(points.detach().flatten(1, -2)).unflatten(1, size)[:, None]
    value = compare.value(warped, level.fixed, weight)
    return torch.where(seen(weight) < floor, torch.inf, value + smoothness.penalty(own))
