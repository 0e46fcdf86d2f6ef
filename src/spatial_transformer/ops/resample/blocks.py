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
from .compiled import BLOCKS, BORDER, FILL, JOBS, LINEAR, POINTS, PROJECTIVE, REFLECTION, SOURCE, at, inline, kernel

FURTHEST = 2.0**23  # as in the readable twin
NOWHERE = -(2**30)  # the first pixel of a position that is NaN
OUTSIDE = -(2**29)  # an offset that others can be added to without it becoming positive

NOTHING, SOME, ALL = range(3)  # how many of a block's taps are inside of the image and of the band


@functools.cache
def prepare(element: type, integer: type) -> Any:
    """The compiled function that fills in a BLOCK and says whether NOTHING, SOME or ALL of its taps are inside.

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
        reach, offset = at(work.reach, integer), at(work.offset, integer)
        product = at(work.product, element)
        derivatives = 1 + (job.sets > 1) + (job.direction != 0)
        if job.kind == POINTS:
            _place_points(job, work, at(job.source, element), fraction, position, element)
        else:
            _place_grid(job, work, at(job.source, np.float64), position)

        inside, nan = True, False
        for axis in range(job.dims - 1, -1, -1):  # the last one first: it may show that nothing is left to do
            last = axis == job.dims - 1
            low, high = _split(job, work.count, position, axis * job.block, first, fraction)
            nan |= low == NOWHERE
            unusual = low < 8 - FURTHEST or high > FURTHEST - 8
            from_pixel, to_pixel = (work.low, work.high) if last else (0, job.size[axis])
            as_they_are = job.padding[axis] == FILL or (low >= 0 and high + job.taps <= job.size[axis])
            if last and not nan and as_they_are and (high + job.taps <= from_pixel or low >= to_pixel):
                return NOTHING
            inside &= low >= from_pixel and high + job.taps <= to_pixel
            _weigh(job, work.count, at(job.table, element), fraction, weight, axis, derivatives)
            if unusual:
                _flatten(job, work.count, first, weight, axis, derivatives)
        if inside:
            _base(job, work.count, first, offset)
        else:
            for axis in range(job.dims):
                _reach(job, work, axis, first, reach, integer)
            _offsets(job, work.count, reach, offset)

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
        if nan:
            _forget(job, work.count, first, product)
        return ALL if inside else SOME

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
def _base(job, count, first, offset):
    x, y, z = job.step[0], job.step[1], job.step[2]
    for k in range(count):
        offset[k] = first[k] * x + first[job.block + k] * y
    if job.dims == 3:
        for k in range(count):
            offset[k] = offset[k] + first[2 * job.block + k] * z


@inline
def _reach(job, work, axis, first, reach, integer):
    length, step, rule, count = job.size[axis], integer(job.step[axis]), job.padding[axis], work.count
    end = np.int32(length - 1)
    low, high = (work.low, work.high) if axis == job.dims - 1 else (0, length)
    low, high = np.int32(low), np.int32(high)
    outside = integer(OUTSIDE)
    for tap in range(job.taps):
        to, of = (axis * job.taps + tap) * job.block, axis * job.block
        if rule in (FILL, BORDER):
            border = rule == BORDER
            for k in range(count):  # in 32 bits, twice as many at a time
                pixel = np.int32(first[of + k] + np.int32(tap))
                nowhere = pixel < np.int32(OUTSIDE)
                near = pixel if pixel > 0 else np.int32(0)
                near = near if near < end else end
                pixel = near if border else pixel
                reach[to + k] = outside if nowhere or pixel < low or pixel >= high else integer(integer(pixel) * step)
            continue
        for k in range(count):
            pixel = np.int64(first[of + k]) + tap
            nowhere = pixel < OUTSIDE
            if rule == REFLECTION:
                pixel = pixel % (2 * length)
                pixel = min(pixel, 2 * length - 1 - pixel)
            else:
                pixel = pixel % length
            reach[to + k] = OUTSIDE if nowhere or pixel < low or pixel >= high else pixel * step


@inline
def _offsets(job, count, reach, offset):
    """The sum over the axes; -1 where one of them is outside."""
    taps = job.taps
    for t in range(job.total):
        x, y, z = (
            t % taps * job.block,
            (taps + t // taps % taps) * job.block,
            (2 * taps + t // taps // taps) * job.block,
        )
        to = t * job.block
        if job.dims == 2:
            for k in range(count):
                a, b = reach[x + k], reach[y + k]
                offset[to + k] = -1 if (a | b) < 0 else a + b
        else:
            for k in range(count):
                a, b, c = reach[x + k], reach[y + k], reach[z + k]
                offset[to + k] = -1 if (a | b | c) < 0 else a + b + c


@inline
def _turn(job, work, directions, factor):
    for axis in range(job.dims):
        base = work.m * job.direction_step[0] + work.start * job.direction_step[1] + axis * job.direction_step[2]
        for k in range(work.count):
            factor[axis * job.block + k] = directions[base + k * job.direction_step[1]] * job.scale[axis]


@inline
def _forget(job, count, first, product):
    """A sample with a NaN among its coordinates reads the fill value, once, and has no slope."""
    plain = job.sets == 1 and job.direction == 0
    for k in range(count):
        nowhere = first[k] == NOWHERE or first[job.block + k] == NOWHERE
        if nowhere or (job.dims == 3 and first[2 * job.block + k] == NOWHERE):
            for row in range(job.sets * job.total):
                product[row * job.block + k] = 1 if plain and row == 0 else 0


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
