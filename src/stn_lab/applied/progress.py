"""How far some work is, and how long it will still take: a line that is written over, or one now and then in a file."""

import math
import sys
import time
from types import TracebackType
from typing import Self

from ..views.wording import duration

EVERY = {True: 0.2, False: 10.0}  # seconds between two lines, in a terminal and elsewhere


class Progress:
    """Told of what is done.

    Args:
        label: what it is.
        total: how much there is to do.
        unit: of what.
        shown: whether anything is written.
        before: how much was done before this process came.
    """

    def __init__(self, label: str, total: int, unit: str, *, shown: bool, before: int = 0) -> None:
        self._label, self._total, self._unit = label, total, unit
        self._before = self._done = before
        self._shown = shown
        self._is_terminal = sys.stderr.isatty()
        self._begun = time.monotonic()
        self._last = -math.inf if self._is_terminal else self._begun

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._shown and self._is_terminal:
            sys.stderr.write("\r\033[K")

    def advance(self, count: int) -> None:
        """So much more is done."""
        self._done += count
        now = time.monotonic()
        if self._shown and now - self._last >= EVERY[self._is_terminal]:
            self._last = now
            sys.stderr.write(f"\r\033[K{self.line()}" if self._is_terminal else f"{self.line()}\n")
            sys.stderr.flush()

    def line(self) -> str:
        """ "rectify: 1,024 of 5,000 images, 210/s, 19 s left"."""
        speed = (self._done - self._before) / max(time.monotonic() - self._begun, 1e-9)
        left = f", {speed:,.0f}/s, {duration((self._total - self._done) / speed)} left" if speed else ""
        return f"{self._label}: {self._done:,} of {self._total:,} {self._unit}{left}"
