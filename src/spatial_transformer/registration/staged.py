"""One warp after another, as one family: what several stages of a registration have found."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import final

import torch
from torch import Tensor, nn

from ..families import Family


@final
class Staged(Family):
    """The warps of several stages in a row, theta their parameters one after the other.

    A target point goes through the last stage first, so that `warp(image, staged, theta)` is the image as warped by the
    first stage, warped again by the next, and so on, but read once.

    Args:
        stages: families of one dimension, in the order in which they were fitted.

    Example:
        >>> from spatial_transformer import BSpline, Translation
        >>> family = Staged([Translation(), BSpline((2, 2))])
        >>> theta = torch.cat([torch.tensor([[0.5, 0.0]]), torch.full((1, 8), 0.1)], dim=1)
        >>> family.points(theta, torch.tensor([[0.0, 0.0]]))
        tensor([[[0.6000, 0.1000]]])
    """

    def __init__(self, stages: Sequence[Family]) -> None:
        super().__init__(stages[0].dims, lambda: torch.cat([stage.identity(1, device="cpu")[0] for stage in stages]))
        self.stages = nn.ModuleList(stages)
        self.ends = list(accumulate((stage.parameter_count for stage in stages), initial=0))

    @property
    def last(self) -> Family:
        """The stage that target points go through first."""
        return self._stage(-1)

    def split(self, theta: Tensor) -> tuple[Tensor, ...]:
        """(N, P) to the (N, P_s) parameters of each stage."""
        return tuple(theta[:, begin:end] for begin, end in pairwise(self.ends))

    def last_grid(self, theta: Tensor, size: Sequence[int]) -> Tensor:
        """The grid of the last stage alone, (N, *size, D)."""
        return self.last.grid(self.split(theta)[-1], size)

    def before(self, theta: Tensor, points: Tensor) -> Tensor:
        """(N, ..., D) points through all stages but the last."""
        for number in reversed(range(len(self.stages) - 1)):
            points = self._stage(number).points(self.split(theta)[number], points)
        return points

    def _stage(self, number: int) -> Family:
        stage = self.stages[number]
        assert isinstance(stage, Family)
        return stage

    def _transform(self, theta: Tensor, points: Tensor) -> Tensor:
        return self.before(theta, self.last.points(self.split(theta)[-1], points))

    def _on_grid(self, theta: Tensor, size: tuple[int, ...]) -> Tensor:
        return self.before(theta, self.last_grid(theta, size))

    def extra_repr(self) -> str:
        return ", ".join(map(str, self.stages))
