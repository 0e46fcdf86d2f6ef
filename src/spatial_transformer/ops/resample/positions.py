"""Stage 1 of the CPU backend: where the samples of a block lie in the source, in pixels.

    solve_rows  from a linear map: which samples of each row of the target have all their taps inside, and only these
    place       one by one, from points or from a matrix
    split       per axis: the first pixel touched and the fraction behind the central one

Positions are kept in float64: that costs little here, and the identity is exact at any size.
"""

import numpy as np

from ...coordinates import FAR_OUTSIDE
from ...homography import HORIZON
from .compiled import FILL, LINEAR, POINTS, PROJECTIVE, at, called, inline
from .lanes import MOST_LANES, split_group

FURTHEST = 2.0**23  # as in the readable twin
NOWHERE = -(2**30)  # the first pixel of a position that is NaN
SHORTEST_ROW = 8  # of the target, for which it pays to solve
HAIR = 2.0**-20  # pixels: more than the rounding of a position, less than matters


@called
def solve_rows(job, work, room):
    """List the samples inside and at the edges; False if the map is not linear, or leads too far away for this.

    Along a row of the target the position grows by a constant step, so the samples inside are an interval.
    """
    if job.kind != LINEAR or job.target[0] < SHORTEST_ROW:
        return False
    if job.bands > 1 and job.padding[job.dims - 1] != FILL:
        return False  # what is outside reads from inside, perhaps from another band
    matrix = at(job.source, np.float64)
    work.inside, work.runs, work.edges = 0, 0, 0
    odd, before = job.taps % 2, (job.taps - 1) // 2
    ahead = before - 0.5 * odd  # from the first pixel touched to the least position that touches it first
    steps = (
        job.step[0],
        job.step[1],
        job.step[2],
        -before * (job.step[0] + job.step[1] + job.step[2] * (job.dims - 2)),
    )
    x, y, z = _target(job, work.start)
    k = 0
    while k < work.count:
        size = min(job.target[0] - x, work.count - k)
        some, none, all_, end = 0, size, 0, size  # samples from `some` to `none` touch, from `all_` to `end` are inside
        for axis in range(job.dims):
            middle, growth = _row(job, work.m, matrix, axis, y, z)
            begin, step = _from_column(job, middle, growth, x)
            room.position[axis], room.position[3 + axis] = begin, step
            if not _is_near(begin, step, size):
                return False
            low, high = (work.low, work.high) if axis == job.dims - 1 else (0, job.size[axis])
            least, most = low + ahead + HAIR, high - job.taps + 1 + ahead - HAIR
            all_, end = _between(begin, step, least, most, all_, end)
            if job.padding[axis] == FILL:
                some, none = _between(begin, step, least - job.taps + 1 - 2 * HAIR, high + ahead + HAIR, some, none)
        if end <= all_:
            all_ = end = none  # all that touch are edges
        for i in range(all_, end, MOST_LANES):
            to, rows = work.inside + i - all_, room.position
            if job.dims == 2:
                split_group(MOST_LANES, 2, odd, rows, i, steps, room.base, room.fraction, job.pitch, to)
            else:
                split_group(MOST_LANES, 3, odd, rows, i, steps, room.base, room.fraction, job.pitch, to)
        for side in range(2):
            left, right = (some, all_) if side == 0 else (end, none)
            for i in range(left, right):
                room.edge[work.edges] = k + i
                for axis in range(job.dims):
                    position = room.position[axis] + room.position[3 + axis] * i
                    room.edge_position[axis * job.pitch + work.edges] = position
                work.edges += 1
        if end > all_:
            room.begins[work.runs], room.lengths[work.runs] = k + all_, end - all_
            work.runs += 1
            work.inside += end - all_
        k += size
        x, y = 0, y + 1
        if y == job.target[1]:
            y, z = 0, z + 1
    return True


@called
def _target(job, number):
    """Column, row and slice of a sample."""
    x, rest = number % job.target[0], number // job.target[0]
    return x, rest % job.target[1], rest // job.target[1]


