"""Stage 4 of the CPU backend: a block's taps, blended over the channels.

    pull        samples of images: a sample is the weighted sum of its taps
    push        the transpose: a sample is added to its taps
    slope       the gradient with respect to points or matrices: taps, weighted with slopes, times the sample's gradient

How many taps a sample has is known to the compiler where that matters (bilinear, trilinear), and read at run time
otherwise. Where all taps of a block are inside, its loop has no tests. If there are many channels that lie next to each
other (`along`), the innermost loop runs over them, otherwise over the samples.
"""

import functools
from typing import Any, NamedTuple

import numpy as np
from numba import carray, types

from .blocks import NOTHING
from .compiled import BLOCK, JOBS, POINTS, PROJECTIVE, SOURCE, address_of, at, call, inline, kernel, scratch
from .linear import pull_plane, pull_volume, push_plane, push_volume, slope_plane, slope_volume

UNROLLED = (4, 8)  # taps of a sample of which there is a variant; 0 stands for any other number
RANGE = (types.int64, types.int64, JOBS)  # begin, end, job


def block_length(total: int) -> int:
    """Samples per block: the weights of all their taps fit the first-level cache."""
    return 256 if total <= 8 else 64 if total <= 64 else 16


MOST_TAPS = 6**3
# Where the arrays of a block lie, in words of 8 bytes, though most elements are shorter. Each is as long as any number
# of taps needs it.
WORDS = BLOCK.itemsize // 8
POSITION = 32
FIRST = POSITION + 4 * 256
FRACTION = FIRST + 3 * 256
WEIGHT = FRACTION + 3 * 256
REACH = WEIGHT + 3 * 3 * 2 * 256
FACTOR = REACH + 3 * 2 * 256
FOUND = FACTOR + 3 * 256
BASE = FOUND + 3 * 256
STATUS = BASE + 256
BEGINS = STATUS + 256
ENDS = BEGINS + 256
KINDS = ENDS + 256
EDGE = KINDS + 256
EDGE_FIRST = EDGE + 256
EDGE_FRACTION = EDGE_FIRST + 3 * 256
EDGE_FACTOR = EDGE_FRACTION + 3 * 256
OFFSET = EDGE_FACTOR + 3 * 256
PRODUCT = OFFSET + 64 * 64
EDGE_PRODUCT = PRODUCT + 3 * 64 * 64
MEMORY = EDGE_PRODUCT + 3 * 64 * 64


class Taps(NamedTuple):
    """The taps of a block of samples, as the loops see them; all are pointers or numbers.

    Attributes:
        total: taps of a sample.
        block: from one tap to the next in what follows.
        weight: of every tap.
        base: where the first tap of a sample lies in memory, if all are inside.
        shift: from there to each of them.
        edge: the samples at the edges; `edge_weight` and `offset` are counted along this list.
        edge_weight: of every tap.
        offset: where it lies, negative outside.
        fill: what taps outside read.
        zero: of the same type.
    """

    total: Any
    block: Any
    weight: Any
    base: Any
    shift: Any
    edge: Any
    edge_weight: Any
    offset: Any
    fill: Any
    zero: Any


@inline
def _taps(job, work, total, shift, element, integer):
    total = total if total else job.total
    weight, edge_weight, fill = at(work.product, element), at(work.edge_product, element), at(job.fill, element)[0]
    base, edge, offset = at(work.base, integer), at(work.edge, np.int64), at(work.offset, integer)
    return Taps(total, job.block, weight, base, shift, edge, edge_weight, offset, fill, element(0))


