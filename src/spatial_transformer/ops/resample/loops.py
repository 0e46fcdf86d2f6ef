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

from .blocks import ALL, NOTHING
from .compiled import BLOCK, JOBS, POINTS, PROJECTIVE, SOURCE, address_of, at, call, inline, kernel, scratch

UNROLLED = (4, 8)  # taps of a sample of which there is a variant; 0 stands for any other number
RANGE = (types.int64, types.int64, JOBS)  # begin, end, job


def block_length(total: int) -> int:
    """Samples per block: the weights of all their taps fit the first-level cache."""
    return 256 if total <= 8 else 64 if total <= 64 else 16


MOST_TAPS = 6**3
# Where the arrays of a block lie, in words of 8 bytes, though most elements are shorter. Each is as long as any number
# of taps needs it.
WORDS = BLOCK.itemsize // 8
POSITION = 24
FIRST = POSITION + 4 * 256
FRACTION = FIRST + 3 * 256
WEIGHT = FRACTION + 256
REACH = WEIGHT + 3 * 3 * 2 * 256
FACTOR = REACH + 3 * 2 * 256
FOUND = FACTOR + 3 * 256
BASE = FOUND + 3 * 256
STATUS = BASE + 256
ENDS = STATUS + 256
KINDS = ENDS + 256
OFFSET = KINDS + 256
PRODUCT = OFFSET + 64 * 64
MEMORY = PRODUCT + 3 * 64 * 64


class Taps(NamedTuple):
    """The taps of a block of samples, as the loops see them; all are pointers or numbers.

    Attributes:
        total: taps of a sample.
        block: from one tap to the next in `offset` and `weight`.
        base: where the first tap of a sample lies in memory, if all are inside.
        shift: from there to each of them.
        offset: where every tap of a sample lies, if only some are inside; negative outside.
        weight: of every tap.
        fill: what taps outside read.
        zero: of the same type.
    """

    total: Any
    block: Any
    base: Any
    shift: Any
    offset: Any
    weight: Any
    fill: Any
    zero: Any


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
        base, offset, weight = at(work.base, integer), at(work.offset, integer), at(work.product, element)
        ends, kinds, fill = at(work.ends, np.int64), at(work.kinds, np.int64), at(job.fill, element)[0]
        taps = Taps(total if total else job.total, job.block, base, shift, offset, weight, fill, element(0))
        image, samples, index = at(job.image, element), at(job.samples, element), at(job.index, np.int64)
        for task in range(begin, end):
            m = task // job.chunks
            pixels = (m if job.index == 0 else index[m]) * job.image_step
            chunk = task % job.chunks * job.blocks_per_chunk
            for number in range(chunk, min(chunk + job.blocks_per_chunk, job.blocks)):
                to = _begin(job, work, m, number)
                runs = call(job.prepare, jobs, memory)
                if runs == 0:
                    _fill(job, 0, work.count, samples, to, fill)
                begin = 0
                for run in range(runs):
                    end, kind = ends[run], kinds[run]
                    if kind == NOTHING:
                        _fill(job, begin, end, samples, to, fill)
                    elif along:
                        _pull_along(job, taps, begin, end, kind, image, pixels, samples, to)
                    else:
                        for c in range(job.channels):
                            channel, there = pixels + c * job.channel_step, to + c * job.samples_step[1]
                            _pull(taps, begin, end, kind, image, channel, samples, there, job.samples_step[2])
                    begin = end

    return kernel(function, *RANGE)


@inline
def _fill(job, begin, end, samples, to, fill):
    value = fill * 0 if job.direction else fill
    for c in range(job.channels):
        for k in range(begin, end):
            samples[to + c * job.samples_step[1] + k * job.samples_step[2]] = value


@inline
def _pull(taps, begin, end, kind, image, pixels, samples, to, step):
    if kind == ALL:
        for k in range(begin, end):
            value, first = taps.zero, pixels + taps.base[k]
            for t in range(taps.total):
                value += taps.weight[t * taps.block + k] * image[first + taps.shift[t]]
            samples[to + k * step] = value
    else:
        for k in range(begin, end):
            value = taps.zero
            for t in range(taps.total):
                offset = taps.offset[t * taps.block + k]
                value += taps.weight[t * taps.block + k] * (image[pixels + offset] if offset >= 0 else taps.fill)
            samples[to + k * step] = value


