"""How long training takes, and a step of it."""

import math
import statistics
import time
from typing import Any

import torch


class StepTimer:
    """Times of all the parts of a run that was resumed.

    A step is measured without validation, and so is how much of it goes into having its batch.

    Args:
        device: that trains; what it has been given to do is waited for.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._begun = time.perf_counter()
        self._before = 0.0  # seconds that the earlier parts took
        self.steps: list[float] = []  # seconds of each
        self.data: list[float] = []  # seconds within that, until its batch was there
        self._step = self._begun

    def begin_step(self) -> None:
        self._step = time.perf_counter()

    def has_batch(self) -> None:
        self.data.append(self._since())

    def end_step(self) -> None:
        self.steps.append(self._since())

    def _since(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - self._step

    @property
    def seconds(self) -> float:
        """Since the timer was made, and what earlier parts had taken by the checkpoint that was resumed."""
        return self._before + time.perf_counter() - self._begun

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds, "steps": self.steps, "data": self.data}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._before = state["seconds"]
        self.steps, self.data = list(state["steps"]), list(state["data"])

    def as_json(self) -> dict[str, float]:
        """Seconds in all, and medians in milliseconds; NaN if no step was taken."""
        step, data = (statistics.median(times) if times else math.nan for times in (self.steps, self.data))
        return {
            "seconds": round(self.seconds, 1),
            "ms_per_step": round(1000 * step, 3),
            "data_ms_per_step": round(1000 * data, 3),
        }
