"""The samples of a group, blended together, channel by channel."""

from collections.abc import Callable

from .lanes import LANES, Kernel, Value, Variable, choose
from .positions import Places
from .samples import Samples
from .taps import Taps
from .tiles import Group
from .variant import Variant


class Planes:
    """Writes what is done with the taps of a group that have been found and weighed.

    Args:
        kernel: where instructions are written.
        variant: of it.
        samples: the tensors of the call.
        taps: of the group.
    """

    def __init__(self, kernel: Kernel, variant: Variant, samples: Samples, taps: Taps) -> None:
        self.kernel, self.variant, self.samples, self.taps, self.job = kernel, variant, samples, taps, kernel.job
        self.zero = kernel.lanes(variant.element)
        self._product = kernel.room(variant.element, variant.total * LANES)
        self._offsets = kernel.room(variant.integer, LANES)

    def begin(self, image: Value, *, write: bool = False) -> None:
        """Turn to an image."""
        self.image = image

    def end(self, *, write: bool = False) -> None:
        """Leave it."""

    def fetch_next(self, group: Group) -> None:
        """Have brought near what lies there in the image behind this one."""
        for c in self.samples.channels():
            pixel = self.image.at(c * self.job.channel_step + self.job.image_step + group.first)
            pixel.prefetch(first=False)

    def fill(self, m: Value, group: Group, places: Places) -> None:
        """All samples of a group are outside."""
        to, outside = self.samples.place(m, group.first), self.samples.outside(places).spread()
        for c in self.samples.channels():
            self.write(to, c, outside, group, places)

    def pull(self, m: Value, group: Group, places: Places, nowhere: Value | None) -> None:
        to = self.samples.place(m, group.first)
        for c in self.samples.channels():
            (value,) = self._blend(c, 1, nowhere is None)
            if nowhere is not None:
                value = choose(nowhere, self.samples.outside(places).spread(), value)
            self.write(to, c, value, group, places)

    def slope(self, m: Value, group: Group, slopes: list[Variable], nowhere: Value | None) -> None:
        """Add to the slopes along each axis what the channels contribute."""
        of = self.samples.place(m, group.first)
        for c in self.samples.channels():
            blended = self._blend(c, len(slopes), nowhere is None)
            gradient = self.gradient(of, c, group)
            for slope, value in zip(slopes, blended, strict=True):
                slope.add(gradient * value)

    def push(self, m: Value, group: Group, nowhere: Value | None) -> None:
        of, wanted = self.samples.place(m, group.first), group.fresh
        if nowhere is not None:
            wanted = wanted & ~nowhere
        for c in self.samples.channels():
            self._weigh(choose(wanted, self.gradient(of, c, group), 0))
            channel = self.image.at(c * self.job.channel_step)
            (self._scatter_inside if nowhere is None else self._scatter_anywhere)(channel)

    def _blend(self, c: Value, sets: int, inside: bool) -> list[Value]:
        """The sum of the taps of each sample, once for each set of weights."""
        totals = [self.kernel.variable(self.zero) for _ in range(sets)]

        def add(tap: int | Value, value: Value) -> None:
            for number, total in enumerate(totals):
                total.add(self.taps.weights.of(tap, number) * value)

        self._read(c, inside, add)
        return [total.get() for total in totals]

    def _weigh(self, gradient: Value) -> None:
        """What each tap of each sample is given."""
        self.kernel.repeat(
            self.variant.total,
            lambda tap: self._product.at(tap * LANES).store(self.taps.weights.of(tap) * gradient),
        )

    def _read(self, c: Value, inside: bool, use: Callable[[int | Value, Value], None]) -> None:
        channel = self.image.at(c * self.job.channel_step)
        if inside:
            self.taps.read_inside(channel, use)
        else:
            self.taps.read_anywhere(channel, self.samples.filled, use)

    def gradient(self, of: Value, c: Value, group: Group) -> Value:
        return self.kernel.read(of.at(c * self.job.samples_step[1]), group.length, step=self.samples.step)

    def write(self, to: Value, c: Value, value: Value, group: Group, places: Places) -> None:
        to, step = to.at(c * self.job.samples_step[1]), self.samples.step
        if places.again is not None:
            value = choose(places.again, value + self.kernel.read(to, group.length, step=step), value)
        self.kernel.write(to, value, group.length, step)

    def _scatter_inside(self, channel: Value) -> None:
        taps = self.variant.taps
        together = self.variant.rows if self.variant.total <= 8 else 1

        def one(row: int | Value) -> None:
            numbers = [row * taps + tap for tap in range(taps * together)]
            lines = [channel.at(self.taps.shift(number)) for number in numbers]
            for lane in SPREAD:
                place = self.taps.places.at(lane).load()
                for number, line in zip(numbers, lines, strict=True):
                    _add(line.at(place), self._product.at(number * LANES + lane).load())

        self.kernel.repeat(self.variant.rows // together, one, unrolled=1)

    def _scatter_anywhere(self, channel: Value) -> None:
        def one(tap: int | Value) -> None:
            offset, there = self.taps.reach(tap)
            self._offsets.store(choose(there, offset, -1))
            with self.kernel.loop(0, LANES) as lane:
                offset = self._offsets.at(lane).load()
                with self.kernel.when(offset >= 0):
                    _add(channel.at(offset), self._product.at(tap * LANES + lane).load())

        self.kernel.repeat(self.variant.total, one, unrolled=1)


# An order of the lanes in which neighbours are far apart: they share pixels, and would wait for each other.
SPREAD = [lane for start in range(4) for lane in range(start, LANES, 4)]


def _add(to: Value, value: Value) -> None:
    to.store(to.load() + value)
