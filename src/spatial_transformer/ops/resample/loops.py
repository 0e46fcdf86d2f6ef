"""Stage 3 of the CPU backend: a block's taps, blended over the channels.

    pull        samples of images: a sample is the weighted sum of its taps
    push        the transpose: a sample is added to its taps
    slope       the gradient with respect to points or matrices: taps, weighted with slopes, times the sample's gradient

The samples all of whose taps are inside are blended without tests, in one of three ways: along the channels, if there
are many and they lie next to each other; in groups of lanes (`lanes.py`), if the taps do along x; or one tap after the
other. The edges come after them.
"""

import functools
from typing import Any

import numpy as np
from numba import carray, types

from .compiled import (
    JOBS,
    MEMORY,
    POINTS,
    PROJECTIVE,
    SOURCE,
    address_of,
    at,
    block,
    call,
    inline,
    kernel,
    room,
    scratch,
)
from .lanes import group_size, pull_group, push_group, slope_group

RANGE = (types.int64, types.int64, JOBS)  # begin, end, job


@functools.cache
def pull(element: type, integer: type, taps: int, dims: int) -> Any:
    """The compiled function; a task is a chunk of the samples of a set of points.

    Args:
        element: of image and samples, float32 or float64.
        integer: of offsets, int32 or int64.
        taps: along an axis, if they are blended in groups; 0 stands for any number.
        dims: axes; likewise.
    """
    source, group = SOURCE, group_size(max(1, taps))

    def function(begin, end, jobs):
        source  # noqa: B018
        memory = scratch(MEMORY, np.int64)
        job, work, arrays = carray(jobs, (1,))[0], block(memory), room(address_of(memory), element, integer)
        image, samples, index = at(job.image, element), at(job.samples, element), at(job.index, np.int64)
        table, fill, zero = at(job.table, element), at(job.fill, element)[0], element(0)
        sizes = (job.pitch, job.step[1], job.step[2])
        work.low, work.high = 0, job.size[job.dims - 1]
        for task in range(begin, end):
            m, chunk = task // job.chunks, task % job.chunks * job.blocks_per_chunk
            pixels = (m if job.index == 0 else index[m]) * job.image_step
            for number in range(chunk, min(chunk + job.blocks_per_chunk, job.blocks)):
                to = _begin(job, work, m, number)
                touched = call(job.prepare, jobs, memory) != 0
                if not touched or work.inside + work.edges < work.count:
                    _fill(job, work, samples, to, zero if job.direction else fill)
                if not touched:
                    continue
                if job.along:
                    _pull_along(job, work, arrays, image, pixels, samples, to, zero)
                    _pull_edges_along(job, work, arrays, image, pixels, samples, to, fill, zero)
                    continue
                for c in range(job.channels):
                    channel, there = pixels + c * job.channel_step, to + c * job.samples_step[1]
                    if taps:
                        for k in range(0, work.inside, group):
                            base, fraction, value = arrays.base, arrays.fraction, arrays.value
                            pull_group(taps, dims, sizes, image, channel, base, fraction, table, value, k)
                    else:
                        _pull(job, work, arrays, image, channel, zero)
                    _store(job, work, arrays, samples, there)
                    _pull_edges(job, work, arrays, image, channel, samples, there, fill, zero)

    return kernel(function, *RANGE)


@inline
def _begin(job, work, m, number):
    """Turn to a block of a set of points; returns where its samples begin."""
    work.m, work.start = m, number * job.block
    work.count = min(job.block, job.count - work.start)
    return m * job.samples_step[0] + work.start * job.samples_step[2]


@inline
def _fill(job, work, samples, to, value):
    for c in range(job.channels):
        for k in range(work.count):
            samples[to + c * job.samples_step[1] + k * job.samples_step[2]] = value


@inline
def _store(job, work, arrays, samples, to):
    """The values of the samples inside, to where they belong."""
    inside, step = 0, job.samples_step[2]
    for run in range(work.runs):
        here = to + arrays.begins[run] * step
        for i in range(arrays.lengths[run]):
            samples[here + i * step] = arrays.value[inside + i]
        inside += arrays.lengths[run]


@inline
def _load(job, work, arrays, samples, of):
    """The opposite of `_store`."""
    inside, step = 0, job.samples_step[2]
    for run in range(work.runs):
        here = of + arrays.begins[run] * step
        for i in range(arrays.lengths[run]):
            arrays.value[inside + i] = samples[here + i * step]
        inside += arrays.lengths[run]


