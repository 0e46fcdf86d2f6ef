"""Stages 1 and 2 of the CPU backend: from a block of samples to the pixels they touch and the weights of these.

A block is a few hundred samples, whose intermediate results stay in the first-level cache. Samples all of whose taps
are inside are listed one after the other, and the loops over them are free of branches; the others, at the edges, are
few. Dimension, taps and padding are read at run time: one compiled function serves all.
"""

import functools
from typing import Any

import numpy as np
from numba import carray, types

from .compiled import BLOCKS, FILL, JOBS, SOURCE, address_of, at, called, kernel, room
from .lanes import MOST_LANES
from .positions import NOWHERE, place, solve_rows, split
from .weights import combine, flatten, reach, weigh

NOTHING, SOME, ALL = range(3)  # how many of a sample's taps are inside of the image and of the band


@functools.cache
def prepare(element: type, integer: type) -> Any:
    """The compiled function that fills in a block; it returns whether anything of the image is touched at all.

    Args:
        element: of image and samples, float32 or float64.
        integer: of offsets, int32 or int64.
    """
    source = SOURCE

    def function(jobs, blocks):
        source  # noqa: B018
        job, work, arrays = carray(jobs, (1,))[0], carray(blocks, (1,))[0], room(address_of(blocks), element, integer)
        if solve_rows(job, work, arrays):
            for axis in range(job.dims):
                split(job, work.edges, arrays.edge_position, axis * job.pitch, arrays.edge_first, arrays.edge_fraction)
        else:
            place(job, work, arrays, element)
            for axis in range(job.dims):
                split(job, work.count, arrays.position, axis * job.pitch, arrays.first, arrays.fraction)
            _sort(job, work, arrays, integer)
        if work.inside + work.edges == 0:
            return 0

        table, derivatives = at(job.table, element), 1 + (job.sets > 1) + (job.direction != 0)
        if job.direction != 0:
            _turn(job, work, arrays, at(job.direction, element))
        if work.inside > 0:
            if job.wide:
                _pad(job, work, arrays)
            else:
                weigh(job, work.inside, table, arrays.fraction, arrays.weight, derivatives)
                combine(job, work.inside, arrays.weight, arrays.product, derivatives, arrays.factor)
        if work.edges > 0:
            weigh(job, work.edges, table, arrays.edge_fraction, arrays.edge_weight, derivatives)
            flatten(job, work.edges, arrays.edge_first, arrays.edge_weight, derivatives)
            combine(job, work.edges, arrays.edge_weight, arrays.edge_product, derivatives, arrays.edge_factor)
            reach(job, work, arrays)
        return 1

    return kernel(function, JOBS, BLOCKS, returns=types.int64)


@called
def _sort(job, work, arrays, integer):
    """List the samples inside and at the edges."""
    alike = True
    for axis in range(job.dims):
        low, high = _range(arrays.first, axis * job.pitch, work.count)
        begin, end = (work.low, work.high) if axis == job.dims - 1 else (0, job.size[axis])
        if low < begin or high + job.taps > end:
            if alike:
                for k in range(work.count):
                    arrays.status[k] = ALL
            alike = False
            _judge(job, work.count, axis, arrays.first, arrays.status, np.int32(begin), np.int32(end))
    _base(job, work.count, arrays.first, arrays.base, integer)
    work.edges, work.inside, work.runs = 0, 0, 0
    if alike:
        arrays.begins[0], arrays.lengths[0], work.runs, work.inside = 0, work.count, 1, work.count
    else:
        _part(work, arrays)
        _compact(job, work, arrays)


@called
def _range(first, row, count):
    """The smallest and the largest first pixel."""
    low, high = first[row], first[row]
    for k in range(count):
        low = first[row + k] if first[row + k] < low else low
        high = first[row + k] if first[row + k] > high else high
    return np.int64(low), np.int64(high)


@called
def _judge(job, count, axis, first, status, begin, end):
    """Lower the status of samples some or all of whose taps along an axis are not in begin ... end - 1."""
    of, taps, length = axis * job.pitch, np.int32(job.taps), np.int32(job.size[axis])
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


@called
def _base(job, count, first, base, integer):
    """Where the first tap of each sample lies in memory, if all are inside."""
    x, y, z, block = integer(job.step[0]), integer(job.step[1]), integer(job.step[2]), job.pitch
    if job.dims == 2:
        for k in range(count):
            base[k] = first[k] * x + first[block + k] * y
    else:
        for k in range(count):
            base[k] = first[k] * x + first[block + k] * y + first[2 * block + k] * z


@called
def _part(work, arrays):
    """The runs of samples inside, and the edges."""
    before = SOME
    for k in range(work.count):
        now = arrays.status[k]
        if now == SOME:
            arrays.edge[work.edges] = k
            work.edges += 1
        elif now == ALL:
            if before != ALL:
                arrays.begins[work.runs], arrays.lengths[work.runs] = k, 0
                work.runs += 1
            arrays.lengths[work.runs - 1] += 1
        before = now


@called
def _compact(job, work, arrays):
    """Copy what is known of the edges to their list, and move what is known of the samples inside together."""
    for axis in range(job.dims):
        row = axis * job.pitch
        for i in range(work.edges):
            arrays.edge_first[row + i] = arrays.first[row + arrays.edge[i]]
            arrays.edge_fraction[row + i] = arrays.fraction[row + arrays.edge[i]]
        inside = 0
        for run in range(work.runs):
            begin = arrays.begins[run]
            for i in range(arrays.lengths[run]):  # never to the right
                arrays.fraction[row + inside + i] = arrays.fraction[row + begin + i]
                if axis == 0:
                    arrays.base[inside + i] = arrays.base[begin + i]
            inside += arrays.lengths[run]
        work.inside = inside


@called
def _turn(job, work, arrays, directions):
    """The direction of each sample, in pixels."""
    for axis in range(job.dims):
        of = work.m * job.direction_step[0] + work.start * job.direction_step[1] + axis * job.direction_step[2]
        row, scale, step, inside = axis * job.pitch, job.scale[axis], job.direction_step[1], 0
        for run in range(work.runs):
            begin = arrays.begins[run]
            for i in range(arrays.lengths[run]):
                arrays.factor[row + inside + i] = directions[of + (begin + i) * step] * scale
            inside += arrays.lengths[run]
        for i in range(work.edges):
            arrays.edge_factor[row + i] = directions[of + arrays.edge[i] * step] * scale


@called
def _pad(job, work, arrays):
    """Repeat the last sample inside until a group of lanes is full."""
    last = work.inside - 1
    for k in range(work.inside, work.inside + MOST_LANES):
        arrays.base[k] = arrays.base[last]
        for axis in range(job.dims):
            arrays.fraction[axis * job.pitch + k] = arrays.fraction[axis * job.pitch + last]