@functools.cache
def pull(element: type, integer: type, total: int, along: bool) -> Any:
    """The compiled function; a task is a chunk of the samples of a set of points.

    Args:
        element: of image and samples, float32 or float64.
        integer: of offsets, int32 or int64.
        total: taps of a sample, one of `UNROLLED`, or 0.
        along: whether the innermost loop runs over the channels.
    """
    source = SOURCE

    def function(begin, end, jobs):
        source  # noqa: B018
        memory, shift = scratch(MEMORY, np.int64), scratch(MOST_TAPS, np.int64)
        job, work = carray(jobs, (1,))[0], carray(memory, (WORDS,)).view(BLOCK)[0]
        _lay_out(job, work, address_of(memory))
        _shifts(job, shift)
        taps = _taps(job, work, total, shift, element, integer)
        fraction, base = at(work.fraction, element), at(work.base, integer)
        begins, ends, kinds = at(work.begins, np.int64), at(work.ends, np.int64), at(work.kinds, np.int64)
        image, samples, index = at(job.image, element), at(job.samples, element), at(job.index, np.int64)
        for task in range(begin, end):
            m = task // job.chunks
            pixels = (m if job.index == 0 else index[m]) * job.image_step
            chunk = task % job.chunks * job.blocks_per_chunk
            for number in range(chunk, min(chunk + job.blocks_per_chunk, job.blocks)):
                to = _begin(job, work, m, number)
                if call(job.prepare, jobs, memory) == 0:
                    _fill(job, 0, work.count, samples, to, taps.fill)
                    continue
                for run in range(work.runs):
                    begin, end = begins[run], ends[run]
                    if kinds[run] == NOTHING:
                        _fill(job, begin, end, samples, to, taps.fill)
                    elif along:
                        _pull_along(job, taps, begin, end, image, pixels, samples, to)
                    else:
                        for c in range(job.channels):
                            channel, there = pixels + c * job.channel_step, to + c * job.samples_step[1]
                            if total == 4 and job.plain:
                                pull_plane(job, base, fraction, begin, end, image, channel, samples, there)
                            elif total == 8 and job.plain:
                                pull_volume(job, base, fraction, begin, end, image, channel, samples, there)
                            else:
                                _pull(job, taps, begin, end, image, channel, samples, there)
                if along:
                    _pull_edges_along(job, taps, work.edges, image, pixels, samples, to)
                else:
                    for c in range(job.channels):
                        channel, there = pixels + c * job.channel_step, to + c * job.samples_step[1]
                        _pull_edges(job, taps, work.edges, image, channel, samples, there)

    return kernel(function, *RANGE)


@inline
def _fill(job, begin, end, samples, to, fill):
    value = fill * 0 if job.direction else fill
    for c in range(job.channels):
        for k in range(begin, end):
            samples[to + c * job.samples_step[1] + k * job.samples_step[2]] = value


@inline
def _pull(job, taps, begin, end, image, pixels, samples, to):
    for k in range(begin, end):
        value, first = taps.zero, pixels + taps.base[k]
        for t in range(taps.total):
            value += taps.weight[t * taps.block + k] * image[first + taps.shift[t]]
        samples[to + k * job.samples_step[2]] = value


@inline
def _pull_edges(job, taps, edges, image, pixels, samples, to):
    for i in range(edges):
        value = taps.zero
        for t in range(taps.total):
            offset = taps.offset[t * taps.block + i]
            value += taps.edge_weight[t * taps.block + i] * (image[pixels + offset] if offset >= 0 else taps.fill)
        samples[to + taps.edge[i] * job.samples_step[2]] = value


@inline
def _pull_along(job, taps, begin, end, image, pixels, samples, to):
    for k in range(begin, end):
        here, first = to + k * job.samples_step[2], pixels + taps.base[k]
        for c in range(job.channels):
            samples[here + c] = taps.zero
        for t in range(taps.total):
            weight, of = taps.weight[t * taps.block + k], first + taps.shift[t]
            for c in range(job.channels):
                samples[here + c] += weight * image[of + c]


