"""The area of the source that a target pixel covers, and the points over which to average it."""

import itertools
import math
from collections.abc import Iterator, Sequence

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


def taps_per_axis(covered: Tensor, source_size: Sequence[int]) -> tuple[int, ...]:
    """How many points along each side keep the widest of (..., D, D) footprints without gaps: one per source pixel."""
    half_pixels = covered.new_tensor(source_size[::-1]) / 2
    lengths = (covered.detach() * half_pixels[:, None]).square().sum(dim=-2).sqrt().flatten(0, -2)  # (all, D)
    lengths = torch.where(lengths.isfinite(), lengths, 0)
    widest = lengths.amax(dim=0).tolist() if len(lengths) else [0.0] * covered.shape[-1]
    return tuple(max(1, math.ceil(length - 1e-3)) for length in widest)


def offsets(covered: Tensor, taps: Sequence[int]) -> Iterator[Tensor]:
    """Ways from the centre of (..., D, D) footprints to points spread evenly over them, each (..., D).

    `taps` says how many there are along each side, x first.
    """
    along = [[(2 * i + 1 - count) / (2 * count) for i in range(count)] for count in taps]
    for steps in itertools.product(*along):
        yield covered @ covered.new_tensor(steps)
