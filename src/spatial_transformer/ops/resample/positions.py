"""Stage 1 of the CPU backend: where the samples of a block lie in the source, in pixels.

    solve_rows  from a linear map: which samples of each row of the target have all their taps inside, and only these
    place       one by one, from points or from a matrix
    sort        of these, the samples inside and those at the edges
    split       per axis: the first pixel touched and the fraction behind the central one

Positions are computed in float64, but for given points: that costs little here, and the identity is exact at any size.
"""

import numpy as np

from ...coordinates import FAR_OUTSIDE
from ...homography import HORIZON
from .compiled import FILL, LINEAR, POINTS, PROJECTIVE, at, called, inline
from .lanes import MOST_LANES, place_group, sort_group, split_group, touch_group, trailing_zeros

FURTHEST = 2.0**23  # as in the readable twin
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
    steps = _steps(job)
    x, y, z = _target(job, work.start)
    k = 0
    while k < work.count:
        size = min(job.target[0] - x, work.count - k)
        some, none, all_, end = 0, size, 0, size  # samples from `some` to `none` touch, from `all_` to `end` are inside
        for axis in range(job.dims):
            middle, growth = _row(job, work.m, matrix, axis, y, z)
            begin, step = _from_column(job, middle, growth, x)
            room.limit[axis], room.limit[3 + axis] = begin, step
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
            to, rows = work.inside + i - all_, room.limit
            if job.dims == 2:
                split_group(2, odd, rows, i, steps, room.base, room.fraction, job.pitch, to)
            else:
                split_group(3, odd, rows, i, steps, room.base, room.fraction, job.pitch, to)
        for side in range(2):
            left, right = (some, all_) if side == 0 else (end, none)
            for i in range(left, right):
                room.edge[work.edges] = k + i
                for axis in range(job.dims):
                    position = room.limit[axis] + room.limit[3 + axis] * i
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
def _steps(job):
    """Along the axes in memory, and from the central tap to the first."""
    x, y, z = job.step[0], job.step[1], job.step[2]
    return x, y, z, -((job.taps - 1) // 2) * (x + y + z * (job.dims - 2))


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
        _place_points(job, work, at(job.source, element), room.limit, room.position, element)
    else:
        _place_grid(job, work, at(job.source, np.float64), room.position)


@called
def _place_points(job, work, points, numbers, position, element):
    """In the precision of the points, and rounded after the product: pixel centres then come out as whole numbers."""
    dims, pitch = job.dims, job.pitch
    begin, full = work.m * job.source_step[0] + work.start * dims, work.count // MOST_LANES * MOST_LANES
    for axis in range(dims):
        numbers[axis], numbers[3 + axis] = job.scale[axis], job.shift[axis]
    for i in range(0, full, MOST_LANES):
        if dims == 2:
            place_group(2, points, begin, numbers, position, pitch, i)
        else:
            place_group(3, points, begin, numbers, position, pitch, i)
    for axis in range(dims):
        row = axis * pitch
        for k in range(full, work.count):
            position[row + k] = element(points[begin + k * dims + axis] * numbers[axis])
        for k in range(full, work.count):
            position[row + k] = element(position[row + k] + numbers[3 + axis])


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
def sort(job, work, room):
    """List the samples inside and at the edges; most groups are inside as a whole, or outside."""
    work.inside, work.runs, work.edges = 0, 0, 0
    odd, steps = job.taps % 2, _steps(job)
    for axis in range(job.dims):
        _limit(job, work, axis, room.limit)
    for start in range(0, work.count, MOST_LANES):
        here, rows = room.position, room.limit
        if job.dims == 2:
            found = sort_group(2, odd, here, start, rows, steps, room.base, room.fraction, job.pitch, work.inside)
        else:
            found = sort_group(3, odd, here, start, rows, steps, room.base, room.fraction, job.pitch, work.inside)
        known = (1 << min(MOST_LANES, work.count - start)) - 1
        found &= known
        if found == known:
            _extend(work, room.begins, room.lengths, start, min(MOST_LANES, work.count - start))
            continue
        if job.dims == 2:
            touching = touch_group(2, odd, here, start, rows, job.pitch)
        else:
            touching = touch_group(3, odd, here, start, rows, job.pitch)
        _list_edges(job, work, room.position, room.edge, room.edge_position, start, touching & known & ~found)
        _list_inside(job, work, room.base, room.fraction, room.begins, room.lengths, start, found)


@inline
def _extend(work, begins, lengths, begin, length):
    """So many samples more are inside: they belong to the last run, or begin one."""
    last = work.runs - 1
    if last >= 0 and begins[last] + lengths[last] == begin:
        lengths[last] += length
    else:
        begins[work.runs], lengths[work.runs] = begin, length
        work.runs += 1
    work.inside += length


@called
def _list_edges(job, work, position, edge, edge_position, start, edges):
    while edges != 0:
        i = start + trailing_zeros(edges)
        edge[work.edges] = i
        for axis in range(job.dims):
            edge_position[axis * job.pitch + work.edges] = position[axis * job.pitch + i]
        work.edges += 1
        edges &= edges - 1


@called
def _list_inside(job, work, base, fraction, begins, lengths, start, inside):
    """Some samples of a group; what is known of them is moved together."""
    first = work.inside  # of the whole group
    while inside != 0:  # a run of ones after the other
        begin = trailing_zeros(inside)
        length, of, to = trailing_zeros(~(inside >> begin)), first + begin, work.inside
        if of != to:
            for i in range(length):
                base[to + i] = base[of + i]
            for row in range(0, job.dims * job.pitch, job.pitch):
                for i in range(length):
                    fraction[row + to + i] = fraction[row + of + i]
        _extend(work, begins, lengths, start + begin, length)
        inside &= -1 << (begin + length)


@called
def _limit(job, work, axis, limit):
    """Which central pixels have all their taps inside, and which have some; see `sort_group`."""
    length, before, after = job.size[axis], (job.taps - 1) // 2, job.taps // 2
    low, high = (work.low, work.high) if axis == job.dims - 1 else (0, length)
    row = 6 * axis
    limit[row], limit[row + 1] = low + before, min(high - 1 - after, FURTHEST - 1)
    limit[row + 2], limit[row + 3] = low - after, high - 1 + before
    if job.padding[axis] == FILL:
        limit[row + 4], limit[row + 5] = -np.inf, np.inf
    else:  # what is outside of the image is read somewhere inside, perhaps
        limit[row + 4], limit[row + 5] = before, length - 1 - after


@called
def split(job, count, position, row, first, fraction):
    """Of an odd number of taps the nearest pixel is central, of an even one the one below."""
    nearest, after_centre, before = 0.5 * (job.taps % 2), job.taps % 2, (job.taps - 1) // 2
    for k in range(count):
        x = position[row + k]
        x = x if x > -FURTHEST else -FURTHEST
        x = x if x < FURTHEST else FURTHEST
        centre = np.floor(x - nearest) + after_centre
        fraction[row + k] = x - centre
        first[row + k] = np.int32(centre) - np.int32(before)
