"""The search for a matrix: from several thetas on the coarsest level to one on the finest."""

import torch
from torch import Tensor

from ..families import Family
from .comparison import LEAST_OVERLAP, Comparison, overlap, seen
from .descent import Descended, Descent
from .pyramid import Level

FEWER = 4  # times fewer thetas go on to each finer level


def search(
    tower: list[Level], compare: Comparison, family: Family, candidates: Tensor, descent: Descent
) -> tuple[Descended, list[Tensor]]:
    """From (N, K, P) candidates: where the finest level ends, and the (steps, N) losses of the best of each level."""
    begin, losses = candidates[:, :1], []
    floor = LEAST_OVERLAP * seen(overlap(tower[0], family, begin[:, 0]))  # (N,)
    for number, level in enumerate(tower):
        last = number == len(tower) - 1
        level = compare.prepared(level, finest=last)
        keep = 1 if last and number else -(-candidates.shape[1] // (FEWER if number else 1))
        pool = torch.cat([candidates, begin], dim=1) if number else candidates
        starts = best_of(level, compare, family, pool, floor, keep)  # (N, K', P)
        pairs = torch.arange(len(begin), device=begin.device).repeat_interleave(starts.shape[1])
        begun = starts.flatten(0, 1)  # (N K', P)
        found = compare.descend(level.rows(pairs), family, begun, floor[pairs], descent, number, finest=last)
        order = order_of(found.least.view(starts.shape[:2]), found.curve[0].view(starts.shape[:2]))  # (N, K')
        candidates = found.theta.view(starts.shape).gather(1, order[..., None].expand_as(starts))
        found = found.rows(pairs.view(starts.shape[:2])[:, 0] * starts.shape[1] + order[:, 0])
        losses.append(found.curve)
    return found, losses


def best_of(level: Level, compare: Comparison, family: Family, pool: Tensor, floor: Tensor, keep: int) -> Tensor:
    """(N, K, P) to the (N, keep, P) of least loss; the first of equal ones, and where no loss is a number."""
    count = pool.shape[1]
    if keep >= count:
        return pool
    columns = [compare.losses(level, family, pool[:, k], floor) for k in range(count)]
    losses = torch.stack(columns, dim=1).nan_to_num(nan=torch.inf, posinf=torch.inf)  # (N, K)
    order = order_of(losses, losses)[:, :keep]
    return pool.gather(1, order[..., None].expand(-1, -1, pool.shape[2]))


def order_of(losses: Tensor, begun: Tensor) -> Tensor:
    """(N, K) losses from the least to the largest; of those that differ by rounding only the first one comes first."""
    unit = begun.nan_to_num(0, 0, 0).abs().amax(dim=1, keepdim=True) * 1e-6
    return (losses / torch.where(unit > 0, unit, 1)).round().argsort(dim=1, stable=True)
