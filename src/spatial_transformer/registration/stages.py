"""Several families, one after the other: each goes on from where the one before ended."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..coordinates import target_points
from ..families import Family, MatrixFamily
from ..landmarks import fit_points
from .comparison import Comparison
from .deformable import deform
from .descent import Descended, Descent
from .pyramid import Level
from .search import search
from .smoothness import Smoothness
from .staged import Staged


def in_stages(
    tower: list[Level],
    compare: Comparison,
    stages: Sequence[Family],
    candidates: Tensor,
    descent: Descent,
    smoothness: Smoothness | None,
    known: int = 1,
) -> tuple[Family, Descended, list[Tensor]]:
    """Fit one stage after the other.

    A matrix replaces the one before, as a family that can do more; a deformation comes on top of what was found.

    Args:
        tower: the levels.
        compare: what is compared.
        stages: matrices first.
        candidates: (N, K, P) thetas for the first stage to begin with.
        descent: how many steps at most.
        smoothness: what deformations pay for.
        known: so many candidates, the start first, are looked at again on every level.

    Returns:
        The family of all that counts, where its finest level ended, and the (steps, N) losses of every level.
    """
    family, theta, curves, found = stages[0], candidates[:, 0], [], None
    for number, stage in enumerate(stages):
        if isinstance(stage, MatrixFamily):
            candidates = _carried(family, theta, stage)[:, None] if number else candidates
            found, losses = search(tower, compare, stage, candidates, descent, 1 if number else known)
            family = stage
        else:
            before = [] if found is None else [*(family.stages if isinstance(family, Staged) else [family])]
            begin = candidates[:, 0] if found is None else torch.cat([theta, _identities(stage, theta)], dim=1)
            family = Staged([*before, stage])
            found, losses = deform(tower, compare, family, begin, descent, smoothness or Smoothness())
        theta = found.theta
        curves += losses
    assert found is not None
    return family, found, curves


def _carried(family: Family, theta: Tensor, to: Family) -> Tensor:
    """What another family has that comes nearest."""
    at = target_points((3,) * family.dims, dtype=torch.float64, device=theta.device).flatten(1, -2)
    source = family.points(theta.double(), at)
    return fit_points(to, at.expand(len(theta), -1, -1), source).to(theta)


def _identities(family: Family, like: Tensor) -> Tensor:
    return family.identity(len(like), dtype=like.dtype, device=like.device)
