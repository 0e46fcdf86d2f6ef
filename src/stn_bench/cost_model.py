"""A small model of what a call costs, fitted to some points of the curves and checked on the others.

    time = call + (row * rows + sample * samples + value * values + fresh * fresh bytes) / threads

A value is a sample of one channel. Rows of the output stand for what is done once per row, and for the samples at the
border of an image, which are as many. Bytes are fresh where an output or a gradient is too large for malloc to keep:
the system then hands out every page anew.
"""

import math
from dataclasses import dataclass

import numpy as np

from .peers import OURS
from .result import Result
from .rows import Row

TERMS = ("call", "row", "sample", "value", "fresh")
UNITS = ("µs", "ns a row", "ns a sample", "ns a value", "ns a KB of fresh memory")
PASSES = ("forward", "both")
# glibc keeps blocks below this size for the next call, if it is left to itself.
KEPT = 32 * 2**20
PARTS = ("batch", "side", "side of a volume", "channels", "channels, channels_last")
GROUPS = ("images", "images, many channels last", "volumes")
# From so many channels last on, work runs along the channels.
MANY_CHANNELS = 8
CLOSE = 0.2
# Rounds of fitting, and the relative error up to which all points count alike: a disturbed one should not bend a curve.
ROUNDS, UNDISTURBED = 20, 0.1


def features(row: Row, pass_: str, threads: int) -> list[float]:
    """What is counted of each of `TERMS`, in nanoseconds per unit of the coefficients."""
    values = row.samples * row.shape[1]
    # The image and its gradient are as large as the output.
    fresh = 4 * values / 1024 * (2 if pass_ == "both" else 1) if 4 * values >= KEPT else 0.0
    return [1000.0, *(n / threads for n in (row.samples / row.size[-1], row.samples, values, fresh))]


@dataclass(frozen=True)
class Model:
    """The coefficients of `TERMS` for one group of curves and one pass, none negative."""

    coefficients: tuple[float, ...]

    def predict_ms(self, row: Row, pass_: str, threads: int) -> float:
        return float(np.dot(features(row, pass_, threads), self.coefficients)) / 1e6

    @classmethod
    def fit(cls, points: list["Point"], pass_: str) -> "Model":
        """Least squares of relative errors, in which points that others contradict come to count less and less."""
        from scipy.optimize import nnls

        counts = np.array([features(point.row, pass_, point.threads) for point in points])
        scale = np.maximum(counts.max(axis=0), 1)
        relative = counts / scale / np.array([[point.ms * 1e6] for point in points])
        weights = np.ones(len(points))
        for _ in range(ROUNDS):
            solution, _ = nnls(relative * weights[:, None], weights)
            weights = 1 / np.sqrt(np.maximum(np.abs(relative @ solution - 1), UNDISTURBED))
        return cls(tuple(float(c) for c in solution / scale))


@dataclass(frozen=True)
class Point:
    """A point of a curve, and whether the model was fitted to it."""

    row: Row
    threads: int
    ms: float
    fitted: bool


@dataclass(frozen=True)
class Checked:
    """A model, with the points that it was fitted to and those it was not."""

    model: Model
    pass_: str
    points: tuple[Point, ...]

    def errors(self) -> dict[Point, float]:
        """Relative, of each point."""
        return {p: self.model.predict_ms(p.row, self.pass_, p.threads) / p.ms - 1 for p in self.points}

    def unseen(self) -> list[float]:
        """Relative errors of the points that it was not fitted to."""
        return [error for point, error in self.errors().items() if not point.fitted]


def models(result: Result) -> dict[tuple[str, str], Checked]:
    """Group and pass to a model, fitted to every second point of each curve; the curve over threads is never seen."""
    found = {}
    for group in GROUPS:
        for name in PASSES:
            points = [point for part in PARTS for point in _points(result, part, group, name)]
            seen = [point for point in points if point.fitted]
            if len(seen) >= 3:
                model = Model.fit(seen, name)
                found[group, name] = Checked(model, name, (*points, *_thread_points(result, group, name)))
    return found


def group_of(row: Row) -> str:
    if row.dims == 3:
        return "volumes"
    return "images, many channels last" if row.channels_last and row.shape[1] >= MANY_CHANNELS else "images"


def share_close(checked: list[Checked]) -> tuple[int, int]:
    """How many of the points that no model was fitted to it predicts within `CLOSE`, and how many there are."""
    errors = [error for one in checked for error in one.unseen()]
    return sum(abs(error) <= CLOSE for error in errors), len(errors)


def typical_error(checked: list[Checked]) -> float:
    """The median of the absolute relative errors of unseen points."""
    errors = [abs(error) for one in checked for error in one.unseen()]
    return float(np.median(errors)) if errors else math.nan


def _points(result: Result, part: str, group: str, pass_: str) -> list[Point]:
    rows, threads = [row for row in result.part(part) if group_of(row) == group], result.most_threads
    times = [result.median_ms(row, pass_, OURS) for row in rows]
    # The ends are fitted to: in between is where a model is asked.
    last = len(rows) - 1
    return [
        Point(row, threads, ms, fitted=place % 2 == 0 or place == last)
        for place, (row, ms) in enumerate(zip(rows, times, strict=True))
        if ms
    ]


def _thread_points(result: Result, group: str, pass_: str) -> list[Point]:
    rows = [row for row in result.part("threads") if group_of(row) == group]
    times = {(row, count): result.median_ms(row, pass_, OURS, count) for row in rows for count in row.threads}
    return [Point(row, count, ms, fitted=False) for (row, count), ms in times.items() if ms]
