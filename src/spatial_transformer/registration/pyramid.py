"""A pair of images on one level of the pyramid, and how much each of their pixels counts."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..coordinates import axis_lengths
from ..sampling import Mode, sample

COARSEST = 16  # pixels along the longest axis, by default
SHORTEST_AXIS = 8  # pixels: no axis is made shorter
MOST_LEVELS = 6
# Coarser pixels see further when the slope is that of a smoother kernel, which looks at four along an axis.
COARSE_MODE: dict[int, Mode] = {2: "bicubic", 3: "bilinear"}
# Of a volume of more voxels than that, one in so many is enough to make steps from.
MANY, SPARSE = 2**14, 4

Masks = tuple[Tensor | None, Tensor | None]  # of the moving image, and of the fixed one


@dataclass(frozen=True)
class Level:
    """Both images as small as one level has them.

    Attributes:
        moving: (N, C, *size).
        fixed: (N, C, *size), of any size.
        moving_mask: (N, 1, *size of moving), from 0 to 1, or None where all pixels count.
        fixed_mask: (N, 1, *size of fixed), or None.
        mode: how `moving` is read between pixels.
        every: losses and steps are those of one pixel of so many.
    """

    moving: Tensor
    fixed: Tensor
    moving_mask: Tensor | None
    fixed_mask: Tensor | None
    mode: Mode
    every: int = 1

    def rows(self, index: Tensor) -> "Level":
        """The level of some pairs, any of them any number of times."""
        return self._each(lambda image: image[index])

    def expand(self, batch: int) -> "Level":
        """As many images as pairs, without copying any."""
        return self._each(lambda image: image.expand(batch, *image.shape[1:]))

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Level":
        masks = [None if mask is None else change(mask) for mask in (self.moving_mask, self.fixed_mask)]
        return Level(change(self.moving), change(self.fixed), masks[0], masks[1], self.mode, self.every)

    def pixel(self) -> float:
        """The width of a pixel of `fixed`, in normalised units."""
        return 2 / max(self.fixed.shape[2:])

    def chosen(self) -> Tensor:
        """(K,) the numbers of the pixels that steps are made from: every one, or a pattern like its mirror images."""
        size, device = self.fixed.shape[2:], self.fixed.device
        if self.every == 1:
            return torch.arange(math.prod(size), device=device)
        lines = [torch.arange(length, device=device) for length in size]
        from_border = [torch.minimum(line, line.flip(0)) for line in lines]
        layer = torch.stack(torch.meshgrid(*from_border, indexing="ij")).sum(dim=0)  # size
        return (layer % self.every == 0).flatten().nonzero()[:, 0]

    def overlap(self, points: Tensor, here: slice | Tensor = slice(None)) -> Tensor:
        """How much the samples at points count: (N, K) from 0, where either image shows nothing, to 1.

        Args:
            points: (N, K, D) source points.
            here: which pixels of `fixed` they are for.
        """
        weight = _inside(points, self.moving)
        if self.moving_mask is not None:  # none of what is blended with pixels that do not count, or little
            read = sample(self.moving_mask, points, padding="border")[:, 0]
            weight = weight * (2 * read - 1).clamp(0, 1)
        if self.fixed_mask is not None:
            weight = weight * self.fixed_mask.flatten(1)[:, here]
        return weight


def pyramid(moving: Tensor, fixed: Tensor, masks: Masks, levels: int, mode: Mode) -> list[Level]:
    """`levels` levels of a pair, coarse to fine."""
    return [_level(moving, fixed, masks, level, mode) for level in reversed(range(levels))]


def level_count(moving: Tensor, fixed: Tensor) -> int:
    """As many as leave 16 pixels along the longest side, six at most."""
    longest = max(*moving.shape[2:], *fixed.shape[2:])
    return min(MOST_LEVELS, max(1, (longest // COARSEST).bit_length()))


def _level(moving: Tensor, fixed: Tensor, masks: Masks, level: int, mode: Mode) -> Level:
    (moving, moving_mask), (fixed, fixed_mask) = (
        _shrink_masked(image, mask, level) for image, mask in zip((moving, fixed), masks, strict=True)
    )
    every = SPARSE if fixed.ndim == 5 and fixed[0, 0].numel() > MANY else 1
    return Level(moving, fixed, moving_mask, fixed_mask, COARSE_MODE[fixed.ndim - 2] if level else mode, every)


def _shrink_masked(image: Tensor, mask: Tensor | None, level: int) -> tuple[Tensor, Tensor | None]:
    """Pixels that do not count have no part in the means, and are of the mean intensity of the others."""
    if mask is None:
        return shrink(image, level), None
    dims = tuple(range(2, image.ndim))
    image = torch.where(mask > 0, image, 0)  # also where it is NaN
    mean = (image * mask).sum(dim=dims, keepdim=True) / mask.sum(dim=dims, keepdim=True).clamp_min(1e-6)
    image = torch.where(mask > 0, image, mean)
    small = shrink(mask, level)
    return shrink((image - mean) * mask, level) / torch.where(small > 0, small, 1) + mean, small


def shrink(image: Tensor, level: int) -> Tensor:
    """Average pixels into larger ones. The outer edges stay, so normalised points mean the same."""
    return F.interpolate(image, shrunk_size(image, level), mode="area") if level else image


def shrunk_size(image: Tensor, level: int) -> list[int]:
    """Along every axis of an image 2^level pixels become one; of a volume along its longest axes.

    Slices are often fewer and further apart than the pixels within them. The shorter axes of a volume wait until the
    others are as short, so that voxels become cubes and no slice is averaged away while finer pixels can be.
    """
    size = image.shape[2:]
    if len(size) == 3:
        return [min(length, max(SHORTEST_AXIS, max(size) // 2**level)) for length in size]
    return [max(min(length, SHORTEST_AXIS), length // 2**level) for length in size]


def _inside(points: Tensor, image: Tensor) -> Tensor:
    """(N, K, D) to (N, K): 1 between the centres of the border pixels, 0 from half a pixel further outside."""
    planes = points.mT  # (N, D, K)
    lengths = axis_lengths(image.shape[2:], points)[:, None]  # (D, 1)
    weight = ((1 - planes.abs()) * lengths).clamp(0, 1)
    return weight.nan_to_num(nan=0.0).prod(dim=1)
