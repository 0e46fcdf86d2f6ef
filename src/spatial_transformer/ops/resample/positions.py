"""Where the samples of a group lie in the source, in pixels.

Along a row of the output of a linear map a position grows by a constant step. Positions on grids are computed in
float64: that costs little here, and the identity is exact at any size. Points are scaled in their own precision, and
rounded after the product and after the sum, as in the readable twin: pixel centres then come out as whole numbers.
"""

from ...coordinates import FAR_OUTSIDE
from ...homography import HORIZON
from .job import APART, PROJECTIVE
from .lanes import F64, LANES, Kernel, Value, choose
from .reference import FURTHEST
from .tiles import Group, Line, Row
from .variant import Variant


class Positions:
    """Writes the instructions that find positions.

    Args:
        kernel: where they are written.
        variant: of it.
    """

    def __init__(self, kernel: Kernel, variant: Variant) -> None:
        self.kernel, self.variant, self.job = kernel, variant, kernel.job
        self.width = self.job.target[0]
        self.homogeneous = variant.dims + (variant.kind == PROJECTIVE)

    def row(self, m: Value, number: Value) -> Row:
        """A row of the output of set `m`."""
        first = number * self.width
        if not self.variant.on_grid:
            return Row(first, [], None, [])
        across = [self._centre(number, 1)]
        if self.variant.dims == 3:
            height = self.job.target[1]
            across = [self._centre(number % height, 1), self._centre(number // height, 2)]
        matrix = self.kernel.pointer(self.job.source, F64).at(m * self.job.source_step[0])
        lines = [self._line(matrix, axis, number) for axis in range(self.homogeneous)]
        near, length = None, self.width.to(F64)
        for line in lines:
            for place in (line.begin, line.begin + line.step * length):
                here = (place > -FURTHEST) & (place < FURTHEST)
                near = here if near is None else near & here
        return Row(first, lines, near, across)

    def _centre(self, pixel: Value, axis: int) -> Value:
        """The normalised coordinate of a pixel of the output, one number or several."""
        length = self.job.target[axis].to(F64)
        return (pixel.to(F64) * 2 + 1 - length) / length

    def _line(self, matrix: Value, axis: int, number: Value) -> Line:
        """Multiplied first and divided last: for the identity all of it is exact."""
        dims, job = self.variant.dims, self.job
        entries = [matrix.at(axis * (dims + 1) + column).load() for column in range(dims + 1)]
        if axis < dims:
            entries = [entry * job.scale[axis] for entry in entries]
        middle = entries[dims]
        pixels = [number] if dims == 2 else [number % job.target[1], number // job.target[1]]
        for column, pixel in enumerate(pixels, start=1):
            length = job.target[column].to(F64)
            middle = middle + entries[column] * (pixel.to(F64) * 2 + 1 - length) / length
        if axis < dims and self.variant.kind != PROJECTIVE:  # which is shifted after it has been divided
            middle = middle + job.shift[axis]
        width = self.width.to(F64)
        return Line(
            middle,
            entries[0],
            middle + entries[0] * (1 - width) / width,
            entries[0] * 2 / width,
            entries[1] * 2 / self.job.target[1].to(F64),
        )

    def below(self, row: Row, column: Value) -> list[Value]:
        """About where the sample lies that is `job.ahead` rows below one of a row."""
        rows = self.job.ahead.to(F64)
        places = [line.begin + line.step * column.to(F64) + line.down * rows for line in row.lines]
        if self.variant.kind != PROJECTIVE:
            return places
        *places, last = places
        return [place / last + shift for place, shift in zip(places, self.job.shift, strict=False)]

    def group(self, m: Value, group: Group) -> tuple[list[Value], Value | None]:
        """Positions along each axis of the samples of a group of set `m`.

        For a projective map also 1 over the homogeneous coordinate; 0 behind the horizon.
        """
        if not self.variant.on_grid:
            return self._given(m, group), None
        row, column = group.row, self.kernel.counting(F64) + group.start.to(F64)
        places = [self.kernel.variable(self.kernel.lanes(F64)) for _ in row.lines]
        assert row.near is not None
        with self.kernel.either(row.near) as (near, far):
            with near:
                for place, line in zip(places, row.lines, strict=True):
                    place.set(line.step * column + line.begin)
            with far:  # steps would lose what is left in the middle, and infinity would end as no number
                width = self.width.to(F64)
                for place, line in zip(places, row.lines, strict=True):
                    place.set(line.growth * (column * 2 + 1 - width) / width + line.middle)
        found = [place.get() for place in places]
        return self._divide(found) if self.variant.kind == PROJECTIVE else (found, None)

    def _divide(self, found: list[Value]) -> tuple[list[Value], Value]:
        *places, weight = found
        behind = weight <= HORIZON  # false for what is not a number, which stays so
        inverse = 1 / choose(behind, 1, weight)
        job = self.job
        divided = [
            choose(behind, job.scale[axis].spread() * FAR_OUTSIDE, place * inverse) + job.shift[axis]
            for axis, place in enumerate(places)
        ]
        return divided, choose(behind, 0, inverse)

    def _given(self, m: Value, group: Group) -> list[Value]:
        job, dims, element = self.job, self.variant.dims, self.variant.element
        points = self.kernel.pointer(job.source, element).at(m * job.source_step[0])
        if self.variant.kind == APART:
            first = points.at(group.first)
            places = [self.kernel.read(first.at(job.source_step[1] * axis), group.length) for axis in range(dims)]
        else:
            read = self.kernel.read(points.at(group.first * dims), group.length * dims, LANES * dims)
            places = [read.pick(range(axis, LANES * dims, dims)) for axis in range(dims)]
        return [
            place.times(scale.to(element)).plus(shift.to(element))
            for place, scale, shift in zip(places, job.scale, job.shift, strict=False)
        ]
