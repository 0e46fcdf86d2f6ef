"""The area of the source that a target pixel covers, and the points over which to average it."""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from .coordinates import axis_lengths


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
    half_pixels = axis_lengths(source_size, jacobian) / 2  # (D,): from normalised units to source pixels
    step = 2 / axis_lengths(target_size, jacobian)  # (D,) one target pixel in normalised units
    columns = jacobian * step  # (..., D, D)
    pixels = (columns * half_pixels[:, None]).square().sum(dim=-2)  # (..., D) squared lengths in source pixels
    length = torch.where(pixels > 1, pixels, 1).sqrt()
    t = (length - 1).clamp(max=1)
    return columns * (t * t * (3 - 2 * t))[..., None, :]


def side_lengths(covered: Tensor, source_size: Sequence[int]) -> Tensor:
    """The lengths (..., D) of the sides of (..., D, D) footprints, in source pixels."""
    half_pixels = axis_lengths(source_size, covered) / 2
    return (covered * half_pixels[:, None]).square().sum(dim=-2).sqrt()


def sample_counts(covered: Tensor, source_size: Sequence[int]) -> Tensor:
    """How many points along each side keep (M, K, D, D) footprints without gaps: (M, K, D), one per source pixel.

    Pixels of a row share the count of its widest, halved for those that half of it is enough for, so that few counts
    differ. More than three per pixel of the image's diagonal are never needed; and where a side is longer than the
    image, nearly parallel ones are told apart by their distance from it, as samples along it are close already.
    """
    lengths = side_lengths(covered, source_size).nan_to_num(0, 0)  # (M, K, D)
    pixels = axis_lengths(source_size, covered)  # (D,)
    need = (lengths - 1e-3).ceil().clamp(min=1).minimum((3 * pixels.square().sum().sqrt()).ceil())
    slanted = (lengths > pixels.amax(dim=0) + 1e-3).any(dim=-1, keepdim=True)  # (M, K, 1)
    apart = heights(covered, source_size).ceil().clamp(min=4)
    need = torch.where(slanted, need.minimum(apart), need)
    if not need.numel():
        return need.long()
    widest = need.amax(dim=1, keepdim=True)
    halvings = (widest / need).log2().add(1e-5).floor()  # of whole powers, of which a logarithm may fall short
    return (widest / 2**halvings).ceil().long()


def heights(covered: Tensor, source_size: Sequence[int]) -> Tensor:
    """(..., D) distances, in source pixels, of the end of each side from the space that all longer sides span."""
    pixels = covered * (axis_lengths(source_size, covered) / 2)[:, None]  # (..., D, D)
    order = pixels.square().sum(dim=-2).argsort(dim=-1, descending=True)  # (..., D)
    longest_first = pixels.gather(-1, order[..., None, :].expand_as(pixels))
    directions: list[Tensor] = []  # Gram and Schmidt's: the exporters' languages have no word for `torch.linalg.qr`
    distances = []
    for side in longest_first.unbind(dim=-1):  # (..., D)
        for direction in directions:
            side = side - (side * direction).sum(dim=-1, keepdim=True) * direction
        distance = side.square().sum(dim=-1, keepdim=True).sqrt()
        directions.append(side / torch.where(distance > 0, distance, 1))
        distances.append(distance)
    found = torch.cat(distances, dim=-1)
    return torch.empty_like(found).scatter(-1, order, found)


def steps(taps: Sequence[int], *, like: Tensor) -> Tensor:
    """(T, D) points spread evenly over the unit cube around 0; `taps` says how many there are along each side."""
    along = [[(2 * i + 1 - count) / (2 * count) for i in range(count)] for count in taps]
    return like.new_tensor(list(itertools.product(*along)))
