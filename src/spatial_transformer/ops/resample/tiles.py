"""How samples are divided: into sets of points, tiles of the output, rows, and groups of `LANES` samples."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from .lanes import I32, LANES, Kernel, Value


class Line(NamedTuple):
    """A coordinate along a row of the output.

    Attributes:
        middle: its value in the middle of the row.
        begin: its value at the first pixel.
        step: by what it grows from pixel to pixel.
        down: by what it grows from row to row.
    """

    middle: Value
    begin: Value
    step: Value
    down: Value


class Row(NamedTuple):
    """A row of the output.

    Attributes:
        first: the number of its first sample.
        lines: a line for each axis of the source and, for a projective map, for the homogeneous coordinate.
        near: whether no position in it is too far away to be found by steps; true or false.
        across: the other normalised coordinates of its pixels, y and z.
    """

    first: Value
    lines: list[Line]
    near: Value | None
    across: list[Value]


class Tile(NamedTuple):
    """What a task computes.

    Attributes:
        m: the set of points.
        block: of channels.
        rows: of the output, from and to.
        columns: of the output, from and to.
    """

    m: Value
    block: Value
    rows: tuple[Value, Value]
    columns: tuple[Value, Value]


class Group(NamedTuple):
    """Samples that are next to each other in a row of the output.

    Attributes:
        row: the row.
        start: the column of the first.
        length: how many there are: LANES, but where a row is shorter.
        fresh: which of them have not been in the group before: the last of a row begins where it ends with the row.
    """

    row: Row
    start: Value
    length: Value
    fresh: Value

    @property
    def first(self) -> Value:
        """The number of the first sample."""
        return self.row.first + self.start


def tile_of(kernel: Kernel, task: Value) -> Tile:
    """The tile of a task: tiles first, then blocks of channels, then sets of points."""
    job, (columns, rows) = kernel.job, kernel.job.tile
    part, height = task % job.parts, job.target[1] * job.target[2]
    tile = part % job.tiles
    top, left = tile // job.across * rows, tile % job.across * columns
    return Tile(
        task // job.parts,
        part // job.tiles,
        (top, (top + rows).least(height)),
        (left, (left + columns).least(job.target[0])),
    )


@contextmanager
def groups(kernel: Kernel, row: Row, begin: Value, end: Value) -> Iterator[Group]:
    """The groups of some columns of a row."""
    width = kernel.job.target[0]
    count, last = width.least(LANES), (width - LANES).most(0)
    with kernel.loop(begin, end, LANES) as column:
        start = column.least(last)
        lane = kernel.counting(I32)
        fresh = (lane >= (column - start).to(I32)) & (lane < count.least(end - start).to(I32))
        yield Group(row, start, count, fresh)
