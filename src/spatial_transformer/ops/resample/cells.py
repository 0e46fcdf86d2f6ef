"""The transpose of bilinear sampling, by way of cells.

A sample adds to four pixels, the corners of the cell it lies in. Samples next to each other share pixels, so one by one
each addition would wait for the one before. Here every cell has numbers of its own, next to each other, for each of its
corners and the channels of a block, to which a sample adds in one go; at last every pixel sums the corners that it is
of the cells around it. Around the region that a task writes is a ring of cells, and what samples add there outside of
the region is never read.
"""

import functools
import math
import operator
from collections.abc import Sequence

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

CORNERS = 4
SHARE = 1 / 2  # of the second-level cache, which the cells of a region take
NARROW = 256  # columns; short rows would leave groups of samples that are not full


def fit(variant: Variant) -> bool:
    """Whether a kernel is one for cells."""
    return variant.total == CORNERS and variant.dense


def region(variant: Variant, size: Sequence[int]) -> tuple[int, int]:
    """Columns and rows of the regions of an image whose cells fit in the second-level cache."""
    most = int(SHARE * compiled.near_cache()) // (CORNERS * channels_of(variant.block) * (8 if variant.double else 4))
    across = min(size[0], max(NARROW, math.isqrt(most)))
    high = max(1, most // (across + 1) - 1)
    count = max(1, -(-size[1] // high))
    return across, max(1, -(-size[1] // count))


def channels_of(block: int) -> int:
    """The channels that a corner has room for: the next power of two."""
    return 1 << (block - 1).bit_length()


class Cells:
    """Writes `push` for the linear kernel in images.

    Args:
        kernel: where instructions are written.
        variant: of it.
        samples: the tensors of the call.
        taps: weighs a group.
    """

    def __init__(self, kernel: Kernel, variant: Variant, samples: Samples, taps: Taps) -> None:
        self.kernel, self.variant, self.samples, self.taps, self.job = kernel, variant, samples, taps, kernel.job
        self.channels = channels_of(variant.block)
        self.cell = CORNERS * self.channels  # numbers: corner after corner
        self.width = (self.job.region[0] + 4) // 4 * 4  # cells along a row: one more than pixels, in whole vectors
        self.size = self.width * (self.job.region[1] + 1) * self.cell
        self._cells = kernel.heap(variant.element, self.size + LANES * self.cell)
        self._clear(kernel.number(0), self.size)
        self.filled = self.job.padding[0].is_(FILL) & self.job.padding[1].is_(FILL)

    def begin(self, image: Value) -> None:
        """Turn to a region of an image; all cells are zero."""
        self.image = image

    def _clear(self, begin: Value, end: Value) -> None:
        with self.kernel.loop(begin, end, LANES) as i:
            self._cells.at(i).store(self.kernel.lanes(self.variant.element))

    def push(self, m: Value, group: Group, places: Places, direction: list[Value], wanted: Value) -> None:
        """Add a group to cells; of samples that are not wanted nothing is added."""
        (left, _), (top, _) = self.taps.region
        x, y = (centre - (first - 1).to(I32) for centre, first in zip(places.centres, (left, top), strict=True))
        cell = (y * self.width.to(I32) + x) * self.cell
        self.kernel.spill(choose(wanted, cell, 0).to(I64), self.taps.places)
        fractions = [choose(wanted, fraction, 0) for fraction in places.fractions]
        self.taps.weights.weigh(fractions, direction, [None, None])
        weights = [self.taps.weights.of(tap) for tap in range(CORNERS)]
        gradients = [choose(wanted, gradient, 0) for gradient in self._gradients_of(m, group)]
        if self.channels == 1:
            weights = [weight * gradients[0] for weight in weights]
        weights, gradients = transposed(weights), transposed(gradients)
        for lane in SPREAD:
            here, added = self._cells.at(self.taps.places.at(lane).load()), _of_sample(lane, weights)
            if self.channels > 1:  # corner after corner
                corners = added.pick([corner for corner in range(CORNERS) for _ in range(self.channels)])
                added = corners * _of_sample(lane, gradients).pick([*range(self.channels)] * CORNERS)
            here.store(here.load(self.cell) + added)

    def _gradients_of(self, m: Value, group: Group) -> list[Value]:
        """Of each channel; there may be fewer than there is room for."""
        of, read = self.samples.place(m, group.first), list[Value]()
        for c in range(self.variant.block):
            channel = of.at((self.samples.first + c) * self.job.samples_step[1])
            read.append(self.kernel.read(channel, group.length, step=self.samples.step))
            with self.kernel.when(self.job.ahead > 0):  # a region sees too little of a row for it to be foreseen
                channel.at(self.job.ahead * self.job.target[0]).prefetch()
        return read + [self.kernel.lanes(self.variant.element)] * (self.channels - self.variant.block)

    def end(self) -> None:
        """Sum cells to pixels; where nothing but what is inside was filled in, something may be there already."""
        (left, right), (top, bottom) = self.taps.region
        width = right - left
        count, last = width.least(LANES), (width - LANES).most(0)
        line = self.width * self.cell
        with self.kernel.loop(top, bottom) as y:
            with self.kernel.loop(0, width, LANES) as column:
                start = column.least(last)
                fresh = self.kernel.counting(I64) >= column - start
                totals = self._totals(self._cells.at((y - top) * line + start * self.cell))
                for total, c in zip(totals, self.samples.channels(), strict=True):
                    to = self.image.at(c * self.job.channel_step + y * self.job.step[1] + left + start)
                    more = self.kernel.read(to, count) + choose(fresh, total, 0)
                    self.kernel.write(to, choose(self.filled, total, more), count)
            self._clear((y - top) * line, (y - top + 1) * line)  # while it is near
        self._clear((bottom - top) * line, (bottom - top + 1) * line)

    def _totals(self, cell: Value) -> list[Value]:
        """The channels of pixels, next to each other, of which this is the cell to the upper left of the first."""
        below = cell.at(self.width * self.cell)
        # A pixel is the lower right corner of the cell to its upper left, the lower left of the one to its right, ...
        corners = [cell.at(3 * self.channels), cell.at(self.cell + 2 * self.channels)]
        corners += [below.at(self.channels), below.at(self.cell)]
        if self.channels == 1:
            every = range(0, LANES * CORNERS, CORNERS)
            return [_sum([corner.load(LANES * CORNERS).pick(every) for corner in corners])]
        pixels = [
            _sum([corner.at(lane * self.cell).load(self.channels) for corner in corners]) for lane in range(LANES)
        ]
        total = joined(pixels)
        return [total.pick(range(c, LANES * self.channels, self.channels)) for c in range(self.variant.block)]


def _of_sample(lane: int, squares: list[Value]) -> Value:
    """What a sample has in vectors that have been `transposed`."""
    count = len(squares)
    first = lane // count * count
    return squares[lane % count].pick(range(first, first + count))


def _sum(values: list[Value]) -> Value:
    return functools.reduce(operator.add, values)