@called
def _row(job, m, matrix, axis, y, z):
    """A row of a matrix on a row of the target: the value in its middle, and by what it grows to its end.

    In pixels. Multiplied first and divided last: for the identity all of it is exact.
    """
    row, (scale, shift) = m * job.source_step[0] + axis * job.source_step[1], (1.0, 0.0)
    if axis < job.dims:
        scale, shift = job.scale[axis], job.shift[axis]
    middle = matrix[row + job.dims] * scale
    middle += matrix[row + 1] * scale * (2 * y + 1 - job.target[1]) / job.target[1]
    if job.dims == 3:
        middle += matrix[row + 2] * scale * (2 * z + 1 - job.target[2]) / job.target[2]
    return middle + (shift if job.kind == LINEAR else 0.0), matrix[row] * scale


@called
def _from_column(job, middle, growth, x):
    """The value at a column, and by what it grows with each that follows."""
    width = job.target[0]
    return middle + growth * (2 * x + 1 - width) / width, growth * 2 / width


@called
def _is_near(begin, step, count):
    """Whether none of so many positions is further away than FURTHEST, or not a number."""
    final = begin + step * count
    return -FURTHEST < begin < FURTHEST and -FURTHEST < final < FURTHEST


@called
def _between(begin, step, least, most, low, high):
    """The integers i of low ... high - 1 for which least <= begin + step i < most, but for rounding."""
    if step < 0:
        begin, step, least, most = -begin, -step, -most, -least
    if step * high < HAIR / 2:  # it does not move
        return low, high if least <= begin < most else low
    inverse = 1 / step
    low = max(low, np.int64(np.ceil(min(max((least - begin) * inverse, -FURTHEST), FURTHEST))))
    high = min(high, np.int64(np.ceil(min(max((most - begin) * inverse, -FURTHEST), FURTHEST))))
    return low, max(low, high)


@inline
def place(job, work, room, element):
    """Every sample, one after the other."""
    if job.kind == POINTS:
        _place_points(job, work, at(job.source, element), room.fraction, room.position, element)
    else:
        _place_grid(job, work, at(job.source, np.float64), room.position)


@called
def _place_points(job, work, points, scaled, position, element):
    """In the precision of the points, and rounded after the product: pixel centres then come out as whole numbers."""
    for axis in range(job.dims):
        scale, shift, step = job.scale[axis], job.shift[axis], job.source_step[1]
        base = work.m * job.source_step[0] + work.start * step + axis * job.source_step[2]
        to = axis * job.pitch
        for k in range(work.count):
            scaled[k] = points[base + k * step] * scale
        for k in range(work.count):
            position[to + k] = element(scaled[k] + shift)


@called
def _place_grid(job, work, matrix, position):
    dims = job.dims
    x, y, z = _target(job, work.start)
    k = 0
    while k < work.count:  # the part of a row of the target that is in this block
        length = min(job.target[0] - x, work.count - k)
        for axis in range(dims + (job.kind == PROJECTIVE)):
            middle, growth = _row(job, work.m, matrix, axis, y, z)
            begin, step = _from_column(job, middle, growth, x)
            to = axis * job.pitch + k
            if _is_near(begin, step, length):
                for i in range(length):
                    position[to + i] = begin + step * np.float64(np.int32(i))
            else:  # steps would lose what is left in the middle, and infinity would end as no number
                for i in range(length):
                    position[to + i] = _from_column(job, middle, growth, x + i)[0]
        k += length
        x, y = 0, y + 1
        if y == job.target[1]:
            y, z = 0, z + 1
    if job.kind == PROJECTIVE:
        last = dims * job.pitch
        for axis in range(dims):
            to, far, shift = axis * job.pitch, FAR_OUTSIDE * job.scale[axis], job.shift[axis]
            for k in range(work.count):
                behind = position[last + k] <= HORIZON
                divided = position[to + k] / (1.0 if behind else position[last + k])
                position[to + k] = (far if behind else divided) + shift
        for k in range(work.count):
            behind = position[last + k] <= HORIZON
            position[last + k] = 0.0 if behind else 1 / position[last + k]


@called
def split(job, count, position, row, first, fraction):
    """Of an odd number of taps the nearest pixel is central, of an even one the one below."""
    nearest, after_centre, before = 0.5 * (job.taps % 2), job.taps % 2, (job.taps - 1) // 2
    for k in range(count):
        x = position[row + k]
        known = x == x
        x = x if x > -FURTHEST else -FURTHEST
        x = x if x < FURTHEST else FURTHEST
        centre = np.floor(x - nearest) + after_centre
        fraction[row + k] = x - centre
        pixel = np.int32(centre) - np.int32(before)
        first[row + k] = pixel if known else np.int32(NOWHERE)
