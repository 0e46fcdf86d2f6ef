"""The one thing that training, evaluation and reports know of what is learnt."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

Batch = tuple[Tensor, Tensor]  # what the network sees, (N, ...), and what it is to say, (N,) or (N, ...)


@dataclass(frozen=True)
class Draw:
    """How training batches are drawn.

    Attributes:
        device: where they are made.
        batch_size: examples in each, of this process.
        seed: of the run.
        rank: of this process among those that train together.
        world_size: how many these are.
    """

    device: torch.device
    batch_size: int
    seed: int
    rank: int = 0
    world_size: int = 1


class Task(ABC):
    """What is learnt: where examples come from, what is minimised, and how good a network is.

    A folder of photographs, distorted digits and co-localisation are tasks. The loop that trains knows nothing else of
    them, and a task knows nothing of the loop: neither of devices and processes nor of files.

    Attributes:
        monitored: which of the `figures` chooses the checkpoint that is kept; the lowest is best.
        label_smoothing: as the budget has it, for tasks whose answers are classes.
    """

    monitored: Literal["error", "loss"] = "error"
    label_smoothing: float = 0.0

    @abstractmethod
    def batches(self, draw: Draw, start: int) -> Iterator[Batch]:
        """Training batches without end, that of step `start` first.

        A batch is a function of the seed, the rank and the step alone, so that a run that is resumed sees the same ones
        as a run that is not.
        """

    @property
    @abstractmethod
    def validation(self) -> Iterable[Batch]:
        """What chooses the checkpoint: the same batches whenever one goes through them, made when asked for."""

    @property
    @abstractmethod
    def test(self) -> Iterable[Batch]:
        """What a trained network is measured on, as above."""

    @abstractmethod
    def figures(self, network: nn.Module, batch: Batch, done: float = 1.0) -> dict[str, Tensor]:
        """Means over a batch: "loss", which is minimised, and what else is logged.

        Args:
            network: what is trained.
            batch: on its device.
            done: the share of the training that is over, for a loss that changes as it goes on.
        """

    @abstractmethod
    def measure(self, network: nn.Module) -> dict[str, Any]:
        """What is to be reported of a trained network on the CPU, ready for JSON."""
