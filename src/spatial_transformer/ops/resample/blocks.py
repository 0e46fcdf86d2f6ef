"""Stages 1 to 3 of the CPU backend: from a block of samples to the pixels they touch and the weights of these.

    place       where the samples lie in the source, in pixels, from a matrix or from given points
    split       per axis: the first pixel touched and the fraction behind the central one
    weigh       per axis: the weights of the taps and their derivatives
    reach       where taps lie in memory, and which lie outside
    combine     the product over the axes: one weight per tap and sample, shared by all channels

A block is a few hundred samples, whose intermediate results stay in the first-level cache. Every loop over them is free
of branches. Dimension, taps and padding are read at run time: one compiled function serves all. Positions are kept in
float64: that costs little here, and the identity is exact at any size.
"""

import functools
from typing import Any

import numpy as np
from numba import carray, types

from ...coordinates import FAR_OUTSIDE
from ...homography import HORIZON
from .compiled import (
    BLOCKS,
    BORDER,
    FILL,
    JOBS,
    LINEAR,
    POINTS,
    PROJECTIVE,
    REFLECTION,
    SOURCE,
    WRAP,
    at,
    inline,
    kernel,
)

FURTHEST = 2.0**23  # as in the readable twin
NOWHERE = -(2**30)  # the first pixel of a position that is NaN
OUTSIDE = -(2**29)  # an offset that others can be added to without it becoming positive

NOTHING, SOME, ALL = range(3)  # how many of a sample's taps are inside of the image and of the band


@functools.cache
def prepare(element: type, integer: type) -> Any:
    """The compiled function that fills in a BLOCK; it returns whether anything of the image is touched at all.

    Samples all of whose taps are inside come in runs, and so do those none of whose taps are; the others, at the edges,
    are few and listed one by one.

    Args:
        element: of image and samples, float32 or float64.
        integer: of offsets, int32 or int64.
    """
    source = SOURCE

    def function(jobs, blocks):
        source  # noqa: B018
        job, work = carray(jobs, (1,))[0], carray(blocks, (1,))[0]
        position, first, fraction = at(work.position, np.float64), at(work.first, np.int32), at(work.fraction, element)
        if job.bands > 1 and job.kind == LINEAR and _misses(job, work, at(job.source, np.float64)):
            return 0
        if job.kind == POINTS:
            _place_points(job, work, at(job.source, element), fraction, position, element)
        else:
            _place_grid(job, work, at(job.source, np.float64), position)

        status, alike = at(work.status, np.int32), True
        for axis in range(job.dims - 1, -1, -1):  # the last one first: it may show that nothing is left to do
            low, high = _split(job, work.count, position, axis * job.block, first, fraction)
            begin, end = (work.low, work.high) if axis == job.dims - 1 else (0, job.size[axis])
            as_they_are = job.padding[axis] == FILL or (low >= 0 and high + job.taps <= job.size[axis])
            if as_they_are and (high + job.taps <= begin or low >= end):
                return 0
            if low < begin or high + job.taps > end:
                if alike:
                    for k in range(work.count):
                        status[k] = ALL
                alike = False
                _judge(job, work.count, axis, first, status, np.int32(begin), np.int32(end))
        _base(job, work.count, first, at(work.base, integer))
        if job.direction != 0:
            _turn(job, work, at(job.direction, element), at(work.factor, element))
        _part(job, work, status, alike)

        weight = at(work.weight, element)
        if not job.plain:
            factor, product = at(work.factor, element), at(work.product, element)
            _weights(job, work.count, at(job.table, element), first, fraction, factor, weight, product)
        if work.edges > 0:
            edge, count = at(work.edge, np.int64), work.edges
            edge_first, edge_fraction = at(work.edge_first, np.int32), at(work.edge_fraction, element)
            edge_factor, product = at(work.edge_factor, element), at(work.edge_product, element)
            for axis in range(job.dims):
                for i in range(count):
                    k = axis * job.block + edge[i]
                    edge_first[axis * job.block + i] = first[k]
                    edge_fraction[axis * job.block + i] = fraction[k]
                    edge_factor[axis * job.block + i] = at(work.factor, element)[k] if job.direction != 0 else 0
            _weights(job, count, at(job.table, element), edge_first, edge_fraction, edge_factor, weight, product)
            reach = at(work.reach, integer)
            for axis in range(job.dims):
                _reach(job, work, axis, edge_first, reach)
            _offsets(job, count, reach, at(work.offset, integer))
        return 1

    return kernel(function, JOBS, BLOCKS, returns=types.int64)


