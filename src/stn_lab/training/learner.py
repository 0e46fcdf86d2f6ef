"""A network and what it learns, as one module."""

import torch
from torch import Tensor, nn

from ..tasks.task import Batch, Task


class Learner(nn.Module):
    """Computes the figures of a batch in its `forward`.

    There, and nowhere else, do several processes meet and does mixed precision begin; a task may use its network in
    any way, and in several calls.

    Args:
        network: what is trained.
        task: says what for.
    """

    def __init__(self, network: nn.Module, task: Task) -> None:
        super().__init__()
        # Convolutions on a CPU, and in half precision anywhere, are faster with the channels of a pixel side by side.
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network = network
        self.task = task

    def forward(self, batch: Batch, done: float) -> dict[str, Tensor]:
        return self.task.figures(self.network, batch, done)
