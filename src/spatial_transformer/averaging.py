"""Averages over footprints, at a cost that the size of the image bounds, wherever theta goes."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from .clipping import clip
from .footprint import sample_counts, steps
from .sampling import Mode, Padding, sample

# Points that are read in one call: few calls, and little memory.
AT_ONCE = 1 << 16


def average(
    image: Tensor, points: Tensor, covered: Tensor, *, mode: Mode, padding: Padding, index: Tensor | None
) -> Tensor:
    """The mean of the image over each footprint, from one sample per source pixel that it covers.

    Each row of theta, and each pixel, has as many samples as it needs itself. Of a footprint longer than the image, the
    part that meets the image is averaged, and weighed against the fill value of the rest.

    Args:
        image: (N, C, *source).
        points: (M, K, D) centres of the footprints.
        covered: (M, K, D, D) footprints, a side in each column.
        mode: as for `sample`.
        padding: as for `sample`.
        index: as for `sample`.

    Returns:
        (M, C, K), or (N, C, K) where M is 1 and there is no `index`.
    """
    if index is None:
        count = max(len(image), len(points)) if len(image) and len(points) else 0
        index = torch.arange(count, device=image.device) if len(image) > 1 else points.new_zeros(count).long()
        points, covered = points.expand(count, -1, -1), covered.expand(count, -1, -1, -1)
    source, fill = tuple(image.shape[2:]), _fill(padding)
    middle, part = clip(points.detach(), covered.detach(), source, constant=fill is not None)  # (M, K, D) each
    centres, sides = points + (covered @ middle[..., None])[..., 0], covered * part[..., None, :]
    means, where = [], []
    for rows, pixels, taps in _alike(sample_counts(sides.detach(), source)):
        at = centres[rows[:, None], pixels], sides[rows[:, None], pixels]  # (R, k, D), (R, k, D, D)
        means.append(
            mean_over(image, *at, taps, mode=mode, padding=padding, index=index[rows]).movedim(1, 0).flatten(1)
        )
        where.append((rows[:, None] * points.shape[1] + pixels).flatten())
    shape = image.shape[1], *points.shape[:2]  # (C, M, K)
    if not means:
        return sample(image, points, mode=mode, padding=padding, index=index)
    order = torch.argsort(torch.cat(where))
    mean = torch.cat(means, dim=1)[:, order].reshape(shape).movedim(0, 1)  # (M, C, K)
    if fill is None:
        return mean
    share = torch.where((part == 0).all(dim=-1), 1, part.prod(dim=-1))[:, None]  # a point that misses reads the fill
    return torch.where(share < 1, share * mean + (1 - share) * fill, mean)


def mean_over(
    image: Tensor,
    points: Tensor,
    covered: Tensor,
    taps: Sequence[int],
    *,
    mode: Mode,
    padding: Padding,
    index: Tensor | None,
) -> Tensor:
    """The mean over as many points of each footprint: (M, K, D) and (M, K, D, D) to (M, C, K)."""
    total = torch.zeros((), dtype=torch.promote_types(image.dtype, points.dtype), device=image.device)
    along = steps(taps, like=covered)  # (T, D)
    for some in along.split(max(1, AT_ONCE // max(1, points.shape[:2].numel()))):
        offsets = torch.einsum("mkij,tj->mtki", covered, some)  # (M, t, K, D)
        read = sample(image, points[:, None] + offsets, mode=mode, padding=padding, index=index)  # (M, C, t, K)
        total = total + read.sum(dim=2, dtype=total.dtype)
    return total / math.prod(taps)


def _alike(counts: Tensor) -> Iterator[tuple[Tensor, Tensor, list[int]]]:
    """Rows (R,) and pixels (k,) that need as many samples along each side, and how many, of (M, K, D) counts."""
    if not counts.numel():
        return
    low, high = counts.amin(dim=1), counts.amax(dim=1)  # (M, D)
    whole = (low == high).all(dim=1)
    everywhere = torch.arange(counts.shape[1], device=counts.device)
    for taps in torch.unique(low[whole], dim=0):
        yield (whole & (low == taps).all(dim=1)).nonzero()[:, 0], everywhere, taps.tolist()
    for row in (~whole).nonzero()[:, 0]:
        for taps in torch.unique(counts[row], dim=0):
            yield row[None], (counts[row] == taps).all(dim=-1).nonzero()[:, 0], taps.tolist()


def _fill(padding: Padding) -> float | None:
    """The constant around the image on all sides, if there is one."""
    rules = {padding} if isinstance(padding, str | float | int) else set(padding)
    fills = {0.0 if rule == "zeros" else rule for rule in rules}
    fill = fills.pop()
    return None if fills or isinstance(fill, str) else fill