@inline
def _pull_edges_along(job, taps, edges, image, pixels, samples, to):
    for i in range(edges):
        here, constant = to + taps.edge[i] * job.samples_step[2], taps.zero
        for t in range(taps.total):
            if taps.offset[t * taps.block + i] < 0:
                constant += taps.edge_weight[t * taps.block + i] * taps.fill
        for c in range(job.channels):
            samples[here + c] = constant
        for t in range(taps.total):
            weight, of = taps.edge_weight[t * taps.block + i], pixels + taps.offset[t * taps.block + i]
            if of >= pixels:
                for c in range(job.channels):
                    samples[here + c] += weight * image[of + c]


@functools.cache
def push(element: type, integer: type, total: int, along: bool) -> Any:
    """The compiled function; a task is a band of an image. Arguments as for `pull`.

    A pixel is written by one task only, and always in the order of the samples: the sum is the same to the last bit
    however many threads there are.
    """
    source = SOURCE

    def function(begin, end, jobs):
        source  # noqa: B018
        memory, shift = scratch(MEMORY, np.int64), scratch(MOST_TAPS, np.int64)
        job, work = carray(jobs, (1,))[0], carray(memory, (WORDS,)).view(BLOCK)[0]
        _lay_out(job, work, address_of(memory))
        _shifts(job, shift)
        taps = _taps(job, work, total, shift, element, integer)
        fraction, base = at(work.fraction, element), at(work.base, integer)
        begins, ends, kinds = at(work.begins, np.int64), at(work.ends, np.int64), at(work.kinds, np.int64)
        image, samples = at(job.image, element), at(job.samples, element)
        members, starts = at(job.members, np.int64), at(job.starts, np.int64)
        last = job.dims - 1
        for task in range(begin, end):
            n, band = task // job.bands, task % job.bands
            pixels = n * job.image_step
            work.low, work.high = band * job.size[last] // job.bands, (band + 1) * job.size[last] // job.bands
            _clear(job, image, pixels + work.low * job.step[last], pixels + work.high * job.step[last], element(0))
            alone = job.members == 0
            for member in range(n if alone else starts[n], n + 1 if alone else starts[n + 1]):
                m = member if alone else members[member]
                for number in range(job.blocks):
                    at_samples = _begin(job, work, m, number)
                    if call(job.prepare, jobs, memory) == 0:
                        continue
                    for run in range(work.runs):
                        begin, end = begins[run], ends[run]
                        if kinds[run] == NOTHING:
                            continue
                        if along:
                            _push_along(job, taps, begin, end, image, pixels, samples, at_samples)
                            continue
                        for c in range(job.channels):
                            channel, there = pixels + c * job.channel_step, at_samples + c * job.samples_step[1]
                            if total == 4 and job.plain:
                                push_plane(job, base, fraction, begin, end, image, channel, samples, there)
                            elif total == 8 and job.plain:
                                push_volume(job, base, fraction, begin, end, image, channel, samples, there)
                            else:
                                _push(job, taps, begin, end, image, channel, samples, there)
                    for c in range(job.channels):
                        channel, there = pixels + c * job.channel_step, at_samples + c * job.samples_step[1]
                        _push_edges(job, taps, work.edges, image, channel, samples, there)

    return kernel(function, *RANGE)


@inline
def _clear(job, image, begin, end, zero):
    planes = 1 if job.channel_step < job.step[0] else job.channels  # channels last lie within the pixels
    for c in range(planes):
        for i in range(begin + c * job.channel_step, end + c * job.channel_step):
            image[i] = zero


@inline
def _push(job, taps, begin, end, image, pixels, samples, at_samples):
    for k in range(begin, end):
        value, first = samples[at_samples + k * job.samples_step[2]], pixels + taps.base[k]
        for t in range(taps.total):
            image[first + taps.shift[t]] += taps.weight[t * taps.block + k] * value


@inline
def _push_edges(job, taps, edges, image, pixels, samples, at_samples):
    for i in range(edges):
        value = samples[at_samples + taps.edge[i] * job.samples_step[2]]
        for t in range(taps.total):
            offset = taps.offset[t * taps.block + i]
            if offset >= 0:
                image[pixels + offset] += taps.edge_weight[t * taps.block + i] * value


