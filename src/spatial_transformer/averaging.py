"""Averages over footprints, at a cost that the size of the image bounds, wherever theta goes."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from .clipping import clip
from .compiling import recorded
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
        (count,) = torch.broadcast_shapes(image.shape[:1], points.shape[:1])
        index = torch.arange(image.shape[0], device=image.device).expand(count)
        points, covered = points.expand(count, -1, -1), covered.expand(count, -1, -1, -1)
    source, fill = tuple(image.shape[2:]), _fill(padding)
    middle, part = clip(points.detach(), covered.detach(), source, constant=fill is not None)  # (M, K, D) each
    centres, sides = points + (covered @ middle[..., None])[..., 0], covered * part[..., None, :]
    means = _sample_by_sample if recorded() else _group_by_group
    counts = sample_counts(sides.detach(), source)  # (M, K, D)
    mean = means(image, centres, sides, counts, mode=mode, padding=padding, index=index)  # (M, C, K)
    if fill is None:
        return mean
    share = torch.where((part == 0).all(dim=-1), 1, part.prod(dim=-1))[:, None]  # a point that misses reads the fill
    return torch.where(share < 1, share * mean + (1 - share) * fill, mean)


def _group_by_group(
    image: Tensor, points: Tensor, covered: Tensor, counts: Tensor, *, mode: Mode, padding: Padding, index: Tensor
) -> Tensor:
    """Means over (M, K, D) samples along the sides, of those that need as many at once: (M, C, K)."""
    means, where = [], []
    for rows, pixels, taps in _alike(counts):
        at = points[rows[:, None], pixels], covered[rows[:, None], pixels]  # (R, k, D), (R, k, D, D)
        means.append(
            mean_over(image, *at, taps, mode=mode, padding=padding, index=index[rows]).movedim(1, 0).flatten(1)
        )
        where.append((rows[:, None] * points.shape[1] + pixels).flatten())
    shape = image.shape[1], *points.shape[:2]  # (C, M, K)
    if not means:
        return sample(image, points, mode=mode, padding=padding, index=index)
    order = torch.argsort(torch.cat(where))
    return torch.cat(means, dim=1)[:, order].reshape(shape).movedim(0, 1)


def _sample_by_sample(
    image: Tensor, points: Tensor, covered: Tensor, counts: Tensor, *, mode: Mode, padding: Padding, index: Tensor
) -> Tensor:
    """The same without a look at the counts: all S samples of all footprints in one list, as long as it will be."""
    each, count = counts.prod(dim=-1).flatten(), points.shape[1]  # (M K,)
    pixel = torch.repeat_interleave(each)  # (S,) whose sample it is
    rank = torch.arange(pixel.shape[0], device=pixel.device) - (each.cumsum(0) - each)[pixel]  # (S,) its number there
    along = []  # the same in digits, x first
    for taps in counts.flatten(0, 1)[pixel].unbind(dim=-1):  # (S,)
        along.append((2 * (rank % taps) + 1 - taps) / (2 * taps))
        rank = torch.div(rank, taps, rounding_mode="floor")
    step = torch.stack(along, dim=-1).to(points.dtype)  # (S, D)
    at = points.flatten(0, 1)[pixel] + (covered.flatten(0, 1)[pixel] @ step[..., None])[..., 0]  # (S, D)
    image_of = index[torch.div(pixel, count, rounding_mode="floor")]
    read = sample(image, at[:, None], mode=mode, padding=padding, index=image_of)[..., 0]  # (S, C)
    total = torch.zeros(each.shape[0], image.shape[1], dtype=torch.promote_types(image.dtype, points.dtype))
    total = total.to(image.device).index_add(0, pixel, read.to(total.dtype))
    return (total / each[:, None]).unflatten(0, (-1, count)).movedim(-1, 1)


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
    # How many an exporter cannot know.
    at_once = len(along) if recorded() else max(1, AT_ONCE // max(1, points.shape[:2].numel()))
    for some in along.split(at_once):
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
