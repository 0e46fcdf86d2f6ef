"""The search for a matrix: from several thetas on the coarsest level to one on the finest."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from ..coordinates import target_points
from ..families import Family
from .comparison import LEAST_OVERLAP, Comparison, overlap, seen
from .descent import Descended, Descent
from .pyramid import Level

FIRST = {2: 6, 3: 4}  # steps of every start in images and volumes, before all but a quarter of them are given up
FEWER = 4  # times fewer thetas go on to each finer level
SAME = 0.5  # pixels of a level: thetas that send all points nearer to one another are one
CLEARLY = 2.0  # times the least loss: what has more is given up, of measures that are sums of squares

Descend = Callable[[Tensor, Tensor, Descent], Descended]  # (M, P) thetas, the (M,) pairs that they are for


def search(
    tower: list[Level], compare: Comparison, family: Family, candidates: Tensor, descent: Descent, known: int = 1
) -> tuple[Descended, list[Tensor]]:
    """Where the finest level ends, and the (steps, N) losses of the best of each level.

    Args:
        tower: the levels.
        compare: what is compared.
        family: the family.
        candidates: (N, K, P) thetas for the coarsest level.
        descent: how many steps at most.
        known: so many of them, the start first, are looked at again on every level.
    """
    pool, losses, most = _Pool.of(candidates), [], candidates.shape[1]
    floor = LEAST_OVERLAP * seen(overlap(tower[0], family, candidates[:, 0]))  # (N,)
    clearly = CLEARLY if compare.squares else torch.inf
    for number, level in enumerate(tower):
        last = number == len(tower) - 1
        level = compare.prepared(level, finest=last)
        apart = SAME * level.pixel()
        descend = _descend(level, compare, family, floor, number, last)
        before, rest = None, descent
        if number:
            most = 1 if last else -(-most // FEWER)
            judging = replace(level, every=1) if last else level
            pool = pool.joined(candidates[:, :known]).judged(judging, compare, family, floor)
            pool, _ = pool.thinned(family, 0, most, torch.inf)
        elif compare.squares and most > 1:
            few = replace(descent, steps=min(FIRST[family.dims], descent.steps))
            rest = replace(descent, steps=descent.steps - few.steps + 1)
            pool, first, rows = pool.descended(descend, few)
            pool, order = pool.thinned(family, apart, -(-most // FEWER), clearly)
            before, rows = first.curve, rows.gather(1, order)
        pool, found, now = pool.descended(descend, rest)
        pool, order = pool.thinned(family, apart, most, clearly)
        best = order[:, :1]
        found = found.rows(now.gather(1, best)[:, 0])
        curve = found.curve
        if before is not None:
            curve = torch.cat([before[:, rows.gather(1, best)[:, 0]], curve[1:]])
        losses.append(curve)
    return found, losses


def _descend(level: Level, compare: Comparison, family: Family, floor: Tensor, number: int, finest: bool) -> Descend:
    def descend(theta: Tensor, pairs: Tensor, descent: Descent) -> Descended:
        return compare.descend(level.rows(pairs), family, theta, floor[pairs], descent, number, finest)

    return descend


class _Pool(NamedTuple):
    """Thetas of each pair, the best first.

    Attributes:
        theta: (N, K, P).
        loss: (N, K).
        alive: (N, K) booleans: which of them have not been given up.
        unit: (N, 1) losses that differ by less than a millionth of it differ by rounding.
    """

    theta: Tensor
    loss: Tensor
    alive: Tensor
    unit: Tensor

    @classmethod
    def of(cls, theta: Tensor) -> "_Pool":
        loss = theta.new_full(theta.shape[:2], torch.inf)
        return cls(theta, loss, torch.ones_like(loss, dtype=torch.bool), loss[:, :1])

    def joined(self, theta: Tensor) -> "_Pool":
        other = _Pool.of(theta)
        theta, loss, alive = (torch.cat(both, dim=1) for both in zip(self[:3], other[:3], strict=True))
        return _Pool(theta, loss, alive, self.unit)

    def judged(self, level: Level, compare: Comparison, family: Family, floor: Tensor) -> "_Pool":
        """With the losses on a level."""
        loss = torch.full_like(self.loss, torch.inf)
        for k in range(loss.shape[1]):
            pairs = self.alive[:, k].nonzero()[:, 0]
            if not len(pairs):
                continue
            value = compare.losses(level.rows(pairs), family, self.theta[pairs, k], floor[pairs])
            loss[pairs, k] = value.nan_to_num(nan=torch.inf, posinf=torch.inf)
        return self._replace(loss=loss, unit=_unit(loss))

    def descended(self, descend: Descend, descent: Descent) -> tuple["_Pool", Descended, Tensor]:
        """Where they lead; all that was found, one row for each that is alive, and the (N, K) numbers of these rows."""
        pairs, places = self.alive.nonzero().unbind(dim=1)
        found = descend(self.theta[self.alive], pairs, descent)
        theta, loss, begun = self.theta.clone(), *(torch.full_like(self.loss, torch.inf) for _ in range(2))
        theta[pairs, places], loss[pairs, places] = found.theta, found.least
        begun[pairs, places] = found.curve[0]
        rows = torch.zeros_like(self.alive, dtype=torch.int64)
        rows[pairs, places] = torch.arange(len(pairs), device=rows.device)
        return _Pool(theta, loss, self.alive, _unit(begun)), found, rows

    def thinned(self, family: Family, apart: float, most: int, clearly: float) -> tuple["_Pool", Tensor]:
        """In their order, without those that others stand for; and the (N, K) places they had.

        Args:
            family: that of theta.
            apart: those that send no point further apart than this are one.
            most: how many may go on.
            clearly: those of so many times the least loss do not.
        """
        order = order_of(torch.where(self.alive, self.loss, torch.inf), self.unit)
        theta = self.theta.gather(1, order[..., None].expand_as(self.theta))
        loss, alive = self.loss.gather(1, order), self.alive.gather(1, order)
        alive = alive & loss.isfinite() & ~(loss > clearly * loss[:, :1])
        if apart and alive.shape[1] > 1:
            at = target_points((3,) * family.dims, dtype=theta.dtype, device=theta.device)
            points = family.points(theta.flatten(0, 1), at.flatten(1, -2)).flatten(1).unflatten(0, theta.shape[:2])
            near = torch.cdist(points, points, p=torch.inf) < apart  # (N, K, K)
            alive = alive & ~near.tril(-1).any(dim=2)
        alive = alive & (alive.cumsum(dim=1) <= most)
        alive[:, 0] = True  # also where no loss is a number
        return _Pool(theta, loss, alive, self.unit), order


def _unit(losses: Tensor) -> Tensor:
    return torch.where(losses.isfinite(), losses, 0).abs().amax(dim=1, keepdim=True)


def order_of(losses: Tensor, unit: Tensor) -> Tensor:
    """(N, K) losses from the least to the largest; of those that differ by rounding only the first one comes first."""
    step = unit * 1e-6
    return (losses / torch.where(step > 0, step, 1)).round().argsort(dim=1, stable=True)