@inline
def _weights(job, count, table, first, fraction, factor, weight, product):
    """Stages weigh and combine."""
    derivatives = 1 + (job.sets > 1) + (job.direction != 0)
    for axis in range(job.dims):
        _weigh(job, count, table, fraction, weight, axis, derivatives)
        _flatten(job, count, first, weight, axis, derivatives)
    for wanted in range(job.sets):  # the weights themselves, or their slopes along x, y, z
        _combine(job, count, weight, product, wanted, derivatives, factor)


@inline
def _misses(job, work, matrix):
    """Whether a linear map takes no sample near the band; a few operations instead of all the stages."""
    last, dims = job.dims - 1, job.dims
    row = work.m * job.source_step[0] + last * job.source_step[1]
    width, after = job.target[0], work.start + work.count
    low, high = np.inf, -np.inf
    number = work.start
    while number < after:  # both ends of each row of the target
        final = min(number - number % width + width, after) - 1
        for end in (number, final):
            position, rest = matrix[row + dims] * job.scale[last] + job.shift[last], end
            for d in range(dims):
                n = job.target[d]
                position += matrix[row + d] * job.scale[last] * (2 * (rest % n) + 1 - n) / n
                rest //= n
            low, high = min(low, position), max(high, position)
        number = final + 1
    if not (low > -FURTHEST and high < FURTHEST):  # NaN, or too far for this
        return False
    reads_itself = low >= job.taps and high <= job.size[last] - job.taps
    far = high + job.taps < work.low or low - job.taps > work.high
    return far and (reads_itself or job.padding[last] == FILL)


@inline
def _place_points(job, work, points, scaled, position, element):
    """In the precision of the points, and rounded after the product: pixel centres then come out as whole numbers."""
    for axis in range(job.dims):
        scale, shift, step = job.scale[axis], job.shift[axis], job.source_step[1]
        base = work.m * job.source_step[0] + work.start * step + axis * job.source_step[2]
        to = axis * job.block
        for k in range(work.count):
            scaled[k] = points[base + k * step] * scale
        for k in range(work.count):
            position[to + k] = element(scaled[k] + shift)


@inline
def _place_grid(job, work, matrix, position):
    width, dims = job.target[0], job.dims
    k = 0
    while k < work.count:  # the part of a row of the target that is in this block
        column = (work.start + k) % width
        length = min(width - column, work.count - k)
        for axis in range(dims + (job.kind == PROJECTIVE)):
            row = work.m * job.source_step[0] + axis * job.source_step[1]
            scale = job.scale[axis] if axis < dims else 1.0
            # Multiplied first and divided last: for the identity all of it is exact.
            begin = matrix[row + dims] * scale
            number = work.start + k
            for d in range(dims):
                n = job.target[d]
                begin += matrix[row + d] * scale * (2 * (number % n) + 1 - n) / n
                number //= n
            if job.kind == LINEAR:
                begin += job.shift[axis]
            along = matrix[row] * scale * 2 / width
            to = axis * job.block + k
            for i in range(length):
                position[to + i] = begin + along * np.float64(np.int32(i))
        k += length
    if job.kind == PROJECTIVE:
        last = dims * job.block
        for axis in range(dims):
            to, far, shift = axis * job.block, FAR_OUTSIDE * job.scale[axis], job.shift[axis]
            for k in range(work.count):
                behind = position[last + k] <= HORIZON
                divided = position[to + k] / (1.0 if behind else position[last + k])
                position[to + k] = (far if behind else divided) + shift
        for k in range(work.count):
            behind = position[last + k] <= HORIZON
            position[last + k] = 0.0 if behind else 1 / position[last + k]