@inline
def _shift(job, t):
    """From the first tap of a sample to tap t."""
    taps = job.taps
    return t % taps * job.step[0] + t // taps % taps * job.step[1] + t // taps // taps * job.step[2]


@inline
def _pull(job, work, arrays, image, pixels, zero):
    for i in range(work.inside):
        arrays.value[i] = zero
    for t in range(job.total):
        shift = pixels + _shift(job, t)
        for i in range(work.inside):
            arrays.value[i] += arrays.product[t * job.pitch + i] * image[shift + arrays.base[i]]


@inline
def _pull_edges(job, work, arrays, image, pixels, samples, to, fill, zero):
    total, pitch, step = job.total, job.pitch, job.samples_step[2]
    for i in range(work.edges):
        value = zero
        for t in range(total):
            offset = arrays.offset[t * pitch + i]
            value += arrays.edge_product[t * pitch + i] * (image[pixels + offset] if offset >= 0 else fill)
        samples[to + arrays.edge[i] * step] = value


@inline
def _pull_along(job, work, arrays, image, pixels, samples, to, zero):
    total, pitch, step, channels = job.total, job.pitch, job.samples_step[2], job.channels
    i = 0
    for run in range(work.runs):
        for k in range(arrays.begins[run], arrays.begins[run] + arrays.lengths[run]):
            here, first = to + k * step, pixels + arrays.base[i]
            for c in range(channels):
                samples[here + c] = zero
            for t in range(total):
                weight, of = arrays.product[t * pitch + i], first + _shift(job, t)
                for c in range(channels):
                    samples[here + c] += weight * image[of + c]
            i += 1


@inline
def _pull_edges_along(job, work, arrays, image, pixels, samples, to, fill, zero):
    total, pitch, step, channels = job.total, job.pitch, job.samples_step[2], job.channels
    for i in range(work.edges):
        here, constant = to + arrays.edge[i] * step, zero
        for t in range(total):
            if arrays.offset[t * pitch + i] < 0:
                constant += arrays.edge_product[t * pitch + i] * fill
        for c in range(channels):
            samples[here + c] = constant
        for t in range(total):
            weight, of = arrays.edge_product[t * pitch + i], pixels + arrays.offset[t * pitch + i]
            if of >= pixels:
                for c in range(channels):
                    samples[here + c] += weight * image[of + c]


@functools.cache
def push(element: type, integer: type, taps: int, dims: int) -> Any:
    """The compiled function; a task is a band of an image. Arguments as for `pull`.

    A pixel is written by one task only, and always in the same order: the sum is the same to the last bit however many
    threads there are.
    """
    source, group, rows = SOURCE, group_size(max(1, taps)), taps if dims == 2 else taps * taps

    def function(begin, end, jobs):
        source  # noqa: B018
        memory = scratch(MEMORY, np.int64)
        job, work, arrays = carray(jobs, (1,))[0], block(memory), room(address_of(memory), element, integer)
        image, samples, table = at(job.image, element), at(job.samples, element), at(job.table, element)
        sizes = (job.pitch, job.step[1], job.step[2])
        members, starts = at(job.members, np.int64), at(job.starts, np.int64)
        last, alone = job.dims - 1, job.members == 0
        for task in range(begin, end):
            n, band = task // job.bands, task % job.bands
            pixels = n * job.image_step
            work.low, work.high = band * job.size[last] // job.bands, (band + 1) * job.size[last] // job.bands
            _clear(job, image, pixels + work.low * job.step[last], pixels + work.high * job.step[last], element(0))
            for member in range(n if alone else starts[n], n + 1 if alone else starts[n + 1]):
                for number in range(job.blocks):
                    of = _begin(job, work, member if alone else members[member], number)
                    if call(job.prepare, jobs, memory) == 0:
                        continue
                    if job.along:
                        _push_along(job, work, arrays, image, pixels, samples, of)
                    for c in range(job.channels):
                        channel, there = pixels + c * job.channel_step, of + c * job.samples_step[1]
                        if not job.along:
                            _load(job, work, arrays, samples, there)
                            if taps:
                                for k in range(0, work.inside, group):
                                    push_group(
                                        taps, dims, sizes, arrays.fraction, table, arrays.value, arrays.product, k
                                    )
                                _scatter(job, work, arrays, image, channel, taps, rows)
                            else:
                                _push(job, work, arrays, image, channel)
                        _push_edges(job, work, arrays, image, channel, samples, there)

    return kernel(function, *RANGE)


