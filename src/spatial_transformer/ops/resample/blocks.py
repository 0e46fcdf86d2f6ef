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
    """The compiled function that fills in a BLOCK and returns how many runs it has.

    A run is a sequence of samples that are alike: NOTHING, SOME or ALL of their taps are inside. `ends` and `kinds`
    tell them; without any run the whole block is NOTHING.

    Args:
        element: of image and samples, float32 or float64.
        integer: of offsets, int32 or int64.
    """
    source = SOURCE

    def function(jobs, blocks):
        source  # noqa: B018
        job, work = carray(jobs, (1,))[0], carray(blocks, (1,))[0]
        position, first = at(work.position, np.float64), at(work.first, np.int32)
        fraction, weight, factor = at(work.fraction, element), at(work.weight, element), at(work.factor, element)
        reach, offset, base = at(work.reach, integer), at(work.offset, integer), at(work.base, integer)
        status, ends, kinds = at(work.status, np.int32), at(work.ends, np.int64), at(work.kinds, np.int64)
        product = at(work.product, element)
        derivatives = 1 + (job.sets > 1) + (job.direction != 0)
        if job.kind == POINTS:
            _place_points(job, work, at(job.source, element), fraction, position, element)
        else:
            _place_grid(job, work, at(job.source, np.float64), position)

        alike = True  # all taps of all samples are inside
        for axis in range(job.dims - 1, -1, -1):  # the last one first: it may show that nothing is left to do
            low, high = _split(job, work.count, position, axis * job.block, first, fraction)
            begin, end = (work.low, work.high) if axis == job.dims - 1 else (0, job.size[axis])
            fills = job.padding[axis] == FILL
            if (fills or (low >= 0 and high + job.taps <= job.size[axis])) and (high + job.taps <= begin or low >= end):
                return 0
            if low < begin or high + job.taps > end:
                if alike:
                    for k in range(work.count):
                        status[k] = ALL
                alike = False
                _judge(job, work.count, axis, first, status, np.int32(begin), np.int32(end))
            _weigh(job, work.count, at(job.table, element), fraction, weight, axis, derivatives)
            if low < 8 - FURTHEST or high > FURTHEST - 8:
                _flatten(job, work.count, first, weight, axis, derivatives)
        _base(job, work.count, first, base)
        runs = 1
        if alike:
            ends[0], kinds[0] = work.count, ALL
        else:
            runs = _part(work.count, status, ends, kinds)
            begin = 0
            for run in range(runs):
                if kinds[run] == SOME:
                    for axis in range(job.dims):
                        _reach(job, work, axis, begin, ends[run], first, reach, integer)
                    _offsets(job, begin, ends[run], reach, offset)
                begin = ends[run]

        if job.direction != 0:
            _turn(job, work, at(job.direction, element), factor)
        for wanted in range(job.sets):  # the weights themselves, or their slopes along x, y, z
            own = wanted if job.sets > 1 else -1
            to = wanted * job.total * job.block
            if job.direction == 0:
                _combine(job, work.count, weight, product, to, own, -1, derivatives)
                continue
            for i in range(to, to + job.total * job.block):
                product[i] = 0
            for along in range(job.dims):
                _combine_along(job, work.count, weight, product, to, own, along, derivatives, factor)
        return runs

    return kernel(function, JOBS, BLOCKS, returns=types.int64)


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
        fraction[k] = x - centre
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
    taps = job.taps
    for row in range(derivatives * taps):
        to, of = (axis * derivatives * taps + row) * job.block, row * taps
        highest = table[of + taps - 1]
        if taps == 1:
            for k in range(count):
                weight[to + k] = highest
        else:
            lower = table[of + taps - 2]
            for k in range(count):
                weight[to + k] = highest * fraction[k] + lower
        for power in range(taps - 3, -1, -1):
            coefficient = table[of + power]
            for k in range(count):
                weight[to + k] = weight[to + k] * fraction[k] + coefficient


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
def _part(count, status, ends, kinds):
    """Divide the samples into runs of equal status; returns how many."""
    runs = 0
    for k in range(1, count):
        if status[k] != status[k - 1]:
            ends[runs], kinds[runs] = k, status[k - 1]
            runs += 1
    ends[runs], kinds[runs] = count, status[count - 1]
    return runs + 1


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
def _reach(job, work, axis, begin, end, first, reach, integer):
    """Where the taps along an axis lie in memory, or OUTSIDE."""
    length, step, rule, of = job.size[axis], job.step[axis], job.padding[axis], axis * job.block
    low, high = (work.low, work.high) if axis == job.dims - 1 else (0, length)
    for tap in range(job.taps):
        to = (axis * job.taps + tap) * job.block
        for k in range(begin, end):
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
def _offsets(job, begin, end, reach, offset):
    """The sum over the axes; -1 where one of them is outside."""
    taps, block = job.taps, job.block
    for t in range(job.total):
        x, y, z = t % taps * block, (taps + t // taps % taps) * block, (2 * taps + t // taps // taps) * block
        for k in range(begin, end):
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
def _combine(job, count, weight, product, to, own, along, derivatives):
    for t in range(job.total):
        row = to + t * job.block
        x = _row(job, 0, t, own, along, derivatives)
        y = _row(job, 1, t, own, along, derivatives)
        z = _row(job, 2, t, own, along, derivatives)
        if job.dims == 2:
            for k in range(count):
                product[row + k] = weight[x + k] * weight[y + k]
        else:
            for k in range(count):
                product[row + k] = weight[x + k] * weight[y + k] * weight[z + k]


@inline
def _combine_along(job, count, weight, product, to, own, along, derivatives, factor):
    """Adds the products differentiated along an axis, times the direction along it."""
    for t in range(job.total):
        row = to + t * job.block
        x = _row(job, 0, t, own, along, derivatives)
        y = _row(job, 1, t, own, along, derivatives)
        z = _row(job, 2, t, own, along, derivatives)
        f = along * job.block
        if job.dims == 2:
            for k in range(count):
                product[row + k] += weight[x + k] * weight[y + k] * factor[f + k]
        else:
            for k in range(count):
                product[row + k] += weight[x + k] * weight[y + k] * weight[z + k] * factor[f + k]
