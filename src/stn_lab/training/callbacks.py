"""What is watched while a model trains: the time a step takes, and what the transformer sees."""

import math
import signal
import statistics
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import RichProgressBar
from torch import Tensor

from ..networks import DigitClassifier
from .data_module import Batches


class StepTimer(L.Callback):
    """How long the training takes, interruptions left out; and of a step, how much goes into making its batch."""

    def __init__(self, data: Batches) -> None:
        self._module = data
        self.steps: deque[float] = deque(maxlen=1000)  # seconds from the end of one step to the end of the next
        self.data: deque[float] = deque(maxlen=1000)  # seconds within that, in which the batch was made
        self.seconds = 0.0  # of training and validation, up to `_begun`
        self._begun: float | None = None
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
        self._begun = self._last = time.perf_counter()

    def on_train_end(self, *_: Any) -> None:
        self._count()

    def on_validation_end(self, *_: Any) -> None:
        self._last = time.perf_counter()

    def as_json(self) -> dict[str, float]:
        """Seconds of the whole training, and medians of a step in milliseconds: NaN if none was taken."""
        step, data = (statistics.median(times) if times else math.nan for times in (self.steps, self.data))
        return {
            "seconds": round(self.seconds, 1),
            "ms_per_step": round(1000 * step, 3),
            "data_ms_per_step": round(1000 * data, 3),
        }

    def state_dict(self) -> dict[str, Any]:
        self._count()
        return {"seconds": self.seconds, "steps": list(self.steps), "data": list(self.data)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds = state_dict["seconds"]
        self.steps.extend(state_dict["steps"])
        self.data.extend(state_dict["data"])

    def _count(self) -> None:
        now = time.perf_counter()
        if self._begun is not None:
            self.seconds += now - self._begun
            self._begun = now


class ModelProgressBar(RichProgressBar):
    """Lightning's bar, which names the model rather than an epoch: the stream of batches has none.

    Args:
        label: of the model.
    """

    def __init__(self, label: str) -> None:
        super().__init__()
        self.label = label

    def _get_train_description(self, current_epoch: int) -> str:
        return self.label

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
        shown = super().get_metrics(trainer, pl_module)
        return {name: value for name, value in shown.items() if name != "v_num"}


class SaveOnInterrupt(L.Callback):
    """On Ctrl-C finishes the step under way, leaves a checkpoint of it, and stops.

    In the middle of a step weights, optimiser and schedule do not belong together; a run resumed from there would go
    another way. A second Ctrl-C stops at once, with the checkpoint of the last validation.

    Args:
        path: of the checkpoint.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked = False

    def on_fit_start(self, *_: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._ask)

    def _ask(self, *_: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if self.asked:
            trainer.save_checkpoint(self.path)
            raise KeyboardInterrupt

    def on_train_end(self, *_: Any) -> None:
        if self.asked:  # during the last validation
            raise KeyboardInterrupt

    def teardown(self, *_: Any, **__: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.default_int_handler)


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