@inline
def _clear(job, image, begin, end, zero):
    planes = 1 if job.channel_step < job.step[0] else job.channels  # channels last lie within the pixels
    for c in range(planes):
        for i in range(begin + c * job.channel_step, end + c * job.channel_step):
            image[i] = zero


@inline
def _scatter(job, work, arrays, image, pixels, taps, rows):
    """The number of taps is known to the compiler."""
    base, product, pitch, y, z = arrays.base, arrays.product, job.pitch, job.step[1], job.step[2]
    for i in range(work.inside):
        first = pixels + base[i]
        for row in range(rows):
            to = first + row % taps * y + row // taps * z
            for t in range(taps):
                image[to + t] += product[(row * taps + t) * pitch + i]


@inline
def _push(job, work, arrays, image, pixels):
    total, pitch = job.total, job.pitch
    for i in range(work.inside):
        value, first = arrays.value[i], pixels + arrays.base[i]
        for t in range(total):
            image[first + _shift(job, t)] += arrays.product[t * pitch + i] * value


@inline
def _push_edges(job, work, arrays, image, pixels, samples, of):
    total, pitch, step = job.total, job.pitch, job.samples_step[2]
    for i in range(work.edges):
        value = samples[of + arrays.edge[i] * step]
        for t in range(total):
            offset = arrays.offset[t * pitch + i]
            if offset >= 0:
                image[pixels + offset] += arrays.edge_product[t * pitch + i] * value


@inline
def _push_along(job, work, arrays, image, pixels, samples, of):
    total, pitch, step, channels = job.total, job.pitch, job.samples_step[2], job.channels
    i = 0
    for run in range(work.runs):
        for k in range(arrays.begins[run], arrays.begins[run] + arrays.lengths[run]):
            here, first = of + k * step, pixels + arrays.base[i]
            for t in range(total):
                weight, to = arrays.product[t * pitch + i], first + _shift(job, t)
                for c in range(channels):
                    image[to + c] += weight * samples[here + c]
            i += 1


@functools.cache
def slope(element: type, integer: type, taps: int, dims: int) -> Any:
    """The compiled function; a task is a chunk of the samples of a set of points. Arguments as for `pull`.

    The gradient with respect to a matrix is summed over the chunk in float64; the gradients of points are not kept.
    """
    source, group = SOURCE, group_size(max(1, taps))

    def function(begin, end, jobs):
        source  # noqa: B018
        memory = scratch(MEMORY, np.int64)
        job, work, arrays = carray(jobs, (1,))[0], block(memory), room(address_of(memory), element, integer)
        image, samples, index = at(job.image, element), at(job.samples, element), at(job.index, np.int64)
        points, matrices, fill = at(job.result, element), at(job.result, np.float64), at(job.fill, element)[0]
        table, sizes, zero = at(job.table, element), (job.pitch, job.step[1], job.step[2]), element(0)
        work.low, work.high = 0, job.size[job.dims - 1]
        entries = (job.dims + (job.kind == PROJECTIVE)) * (job.dims + 1)
        for task in range(begin, end):
            m, chunk = task // job.chunks, task % job.chunks * job.blocks_per_chunk
            pixels = (m if job.index == 0 else index[m]) * job.image_step
            if job.kind != POINTS:
                for i in range(task * entries, (task + 1) * entries):
                    matrices[i] = 0.0
            for number in range(chunk, min(chunk + job.blocks_per_chunk, job.blocks)):
                of = _begin(job, work, m, number)
                touched = call(job.prepare, jobs, memory) != 0
                for i in range(job.dims * job.pitch):
                    arrays.found[i], arrays.slope[i] = zero, zero
                if touched and job.along:
                    _slope_along(job, work, arrays, image, pixels, samples, of, zero)
                for c in range(job.channels if touched else 0):
                    channel, there = pixels + c * job.channel_step, of + c * job.samples_step[1]
                    if not job.along:
                        _load(job, work, arrays, samples, there)
                        if taps:
                            for k in range(0, work.inside, group):
                                base, fraction, value, to = arrays.base, arrays.fraction, arrays.value, arrays.slope
                                slope_group(taps, dims, sizes, image, channel, base, fraction, table, value, to, k)
                        else:
                            _slope(job, work, arrays, image, channel, zero)
                    _slope_edges(job, work, arrays, image, channel, samples, there, fill, zero)
                if touched:
                    _spread(job, work, arrays)
                if job.kind == POINTS:
                    _write_points(job, work, arrays.found, points)
                elif touched:
                    _add_to_matrix(job, work, arrays.found, arrays.position, matrices, task * entries)

    return kernel(function, *RANGE)


