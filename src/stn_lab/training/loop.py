"""The loop: one network learns one task, from its last checkpoint if there is one."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from ..errors import UnusableCheckpoint
from ..tasks.stream import mixed
from ..tasks.task import Batch, Draw, Task
from . import checkpoint
from .config import Budget
from .interruption import CtrlC, Interrupted
from .learner import Learner
from .metrics import Metrics
from .optimiser import optimiser_of, schedule_of
from .progress import display
from .timer import StepTimer

NOISE = 1  # sets the random numbers of layers apart from those of batches


class Watcher(Protocol):
    """Looks at a network before its first step and after each, and remembers across a resumed run."""

    def look(self, step: int, network: nn.Module) -> None: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Loop:
    """Everything that changes while a network learns.

    Args:
        task: what is learnt.
        network: what learns it.
        folder: receives `best.ckpt`, `last.ckpt`, `metrics.csv` and TensorBoard's events.
        budget: how long, and how; its `steps` may be more than those that `folder` was left by.
        fabric: where; launched.
        watchers: look on.

    Raises:
        UnusableCheckpoint: `last.ckpt` is damaged or of another model.
    """

    def __init__(
        self, task: Task, network: nn.Module, folder: Path, budget: Budget, fabric: Fabric, watchers: Sequence[Watcher]
    ) -> None:
        self.task, self.network, self.folder, self.budget = task, network, folder, budget
        self.fabric, self.watchers = fabric, watchers
        self.step = 0  # updates so far
        self.best = math.inf  # lowest of what is monitored; no step has been validated if it is infinite
        self.in_vain = 0  # validations since then
        self.timer = StepTimer(fabric.device)
        last = folder / checkpoint.LAST
        saved = checkpoint.load_weights(network, last) if last.is_file() else None  # refused before anything is touched
        if saved is not None and "optimiser" not in saved:
            raise UnusableCheckpoint(f"{last} was left by an earlier version, which trained in another way")
        self.optimiser = optimiser_of(network, budget)
        self.learner, self.stepper = fabric.setup(Learner(network, task), self.optimiser)
        self.metrics: Metrics | None = None
        if saved is not None:
            self._restore(saved)
        self.schedule = schedule_of(self.optimiser, budget, self.step)
        if fabric.is_global_zero:
            folder.mkdir(parents=True, exist_ok=True)
            self.metrics = Metrics(folder, [] if saved is None else saved["metrics"], self.step)

    def run(self) -> None:
        """Take all steps that are left.

        Raises:
            Interrupted: Ctrl-C; `last.ckpt` is up to date.
        """
        budget, validations = self.budget, set(self.budget.validation_steps)
        world_size = self.fabric.world_size
        draw = Draw(
            self.fabric.device, budget.batch_size // world_size, budget.seed, self.fabric.global_rank, world_size
        )
        shown = display(self.folder.name, budget.steps, first=self.fabric.is_global_zero)
        try:
            with CtrlC() as ctrl_c:
                self.learner.train()
                self._look()
                batches = self.task.batches(draw, self.step)
                while not self._is_over:
                    self._learn(batches)
                    shown.step(self.step)
                    is_due = self.step in validations
                    if is_due:
                        shown.validated(self.step, self.task.monitored, self._validate())
                    # All processes stop after the same step, whichever was asked.
                    stops = self._any(ctrl_c.asked)
                    if is_due or stops:
                        self._save(checkpoint.LAST)
                    if stops:
                        raise Interrupted(self.step)
        finally:
            shown.close()
            if self.metrics is not None:
                self.metrics.close()

    @property
    def _is_over(self) -> bool:
        return self.step == self.budget.steps or 0 < self.budget.patience <= self.in_vain

    def _learn(self, batches: Iterable[Batch]) -> None:
        """One step."""
        self.timer.begin_step()
        batch = next(iter(batches))
        self.timer.has_batch()
        # Dropout, too, is a function of seed, rank and step.
        torch.manual_seed(mixed(self.budget.seed, self.fabric.global_rank, self.step, NOISE))
        figures = self.learner(batch, self.step / self.budget.steps)
        self.fabric.backward(figures["loss"])
        self.stepper.step()
        self.stepper.zero_grad()
        self.schedule.step()
        self.timer.end_step()
        self.step += 1
        if self.metrics is not None and self.step % max(1, min(20, self.budget.steps // 50)) == 0:
            self.metrics.add(self.step, "train", _as_floats(figures))
        self._look()

    @torch.no_grad()
    def _validate(self) -> float:
        """Measure on all validation batches, in every process; keep the checkpoint if it is the one to keep so far."""
        self.learner.eval()
        sums: dict[str, float] = {}
        count = 0
        for batch in self.task.validation:
            images, answers = self.fabric.to_device(batch)
            for name, value in _as_floats(self.learner((images, answers), 1.0)).items():
                sums[name] = sums.get(name, 0.0) + value * len(images)
            count += len(images)
        self.learner.train()
        means = {name: total / count for name, total in sums.items()}
        monitored = self.fabric.broadcast(means[self.task.monitored])  # all processes go by the first one's
        self.in_vain += 1
        if self.metrics is not None:
            self.metrics.add(self.step, "validation", means)
        is_better = monitored < self.best or not math.isfinite(self.best)
        if is_better:
            self.best = monitored
            self.in_vain *= math.isnan(monitored)  # a loss that is not a number is in vain, also where it is the first
        if is_better or self.budget.keep == "last":
            self._save(checkpoint.BEST)
        return monitored

    def _save(self, name: str) -> None:
        if self.metrics is None:
            return  # one process writes
        self.metrics.write()
        state: dict[str, Any] = {"state_dict": self.network.state_dict(), "global_step": self.step}
        if name == checkpoint.LAST:
            state |= {
                "steps": self.budget.steps,
                "optimiser": self.optimiser.state_dict(),
                "scaler": self.fabric.strategy.precision.state_dict(),
                "best": self.best,
                "in_vain": self.in_vain,
                "timer": self.timer.state_dict(),
                "watchers": [watcher.state_dict() for watcher in self.watchers],
                "metrics": self.metrics.lines,
            }
        checkpoint.save(self.folder / name, state)

    def _restore(self, state: dict[str, Any]) -> None:
        self.step, self.best = state["global_step"], state["best"]
        is_lengthened = state.get("steps", self.budget.steps) < self.budget.steps
        self.in_vain = 0 if is_lengthened else state["in_vain"]  # who asks for more steps is to get some
        rates = self.optimiser.state_dict()["param_groups"]  # those of the schedule, which the step decides
        self.optimiser.load_state_dict({"state": state["optimiser"]["state"], "param_groups": rates})
        self.fabric.strategy.precision.load_state_dict(state["scaler"])
        self.timer.load_state_dict(state["timer"])
        for watcher, saved in zip(self.watchers, state["watchers"], strict=False):  # earlier versions had fewer
            watcher.load_state_dict(saved)

    def _look(self) -> None:
        for watcher in self.watchers:
            watcher.look(self.step, self.network)

    def _any(self, asked: bool) -> bool:
        """Whether any of the processes that train together was asked."""
        if self.fabric.world_size == 1:
            return asked
        return bool(self.fabric.all_reduce(torch.tensor(float(asked), device=self.fabric.device), reduce_op="sum"))


def _as_floats(figures: dict[str, Tensor]) -> dict[str, float]:
    return {name: value.item() for name, value in figures.items()}
