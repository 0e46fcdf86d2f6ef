"""Which part of an image a warp samples: its outline and the box around it, in pixels."""

import itertools
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from .coordinates import FAR_OUTSIDE


class Region(NamedTuple):
    """What a warp samples of each of N images. Pixel i spans [i, i + 1], so 0 and the width are the outer edges.

    Attributes:
        outline: (N, K, 2) points around the region, x first, beginning with the one that becomes the top left corner
            of the output and going on as a clock does there. In a volume, (N, 8, 3): the corners of the first slice
            in that order, then those of the last.
        box: (N, 4) left, top, right, bottom of the smallest upright box around it; in a volume, (N, 6): the least x, y
            and z, then the largest.
    """

    outline: Tensor
    box: Tensor


def frame(per_side: int, like: Tensor) -> Tensor:
    """(1, 4 per_side, 2) target points around the border of an image, clockwise from the top left corner."""
    along = torch.linspace(-1, 1, per_side + 1, dtype=like.dtype, device=like.device)[:-1]
    edge = torch.ones_like(along)
    sides = [(along, -edge), (edge, along), (-along, edge), (-edge, -along)]
    return torch.cat([torch.stack(side, dim=1) for side in sides])[None]


def surface(per_side: int, like: Tensor) -> Tensor:
    """(1, K, 3) target points all over the faces of a volume, the 8 corners in front, ordered as in `Region`."""
    return torch.tensor([_surface(per_side)], dtype=like.dtype, device=like.device)


@cache
def _surface(per_side: int) -> list[tuple[float, ...]]:
    along = [2 * i / per_side - 1 for i in range(per_side + 1)]
    square = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]
    corners = [(x, y, z) for z in (-1.0, 1.0) for x, y in square]
    inner = [point for point in itertools.product(along, repeat=3) if 1 in map(abs, point) and point not in corners]
    return [*corners, *inner]


def region_of(source: Tensor, size: tuple[int, ...]) -> Region:
    """The region around (N, K, D) source points of the border of the target, normalised, in an image of that size."""
    lengths = source.new_tensor(size[::-1])  # (D,), x first
    # A part of the target behind the horizon of a homography: what is sampled has no end, and no box but everything.
    endless = (source >= FAR_OUTSIDE).flatten(1).any(dim=1)[:, None]  # (N, 1)
    low = torch.where(endless, -FAR_OUTSIDE, source.amin(dim=1))  # (N, D)
    high = torch.where(endless, FAR_OUTSIDE, source.amax(dim=1))
    outline, low, high = ((points + 1) / 2 * lengths for points in (source, low, high))
    return Region(outline if len(size) == 2 else outline[:, :8], torch.cat([low, high], dim=1))