@inline
def _slope(job, work, arrays, image, pixels, zero):
    for row in range(job.dims * job.total):
        axis, shift = row // job.total * job.pitch, pixels + _shift(job, row % job.total)
        for i in range(work.inside):
            weighted = arrays.product[row * job.pitch + i] * arrays.value[i]
            arrays.slope[axis + i] += weighted * image[shift + arrays.base[i]]


@inline
def _slope_edges(job, work, arrays, image, pixels, samples, of, fill, zero):
    total, pitch, step, dims = job.total, job.pitch, job.samples_step[2], job.dims
    for i in range(work.edges):
        k = arrays.edge[i]
        sample = samples[of + k * step]
        for axis in range(dims):
            value = zero
            for t in range(total):
                offset = arrays.offset[t * pitch + i]
                weight = arrays.edge_product[(axis * total + t) * pitch + i]
                value += weight * (image[pixels + offset] if offset >= 0 else fill)
            arrays.found[axis * pitch + k] += value * sample


@inline
def _slope_along(job, work, arrays, image, pixels, samples, of, zero):
    total, pitch, step, channels, dims = job.total, job.pitch, job.samples_step[2], job.channels, job.dims
    i = 0
    for run in range(work.runs):
        for k in range(arrays.begins[run], arrays.begins[run] + arrays.lengths[run]):
            here, first = of + k * step, pixels + arrays.base[i]
            for t in range(total):
                product, read = zero, first + _shift(job, t)  # of image and samples, summed over the channels
                for c in range(channels):
                    product += image[read + c] * samples[here + c]
                for axis in range(dims):
                    weight = arrays.product[(axis * total + t) * pitch + i]
                    arrays.slope[axis * pitch + i] += weight * product
            i += 1


@inline
def _spread(job, work, arrays):
    """The slopes of the samples inside, to where they belong."""
    inside = 0
    for run in range(work.runs):
        for axis in range(job.dims):
            row, begin = axis * job.pitch, axis * job.pitch + arrays.begins[run]
            for i in range(arrays.lengths[run]):
                arrays.found[begin + i] = arrays.slope[row + inside + i]
        inside += arrays.lengths[run]


@inline
def _write_points(job, work, found, points):
    to = (work.m * job.count + work.start) * job.dims
    for axis in range(job.dims):
        scale = job.scale[axis]
        for k in range(work.count):
            points[to + k * job.dims + axis] = found[axis * job.pitch + k] * scale


@inline
def _add_to_matrix(job, work, found, position, matrices, to):
    """Sum the gradients of positions to that of the matrix they come from, a row of the target at a time."""
    dims, width, last = job.dims, job.target[0], job.dims * job.pitch
    k = 0
    while k < work.count:
        column = (work.start + k) % width
        length = min(width - column, work.count - k)
        for row in range(dims + (job.kind == PROJECTIVE)):
            plain, along = 0.0, 0.0  # sums over this row of the target, and of the same times the column
            for i in range(k, k + length):
                if row < dims:
                    value = found[row * job.pitch + i] * job.scale[row]
                else:  # the homogeneous coordinate divides all others
                    value = 0.0
                    for axis in range(dims):
                        value -= found[axis * job.pitch + i] * (position[axis * job.pitch + i] - job.shift[axis])
                if job.kind == PROJECTIVE:
                    value *= position[last + i]
                plain += value
                along += value * np.float64(np.int32(i - k))
            entry, number = to + row * (dims + 1), work.start + k
            for d in range(dims):
                n = job.target[d]
                matrices[entry + d] += (2 * (number % n) + 1 - n) / n * plain + (2.0 / n * along if d == 0 else 0.0)
                number //= n
            matrices[entry + dims] += plain
        k += length
