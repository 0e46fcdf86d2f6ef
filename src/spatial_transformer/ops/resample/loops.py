"""The three operators as kernels for the CPU.

    pull        samples of images: a sample is the weighted sum of its taps
    push        the transpose: a sample is added to its taps
    slope       the gradient with respect to points or matrices: taps, weighted with slopes, times the sample's gradient

A task of `pull` and `slope` is a tile of the output of one set of points; one of `push` is a region of an image, which
no other task writes to; each for a block of channels. Nothing depends on the number of threads.
"""

from collections.abc import Callable

from . import compiled
from .cells import Cells, cells_of
from .job import APART, FIELDS, PROJECTIVE
from .lanes import F64, I64, LANES, Kernel, Value, choose
from .pixels import Pixels
from .planes import Planes
from .positions import Places, Positions
from .regions import Region
from .samples import Samples
from .sides import Sides
from .strips import Strips
from .taps import Taps
from .tiles import Group, Row, groups, tile_of
from .variant import CELLS, PACKED, PLANES, Variant


def kernel_of(operation: str, variant: Variant) -> compiled.Code:
    """A kernel, compiled when it is first asked for."""
    return compiled.function(operation, variant, lambda: _WRITERS[operation](variant))


class _Parts:
    """What the kernels are made of."""

    def __init__(self, name: str, variant: Variant) -> None:
        self.kernel = Kernel(name, FIELDS)
        self.variant, self.job = variant, self.kernel.job
        self.samples, self.positions = Samples(self.kernel, variant), Positions(self.kernel, variant)
        self.sides = Sides(self.kernel, variant)
        self.taps = Taps(self.positions, slopes=name == "slope")
        blender = Planes if variant.layout in (PLANES, CELLS) else Pixels
        self.blender = blender(self.kernel, variant, self.samples, self.taps)
        self.strips = None  # which only read
        if variant.strips and name != "push" and isinstance(self.blender, Planes):
            self.strips = Strips(self.kernel, variant, self.blender, self.taps)

    def sort(
        self,
        places: Places,
        direction: list[Value],
        blend: Callable[[Value | None], None],
        outside: Callable[[], None] = lambda: None,
        near: Callable[[Strips], None] = lambda strips: None,
    ) -> None:
        """Weigh a group, and `near(strips)` or `blend(None)` if its taps are inside, else `blend(nowhere)` or
        `outside()`."""

        def whole() -> None:
            self.taps.inside(places, direction)
            blend(None)

        def partly() -> None:
            self.taps.anywhere(places, direction)
            blend(places.missing)

        with self.kernel.either(self.taps.are_inside(places).all()) as (inside, edge):
            with inside:
                self._near_or(whole, places, near, inside=True)
            with edge, self.kernel.either(self.taps.are_outside(places).all()) as (away, some):
                with away:
                    outside()
                with some:
                    self._near_or(partly, places, near, inside=False)

    def _near_or(
        self, otherwise: Callable[[], None], places: Places, near: Callable[[Strips], None], *, inside: bool
    ) -> None:
        """`near(strips)` if a strip holds the group; on processors that gather fast only if it has few rows."""
        few = self.variant.gathers and self.variant.taps == 2
        if self.strips is None or (few and not inside):
            otherwise()
            return
        if few:
            with self.kernel.either(self.positions.level) as (level, turned):
                with level:
                    self._in_strip_or(otherwise, self.strips, places, near, inside=inside)
                with turned:
                    otherwise()
            return
        self._in_strip_or(otherwise, self.strips, places, near, inside=inside)

    def _in_strip_or(
        self,
        otherwise: Callable[[], None],
        strips: Strips,
        places: Places,
        near: Callable[[Strips], None],
        *,
        inside: bool,
    ) -> None:
        with self.kernel.either(strips.cover(places, inside=inside)) as (together, apart):
            with together:
                self.taps.weights.weigh_axes(places.fractions, [None, None], places.share)
                near(strips)
            with apart:
                otherwise()

    def fetch(self, group: Group) -> None:
        """Have brought near what will be read soon: of a large image some rows below, else what the next task reads.

        One channel after the other a processor fetches by itself what comes next; several at a time it does not.
        """
        near, variant = self.job.ahead.is_(0), self.variant
        if variant.layout == PACKED or (variant.layout == PLANES and variant.block > 1):
            with self.kernel.when(near):
                self.blender.fetch_next(group)
        if variant.layout == PLANES and variant.block > 1 and variant.on_grid:
            with self.kernel.when(~near):
                self._fetch_below(group)

    def _fetch_below(self, group: Group) -> None:
        offset: Value | None = None
        for axis, place in enumerate(self.positions.below(group.row, group.start + LANES // 2)):
            pixel = place.least((self.job.size[axis] - 1).to(F64)).most(0).to(I64) * self.job.step[axis]
            offset = pixel if offset is None else offset + pixel
        assert offset is not None
        for c in self.samples.channels():
            self.blender.image.at(c * self.job.channel_step + offset).prefetch()


def _pull(variant: Variant) -> str:
    parts = _Parts("pull", variant)
    kernel, samples, blender = parts.kernel, parts.samples, parts.blender
    with kernel.loop(kernel.begin, kernel.end) as task:
        tile = tile_of(kernel, task)
        samples.turn_to(tile.block)
        blender.begin(samples.image_of(tile.m))
        parts.positions.turn_to(tile.m)
        with kernel.loop(*tile.rows) as number:
            row = parts.positions.row(number)
            with groups(kernel, row, *tile.columns) as group:
                parts.fetch(group)
                places, direction = parts.positions.group(group), samples.directions(tile.m, group)
                if not variant.sides:
                    blender.fill(tile.m, group, places)
                with parts.sides.each(places) as side:
                    parts.sort(
                        side,
                        direction,
                        lambda nowhere: blender.pull(tile.m, group, side, nowhere),
                        lambda: blender.fill(tile.m, group, side),
                        lambda strips: strips.pull(tile.m, group, side),
                    )
    return kernel.finish()


def _slope(variant: Variant) -> str:
    parts = _Parts("slope", variant)
    kernel, job, samples, blender = parts.kernel, parts.job, parts.samples, parts.blender
    result = _MatrixGradient(kernel, variant) if variant.on_grid else _PointGradient(kernel, variant)
    with kernel.loop(kernel.begin, kernel.end) as task:
        tile = tile_of(kernel, task)
        samples.turn_to(tile.block)
        blender.begin(samples.image_of(tile.m))
        result.begin()
        parts.positions.turn_to(tile.m)
        with kernel.loop(*tile.rows) as number:
            row = parts.positions.row(number)
            result.begin_row()
            with groups(kernel, row, *tile.columns) as group:
                parts.fetch(group)
                places = parts.positions.group(group)
                slopes = [kernel.variable(kernel.lanes(variant.element)) for _ in range(variant.dims)]

                def contract(nowhere: Value | None) -> None:
                    blender.slope(tile.m, group, slopes, nowhere)
                    if nowhere is not None:
                        for slope in slopes:
                            slope.set(choose(nowhere, 0, slope.get()))

                direction = samples.directions(tile.m, group)
                with parts.sides.each(places, slopes) as side:
                    parts.sort(side, direction, contract, near=lambda strips: strips.slope(tile.m, group, slopes))
                found = [slope.get() for slope in slopes]
                result.add(task // job.tiles, found, group, places)
            result.end_row(row)
        result.end(task)
    return kernel.finish()


def _push(variant: Variant) -> str:
    parts = _Parts("push", variant)
    kernel, job, samples, taps, blender = parts.kernel, parts.job, parts.samples, parts.taps, parts.blender
    cells = cells_of(kernel, variant, samples, taps) if variant.layout == CELLS else None
    with kernel.loop(kernel.begin, kernel.end) as task:
        n, part = task // job.parts, task % job.parts
        region = Region(parts.positions, part % job.tiles)
        taps.region = region.limits
        samples.turn_to(part // job.tiles)
        blender.begin(samples.image(n), write=True)
        if cells is not None:
            cells.begin(samples.image(n))
        with kernel.loop(*samples.sets_of(n)) as member:
            m = samples.member(member)
            parts.positions.turn_to(m)
            with kernel.loop(*region.rows()) as number:
                row = parts.positions.row(number)
                with groups(kernel, row, *region.columns(row)) as group:
                    places = parts.positions.group(group)
                    direction = samples.directions(m, group)

                    def blend(nowhere: Value | None) -> None:
                        blender.push(m, group, nowhere)

                    with parts.sides.each(places) as side:
                        if cells is None:
                            parts.sort(side, direction, blend)
                        else:
                            _sort_into_cells(parts, cells, m, group, side, direction)
        blender.end(write=True)
        if cells is not None:
            cells.end()
    return kernel.finish()


def _sort_into_cells(
    parts: _Parts, cells: Cells, m: Value, group: Group, places: Places, direction: list[Value]
) -> None:
    """Add a group to cells, or one by one where pixels inside are read instead of those outside."""
    kernel, taps = parts.kernel, parts.taps
    outside = taps.are_outside(places)
    simply = cells.filled | taps.are_inside(places, whole=True).all()
    with kernel.when(~outside.all()), kernel.either(simply) as (simple, instead):
        with simple:
            cells.push(m, group, places, direction, group.fresh & ~outside)
        with instead:
            taps.anywhere(places, direction)
            parts.blender.push(m, group, places.missing)


_WRITERS = {"pull": _pull, "push": _push, "slope": _slope}


class _PointGradient:
    """The gradients of points, for each set of them and block of channels."""

    def __init__(self, kernel: Kernel, variant: Variant) -> None:
        self.kernel, self.variant, self.job = kernel, variant, kernel.job

    def begin(self) -> None:
        """Nothing is summed."""

    def begin_row(self) -> None:
        """Nothing is summed."""

    def add(self, number: Value, slopes: list[Value], group: Group, places: Places) -> None:
        job, dims, element = self.job, self.variant.dims, self.variant.element
        scaled = [slope * job.scale[axis].to(element) for axis, slope in enumerate(slopes)]
        to = self.kernel.pointer(job.result, element).at(number * job.result_step[0])
        if self.variant.kind == APART:
            for axis, gradient in enumerate(scaled):
                self.kernel.write(to.at(group.first + job.result_step[1] * axis), gradient, group.length)
            return
        together = scaled[0].pick(range(2 * LANES), scaled[1])
        if dims == 3:
            together = together.pick(range(3 * LANES), scaled[2].pick([*range(LANES)] * 2))
        order = [axis * LANES + lane for lane in range(LANES) for axis in range(dims)]
        self.kernel.write(to.at(group.first * dims), together.pick(order), group.length * dims)

    def end_row(self, row: Row) -> None:
        """Nothing is summed."""

    def end(self, task: Value) -> None:
        """Nothing is summed."""


class _MatrixGradient:
    """Sums the gradients of positions to that of the matrix they come from.

    For each row of the matrix: the sums over the samples of a tile of the gradient itself, and of the gradient times
    each coordinate of the sample's place in the output; along x, until the tile is finished, times its column. Within a
    row of a tile sums are in the dtype of the image, over rows in float64.
    """

    def __init__(self, kernel: Kernel, variant: Variant) -> None:
        self.kernel, self.variant = kernel, variant
        self.height = variant.dims + (variant.kind == PROJECTIVE)
        self.element = F64 if variant.kind == PROJECTIVE else variant.element  # as `Places.along`
        self._zero, self._none = kernel.lanes(self.element), _halved(kernel.lanes(F64))
        self._row = [kernel.variable(self._zero) for _ in range(self.height)]  # gradients themselves
        self._times_column = [kernel.variable(self._zero) for _ in range(self.height)]
        self._total = [[kernel.variable(self._none) for _ in range(variant.dims + 1)] for _ in range(self.height)]

    def begin(self) -> None:
        for entries in self._total:
            for entry in entries:
                entry.set(self._none)

    def begin_row(self) -> None:
        for each in (*self._row, *self._times_column):
            each.set(self._zero)

    def add(self, number: Value, slopes: list[Value], group: Group, places: Places) -> None:
        values = [choose(group.fresh, slope, 0).to(self.element) for slope in slopes]
        if places.inverse is not None:  # the homogeneous coordinate divides all others
            last = self.kernel.lanes(F64)
            for value, place, shift in zip(values, places.along, self.kernel.job.shift, strict=False):
                last = last - value * (place - shift)
            values = [value * places.inverse for value in [*values, last]]
        column = self.kernel.counting(self.element) + group.start.to(self.element)
        for along, plain, value in zip(self._times_column, self._row, values, strict=True):
            along.add(value * column)
            plain.add(value)

    def end_row(self, row: Row) -> None:
        for (along, *others, whole), times_column, plain in zip(
            self._total, self._times_column, self._row, strict=True
        ):
            along.add(_halved(times_column.get()).to(F64))
            total = _halved(plain.get()).to(F64)
            for entry, coordinate in zip(others, row.across, strict=True):
                entry.add(total * coordinate)
            whole.add(total)

    def end(self, task: Value) -> None:
        job, columns, width = self.kernel.job, self.variant.dims + 1, self.kernel.job.target[0].to(F64)
        to = self.kernel.pointer(job.result, F64).at(task * (self.height * columns))
        for i, entries in enumerate(self._total):
            scale = job.scale[i] if i < self.variant.dims else self.kernel.number(1, F64)
            column, *others, whole = (entry.get().sum() * scale for entry in entries)
            x = (column * 2 + whole * (1 - width)) / width
            for j, entry in enumerate([x, *others, whole]):
                to.at(i * columns + j).store(entry)


def _halved(lanes: Value) -> Value:
    """Half as many lanes with the same sum."""
    half = LANES // 2
    return lanes.pick(range(half)) + lanes.pick(range(half, LANES))
