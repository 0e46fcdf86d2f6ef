"""Linearised multi-sampling: bilinear values, and gradients that see further than one pixel."""

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from . import checks


@final
@dataclass(frozen=True)
class Linearised:
    """A sampling mode whose gradient with respect to a point is the slope of the image around it.

    The value is bilinear. For the gradient, the image is read at several places spread around the point, a plane is
    fitted to what is found there, and its slope is handed back: a point that lies on a flat spot learns from an edge
    many pixels away. The gradient with respect to the image is the bilinear one. A derivative of the slope itself is
    not defined, so second derivatives with respect to points are zero.

    Args:
        spread: standard deviation of the places around the point, in pixels; take about the distance over which a
            transformation has to be found.
        count: how many places; a multiple of 4 in images, of 8 in volumes, or the next one is taken.
        seed: of the places, which are the same for every point and every call.

    Raises:
        ValueError: `spread` is not positive, or `count` is too small to fit a plane.

    Source: Jiang et al., Linearized Multi-Sampling for Differentiable Image Transformation (2019). There the places are
    drawn anew at every call; here they are fixed, which repeats.

    Example:
        >>> from spatial_transformer import sample
        >>> ramp = torch.arange(16.0).expand(1, 1, 16, 16)
        >>> points = torch.zeros(1, 1, 2, requires_grad=True)
        >>> sample(ramp, points, mode=Linearised(spread=2.0)).sum().backward()
        >>> points.grad.round().int()  # 1 grey level per pixel, 8 pixels to a half-width
        tensor([[[8, 0]]], dtype=torch.int32)
    """

    spread: float = 3.0
    count: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        checks.positive("spread", self.spread)
        checks.at_least("count", self.count, 4)

    def offsets(self, dims: int) -> Tensor:
        """(count or more, dims) places around a point, in pixels, each with all its mirror images: so the gradient of a
        mirrored image is the mirrored one."""
        mirrors = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * dims)  # (2^dims, dims)
        generator = torch.Generator().manual_seed(self.seed)
        noise = torch.randn(math.ceil(self.count / len(mirrors)), 1, dims, generator=generator, dtype=torch.float64)
        return self.spread * (noise * mirrors).flatten(0, 1)