@inline
def _push_along(job, taps, begin, end, image, pixels, samples, at_samples):
    for k in range(begin, end):
        here, first = at_samples + k * job.samples_step[2], pixels + taps.base[k]
        for t in range(taps.total):
            weight, to = taps.weight[t * taps.block + k], first + taps.shift[t]
            for c in range(job.channels):
                image[to + c] += weight * samples[here + c]


@functools.cache
def slope(element: type, integer: type, total: int, along: bool) -> Any:
    """The compiled function; a task is a chunk of the samples of a set of points. Arguments as for `pull`.

    The gradient with respect to a matrix is summed over the chunk in float64; the gradients of points are not kept.
    """
    source = SOURCE

    def function(begin, end, jobs):
        source  # noqa: B018
        memory, shift = scratch(MEMORY, np.int64), scratch(MOST_TAPS, np.int64)
        job, work = carray(jobs, (1,))[0], carray(memory, (WORDS,)).view(BLOCK)[0]
        _lay_out(job, work, address_of(memory))
        _shifts(job, shift)
        taps = _taps(job, work, total, shift, element, integer)
        fraction, base = at(work.fraction, element), at(work.base, integer)
        begins, ends, kinds = at(work.begins, np.int64), at(work.ends, np.int64), at(work.kinds, np.int64)
        image, samples, index = at(job.image, element), at(job.samples, element), at(job.index, np.int64)
        found, points, matrices = at(work.found, element), at(job.result, element), at(job.result, np.float64)
        entries = (job.dims + (job.kind == PROJECTIVE)) * (job.dims + 1)
        for task in range(begin, end):
            m = task // job.chunks
            pixels = (m if job.index == 0 else index[m]) * job.image_step
            if job.kind != POINTS:
                for i in range(task * entries, (task + 1) * entries):
                    matrices[i] = 0.0
            chunk = task % job.chunks * job.blocks_per_chunk
            for number in range(chunk, min(chunk + job.blocks_per_chunk, job.blocks)):
                at_samples = _begin(job, work, m, number)
                for i in range(job.dims * job.block):
                    found[i] = 0
                touched = call(job.prepare, jobs, memory) != 0
                for run in range(work.runs if touched else 0):
                    begin, end = begins[run], ends[run]
                    if kinds[run] == NOTHING:
                        continue
                    if along:
                        _slope_along(job, taps, begin, end, image, pixels, samples, at_samples, found)
                        continue
                    for c in range(job.channels):
                        channel, there = pixels + c * job.channel_step, at_samples + c * job.samples_step[1]
                        if total == 4 and job.plain:
                            slope_plane(job, base, fraction, begin, end, image, channel, samples, there, found)
                        elif total == 8 and job.plain:
                            slope_volume(job, base, fraction, begin, end, image, channel, samples, there, found)
                        else:
                            _slope(job, taps, begin, end, image, channel, samples, there, found)
                for c in range(job.channels if touched else 0):
                    channel, there = pixels + c * job.channel_step, at_samples + c * job.samples_step[1]
                    _slope_edges(job, taps, work.edges, image, channel, samples, there, found)
                if job.kind == POINTS:
                    _write_points(job, work, found, points)
                elif touched:
                    _add_to_matrix(job, work, found, at(work.position, np.float64), matrices, task * entries)

    return kernel(function, *RANGE)


@inline
def _slope(job, taps, begin, end, image, pixels, samples, at_samples, found):
    """Adds the slopes along the axes, times the samples, to found[axis, k]."""
    block, dims, set_ = taps.block, job.dims, taps.total * taps.block
    for k in range(begin, end):
        x, y, z, first = taps.zero, taps.zero, taps.zero, pixels + taps.base[k]
        for t in range(taps.total):
            read, row = image[first + taps.shift[t]], t * block + k
            x += taps.weight[row] * read
            y += taps.weight[set_ + row] * read
            if dims == 3:
                z += taps.weight[2 * set_ + row] * read
        sample = samples[at_samples + k * job.samples_step[2]]
        found[k] += x * sample
        found[block + k] += y * sample
        if dims == 3:
            found[2 * block + k] += z * sample


