"""Ctrl-C: stop where the run can be resumed as if it had never stopped."""

import signal
import threading
from types import TracebackType
from typing import Any, Self


class Interrupted(Exception):
    """Training was stopped from the keyboard; the first `step` updates are in the last checkpoint."""

    def __init__(self, step: int) -> None:
        super().__init__(step)
        self.step = step


class CtrlC:
    """Within it Ctrl-C is noted, for the loop to stop at when a step is whole; a second one stops at once.

    In the middle of a step weights, optimiser and schedule do not belong together; a run resumed from there would go
    another way.

    Attributes:
        asked: whether it was pressed.
    """

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> Self:
        # Python lets the main thread alone say what a signal does.
        self._here = threading.current_thread() is threading.main_thread()
        if self._here:
            self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._here:
            signal.signal(signal.SIGINT, self._before)

    def _ask(self, *_: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
