"""The area of the source that a target pixel covers, and the points over which to average it."""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor


def footprint(jacobian: Tensor, source_size: Sequence[int], target_size: Sequence[int]) -> Tensor:
    """The parallelogram of the source that a target pixel covers, as far as it is wider than one pixel.

    Column j is the way that the source point takes, in normalised units, while the target point crosses one pixel
    along axis j. A column shorter than a source pixel is set to zero: there the warp magnifies, and nothing is to be
    averaged. Between one and two pixels it grows smoothly to its full length, so that theta keeps a gradient.

    Args:
        jacobian: (M | 1, ..., D, D) of the family, source by target, in normalised units.
        source_size: (H, W) or (D, H, W) of the image.
        target_size: that of the output.

    Returns:
        (M | 1, ..., D, D).
    """
    half_pixels = jacobian.new_tensor(source_size[::-1]) / 2  # (D,), x first: from normalised units to source pixels
    step = 2 / jacobian.new_tensor(target_size[::-1])  # (D,) one target pixel in normalised units
    columns = jacobian * step  # (..., D, D)
    pixels = (columns * half_pixels[:, None]).square().sum(dim=-2)  # (..., D) squared lengths in source pixels
    length = torch.where(pixels > 1, pixels, 1).sqrt()
    t = (length - 1).clamp(max=1)
    return columns * (t * t * (3 - 2 * t))[..., None, :]


def side_lengths(covered: Tensor, source_size: Sequence[int]) -> Tensor:
    """The lengths (..., D) of the sides of (..., D, D) footprints, in source pixels."""
    half_pixels = covered.new_tensor(source_size[::-1]) / 2
    return (covered * half_pixels[:, None]).square().sum(dim=-2).sqrt()


def sample_counts(covered: Tensor, source_size: Sequence[int]) -> Tensor:
    """How many points along each side keep (M, K, D, D) footprints without gaps: (M, K, D), one per source pixel.

    Pixels of a row share the count of its widest, halved for those that half of it is enough for, so that few counts
    differ. More than three per pixel of the image's diagonal are never needed; and where a side is longer than the
    image, nearly parallel ones are told apart by their distance from it, as samples along it are close already.
    """
    lengths = side_lengths(covered, source_size).nan_to_num(0, 0)  # (M, K, D)
    most = math.ceil(3 * math.hypot(*source_size))
    need = (lengths - 1e-3).ceil().clamp(1, most)
    slanted = (lengths > max(source_size) + 1e-3).any(dim=-1)  # (M, K)
    need[slanted] = torch.minimum(need[slanted], heights(covered[slanted], source_size).ceil().clamp(min=4))
    if not need.numel():
        return need.long()
    widest = need.amax(dim=1, keepdim=True)
    halvings = (widest / need).log2().floor()
    return (widest / 2**halvings).ceil().long()


def heights(covered: Tensor, source_size: Sequence[int]) -> Tensor:
    """(..., D) distances, in source pixels, of the end of each side from the space that all longer sides span."""
    pixels = covered * (covered.new_tensor(source_size[::-1]) / 2)[:, None]  # (..., D, D)
    order = pixels.square().sum(dim=-2).argsort(dim=-1, descending=True)  # (..., D)
    longest_first = pixels.gather(-1, order[..., None, :].expand_as(pixels))
    distances = torch.linalg.qr(longest_first, mode="r").R.diagonal(dim1=-2, dim2=-1).abs()
    return torch.empty_like(distances).scatter(-1, order, distances)


def steps(taps: Sequence[int], *, like: Tensor) -> Tensor:
    """(T, D) points spread evenly over the unit cube around 0; `taps` says how many there are along each side."""
    along = [[(2 * i + 1 - count) / (2 * count) for i in range(count)] for count in taps]
    return like.new_tensor(list(itertools.product(*along)))
