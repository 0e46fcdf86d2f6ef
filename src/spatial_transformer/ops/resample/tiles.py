"""How samples are divided: into sets of points, tiles of the output, rows, and groups of `LANES` samples."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from .lanes import I64, LANES, Kernel, Value
from .positions import Row


class Group(NamedTuple):
    """Samples that are next to each other in a row of the output.

    Attributes:
        row: the row.
        start: the column of the first.
        count: how many there are: LANES, but where a row is shorter.
        fresh: which of them have not been in the group before: the last of a row begins where it ends with the row.
    """

    row: Row
    start: Value
    count: Value
    fresh: Value

    @property
    def first(self) -> Value:
        """The number of the first sample."""
        return self.row.first + self.start


@contextmanager
def tile_of(kernel: Kernel, task: Value) -> Iterator[tuple[Value, tuple[Value, Value], tuple[Value, Value]]]:
    """The set of points of a task, and the rows and columns of its tile."""
    job = kernel.job
    across, tiles = job.tiles
    m, tile = task // tiles, task % tiles
    columns, rows = job.tile
    top, left = tile // across * rows, tile % across * columns
    height = job.target[1] * job.target[2]
    yield m, (top, (top + rows).least(height)), (left, (left + columns).least(job.target[0]))


@contextmanager
def groups(kernel: Kernel, row: Row, begin: Value, end: Value) -> Iterator[Group]:
    """The groups of some columns of a row."""
    width = kernel.job.target[0]
    count, last = width.least(LANES), (width - LANES).most(0)
    with kernel.loop(begin, end, LANES) as column:
        start = column.least(last)
        lane = kernel.counting(I64)
        fresh = (lane >= column - start) & (lane < count.least(end - start))
        yield Group(row, start, count, fresh)
