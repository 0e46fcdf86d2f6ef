"""The three operators as kernels for the CPU.

    pull        samples of images: a sample is the weighted sum of its taps
    push        the transpose: a sample is added to its taps
    slope       the gradient with respect to points or matrices: taps, weighted with slopes, times the sample's gradient

A task of `pull` and `slope` is a tile of the output of one set of points; one of `push` is a band of an image, which no
other task writes to. Nothing depends on the number of threads.
"""

from collections.abc import Callable, Sequence

from . import compiled
from .job import FIELDS, LINEAR, PROJECTIVE
from .lanes import F64, I64, LANES, Kernel, Value, Variable, choose
from .positions import Positions, Row
from .taps import Taps
from .tiles import Group, groups, tile_of
from .variant import Variant


def address(operation: str, variant: Variant) -> int:
    """The address of a kernel, compiled when it is first asked for."""
    return compiled.address(operation, variant, lambda: _WRITERS[operation](variant))


class _Samples:
    """What the operators share: the tensors of a call, as pointers.

    Args:
        kernel: where instructions are written.
        variant: of it.
    """

    def __init__(self, kernel: Kernel, variant: Variant) -> None:
        self.kernel, self.variant, job = kernel, variant, kernel.job
        self.image = kernel.pointer(job.image, variant.element)
        self.samples = kernel.pointer(job.samples, variant.element)
        self.direction = kernel.pointer(job.direction, variant.element)
        self.fill = job.fill.to(variant.element)
        self.step = None if variant.dense else job.samples_step[2]

    def place(self, m: Value, first: Value) -> Value:
        """Where the samples of a set begin, from a sample on, in the first channel."""
        offset = first if self.step is None else first * self.step
        return self.samples.at(m * self.kernel.job.samples_step[0] + offset)

    def image_of(self, m: Value) -> Value:
        """The image that a set of points reads."""
        job, number = self.kernel.job, self.kernel.variable(m)
        with self.kernel.when(~job.index.is_(0)):
            number.set(self.kernel.pointer(job.index, I64).at(m).load())
        return self.image.at(number.get() * job.image_step)

    def directions(self, m: Value, group: Group) -> list[Value]:
        """The direction of each sample along each axis, in pixels."""
        if not self.variant.directional:
            return []
        kernel, job = self.kernel, self.kernel.job
        here = self.direction.at(m * job.direction_step[0] + group.first * job.direction_step[1])
        found = []
        for axis in range(self.variant.dims):
            along = here.at(job.direction_step[2] * axis)
            read = kernel.read(along, group.count, step=job.direction_step[1])
            found.append(read * job.scale[axis].to(self.variant.element))
        return found


def _pull(variant: Variant) -> str:
    kernel = Kernel("pull", FIELDS)
    job, samples, positions = kernel.job, _Samples(kernel, variant), Positions(kernel, variant)
    last = job.size[variant.dims - 1]
    taps = Taps(positions, kernel.number(0), last, slopes=False)
    zero = kernel.lanes(variant.element)

    def blend(m: Value, group: Group, read: Callable[..., None], *source: object, nowhere: Value | None) -> None:
        """A group, channel by channel."""
        image, to = samples.image_of(m), samples.place(m, group.first)
        with kernel.loop(0, job.channels) as c:
            total = kernel.variable(zero)
            read(image.at(c * job.channel_step), *source, lambda tap, value: total.add(taps.weights.of(tap) * value))
            value = total.get()
            if nowhere is not None:
                value = choose(nowhere, zero if variant.directional else samples.fill.spread(), value)
            kernel.write(to.at(c * job.samples_step[1]), value, group.count, samples.step)

    with kernel.loop(kernel.begin, kernel.end) as task, tile_of(kernel, task) as (m, rows, columns):
        with kernel.loop(*rows) as number:
            row = positions.row(m, number)
            with groups(kernel, row, *columns) as group:
                places, _ = positions.group(m, row, group.start, group.count)
                direction = samples.directions(m, group)
                with kernel.either(taps.are_inside(places).all()) as (inside, edge):
                    with inside:
                        blend(m, group, taps.read_inside, taps.inside(places, direction), nowhere=None)
                    with edge, kernel.either(taps.are_outside(places).all()) as (outside, some):
                        with outside:
                            to = samples.place(m, group.first)
                            value = zero if variant.directional else samples.fill.spread()
                            with kernel.loop(0, job.channels) as c:
                                kernel.write(to.at(c * job.samples_step[1]), value, group.count, samples.step)
                        with some:
                            nowhere = taps.anywhere(places, direction)
                            blend(m, group, taps.read_anywhere, samples.fill, nowhere=nowhere)
    return kernel.finish()


