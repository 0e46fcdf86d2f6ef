"""What is to be measured, and how."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from .peers import PEERS, Peer
from .rows import SECOND_ORDER, Row, curves


@dataclass(frozen=True)
class Plan:
    """A benchmark before it runs.

    Attributes:
        device: where.
        parts: of `rows.PARTS`.
        matrix: rows of the matrix, for times and memory.
        short: those of short calls.
        passes: names of `PASSES`.
        threads: numbers of threads, in ascending order.
        all_threads: how many there are.
        repeats: samples of each function.
        seconds: after which a function gets no more samples, once it has five.
        compiled: whether `torch.compile` is measured as well.
        tested: whether the operator's tests run first.
        load: of the machine, before anything here adds to it.
    """

    device: torch.device
    parts: tuple[str, ...]
    matrix: tuple[Row, ...]
    short: tuple[Row, ...]
    passes: tuple[str, ...]
    threads: tuple[int, ...]
    all_threads: int
    repeats: int
    seconds: float
    compiled: bool
    tested: bool
    load: float

    @property
    def rows(self) -> tuple[Row, ...]:
        """All whose time is measured."""
        return tuple(self._rows())

    def _rows(self) -> Iterator[Row]:
        if "matrix" in self.parts:
            yield from self.matrix
        if "short" in self.parts:
            yield from self.short
        if "second-order" in self.parts:
            yield from SECOND_ORDER
        if "curves" in self.parts:
            yield from (_within(row, max(self.threads)) for row in curves(max(self.threads)))

    @property
    def absent(self) -> dict[str, str]:
        """Libraries that are not measured, and why."""
        absent = {peer.name: reason for peer in PEERS if (reason := peer.missing())}
        return absent | {peer.name: "not asked for" for peer in PEERS if peer.optional and not self.compiled}

    @property
    def peers(self) -> tuple[Peer, ...]:
        """Libraries that are."""
        absent = self.absent
        return tuple(peer for peer in PEERS if peer.name not in absent)


def named(names: tuple[str, ...]) -> tuple[Peer, ...]:
    """Libraries by name."""
    return tuple(peer for peer in PEERS if peer.name in names)


def _within(row: Row, most: int) -> Row:
    """A row of a curve with the thread counts that were asked for."""
    return replace(row, threads=tuple(count for count in row.threads if count <= most))