@inline
def _split(job, count, position, row, first, fraction):
    """Returns the smallest and the largest first pixel."""
    nearest = 0.5 * (
        job.taps % 2
    )  # of an odd number of taps the nearest pixel is central, of an even one the one below
    before = (job.taps - 1) // 2
    centre_shift = job.taps % 2
    for k in range(count):
        x = position[row + k]
        known = x == x
        x = x if x > -FURTHEST else -FURTHEST
        x = x if x < FURTHEST else FURTHEST
        centre = np.floor(x - nearest) + centre_shift
        fraction[row + k] = x - centre
        pixel = np.int32(centre) - np.int32(before)
        first[row + k] = pixel if known else np.int32(NOWHERE)
    low, high = first[row], first[row]
    for k in range(count):
        low = first[row + k] if first[row + k] < low else low
        high = first[row + k] if first[row + k] > high else high
    return np.int64(low), np.int64(high)


@inline
def _weigh(job, count, table, fraction, weight, axis, derivatives):
    """Horner's rule, a power at a time."""
    taps, at_axis = job.taps, axis * job.block
    for row in range(derivatives * taps):
        to, of = (axis * derivatives * taps + row) * job.block, row * taps
        highest = table[of + taps - 1]
        if taps == 1:
            for k in range(count):
                weight[to + k] = highest
        else:
            lower = table[of + taps - 2]
            for k in range(count):
                weight[to + k] = highest * fraction[at_axis + k] + lower
        for power in range(taps - 3, -1, -1):
            coefficient = table[of + power]
            for k in range(count):
                weight[to + k] = weight[to + k] * fraction[at_axis + k] + coefficient


@inline
def _flatten(job, count, first, weight, axis, derivatives):
    """What is further away than FURTHEST was put there, and has no slope."""
    for k in range(count):
        if first[axis * job.block + k] < 8 - FURTHEST or first[axis * job.block + k] > FURTHEST - 8:
            for row in range(job.taps, derivatives * job.taps):
                weight[(axis * derivatives * job.taps + row) * job.block + k] = 0


@inline
def _judge(job, count, axis, first, status, begin, end):
    """Lower the status of samples some or all of whose taps along an axis are not in begin ... end - 1."""
    of, taps, length = axis * job.block, np.int32(job.taps), np.int32(job.size[axis])
    if job.padding[axis] == FILL:
        for k in range(count):
            pixel, after = first[of + k], np.int32(first[of + k] + taps)
            lower = np.int32(SOME) if pixel < begin or after > end else np.int32(ALL)
            lower = np.int32(NOTHING) if after <= begin or pixel >= end else lower
            status[k] = lower if lower < status[k] else status[k]
    else:  # what is outside of the image is read somewhere inside, perhaps
        for k in range(count):
            pixel, after = first[of + k], np.int32(first[of + k] + taps)
            lower = np.int32(SOME) if pixel < begin or after > end else np.int32(ALL)
            beyond = pixel >= 0 and after <= length and (after <= begin or pixel >= end)
            lower = np.int32(NOTHING) if beyond or pixel == NOWHERE else lower
            status[k] = lower if lower < status[k] else status[k]


@inline
def _part(job, work, status, alike):
    """Divide the samples into runs and single ones."""
    begins, ends, kinds = at(work.begins, np.int64), at(work.ends, np.int64), at(work.kinds, np.int64)
    edge = at(work.edge, np.int64)
    work.edges, work.runs = 0, 0
    if alike:
        begins[0], ends[0], kinds[0], work.runs = 0, work.count, ALL, 1
        return
    before = np.int32(SOME)
    for k in range(work.count):
        now = status[k]
        if now == SOME:
            edge[work.edges] = k
            work.edges += 1
        else:
            if now != before:
                begins[work.runs], kinds[work.runs] = k, now
                work.runs += 1
            ends[work.runs - 1] = k + 1
        before = now


