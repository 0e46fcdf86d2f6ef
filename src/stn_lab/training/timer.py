"""What is watched while a model trains, and when: validation, the time a step takes, what the transformer sees."""

import math
import statistics
import time
from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
from torch import Tensor

from ..models.classifier import DigitClassifier
from .data_module import Batches


class ValidateAfter(L.Callback):
    """Validates after the given steps. Lightning knows "every n steps" only, which seldom ends with the last one.

    Args:
        steps: in ascending order.
    """

    def __init__(self, steps: Sequence[int]) -> None:
        self.steps = steps

    def on_train_start(self, trainer: L.Trainer, *_: Any) -> None:
        self._aim(trainer, trainer.global_step)  # Lightning asks whether the step resumed from was one of them

    def on_train_batch_start(self, trainer: L.Trainer, *_: Any) -> None:
        self._aim(trainer, trainer.global_step + 1)

    def _aim(self, trainer: L.Trainer, earliest: int) -> None:
        """Every n steps, with n the next of the steps: Lightning looks no further than that."""
        trainer.val_check_batch = next((step for step in self.steps if step >= earliest), math.inf)


class StepTimer(L.Callback):
    """How long training takes, and a step of it, over all the parts of a run that was resumed.

    A step is measured without validation, and so is how much of it goes into making its batch.
    """

    def __init__(self, data: Batches) -> None:
        self._module = data
        self._begun = time.perf_counter()
        self._before = 0.0  # seconds that the earlier parts took
        self.steps: list[float] = []  # seconds from the end of one step to the end of the next
        self.data: list[float] = []  # seconds within that, in which the batch was made
        self._last: float | None = None

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.strategy.root_device.type == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        if self._last is not None and self._module.stream is not None:
            self.steps.append(now - self._last)
            self.data.append(self._module.stream.seconds)
        self._last = now

    def on_train_start(self, *_: Any) -> None:
        self._last = time.perf_counter()

    def on_validation_end(self, *_: Any) -> None:
        self._last = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Since the timer was made, and what earlier parts had taken by the checkpoint that was resumed."""
        return self._before + time.perf_counter() - self._begun

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds, "steps": self.steps, "data": self.data}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._before = state_dict["seconds"]
        self.steps, self.data = list(state_dict["steps"]), list(state_dict["data"])

    def as_json(self) -> dict[str, float]:
        """Seconds in all, and medians in milliseconds; NaN if no step was taken."""
        step, data = (statistics.median(times) if times else math.nan for times in (self.steps, self.data))
        return {
            "seconds": round(self.seconds, 1),
            "ms_per_step": round(1000 * step, 3),
            "data_ms_per_step": round(1000 * data, 3),
        }


class Filmstrip(L.Callback):
    """Keeps what the transformer makes of the same few images at moments spread over the training.

    Args:
        images: (B, 1, side, side).
        steps: of the whole training.
    """

    MOMENTS = 8

    def __init__(self, images: Tensor, steps: int) -> None:
        self.images = images
        self.frames: dict[int, Tensor] = {}  # step -> (B, side, side)
        # Closer together at first, when most happens.
        self.moments = {round(steps * (i / (self.MOMENTS - 1)) ** 2) for i in range(self.MOMENTS)}

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._look(trainer.global_step, module)

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *_: Any) -> None:
        self._look(trainer.global_step, module)

    @torch.no_grad()
    def _look(self, step: int, module: L.LightningModule) -> None:
        network = module.network
        assert isinstance(network, DigitClassifier)
        if step in self.moments and step not in self.frames and network.transformer is not None:
            self.frames[step] = network.transformer(self.images.to(module.device))[:, 0].float().cpu()

    def state_dict(self) -> dict[str, Any]:
        return {"frames": self.frames}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.frames = dict(state_dict["frames"])