def _slope(variant: Variant) -> str:
    kernel = Kernel("slope", FIELDS)
    job, samples, positions = kernel.job, _Samples(kernel, variant), Positions(kernel, variant)
    last = job.size[variant.dims - 1]
    taps = Taps(positions, kernel.number(0), last, slopes=True)
    zero = kernel.lanes(variant.element)
    sums = _MatrixGradient(kernel, variant) if variant.on_grid else None

    def contract(
        m: Value, group: Group, slopes: Sequence[Variable], read: Callable[..., None], *source: object
    ) -> None:
        """Add what each channel of a group contributes to its slopes."""
        image, of = samples.image_of(m), samples.place(m, group.first)
        with kernel.loop(0, job.channels) as c:
            totals = [kernel.variable(zero) for _ in slopes]

            def add(tap: int | Value, value: Value) -> None:
                for axis, total in enumerate(totals):
                    total.add(taps.weights.of(tap, axis) * value)

            read(image.at(c * job.channel_step), *source, add)
            gradient = kernel.read(of.at(c * job.samples_step[1]), group.count, step=samples.step)
            for slope, total in zip(slopes, totals, strict=True):
                slope.add(gradient * total.get())

    with kernel.loop(kernel.begin, kernel.end) as task, tile_of(kernel, task) as (m, rows, columns):
        if sums is not None:
            sums.begin()
        with kernel.loop(*rows) as number:
            row = positions.row(m, number)
            if sums is not None:
                sums.begin_row()
            with groups(kernel, row, *columns) as group:
                places, inverse = positions.group(m, row, group.start, group.count)
                direction = samples.directions(m, group)
                slopes = [kernel.variable(zero) for _ in range(variant.dims)]
                with kernel.either(taps.are_inside(places).all()) as (inside, edge):
                    with inside:
                        contract(m, group, slopes, taps.read_inside, taps.inside(places, direction))
                    with edge, kernel.when(~taps.are_outside(places).all()):
                        nowhere = taps.anywhere(places, direction)
                        contract(m, group, slopes, taps.read_anywhere, samples.fill)
                        for slope in slopes:
                            slope.set(choose(nowhere, 0, slope.get()))
                found = [slope.get() for slope in slopes]
                if sums is not None:
                    sums.add(found, group, places, inverse)
                else:
                    _write_points(kernel, variant, m, group, found)
            if sums is not None:
                sums.end_row(row)
        if sums is not None:
            sums.end(task)
    return kernel.finish()


def _write_points(kernel: Kernel, variant: Variant, m: Value, group: Group, slopes: list[Value]) -> None:
    """The gradients of points, x, y (, z) next to each other."""
    job, dims = kernel.job, variant.dims
    scaled = [slope * job.scale[axis].to(variant.element) for axis, slope in enumerate(slopes)]
    together = scaled[0].pick(range(2 * LANES), scaled[1])
    order = [axis * LANES + lane for lane in range(LANES) for axis in range(dims)]
    if dims == 3:
        together = together.pick(range(3 * LANES), scaled[2].pick([*range(LANES)] * 2))
    to = kernel.pointer(job.result, variant.element).at(m * job.source_step + group.first * dims)
    kernel.write(to, together.pick(order), group.count * dims)


class _MatrixGradient:
    """Sums the gradients of positions to that of the matrix they come from, in float64.

    For each row of the matrix: the sums over the samples of a tile of the gradient itself, and of the gradient times
    each coordinate of the sample's place in the output.
    """

    def __init__(self, kernel: Kernel, variant: Variant) -> None:
        self.kernel, self.variant = kernel, variant
        self.height = variant.dims + (variant.kind == PROJECTIVE)
        zero = kernel.lanes(F64)
        self._row = [[kernel.variable(zero) for _ in range(2)] for _ in range(self.height)]  # along x, and plain
        self._total = [[kernel.variable(zero) for _ in range(variant.dims + 1)] for _ in range(self.height)]

    def begin(self) -> None:
        for entries in self._total:
            for entry in entries:
                entry.set(self.kernel.lanes(F64))

    def begin_row(self) -> None:
        for entries in self._row:
            for entry in entries:
                entry.set(self.kernel.lanes(F64))

    def add(self, slopes: list[Value], group: Group, places: list[Value], inverse: Value | None) -> None:
        job = self.kernel.job
        values = [choose(group.fresh, slope.to(F64), 0) for slope in slopes]
        rows = [value * job.scale[axis] for axis, value in enumerate(values)]
        if inverse is not None:  # the homogeneous coordinate divides all others
            last = self.kernel.lanes(F64)
            for axis, value in enumerate(values):
                last = last - value * choose(group.fresh, places[axis] - job.shift[axis], 0)
            rows = [row * inverse for row in [*rows, last]]
        width = job.target[0].to(F64)
        x = ((self.kernel.counting(F64) + group.start.to(F64)) * 2 + (1 - width)) * (1 / width)
        for (along, plain), value in zip(self._row, rows, strict=True):
            along.add(value * x)
            plain.add(value)

    def end_row(self, row: Row) -> None:
        for total, (along, plain) in zip(self._total, self._row, strict=True):
            total[0].add(along.get())
            for entry, coordinate in zip(total[1:], row.across, strict=False):
                entry.add(plain.get() * coordinate)
            total[-1].add(plain.get())

    def end(self, task: Value) -> None:
        columns = self.variant.dims + 1
        to = self.kernel.pointer(self.kernel.job.result, F64).at(task * (self.height * columns))
        for i, entries in enumerate(self._total):
            for j, entry in enumerate(entries):
                to.at(i * columns + j).store(entry.get().sum())