@inline
def _base(job, count, first, base):
    """Where the first tap of each sample lies in memory, if all are inside."""
    x, y, z, block = job.step[0], job.step[1], job.step[2], job.block
    if job.dims == 2:
        for k in range(count):
            base[k] = first[k] * x + first[block + k] * y
    else:
        for k in range(count):
            base[k] = first[k] * x + first[block + k] * y + first[2 * block + k] * z


@inline
def _reach(job, work, axis, first, reach):
    """Where the taps of the samples at the edges lie along an axis, or OUTSIDE."""
    length, step, rule, of = job.size[axis], job.step[axis], job.padding[axis], axis * job.block
    low, high = (work.low, work.high) if axis == job.dims - 1 else (0, length)
    for tap in range(job.taps):
        to = (axis * job.taps + tap) * job.block
        for k in range(work.edges):
            pixel = np.int64(first[of + k]) + tap
            if rule == BORDER:
                pixel = min(max(pixel, 0), length - 1)
            elif rule == REFLECTION:
                pixel = pixel % (2 * length)
                pixel = min(pixel, 2 * length - 1 - pixel)
            elif rule == WRAP:
                pixel = pixel % length
            reach[to + k] = OUTSIDE if pixel < low or pixel >= high else pixel * step


@inline
def _offsets(job, count, reach, offset):
    """The sum over the axes; -1 where one of them is outside."""
    taps, block = job.taps, job.block
    for t in range(job.total):
        x, y, z = t % taps * block, (taps + t // taps % taps) * block, (2 * taps + t // taps // taps) * block
        for k in range(count):
            a, b = reach[x + k], reach[y + k]
            c = reach[z + k] if job.dims == 3 else a
            outside = (a | b | c) < 0
            offset[t * block + k] = -1 if outside else a + b + (c if job.dims == 3 else 0)


@inline
def _turn(job, work, directions, factor):
    for axis in range(job.dims):
        base = work.m * job.direction_step[0] + work.start * job.direction_step[1] + axis * job.direction_step[2]
        for k in range(work.count):
            factor[axis * job.block + k] = directions[base + k * job.direction_step[1]] * job.scale[axis]


@inline
def _row(job, axis, t, own, along, derivatives):
    """Where in `weight` the weights along an axis begin that tap t needs, differentiated along the axes given."""
    tap = t // job.taps**axis % job.taps
    derivative = (axis == own) + (axis == along)
    return ((axis * derivatives + derivative) * job.taps + tap) * job.block


@inline
def _combine(job, count, weight, product, wanted, derivatives, factor):
    """The products over the axes, [tap, k]; along a direction the sum of those differentiated along each axis."""
    own, block = wanted if job.sets > 1 else -1, job.block
    for t in range(job.total):
        to = (wanted * job.total + t) * block
        if job.direction == 0:
            x, y = _row(job, 0, t, own, -1, derivatives), _row(job, 1, t, own, -1, derivatives)
            z = _row(job, 2, t, own, -1, derivatives)
            for k in range(count):
                product[to + k] = weight[x + k] * weight[y + k]
            if job.dims == 3:
                for k in range(count):
                    product[to + k] = product[to + k] * weight[z + k]
            continue
        for k in range(count):
            product[to + k] = 0
        for along in range(job.dims):
            x, y = _row(job, 0, t, own, along, derivatives), _row(job, 1, t, own, along, derivatives)
            z, f = _row(job, 2, t, own, along, derivatives), along * block
            if job.dims == 2:
                for k in range(count):
                    product[to + k] += weight[x + k] * weight[y + k] * factor[f + k]
            else:
                for k in range(count):
                    product[to + k] += weight[x + k] * weight[y + k] * weight[z + k] * factor[f + k]
