"""The samples of a group, one by one, with their channels in vectors.

The channels of a pixel are next to each other in memory (PIXELS); or some of the channels of an image are copied so
first, and each such block is a task of its own (PACKED). The copy is as large as the second-level cache, at most.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .lanes import I64, LANES, Kernel, Value, Variable, choose
from .positions import Places
from .samples import Samples
from .taps import Taps
from .tiles import Group
from .variant import PACKED, Variant


class Pixels:
    """As `Planes`.

    Args:
        kernel: where instructions are written.
        variant: of it.
        samples: the tensors of the call.
        taps: of the group.
    """

    def __init__(self, kernel: Kernel, variant: Variant, samples: Samples, taps: Taps) -> None:
        self.kernel, self.variant, self.samples, self.taps, self.job = kernel, variant, samples, taps, kernel.job
        self.packed, self.block = variant.layout == PACKED, variant.block
        self.last = self.job.channels - self.block  # where the last block of channels begins
        self._weights = kernel.room(variant.element, variant.total * LANES)
        self._offsets = kernel.room(I64, variant.total * LANES)
        self._flags = kernel.room(I64, LANES)
        self._group = kernel.room(variant.element, LANES * self.block)  # (sample, channel)
        self._dots = kernel.room(variant.element, variant.total * LANES * self.block)
        if self.packed:
            pixels = self.job.size[0] * self.job.size[1] * self.job.size[2]
            self._copy, self._pixels = kernel.heap(variant.element, pixels * self.block), pixels

    # --- images -------------------------------------------------------------------------------------------------------

    def begin(self, image: Value, *, write: bool = False) -> None:
        """Turn to an image, or to a block of its channels."""
        self.image = image
        if not self.packed:
            return
        self.planes = image.at(self.samples.first * self.job.channel_step)
        self.image = self._copy
        if write:
            with self.kernel.loop(0, self._pixels * self.block, self.block) as i:
                self._copy.at(i).store(self._zero())
        else:
            self._each_square(self._pack)

    def end(self, *, write: bool = False) -> None:
        """Leave it."""
        if self.packed and write:
            self._each_square(self._unpack)

    def _each_square(self, use: Callable[[Value], None]) -> None:
        """As many pixels as there are channels in a block at a time; the last overlap those before."""
        with self.kernel.loop(0, self._pixels, self.block) as pixel:
            use(pixel.least(self._pixels - self.block))

    def _pack(self, pixel: Value) -> None:
        step = self.job.channel_step
        rows = [self.planes.at(step * c + pixel).load(self.block) for c in range(self.block)]
        for i, row in enumerate(transposed(rows)):
            self._copy.at((pixel + i) * self.block).store(row)

    def _unpack(self, pixel: Value) -> None:
        rows = [self._copy.at((pixel + i) * self.block).load(self.block) for i in range(self.block)]
        for c, row in enumerate(transposed(rows)):
            self.planes.at(self.job.channel_step * c + pixel).store(row)

    def fetch_next(self, group: Group) -> None:
        """Have brought near what lies there in the block of channels behind this one."""
        for c in range(self.block, 2 * self.block):
            self.planes.at(c * self.job.channel_step + group.first).prefetch(first=False)

    # --- groups -------------------------------------------------------------------------------------------------------

    def fill(self, m: Value, group: Group, places: Places) -> None:
        """All samples of a group are outside."""
        outside = self.samples.outside(places).spread(self.block)
        with self.kernel.loop(0, group.length) as lane, self._blocks() as (c, counted):
            self._write(self._place(m, group, lane, c), outside, places, counted)
        self._write_group(m, group)

    def pull(self, m: Value, group: Group, places: Places, nowhere: Value | None) -> None:
        self._prepare(nowhere, nowhere)
        outside = self.samples.outside(places).spread(self.block)
        with self.kernel.loop(0, group.length) as lane, self._blocks() as (c, counted):
            total = self.kernel.variable(self._zero())

            def add(tap: int | Value, pixel: Value) -> None:
                total.add(pixel * self._weights.at(tap * LANES + lane).load())

            self._read(lane, c, nowhere is None, add)
            value = total.get()
            if nowhere is not None:
                value = choose(self._flags.at(lane).load().is_(0), value, outside)
            self._write(self._place(m, group, lane, c), value, places, counted)
        self._write_group(m, group)

    def slope(self, m: Value, group: Group, slopes: list[Variable], nowhere: Value | None) -> None:
        """Add to the slopes along each axis what the channels contribute."""
        self._prepare(nowhere, None)
        self._read_group(m, group)
        with self.kernel.loop(0, group.length) as lane:
            self._clear_dots(lane)
            with self._blocks() as (c, counted):
                gradient = self._gradient(m, group, lane, c, counted)

                def add(tap: int | Value, pixel: Value) -> None:
                    dot = self._dots.at((tap * LANES + lane) * self.block)
                    dot.store(dot.load(self.block) + pixel * gradient)

                self._read(lane, c, nowhere is None, add)

        def spread(tap: int | Value) -> None:
            dots = self._dots.at(tap * (LANES * self.block))
            product = row_sums([dots.at(lane * self.block).load(self.block) for lane in range(LANES)])
            for axis, slope in enumerate(slopes):
                slope.add(self.taps.weights.of(tap, axis) * product)

        self.kernel.repeat(self.variant.total, spread, unrolled=1)

    def push(self, m: Value, group: Group, nowhere: Value | None) -> None:
        self._prepare(nowhere, ~group.fresh if nowhere is None else nowhere | ~group.fresh)
        self._read_group(m, group)
        with self.kernel.loop(0, LANES) as i:
            lane = i % 4 * 4 + i // 4  # neighbours share pixels, and would wait for each other
            with self.kernel.when(self._flags.at(lane).load().is_(0)), self._blocks() as (c, counted):
                if self.packed:  # each block is written whole
                    counted = self.kernel.number(0)
                gradient = self._gradient(m, group, lane, c, counted)

                def add(tap: int | Value, pixel: Value) -> None:
                    weighted = gradient * self._weights.at(tap * LANES + lane).load()
                    pixel.store(pixel.load(self.block) + weighted)

                self._each_tap(lane, c, nowhere is None, add)

    def _prepare(self, nowhere: Value | None, flagged: Value | None) -> None:
        """Put weights and places where they can be read sample by sample."""
        weights = self.taps.weights
        self.kernel.repeat(
            self.variant.total, lambda tap: self._weights.at(tap * LANES).store(weights.of(tap)), unrolled=8
        )
        if flagged is not None:
            self._flags.store(choose(flagged, self.kernel.lanes(I64, 1), 0))
        if nowhere is not None:
            with self.kernel.loop(0, self.variant.total) as tap:
                offset, there = self.taps.reach(tap)
                self._offsets.at(tap * LANES).store(choose(there, offset.to(I64), -1))

    @contextmanager
    def _blocks(self) -> Iterator[tuple[Value, Value]]:
        """The channels where each block begins, and how many of its channels were in the one before."""
        if self.packed:
            yield self.kernel.number(0), self.samples.known
        else:
            with self.kernel.loop(0, self.job.channels, self.block) as c:
                first = c.least(self.last)
                yield first, c - first

    def _read(self, lane: Value, c: Value, inside: bool, use: Callable[[int | Value, Value], None]) -> None:
        """Hand the channels of each tap of a sample to `use(tap, channels)`."""
        filled = self.samples.filled.spread(self.block)
        self._each_tap(
            lane, c, inside, lambda tap, pixel: use(tap, pixel.load(self.block)), lambda tap: use(tap, filled)
        )

    def _each_tap(
        self,
        lane: Value,
        c: Value,
        inside: bool,
        use: Callable[[int | Value, Value], None],
        otherwise: Callable[[int | Value], None] = lambda tap: None,
    ) -> None:
        """`use(tap, pointer)` for the taps of a sample that are somewhere, `otherwise(tap)` for those that are not."""
        if inside:
            first = self.image.at(self.taps.places.at(lane).load() + c)
            self.kernel.repeat(self.variant.total, lambda tap: use(tap, first.at(self.taps.shift(tap))), unrolled=8)
            return
        with self.kernel.loop(0, self.variant.total) as tap:
            offset = self._offsets.at(tap * LANES + lane).load()
            with self.kernel.either(offset >= 0) as (there, outside):
                with there:
                    use(tap, self.image.at(offset + c))
                with outside:
                    otherwise(tap)

    # --- samples ------------------------------------------------------------------------------------------------------

    def _place(self, m: Value, group: Group, lane: Value, c: Value) -> Value:
        """Where a block of the channels of a sample lies."""
        if self.packed:
            return self._group.at(lane * self.block)
        return self.samples.place(m, group.first + lane).at(c)

    def _write(self, to: Value, value: Value, places: Places, counted: Value) -> None:
        """Store a block of the channels of a sample, or add those that were not in the block before."""
        if places.again is not None:
            fresh = value if self.packed else self._uncounted(value, counted)
            value = choose(places.again, to.load(self.block) + fresh, value)
        to.store(value)

    def _gradient(self, m: Value, group: Group, lane: Value, c: Value, counted: Value) -> Value:
        """A block of the channels of a sample; 0 where they were in the block before."""
        return self._uncounted(self._place(m, group, lane, c).load(self.block), counted)

    def _uncounted(self, block: Value, counted: Value) -> Value:
        """0 for the channels that were in the block before."""
        return choose(self.kernel.counting(I64).pick(range(self.block)) >= counted, block, 0)

    def _read_group(self, m: Value, group: Group) -> None:
        """Turn (channel, sample) into (sample, channel)."""
        if not self.packed:
            return
        planes = self.samples.place(m, group.first).at(self.samples.first * self.job.samples_step[1])
        rows = []
        for c in range(self.block):
            rows.append(self.kernel.read(planes.at(self.job.samples_step[1] * c), group.length, step=self.samples.step))
        for start in range(0, LANES, self.block):
            square = [row.pick(range(start, start + self.block)) for row in rows]
            for lane, row in enumerate(transposed(square), start=start):
                self._group.at(lane * self.block).store(row)

    def _write_group(self, m: Value, group: Group) -> None:
        """The opposite."""
        if not self.packed:
            return
        lanes = [self._group.at(lane * self.block).load(self.block) for lane in range(LANES)]
        squares = [transposed(lanes[start : start + self.block]) for start in range(0, LANES, self.block)]
        planes = self.samples.place(m, group.first).at(self.samples.first * self.job.samples_step[1])
        for c in range(self.block):
            row = squares[0][c] if len(squares) == 1 else squares[0][c].pick(range(LANES), squares[1][c])
            self.kernel.write(planes.at(self.job.samples_step[1] * c), row, group.length, self.samples.step)

    def _clear_dots(self, lane: Value) -> None:
        self.kernel.repeat(
            self.variant.total,
            lambda tap: self._dots.at((tap * LANES + lane) * self.block).store(self._zero()),
            unrolled=8,
        )

    def _zero(self) -> Value:
        return self.kernel.lanes(self.variant.element).pick(range(self.block))


def row_sums(rows: list[Value]) -> Value:
    """The sum over the lanes of each vector, side by side: halves are added, of two vectors at a time."""
    length = rows[0].type.count
    width = length  # of what is left of each vector
    while width > 1:
        low = [lane for lane in range(2 * length) if lane % width < width // 2]
        high = [lane + width // 2 for lane in low]
        rows = [a.pick(low, b) + a.pick(high, b) for a, b in zip(rows[::2], rows[1::2], strict=True)]
        width //= 2
    return rows[0] if len(rows) == 1 else rows[0].pick(range(2 * length), rows[1])


def transposed(rows: list[Value]) -> list[Value]:
    """Lane i of vector j becomes lane j of vector i; if there are fewer vectors than lanes, in each run of as many."""
    step = 1
    while step < len(rows):
        rows = [_exchanged(rows, number, step) for number in range(len(rows))]
        step *= 2
    return rows


def _exchanged(rows: list[Value], number: int, step: int) -> Value:
    """A vector after every second run of `step` lanes has been exchanged with the vector `step` further on."""
    count = rows[0].type.count
    if number & step:
        a, b = rows[number - step], rows[number]
        return a.pick([count + lane if lane & step else lane + step for lane in range(count)], b)
    a, b = rows[number], rows[number + step]
    return a.pick([count + lane - step if lane & step else lane for lane in range(count)], b)