def _push(variant: Variant) -> str:
    kernel = Kernel("push", FIELDS)
    job, samples, positions = kernel.job, _Samples(kernel, variant), Positions(kernel, variant)
    last = variant.dims - 1
    low, high = kernel.variable(kernel.number(0)), kernel.variable(kernel.number(0))
    taps = Taps(positions, kernel.number(0), kernel.number(0), slopes=False)
    product = kernel.room(variant.element, variant.total * LANES)
    offsets = kernel.room(variant.integer, LANES)

    def weigh(gradient: Value) -> None:
        def one(tap: int | Value) -> None:
            product.at(tap * LANES).store(taps.weights.of(tap) * gradient)

        kernel.repeat(variant.total, one)

    def add(to: Value, value: Value) -> None:
        to.store(to.load() + value)

    def scatter_inside(channel: Value, first: list[Value]) -> None:
        def one(row: int | Value) -> None:
            for lane in _SPREAD:  # samples next to each other share pixels, and would wait for each other
                for tap in range(variant.taps):
                    t = row * variant.taps + tap
                    add(channel.at(first[lane] + taps.shift(t)), product.at(t * LANES + lane).load())

        kernel.repeat(variant.rows, one, unrolled=2)

    def scatter_anywhere(channel: Value) -> None:
        def one(tap: int | Value) -> None:
            offset, there = taps.reach(tap)
            offsets.store(choose(there, offset, -1))
            with kernel.loop(0, LANES) as lane:
                offset = offsets.at(lane).load().to(I64)
                with kernel.when(offset >= 0):
                    add(channel.at(offset), product.at(tap * LANES + lane).load())

        kernel.repeat(variant.total, one, unrolled=1)

    def one_set(m: Value, image: Value) -> None:
        with kernel.loop(0, job.target[1] * job.target[2]) as number:
            row = positions.row(m, number)
            begin, end = _columns(kernel, variant, row, low.get(), high.get())
            with groups(kernel, row, begin, end) as group:
                places, _ = positions.group(m, row, group.start, group.count)
                with kernel.when(~taps.are_outside(places).all()):
                    direction = samples.directions(m, group)
                    of = samples.place(m, group.first)
                    with kernel.either(taps.are_inside(places).all()) as (inside, edge):
                        with inside:
                            first = taps.inside(places, direction)
                            with kernel.loop(0, job.channels) as c:
                                gradient = kernel.read(of.at(c * job.samples_step[1]), group.count, step=samples.step)
                                weigh(choose(group.fresh, gradient, 0))
                                scatter_inside(image.at(c * job.channel_step), first)
                        with edge:
                            nowhere = taps.anywhere(places, direction)
                            with kernel.loop(0, job.channels) as c:
                                gradient = kernel.read(of.at(c * job.samples_step[1]), group.count, step=samples.step)
                                weigh(choose(group.fresh & ~nowhere, gradient, 0))
                                scatter_anywhere(image.at(c * job.channel_step))

    with kernel.loop(kernel.begin, kernel.end) as task:
        n, band = task // job.bands, task % job.bands
        image = samples.image.at(n * job.image_step)
        low.set(band * job.size[last] // job.bands)
        high.set((band + 1) * job.size[last] // job.bands)
        taps.low, taps.high = low.get(), high.get()
        begin, end, is_shared = kernel.variable(n), kernel.variable(n + 1), ~job.members.is_(0)
        with kernel.when(is_shared):
            starts = kernel.pointer(job.starts, I64)
            begin.set(starts.at(n).load())
            end.set(starts.at(n + 1).load())
        with kernel.loop(begin.get(), end.get()) as member:
            m = kernel.variable(member)
            with kernel.when(is_shared):
                m.set(kernel.pointer(job.members, I64).at(member).load())
            one_set(m.get(), image)
    return kernel.finish()


# An order of the lanes in which neighbours are far apart.
_SPREAD = [lane for start in range(4) for lane in range(start, LANES, 4)]


def _columns(kernel: Kernel, variant: Variant, row: Row, low: Value, high: Value) -> tuple[Value, Value]:
    """The columns of a row of the output that may touch a band: for a linear map, an interval."""
    job = kernel.job
    begin, end = kernel.variable(kernel.number(0)), kernel.variable(job.target[0])
    if variant.kind == LINEAR:
        line, width = row.lines[-1], job.target[0].to(F64)
        filled = job.padding[variant.dims - 1].is_(0)
        with kernel.when(row.near & filled & (job.bands > 1) & ~line.step.is_(0)):
            ends = [
                ((limit - line.begin) / line.step).most(-1).least(width + 1)
                for limit in ((low - variant.taps - 1).to(F64), (high + variant.taps + 1).to(F64))
            ]
            begin.set(ends[0].least(ends[1]).floor().to(I64).most(0))
            end.set((ends[0].most(ends[1]).floor().to(I64) + 1).least(job.target[0]))
    return begin.get(), end.get()


_WRITERS = {"pull": _pull, "push": _push, "slope": _slope}
