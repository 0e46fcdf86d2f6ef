"""Charts as geometry: values become positions here, the template draws them.

Every position is in the units of the chart's own view box, so that a chart can be shown at any size.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from . import wording
from .read import Series

# The frame of a line chart within its view box.
WIDTH, HEIGHT = 560.0, 320.0
LEFT, RIGHT, TOP, BOTTOM = 54.0, 544.0, 34.0, 272.0

# Where the bars of a histogram stand, and how many.
BAR_LEFT, BAR_RIGHT, BAR_FOOT, BAR_LENGTH, BARS = 4.0, 156.0, 74.0, 68.0, 24

# Texts under a histogram keep this distance.
TEXT_WIDTH = 44.0

# A series is thinned to at most this many points by taking the mean of neighbours.
POINTS = 60

# A logarithmic axis is used when the largest value is this many times the smallest.
WIDE = 12.0


@dataclass(frozen=True)
class Tick:
    """A place on an axis with a text."""

    position: float
    text: str


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` to positions from `start` to `stop`."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = (math.log(v) for v in (self.low, self.high, value)) if self.log else self._plain(value)
        return self.start + (value - low) / (high - low) * (self.stop - self.start)

    def clip(self, value: float) -> float:
        """The nearest value that is on the axis."""
        return min(max(value, self.low), self.high)

    def ticks(self, about: int = 5) -> tuple[Tick, ...]:
        """Round values inside the axis."""
        return self.at(_decades(self.low, self.high) if self.log else _round_values(self.low, self.high, about))

    def at(self, values: Iterable[float]) -> tuple[Tick, ...]:
        """Ticks at given values."""
        return tuple(Tick(self(value), wording.short(value)) for value in values)

    def _plain(self, value: float) -> tuple[float, float, float]:
        return self.low, self.high, value


@dataclass(frozen=True)
class Mark:
    """A dot with a text that appears under the mouse."""

    x: float
    y: float
    text: str
    best: bool = False


@dataclass(frozen=True)
class Line:
    """One curve: an SVG path and, where the points are few, a dot for each."""

    label: str
    path: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Words:
    """What is written at a chart: its title, and the quantity and unit of each axis."""

    title: str
    x: str
    y: str


@dataclass(frozen=True)
class Chart:
    """A line chart.

    Attributes:
        words: title and labels.
        x_ticks, y_ticks: positions and texts.
        lines: one for each model.
        band: from and to, along x, of a shaded range.
    """

    words: Words
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]
    band: tuple[float, float] | None = None


@dataclass(frozen=True)
class Histogram:
    """How often something took which value; `bars` are (x, y, width, height), and a dashed line stands at `mark`."""

    name: str
    bars: tuple[tuple[float, float, float, float], ...]
    ticks: tuple[Tick, ...]
    mark: Tick
    summary: str


def line_chart(
    series: dict[str, Series],
    words: Words,
    *,
    best: dict[str, float] | None = None,
    band: tuple[float, float] | None = None,
    x_values: Sequence[float] | None = None,
    dots: bool = True,
) -> Chart | None:
    """A chart of a few series over one x axis; logarithmic in y where values span more than a decade.

    Args:
        series: model label to what is drawn.
        words: title and labels.
        best: model label to the x of a point that gets a ring.
        band: a range along x that is shaded.
        x_values: what is written along x; round values from 0 by default.
        dots: whether each point gets a dot and a text.

    Returns:
        The chart, or None when there is nothing to draw.
    """
    values = _finite(v for one in series.values() for v in one.values)
    steps = _finite(s for one in series.values() for s in one.steps)
    if not values or not steps:
        return None
    across, up = _across(steps if x_values else [0.0, *steps]), _up(values)
    shown = (across(across.clip(band[0])), across(across.clip(band[1]))) if band else None
    lines = tuple(
        _line(label, one, across, up, (best or {}).get(label), dots) for label, one in series.items() if one.steps
    )
    x_ticks = across.at(x_values) if x_values else across.ticks(6)
    words = replace(words, y=f"{words.y} (logarithmic)") if up.log else words
    return Chart(words, x_ticks, up.ticks(), lines, shown)


def histogram(name: str, values: np.ndarray, marked: float) -> Histogram | None:
    """The histogram of (T,) values, such as of one parameter of theta; None when none is finite."""
    values = values[np.isfinite(values)].astype(np.float64)
    if len(values) == 0:
        return None
    low, high = min(values.min(), marked), max(values.max(), marked)
    room = 0.12 * (high - low) or 0.1 * max(abs(marked), 1.0)
    axis = Axis(float(low - room), float(high + room), BAR_LEFT, BAR_RIGHT)
    mark = Tick(axis(marked), wording.short(marked, 2))
    ticks = tuple(tick for tick in axis.ticks(3) if abs(tick.position - mark.position) > TEXT_WIDTH)
    summary = wording.spread(float(values.mean()), float(values.std()))
    return Histogram(name, _bars(values, axis), ticks, mark, summary)


def thin(series: Series, points: int = POINTS) -> Series:
    """Means of neighbours, so that a long noisy series becomes at most so many points. NaN does not spread."""
    size = max(1, math.ceil(len(series.steps) / points))
    groups = [slice(start, start + size) for start in range(0, len(series.steps), size)]
    return Series(
        tuple(_mean(series.steps[group]) for group in groups), tuple(_mean(series.values[group]) for group in groups)
    )


def _bars(values: np.ndarray, axis: Axis) -> tuple[tuple[float, float, float, float], ...]:
    counts, edges = np.histogram(values, bins=BARS, range=(axis.low, axis.high))
    lengths = BAR_LENGTH * counts / counts.max()
    width = (axis.stop - axis.start) / BARS
    return tuple(
        (axis(edge), BAR_FOOT - length, width, length)
        for edge, length in zip(edges[:-1].tolist(), lengths.tolist(), strict=True)
        if length
    )


def _line(label: str, series: Series, across: Axis, up: Axis, best: float | None, dots: bool) -> Line:
    points = [(s, v) for s, v in zip(series.steps, series.values, strict=True) if math.isfinite(s)]
    drawn = [(across(s), up(v)) if math.isfinite(v) else None for s, v in points]
    ring = min(points, key=lambda point: abs(point[0] - best))[0] if points and best is not None else None
    marks = [
        Mark(*place, f"{label}, {wording.short(s)}: {wording.short(v)}", best=s == ring)
        for place, (s, v) in zip(drawn, points, strict=True)
        if place and (dots or s == ring)
    ]
    return Line(label, _path(drawn), tuple(marks))


def _path(points: Iterable[tuple[float, float] | None]) -> str:
    """An SVG path that is interrupted where a point is missing."""
    commands, pen_down = [], False
    for point in points:
        if point:
            commands.append(f"{'L' if pen_down else 'M'}{point[0]:.1f} {point[1]:.1f}")
        pen_down = point is not None
    return " ".join(commands)


def _across(steps: Sequence[float]) -> Axis:
    low, high = min(steps), max(steps)
    return Axis(low, high if high > low else low + 1, LEFT, RIGHT)


def _up(values: Sequence[float]) -> Axis:
    low, high = min(values), max(values)
    if low > 0 and high > WIDE * low:
        return Axis(low / 1.15, high * 1.15, BOTTOM, TOP, log=True)
    low, high = min(0.0, low), max(0.0, high)
    return Axis(low, 1.05 * high if high > low else low + 1, BOTTOM, TOP)


def _round_values(low: float, high: float, about: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten in [low, high], roughly `about` of them."""
    power = 10 ** math.floor(math.log10((high - low) / about))
    step = next(s * power for s in (1, 2, 5, 10) if s * power * about >= 0.8 * (high - low))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [step * k for k in range(first, last + 1)]


def _decades(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten in [low, high]; the powers alone when those are many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if len(powers) <= 4 else (1,)
    return [f * 10.0**p for p in powers for f in factors if low <= f * 10.0**p <= high]


def _finite(values: Iterable[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]


def _mean(values: Sequence[float]) -> float:
    finite = _finite(values)
    return sum(finite) / len(finite) if finite else math.nan
