"""Dense flow: every pixel of the target image has a displacement of its own."""

import math
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from .. import checks
from ..kernels import Linear
from ..ops.resample import resample
from .base import Family
from .kept import kept


@final
class Displacement(Family):
    """Dense flow: `x_s = x + u(x)`, where u is given at the centres of pixels.

    theta is the flow u, flattened: first the x displacements of all pixels, row by row, then those along y (and z), in
    half-widths of the source image. The identity theta is zero. Between pixel centres u is linear, at
    `target_points(size)` it is the flow itself, and outside the border value goes on. An output image may have any
    size; `size` is only that of the flow.

    Args:
        size: (H, W) or (D, H, W) of the flow; says the dimension too.

    Raises:
        ValueError: `size` has a length other than 2 or 3, or an entry below 1.

    Example:
        >>> family = Displacement(size=(2, 2))
        >>> flow = torch.zeros(1, 2, 2, 2)
        >>> flow[0, 0, :, 1] = 0.5  # x displacements of the right column
        >>> family.points(family.from_flow(flow), torch.tensor([[-0.5, 0.5], [0.0, 0.5], [0.5, 0.5]]))
        tensor([[[-0.5000,  0.5000],
                 [ 0.2500,  0.5000],
                 [ 1.0000,  0.5000]]])
    """

    def __init__(self, size: Sequence[int]) -> None:
        size = checks.size("size", size)
        super().__init__(len(size), lambda: torch.zeros(len(size) * math.prod(size)))
        self.size = size

    def from_flow(self, flow: Tensor) -> Tensor:
        """The theta of a flow.

        Args:
            flow: (N, D, *size) displacements in normalised units, channels x, y (, z). For a flow in pixels of the
                source image multiply each channel by 2 over the number of pixels along it.

        Returns:
            (N, P) parameters.

        Raises:
            ValueError: the shape is another.

        Example:
            >>> Displacement((4, 5)).from_flow(torch.zeros(1, 2, 4, 5)).shape
            torch.Size([1, 40])
        """
        checks.flow(flow, self.size)
        return flow.flatten(1)

    def to_flow(self, theta: Tensor) -> Tensor:
        """The flow of a theta; the inverse of `from_flow`.

        Args:
            theta: (N, P) parameters.

        Returns:
            (N, D, *size) displacements in normalised units, channels x, y (, z).

        Raises:
            ValueError: `theta` is not (N, P).

        Example:
            >>> family = Displacement((4, 5))
            >>> family.to_flow(family.identity(1)).shape
            torch.Size([1, 2, 4, 5])
        """
        checks.theta(self, self.parameter_count, theta)
        return theta.unflatten(1, (self.dims, *self.size))

    def _transform(self, theta: Tensor, points: Tensor) -> Tensor:
        flow = theta.unflatten(1, (self.dims, *self.size))
        return points + resample(flow, points, kernel=Linear(), padding=("border",) * self.dims).mT

    def _on_grid(self, theta: Tensor, size: tuple[int, ...]) -> Tensor:
        (points,) = kept(self, size, theta, lambda points: (points,))  # (1, K, D)
        flow = theta.unflatten(1, (self.dims, *self.size))
        if size != self.size:
            flow = nn.functional.interpolate(flow, size, mode="bilinear" if self.dims == 2 else "trilinear")
        # In the order of points before the sum: to add what lies in another order takes longer than both.
        return flow.flatten(2).mT.clone(memory_format=torch.contiguous_format).add_(points).unflatten(1, size)

    def extra_repr(self) -> str:
        return f"size={self.size}"