@inline
def _slope_edges(job, taps, edges, image, pixels, samples, at_samples, found):
    for i in range(edges):
        k = taps.edge[i]
        sample = samples[at_samples + k * job.samples_step[2]]
        for axis in range(job.dims):
            value = taps.zero
            for t in range(taps.total):
                offset = taps.offset[t * taps.block + i]
                weight = taps.edge_weight[(axis * taps.total + t) * taps.block + i]
                value += weight * (image[pixels + offset] if offset >= 0 else taps.fill)
            found[axis * taps.block + k] += value * sample


@inline
def _slope_along(job, taps, begin, end, image, pixels, samples, at_samples, found):
    for k in range(begin, end):
        here, first = at_samples + k * job.samples_step[2], pixels + taps.base[k]
        for t in range(taps.total):
            product, of = taps.zero, first + taps.shift[t]  # of image and samples, summed over the channels
            for c in range(job.channels):
                product += image[of + c] * samples[here + c]
            for axis in range(job.dims):
                weight = taps.weight[(axis * taps.total + t) * taps.block + k]
                found[axis * taps.block + k] += weight * product


@inline
def _write_points(job, work, found, points):
    to = (work.m * job.count + work.start) * job.dims
    for axis in range(job.dims):
        scale = job.scale[axis]
        for k in range(work.count):
            points[to + k * job.dims + axis] = found[axis * job.block + k] * scale


@inline
def _add_to_matrix(job, work, found, position, matrices, to):
    """Sum the gradients of positions to that of the matrix they come from, a row of the target at a time."""
    dims, width, last = job.dims, job.target[0], job.dims * job.block
    k = 0
    while k < work.count:
        column = (work.start + k) % width
        length = min(width - column, work.count - k)
        for row in range(dims + (job.kind == PROJECTIVE)):
            plain, along = 0.0, 0.0  # sums over this row of the target, and of the same times the column
            for i in range(k, k + length):
                if row < dims:
                    value = found[row * job.block + i] * job.scale[row]
                else:  # the homogeneous coordinate divides all others
                    value = 0.0
                    for axis in range(dims):
                        value -= found[axis * job.block + i] * (position[axis * job.block + i] - job.shift[axis])
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


@inline
def _lay_out(job, work, memory):
    """Give the arrays of a block their places in memory."""
    work.position, work.first, work.fraction = memory + 8 * POSITION, memory + 8 * FIRST, memory + 8 * FRACTION
    work.weight, work.reach, work.factor = memory + 8 * WEIGHT, memory + 8 * REACH, memory + 8 * FACTOR
    work.found, work.base, work.status = memory + 8 * FOUND, memory + 8 * BASE, memory + 8 * STATUS
    work.begins, work.ends, work.kinds = memory + 8 * BEGINS, memory + 8 * ENDS, memory + 8 * KINDS
    work.edge, work.edge_first = memory + 8 * EDGE, memory + 8 * EDGE_FIRST
    work.edge_fraction, work.edge_factor = memory + 8 * EDGE_FRACTION, memory + 8 * EDGE_FACTOR
    work.offset, work.product, work.edge_product = memory + 8 * OFFSET, memory + 8 * PRODUCT, memory + 8 * EDGE_PRODUCT
    work.low, work.high = 0, job.size[job.dims - 1]


@inline
def _shifts(job, shift):
    """From the first tap of a sample to each of them."""
    taps = job.taps
    for t in range(job.total):
        shift[t] = t % taps * job.step[0] + t // taps % taps * job.step[1] + t // taps // taps * job.step[2]


@inline
def _begin(job, work, m, number):
    """Turn to a block of a set of points; returns where its samples begin."""
    work.m, work.start = m, number * job.block
    work.count = min(job.block, job.count - work.start)
    return m * job.samples_step[0] + work.start * job.samples_step[2]
