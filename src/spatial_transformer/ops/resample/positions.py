"""Where the samples of a group lie in the source, in pixels.

Along a row of the output of a linear map a position grows by a constant step. Positions on grids are computed in
float64, so the identity is exact at any size. For images in float32 only the first of a group is, which is split into a
whole pixel and the rest of it; how far the others are from there float32 can tell to 2e-6 pixels, in half of the
vectors. Points are scaled in their own precision, and rounded after the product and after the sum, as in the readable
twin: pixel centres then come out as whole numbers.
"""

from typing import NamedTuple

from ...coordinates import FAR_OUTSIDE
from ...homography import HORIZON
from .job import APART, LINEAR, PROJECTIVE
from .lanes import F32, F64, I1, I32, LANES, Kernel, Value, choose
from .reference import FURTHEST
from .tiles import Group, Line, Row
from .variant import Variant

# Pixels: float32 says where the samples of a group lie that is shorter.
LONG = 32


class Places(NamedTuple):
    """Where the samples of a group lie.

    Attributes:
        along: for a projective map their position along each axis, in pixels.
        centres: along each axis the pixel from which fractions are counted; for whoever is further away than
            `FURTHEST`, and has no position, it is there.
        fractions: how far positions are behind it.
        missing: which samples have no position.
        inverse: for a projective map 1 over the homogeneous coordinate; 0 behind the horizon.
        share: what weights are multiplied by, if the group is read from several cells of which the mean is taken.
        again: whether it has been read from another one before.
    """

    along: list[Value]
    centres: list[Value]
    fractions: list[Value]
    missing: Value
    inverse: Value | None
    share: Value | None = None
    again: Value | None = None


