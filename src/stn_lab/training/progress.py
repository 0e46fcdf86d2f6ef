"""How far the training of a model is: a bar in a terminal, a line now and then in a file or a pipe."""

import sys
from typing import Protocol

import rich
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


class Display(Protocol):
    """Told of every step and of every validation."""

    def step(self, step: int) -> None: ...

    def validated(self, step: int, name: str, value: float) -> None: ...

    def close(self) -> None: ...


def display(label: str, steps: int, *, first: bool) -> Display:
    """That of a model, which has so many steps to go in all; nothing is shown but by the first process."""
    if not first:
        return Silence()
    return Bar(label, steps) if rich.get_console().is_terminal else Lines(label, steps)


class Silence:
    """For the processes that train with the first one."""

    def step(self, step: int) -> None:
        pass

    def validated(self, step: int, name: str, value: float) -> None:
        pass

    def close(self) -> None:
        pass


class Bar:
    """A bar from the first step to the last, whenever the run was resumed."""

    def __init__(self, label: str, steps: int) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TaskProgressColumn())
        self._bar = Progress(*columns, TimeRemainingColumn(), TextColumn("{task.fields[last]}"))
        self._task = self._bar.add_task(label, total=steps, last="")
        self._bar.start()

    def step(self, step: int) -> None:
        self._bar.update(self._task, completed=step)

    def validated(self, step: int, name: str, value: float) -> None:
        self._bar.update(self._task, last=_shown(name, value))

    def close(self) -> None:
        self._bar.stop()


class Lines:
    """A line after each validation."""

    def __init__(self, label: str, steps: int) -> None:
        self._label, self._steps = label, steps

    def step(self, step: int) -> None:
        pass

    def validated(self, step: int, name: str, value: float) -> None:
        sys.stdout.write(f"{self._label}: step {step:,} of {self._steps:,}, {_shown(name, value)}\n")
        sys.stdout.flush()

    def close(self) -> None:
        pass


def _shown(name: str, value: float) -> str:
    return f"validation {name} {100 * value:.1f} %" if name == "error" else f"validation {name} {value:.3f}"
