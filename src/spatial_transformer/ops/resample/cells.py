"""The transpose of sampling an image, by way of a copy with room for four numbers for each pixel.

Samples next to each other share pixels, so one by one each addition would wait for the one before. In the copy what a
sample adds to lies together, and what different samples add to is either the same or has nothing in common. At last
every pixel sums the numbers that the copy has for it. Around the region that a task writes is a ring, and what samples
add there outside of the region is never read.
"""

import functools
import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from . import compiled
from .job import FILL
from .lanes import I32, I64, LANES, Kernel, Value, choose, joined
from .pixels import transposed
from .planes import SPREAD
from .positions import Places
from .samples import Samples
from .taps import Taps
from .tiles import Group
from .variant import Variant

SHARE, MOST = 1 / 2, 2**20  # of the second-level cache, which the cells of a region take; and how many bytes at most
MOST_OF_ALL = 2**22  # bytes where each region looks at every sample, and there should be few of them
NARROW = 256  # columns; short rows would leave groups of samples that are not full


def fit(variant: Variant) -> bool:
    """Whether a kernel is one for cells."""
    return variant.dims == 2 and variant.taps in _KINDS and variant.dense


def region(variant: Variant, size: Sequence[int], *, few: bool) -> tuple[int, int]:
    """Columns and rows of the regions of an image whose cells fit in the second-level cache; larger ones for `few`."""
    kind = _KINDS[variant.taps]
    numbers = 4 * kind.channels(variant)  # for each pixel
    room = MOST_OF_ALL if few else min(MOST, int(SHARE * compiled.near_cache()))
    most = room // (numbers * (8 if variant.double else 4))
    across = min(size[0], max(NARROW, math.isqrt(most)))
    high = max(1, most // (across + kind.ring) - kind.ring)
    count = max(1, -(-size[1] // high))
    return across, max(1, -(-size[1] // count))


def cells_of(kernel: Kernel, variant: Variant, samples: Samples, taps: Taps) -> "Cells":
    """Those for the number of taps of a kernel."""
    return _KINDS[variant.taps](kernel, variant, samples, taps)


class Cells(ABC):
    """Writes `push` for images.

    Args:
        kernel: where instructions are written.
        variant: of it.
        samples: the tensors of the call.
        taps: weighs a group.

    Attributes:
        ring: rows and columns that the copy has more of than the region.
        above: how many of these rows come before those of the region.
    """

    ring: ClassVar[int]
    above: ClassVar[int]

    def __init__(self, kernel: Kernel, variant: Variant, samples: Samples, taps: Taps) -> None:
        self.kernel, self.variant, self.samples, self.taps, self.job = kernel, variant, samples, taps, kernel.job
        self.line = self._line(self.job.region[0] + self.ring)
        self.plane = self.line * (self.job.region[1] + self.ring)
        size = self.plane * self._planes()
        self._copy = kernel.heap(variant.element, size + LANES * self.line)
        self._clear(kernel.number(0), size)
        self.filled = self.job.padding[0].is_(FILL) & self.job.padding[1].is_(FILL)

    @staticmethod
    def channels(variant: Variant) -> int:
        """How many the copy has room for."""
        return variant.block

    @abstractmethod
    def _line(self, columns: Value) -> Value:
        """How many numbers a row takes: whole vectors."""

    def _planes(self) -> int:
        """How many times the copy has all rows."""
        return 1

    @abstractmethod
    def _offset(self, x: Value, y: Value) -> Value:
        """Where in the copy a sample adds, whose first tap is in a column and a row."""

    @abstractmethod
    def _add(self, weights: list[Value], gradients: list[Value]) -> None:
        """Add to the copy, at places that have been spilled: weights of each tap, gradients of each channel."""

    @abstractmethod
    def _totals(self, row: Value, column: Value) -> list[Value]:
        """The channels of pixels, next to each other, from a column and a row of the region on."""

    def begin(self, image: Value) -> None:
        """Turn to a region of an image; the copy is zero."""
        self.image = image

    def push(self, m: Value, group: Group, places: Places, direction: list[Value], wanted: Value) -> None:
        """Add a group; of samples that are not wanted nothing is added."""
        before = self.variant.before - (self.variant.taps - 1)
        x, y = (
            centre - (first + before).to(I32)
            for centre, (first, _) in zip(places.centres, self.taps.region, strict=True)
        )
        self.kernel.spill(choose(wanted, self._offset(x, y), 0).to(I64), self.taps.places)
        fractions = [choose(wanted, fraction, 0) for fraction in places.fractions]
        self.taps.weights.weigh(fractions, direction, [None, None], places.share)
        gradients = [choose(wanted, gradient, 0) for gradient in self._gradients_of(m, group)]
        self._add([self.taps.weights.of(tap) for tap in range(self.variant.total)], gradients)

    def _gradients_of(self, m: Value, group: Group) -> list[Value]:
        of, read = self.samples.place(m, group.first), list[Value]()
        for c in range(self.variant.block):
            channel = of.at((self.samples.first + c) * self.job.samples_step[1])
            read.append(self.kernel.read(channel, group.length, step=self.samples.step))
            # A region sees too little of a row for it to be foreseen; of small images the next is fetched.
            soon = choose(self.job.ahead > 0, self.job.ahead * self.job.target[0], self.job.samples_step[0])
            channel.at(soon).prefetch(first=False)
        return read

    def _of(self, lane: int) -> Value:
        """Where a sample adds."""
        return self._copy.at(self.taps.places.at(lane).load())

    def end(self) -> None:
        """Sum what pixels have; where nothing but what is inside was filled in, something may be there already."""
        (left, right), (top, bottom) = self.taps.region
        width = right - left
        count, last = width.least(LANES), (width - LANES).most(0)
        with self.kernel.loop(top, bottom) as y:
            with self.kernel.loop(0, width, LANES) as column:
                start = column.least(last)
                fresh = self.kernel.counting(I64) >= column - start
                totals = self._totals(y - top, start)
                for total, c in zip(totals, self.samples.channels(), strict=True):
                    to = self.image.at(c * self.job.channel_step + y * self.job.step[1] + left + start)
                    value = self.kernel.variable(total)
                    with self.kernel.when(~self.filled):
                        value.set(self.kernel.read(to, count) + choose(fresh, total, 0))
                    self.kernel.write(to, value.get(), count)
            self._clear_rows(y - top + self.above, y - top + (self.above + 1))  # while they are near
        self._clear_rows(self.kernel.number(0), self.kernel.number(self.above))
        self._clear_rows(bottom - top + self.above, bottom - top + self.ring)

    def _clear_rows(self, begin: Value, end: Value) -> None:
        for number in range(self._planes()):
            self._clear(begin * self.line + self.plane * number, end * self.line + self.plane * number)

    def _clear(self, begin: Value, end: Value) -> None:
        with self.kernel.loop(begin, end, LANES) as i:
            self._copy.at(i).store(self.kernel.lanes(self.variant.element))


class Corners(Cells):
    """Two taps along an axis: a cell between four pixels has numbers for each, corner after corner.

    The channels of a corner lie next to each other. To a cell a sample adds in one go.
    """

    ring, above = 1, 0

    @staticmethod
    def channels(variant: Variant) -> int:
        """The next power of two, to fill vectors."""
        return 1 << (variant.block - 1).bit_length()

    def _line(self, columns: Value) -> Value:
        return (columns + 3) // 4 * 4 * self._cell()

    def _cell(self) -> int:
        return 4 * self.channels(self.variant)

    def _offset(self, x: Value, y: Value) -> Value:
        return y * self.line.to(I32) + x * self._cell()

    def _add(self, weights: list[Value], gradients: list[Value]) -> None:
        channels, zero = self.channels(self.variant), self.kernel.lanes(self.variant.element)
        if channels == 1:
            weights = [weight * gradients[0] for weight in weights]
        gradients = gradients + [zero] * (channels - len(gradients))
        weights, gradients = transposed(weights), transposed(gradients)
        for lane in SPREAD:
            here, added = self._of(lane), _of_sample(lane, weights)
            if channels > 1:
                added = added.pick([corner for corner in range(4) for _ in range(channels)])
                added = added * _of_sample(lane, gradients).pick([*range(channels)] * 4)
            here.store(here.load(self._cell()) + added)

    def _totals(self, row: Value, column: Value) -> list[Value]:
        channels = self.channels(self.variant)
        cell = self._copy.at(row * self.line + column * self._cell())
        if channels == 1:
            return [self._total(cell)]
        right, below = cell.at(self._cell()), cell.at(self.line)
        # A pixel is the lower right corner of the cell to its upper left, the lower left of the one to its right, ...
        corners = [cell.at(3 * channels), right.at(2 * channels), below.at(channels), below.at(self._cell())]
        pixels = [_sum([corner.at(lane * self._cell()).load(channels) for corner in corners]) for lane in range(LANES)]
        total = joined(pixels)
        return [total.pick(range(c, LANES * channels, channels)) for c in range(self.variant.block)]

    def _total(self, cell: Value) -> Value:
        """Of one channel, each vector is loaded once: a cell's lower corners with the upper ones of that below it."""
        upper_twice = [4 * i + corner for i in range(LANES // 4) for corner in (0, 1, 0, 1)]
        edges = list[
            Value
        ]()  # of four cells: between the one and the one below, its left end third, its right end fourth
        for number in range(4):
            four = cell.at(LANES * number)
            edges.append(four.load(LANES) + four.at(self.line).load(LANES).pick(upper_twice))
        behind = cell.at(4 * LANES)
        last = behind.at(2).load() + behind.at(self.line).load()
        together = joined(edges)
        left, right = (together.pick(range(end, 4 * LANES, 4)) for end in (2, 3))
        return right + left.pick(range(1, LANES + 1), last.spread())


class Runs(Cells):
    """Four taps along an axis: a sample adds to four rows, in each to a run of four pixels.

    Runs that begin in columns 0, 4, 8, ... have a row of their own, and those in columns 1, 5, 9, ..., and so on.
    Channels come one after the other.
    """

    ring, above = 6, 3

    def _line(self, columns: Value) -> Value:
        return (columns + (LANES - 1)) // LANES * (LANES * 4)

    def _planes(self) -> int:
        return self.variant.block

    def _offset(self, x: Value, y: Value) -> Value:
        return y * self.line.to(I32) + (x & 3) * (self.line // 4).to(I32) + (x & -4)

    def _add(self, weights: list[Value], gradients: list[Value]) -> None:
        for c, gradient in enumerate(gradients):
            rows = [transposed([weight * gradient for weight in weights[row : row + 4]]) for row in range(0, 16, 4)]
            for lane in SPREAD:
                here = self._of(lane).at(self.plane * c)
                for number, row in enumerate(rows):
                    run = here.at(self.line * number)
                    run.store(run.load(4) + _of_sample(lane, row))

    def _totals(self, row: Value, column: Value) -> list[Value]:
        first = (row + self.above) * self.line + column + 3
        every = [self._copy.at(first + self.plane * c) for c in range(self.variant.block)]
        return [_sum([pixel.at(self.line // 4 * n - n).load(LANES) for n in range(4)]) for pixel in every]


_KINDS: dict[int, type[Cells]] = {2: Corners, 4: Runs}


def _of_sample(lane: int, squares: list[Value]) -> Value:
    """What a sample has in vectors that have been `transposed`."""
    count = len(squares)
    first = lane // count * count
    return squares[lane % count].pick(range(first, first + count))


def _sum(values: list[Value]) -> Value:
    return functools.reduce(operator.add, values)