class Positions:
    """Writes the instructions that find positions.

    Args:
        kernel: where they are written.
        variant: of it.

    Attributes:
        level: of a linear map, whether a group never rises by a pixel.
    """

    def __init__(self, kernel: Kernel, variant: Variant) -> None:
        self.kernel, self.variant, self.job = kernel, variant, kernel.job
        self.width = self.job.target[0]
        self.homogeneous = variant.dims + (variant.kind == PROJECTIVE)

    def turn_to(self, m: Value) -> None:
        """Turn to a set of points."""
        dims, job = self.variant.dims, self.job
        if not self.variant.on_grid:
            self._points = self.kernel.pointer(job.source, self.variant.element).at(m * job.source_step[0])
            return
        matrix, width = self.kernel.pointer(job.source, F64).at(m * job.source_step[0]), self.width.to(F64)
        self._entries = list[list[Value]]()
        for axis in range(self.homogeneous):
            entries = [matrix.at(axis * (dims + 1) + column).load() for column in range(dims + 1)]
            self._entries.append([entry * job.scale[axis] for entry in entries] if axis < dims else entries)
        self._to_begin = [entries[0] * (1 - width) / width for entries in self._entries]
        self._steps = [entries[0] * 2 / width for entries in self._entries]
        rise = self._steps[1] * (LANES - 1)
        self.level = (rise < 1) & (rise > -1)
        self._down = [entries[1] * 2 / job.target[1].to(F64) for entries in self._entries]
        if self._split:
            self._offsets = [(self.kernel.counting(F64) * step).to(F32) for step in self._steps]
            self._short: Value | None = None
            for step in self._steps:
                length = step * self.width.least(LANES).to(F64)
                short = (length < LONG) & (length > -LONG)
                self._short = short if self._short is None else self._short & short

    @property
    def _split(self) -> bool:
        """Whether float32 says where a group lies, seen from its first sample.

        With one tap, 2e-6 pixels may decide which pixel is taken: ties are told in float64.
        """
        return self.variant.kind == LINEAR and not self.variant.double and self.variant.taps > 1

    def row(self, number: Value) -> Row:
        """A row of the output."""
        first = number * self.width
        if not self.variant.on_grid:
            return Row(first, [], None, [])
        height = self.job.target[1]
        pixels = [number] if self.variant.dims == 2 else [number % height, number // height]
        lines = [self._line(axis, pixels) for axis in range(self.homogeneous)]
        near, length = None, self.width.to(F64)
        for line in lines:
            for place in (line.begin, line.begin + line.step * length):
                here = (place > -FURTHEST) & (place < FURTHEST)
                near = here if near is None else near & here
        if self._split and near is not None and self._short is not None:
            near = near & self._short
        return Row(
            first, lines, near, [self._odd(pixel, axis) / self._length(axis) for axis, pixel in enumerate(pixels, 1)]
        )

    def _length(self, axis: int) -> Value:
        return self.job.target[axis].to(F64)

    def _odd(self, pixel: Value, axis: int) -> Value:
        """The normalised coordinate of a pixel of the output, times the length of the axis: a whole number."""
        return pixel.to(F64) * 2 + (1 - self._length(axis))

    def _line(self, axis: int, pixels: list[Value]) -> Line:
        """Multiplied first and divided last: for the identity all of it is exact."""
        entries = self._entries[axis]
        middle = entries[-1]
        for column, pixel in enumerate(pixels, start=1):
            middle = middle + entries[column] * self._odd(pixel, column) / self._length(column)
        if axis < self.variant.dims and self.variant.kind != PROJECTIVE:  # which is shifted after it has been divided
            middle = middle + self.job.shift[axis]
        return Line(middle, middle + self._to_begin[axis], self._steps[axis], self._down[axis])

    def below(self, row: Row, column: Value) -> list[Value]:
        """About where the sample lies that is `job.ahead` rows below one of a row."""
        rows = self.job.ahead.to(F64)
        places = [line.begin + line.step * column.to(F64) + line.down * rows for line in row.lines]
        if self.variant.kind != PROJECTIVE:
            return places
        *places, last = places
        return [place / last + shift for place, shift in zip(places, self.job.shift, strict=False)]

    def group(self, group: Group) -> Places:
        """Where the samples of a group lie."""
        if not self.variant.on_grid:
            return self._places(*_clamped(self._given(group)))
        if self._split:
            return self._split_group(group)
        row, column = group.row, self.kernel.counting(F64) + group.start.to(F64)
        found = [self.kernel.variable(self.kernel.lanes(F64)) for _ in row.lines]
        missing = self.kernel.variable(self.kernel.lanes(I1))
        linear = self.variant.kind != PROJECTIVE
        assert row.near is not None
        with self.kernel.either(row.near) as (near, far):
            with near:
                for place, line in zip(found, row.lines, strict=True):
                    place.set(line.step * column + line.begin)
            with far:
                places = self._from_middle(group)
                if linear:
                    places, unknown = _clamped(places)
                    missing.set(unknown)
                for place, value in zip(found, places, strict=True):
                    place.set(value)
        places = [place.get() for place in found]
        return self._places(places, missing.get()) if linear else self._divide(places)

    def _from_middle(self, group: Group) -> list[Value]:
        """Far away, a row that begins there would lose what is left in its middle, and infinity end as no number."""
        column = self.kernel.counting(F64) * 2 + (group.start.to(F64) * 2 + 1 - self.width.to(F64))
        return [line.step * 0.5 * column + line.middle for line in group.row.lines]

    def _split_group(self, group: Group) -> Places:
        """Where the samples of a group lie, seen from the pixel at or before the first."""
        row, kernel, axes = group.row, self.kernel, range(self.variant.dims)
        centres = [kernel.variable(kernel.lanes(I32)) for _ in axes]
        fractions = [kernel.variable(kernel.lanes(F32)) for _ in axes]
        missing = kernel.variable(kernel.lanes(I1))
        assert row.near is not None
        with kernel.either(row.near) as (near, far):
            with near:
                start = group.start.to(F64)
                for axis, line in enumerate(row.lines):
                    first = line.step * start + line.begin
                    whole = first.floor()
                    place = self._offsets[axis] + (first - whole).to(F32)
                    centre = self._centre(place, axis)
                    centres[axis].set(centre.to(I32) + whole.to(I32))
                    fractions[axis].set(place - centre)
            with far:
                found = self._places(*_clamped(self._from_middle(group)))
                missing.set(found.missing)
                for axis in axes:
                    centres[axis].set(found.centres[axis])
                    fractions[axis].set(found.fractions[axis])
        return Places([], [each.get() for each in centres], [each.get() for each in fractions], missing.get(), None)

    def _divide(self, found: list[Value]) -> Places:
        *places, weight = found
        behind = weight <= HORIZON  # false for what is not a number, which stays so
        inverse = 1 / choose(behind, 1, weight)
        job = self.job
        divided = [
            choose(behind, job.scale[axis].spread() * FAR_OUTSIDE, place * inverse) + job.shift[axis]
            for axis, place in enumerate(places)
        ]
        return self._places(*_clamped(divided), choose(behind, 0, inverse))._replace(along=divided)

    def _places(self, along: list[Value], missing: Value, inverse: Value | None = None) -> Places:
        centres = [self._centre(place, axis) for axis, place in enumerate(along)]
        fractions = [(place - centre).to(self.variant.element) for place, centre in zip(along, centres, strict=True)]
        return Places(along, [centre.to(I32) for centre in centres], fractions, missing, inverse)

    def _centre(self, position: Value, axis: int) -> Value:
        """The pixel from which fractions are counted."""
        if self.variant.foreign and self.variant.taps == 1:
            return position.round_to_even()
        if self.variant.taps == 1:  # what is half-way but for rounding belongs to the pixel behind
            return (position + (self.job.rounding[axis] + 0.5).to(position.element)).floor()
        return position.floor() if self.variant.taps % 2 == 0 else (position - 0.5).floor() + 1

    def _given(self, group: Group) -> list[Value]:
        job, dims, element, points = self.job, self.variant.dims, self.variant.element, self._points
        if self.variant.kind == APART:
            first = points.at(group.first)
            places = [self.kernel.read(first.at(job.source_step[1] * axis), group.length) for axis in range(dims)]
        else:
            read = self.kernel.read(points.at(group.first * dims), group.length * dims, LANES * dims)
            places = [read.pick(range(axis, LANES * dims, dims)) for axis in range(dims)]
        if self.variant.foreign:
            return [self._as_torch(place, axis) for axis, place in enumerate(places)]
        return [
            place.times(scale.to(element)).plus(shift.to(element))
            for place, scale, shift in zip(places, job.scale, job.shift, strict=False)
        ]

    def _as_torch(self, place: Value, axis: int) -> Value:
        """A position as `grid_sample` rounds it, to be in the same cell; in images product and sum are fused."""
        scale, shift, lowest, instead = (
            field[axis].to(self.variant.element)
            for field in (self.job.scale, self.job.shift, self.job.lowest, self.job.instead)
        )
        moved = place.plus(1)
        position = moved * scale + shift if self.variant.dims == 2 else moved.times(scale).plus(shift)
        return choose(position > lowest, position, instead)


def _clamped(positions: list[Value]) -> tuple[list[Value], Value]:
    """Positions that are not too far away for 32 bits, and which samples have none."""
    missing: Value | None = None
    for position in positions:
        unknown = ~position.is_(position)
        missing = unknown if missing is None else missing | unknown
    assert missing is not None
    return [position.most(-FURTHEST).least(FURTHEST) for position in positions], missing