@inline
def _pull_along(job, taps, begin, end, kind, image, pixels, samples, to):
    for k in range(begin, end):
        here, constant = to + k * job.samples_step[2], taps.zero
        if kind != ALL:
            for t in range(taps.total):
                if taps.offset[t * taps.block + k] < 0:
                    constant += taps.weight[t * taps.block + k] * taps.fill
        for c in range(job.channels):
            samples[here + c] = constant
        for t in range(taps.total):
            offset = taps.base[k] + taps.shift[t] if kind == ALL else taps.offset[t * taps.block + k]
            if offset >= 0:
                weight = taps.weight[t * taps.block + k]
                for c in range(job.channels):
                    samples[here + c] += weight * image[pixels + offset + c]


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
        base, offset, weight = at(work.base, integer), at(work.offset, integer), at(work.product, element)
        ends, kinds, fill = at(work.ends, np.int64), at(work.kinds, np.int64), at(job.fill, element)[0]
        taps = Taps(total if total else job.total, job.block, base, shift, offset, weight, fill, element(0))
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
                    runs = call(job.prepare, jobs, memory)
                    begin = 0
                    for run in range(runs):
                        end, kind = ends[run], kinds[run]
                        if kind == NOTHING:
                            pass
                        elif along:
                            _push_along(job, taps, begin, end, kind, image, pixels, samples, at_samples)
                        else:
                            for c in range(job.channels):
                                channel, there = pixels + c * job.channel_step, at_samples + c * job.samples_step[1]
                                _push(taps, begin, end, kind, image, channel, samples, there, job.samples_step[2])
                        begin = end

    return kernel(function, *RANGE)


@inline
def _clear(job, image, begin, end, zero):
    planes = 1 if job.channel_step < job.step[0] else job.channels  # channels last lie within the pixels
    for c in range(planes):
        for i in range(begin + c * job.channel_step, end + c * job.channel_step):
            image[i] = zero


@inline
def _push(taps, begin, end, kind, image, pixels, samples, at_samples, step):
    if kind == ALL:
        for k in range(begin, end):
            value, first = samples[at_samples + k * step], pixels + taps.base[k]
            for t in range(taps.total):
                image[first + taps.shift[t]] += taps.weight[t * taps.block + k] * value
    else:
        for k in range(begin, end):
            value = samples[at_samples + k * step]
            for t in range(taps.total):
                offset = taps.offset[t * taps.block + k]
                if offset >= 0:
                    image[pixels + offset] += taps.weight[t * taps.block + k] * value


@inline
def _push_along(job, taps, begin, end, kind, image, pixels, samples, at_samples):
    for k in range(begin, end):
        here = at_samples + k * job.samples_step[2]
        for t in range(taps.total):
            offset = taps.base[k] + taps.shift[t] if kind == ALL else taps.offset[t * taps.block + k]
            if offset >= 0:
                weight = taps.weight[t * taps.block + k]
                for c in range(job.channels):
                    image[pixels + offset + c] += weight * samples[here + c]


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
        base, offset, weight = at(work.base, integer), at(work.offset, integer), at(work.product, element)
        ends, kinds, fill = at(work.ends, np.int64), at(work.kinds, np.int64), at(job.fill, element)[0]
        taps = Taps(total if total else job.total, job.block, base, shift, offset, weight, fill, element(0))
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
                runs = call(job.prepare, jobs, memory)
                begin = 0
                for run in range(runs):
                    end, kind = ends[run], kinds[run]
                    if kind == NOTHING:
                        pass
                    elif along:
                        _slope_along(job, taps, begin, end, kind, image, pixels, samples, at_samples, found)
                    else:
                        for c in range(job.channels):
                            channel, there = pixels + c * job.channel_step, at_samples + c * job.samples_step[1]
                            _slope(job, taps, begin, end, kind, image, channel, samples, there, found)
                    begin = end
                if job.kind == POINTS:
                    _write_points(job, work, found, points)
                elif runs != 0:
                    _add_to_matrix(job, work, found, at(work.position, np.float64), matrices, task * entries)

    return kernel(function, *RANGE)


@inline
def _slope(job, taps, begin, end, kind, image, pixels, samples, at_samples, found):
    """Adds the slopes along the axes, times the samples, to found[axis, k]."""
    block, step, dims = taps.block, job.samples_step[2], job.dims
    y_weights, z_weights = taps.total * block, 2 * taps.total * block
    for k in range(begin, end):
        x, y, z = taps.zero, taps.zero, taps.zero
        for t in range(taps.total):
            row = t * block + k
            if kind == ALL:
                read = image[pixels + taps.base[k] + taps.shift[t]]
            else:
                read = image[pixels + taps.offset[row]] if taps.offset[row] >= 0 else taps.fill
            x += taps.weight[row] * read
            y += taps.weight[y_weights + row] * read
            if dims == 3:
                z += taps.weight[z_weights + row] * read
        sample = samples[at_samples + k * step]
        found[k] += x * sample
        found[block + k] += y * sample
        if dims == 3:
            found[2 * block + k] += z * sample


@inline
def _slope_along(job, taps, begin, end, kind, image, pixels, samples, at_samples, found):
    for k in range(begin, end):
        here = at_samples + k * job.samples_step[2]
        for t in range(taps.total):
            offset = taps.base[k] + taps.shift[t] if kind == ALL else taps.offset[t * taps.block + k]
            product = taps.zero  # of image and samples, summed over the channels
            if offset >= 0:
                for c in range(job.channels):
                    product += image[pixels + offset + c] * samples[here + c]
            else:
                for c in range(job.channels):
                    product += taps.fill * samples[here + c]
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
    work.ends, work.kinds = memory + 8 * ENDS, memory + 8 * KINDS
    work.offset, work.product = memory + 8 * OFFSET, memory + 8 * PRODUCT
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
