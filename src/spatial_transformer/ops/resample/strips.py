"""Samples that lie close together, from whole rows of an image.

A map that neither turns nor shrinks much takes the samples of a group from a strip of the image: a few rows, and no
more columns than two vectors hold. Such rows are loaded as they are, and each sample picks its pixels in registers,
which is faster than to load pixels for each sample. It takes an instruction that picks lanes by number from two
vectors, which processors with AVX-512 have.
"""

from . import compiled
from .job import BORDER, LINEAR
from .lanes import I32, I64, LANES, Kernel, Value, Variable, choose
from .planes import Planes
from .positions import Places
from .taps import Taps
from .tiles import Group
from .variant import Variant

# Rows of a strip with more of which it is faster to load pixels one by one: for one channel, and for more.
MOST_ROWS = {2: (4, 6), 4: (8, 10)}  # for so many taps
MOST_ROWS_AT_EDGES = 12  # where pixels one by one take longer


def pay(taps: int, kind: int, channels: int, *, gathers: bool) -> bool:
    """Whether kernels gain by them. Where gathering is fast, two taps do so for several channels of level maps only."""
    some = taps > 2 or not gathers or (kind == LINEAR and channels > 1)
    return taps in MOST_ROWS and some and compiled.can("avx512f")


class Strips:
    """As `Planes`, for groups that `cover` has found to lie close together.

    Args:
        kernel: where instructions are written.
        variant: of it.
        planes: reads and writes samples.
        taps: of the group.
    """

    def __init__(self, kernel: Kernel, variant: Variant, planes: Planes, taps: Taps) -> None:
        self.kernel, self.variant, self.planes, self.taps, self.job = kernel, variant, planes, taps, kernel.job
        self.samples = planes.samples
        # Whether what is read instead of a pixel outside is in the strip.
        self.follows = (self.job.padding[0] <= BORDER) & (self.job.padding[1] <= BORDER)
        self.most = MOST_ROWS[variant.taps][variant.block > 1]

    def cover(self, places: Places, *, inside: bool) -> Value:
        """Whether a strip holds all taps of a group; true or false. The outermost samples say where it would be.

        Args:
            places: of its samples.
            inside: whether the image has all of the taps. If not, a strip holds what is read instead of them.
        """
        taps, width = self.variant.taps, self.job.size[0].to(I32)
        columns, row = (centre - self.variant.before for centre in places.centres)
        left, self.top = (first.lane(0).least(first.lane(LANES - 1)) for first in (columns, row))
        self.count = row.lane(0).most(row.lane(LANES - 1)) - self.top + taps
        # Where the second vector begins: in narrow images it overlaps the first.
        second = (width - LANES).least(LANES)
        # Vectors that lie across two lines of the cache take twice as long, so begin with a line if all taps fit then.
        last, aligned = columns.lane(0).most(columns.lane(LANES - 1)) + (taps - 1), left & -LANES
        left = choose(last < aligned + 2 * LANES, aligned, left)
        self.left = left.least(width - LANES - second).most(0)
        self.row, numbers = row - self.top, [columns + tap for tap in range(taps)]
        self.there = [None] * taps if inside else [self._is_there(number, 0) for number in numbers]
        numbers = [(number if inside else number.most(0).least(width - 1)) - self.left for number in numbers]
        self.lanes = [_lane(number, second) for number in numbers]
        first, last = numbers[0], numbers[-1]
        within = (first >= 0) & (last < second + LANES) & (self.row >= 0) & (self.row <= self.count - taps)
        fits = (self.count <= (self.most if inside else MOST_ROWS_AT_EDGES)) & (width >= LANES)
        if inside:
            return within.all() & fits
        return (within & ~places.missing).all() & fits & self.follows

    def _is_there(self, pixel: Value, axis: int) -> Value:
        """Whether a pixel counts: it is in the image, or another is read instead."""
        rule, length = self.job.padding[axis], self.job.size[axis].to(I32)
        return ((pixel >= 0) & (pixel < length)) | rule.is_(BORDER)

    def pull(self, m: Value, group: Group, places: Places) -> None:
        totals = [self.kernel.variable(self.planes.zero) for _ in range(self.variant.block)]
        with self.kernel.loop(0, self.count.to(I64)) as number:
            touched, (weight,) = self._touched(number, derivatives=1)
            for total, c in zip(totals, self.samples.channels(), strict=True):
                along = self._along_x(self._pixels(number, c), 0)
                total.set(choose(touched, total.get() + weight * along, total.get()))
        to = self.samples.place(m, group.first)
        for total, c in zip(totals, self.samples.channels(), strict=True):
            self.planes.write(to, c, total.get(), group, places)

    def slope(self, m: Value, group: Group, slopes: list[Variable]) -> None:
        """Add to the slopes along x and y what the channels contribute."""
        of, x, y = self.samples.place(m, group.first), *slopes
        gradients = [self.kernel.variable(self.planes.zero) for _ in range(self.variant.block)]
        for gradient, c in zip(gradients, self.samples.channels(), strict=True):
            gradient.set(self.planes.gradient(of, c, group))
        with self.kernel.loop(0, self.count.to(I64)) as number:
            touched, (weight, steepness) = self._touched(number, derivatives=2)
            dots = [self.kernel.variable(self.planes.zero) for _ in range(self.variant.taps)]
            for gradient, c in zip(gradients, self.samples.channels(), strict=True):
                for dot, pixel in zip(dots, self._pixels(number, c), strict=True):
                    dot.add(gradient.get() * pixel)
            read = [dot.get() for dot in dots]
            x.set(choose(touched, x.get() + weight * self._along_x(read, 1), x.get()))
            y.set(choose(touched, y.get() + steepness * self._along_x(read, 0), y.get()))

    def _touched(self, number: Value, *, derivatives: int) -> tuple[Value, list[Value]]:
        """Which samples a row has taps of, and its weight for each, with so many of its derivatives."""
        nearness = self.row + number.to(I32) * -1  # minus the number of the tap
        touched: Value | None = None
        weights = [self.planes.zero] * derivatives
        for tap in range(self.variant.taps):
            here = nearness.is_(-tap)
            touched = here if touched is None else touched | here
            weights = [
                choose(here, self.taps.weights.along(1, order, tap), weight) for order, weight in enumerate(weights)
            ]
        assert touched is not None
        return touched, weights

    def _along_x(self, pixels: list[Value], derivative: int) -> Value:
        """The weighted sum of the taps of a row."""
        total: Value | None = None
        for tap, pixel in enumerate(pixels):
            part = self.taps.weights.along(0, derivative, tap) * pixel
            total = part if total is None else total + part
        assert total is not None
        return total

    def _pixels(self, number: Value, c: Value) -> list[Value]:
        """The taps of each sample in a row, if it is one of its own."""
        y, height = self.top.to(I64) + number, self.job.size[1]
        row = self.planes.image.at(c * self.job.channel_step + y.most(0).least(height - 1) * self.job.step[1])
        first = row.at(self.left.to(I64))
        a, b = first.load(LANES), first.at((self.job.size[0] - LANES).least(LANES)).load(LANES)
        found = []
        for lanes, there in zip(self.lanes, self.there, strict=True):
            pixel = a.lookup(lanes, b)
            if there is not None:
                pixel = choose(there & self._is_there(y.to(I32), 1).spread(), pixel, self.samples.filled)
            found.append(pixel)
        return found


def _lane(column: Value, second: Value) -> Value:
    """Where a column is in two vectors, the second of which begins somewhere in or behind the first."""
    return choose(column < LANES, column, column + (LANES - second))
