"""Stages 1 and 2 of the CPU backend: from a block of samples to the pixels they touch and the weights of these.

A block is a few hundred samples, whose intermediate results stay in the first-level cache. Samples all of whose taps
are inside are listed one after the other, and the loops over them are free of branches; the others, at the edges, are
few. Dimension, taps and padding are read at run time: one compiled function serves all.
"""

import functools
from typing import Any

from numba import carray, types

from .compiled import BLOCKS, JOBS, SOURCE, address_of, at, called, kernel, room
from .lanes import MOST_LANES
from .positions import place, solve_rows, sort, split
from .weights import combine, flatten, reach, weigh


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
        if not solve_rows(job, work, arrays):
            place(job, work, arrays, element)
            sort(job, work, arrays)
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
            for axis in range(job.dims):
                split(job, work.edges, arrays.edge_position, axis * job.pitch, arrays.edge_first, arrays.edge_fraction)
            weigh(job, work.edges, table, arrays.edge_fraction, arrays.edge_weight, derivatives)
            flatten(job, work.edges, arrays.edge_first, arrays.edge_weight, derivatives)
            combine(job, work.edges, arrays.edge_weight, arrays.edge_product, derivatives, arrays.edge_factor)
            reach(job, work, arrays)
        return 1

    return kernel(function, JOBS, BLOCKS, returns=types.int64)


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
