"""Stage 2 of the CPU backend: the weights of a block's taps, and where taps at the edges lie.

weigh       per axis: the weights of the taps and their derivatives
combine     the product over the axes: one weight per tap and sample, shared by all channels
reach       where taps lie in memory, and which lie outside
"""

import numpy as np

from .compiled import BORDER, REFLECTION, WRAP, called
from .positions import FURTHEST

OUTSIDE = -(2**29)  # an offset that others can be added to without it becoming positive


@called
def weigh(job, count, table, fraction, weight, derivatives):
    """Horner's rule, a power at a time."""
    taps, block = job.taps, job.pitch
    for row in range(job.dims * derivatives * taps):
        to, of, at_axis = row * block, row % (derivatives * taps) * taps, row // (derivatives * taps) * block
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


@called
def flatten(job, count, first, weight, derivatives):
    """What is further away than FURTHEST was put there, and has no slope."""
    for axis in range(job.dims):
        for k in range(count):
            if first[axis * job.pitch + k] < 8 - FURTHEST or first[axis * job.pitch + k] > FURTHEST - 8:
                for row in range(job.taps, derivatives * job.taps):
                    weight[(axis * derivatives * job.taps + row) * job.pitch + k] = 0


@called
def combine(job, count, weight, product, derivatives, factor):
    """The products over the axes, [set, tap, k]; a set is the weights themselves, or their slopes along x, y, z."""
    for row in range(job.sets * job.total):
        wanted, t, to = row // job.total, row % job.total, row * job.pitch
        own = wanted if job.sets > 1 else -1
        if job.direction == 0:
            x, y = _row(job, 0, t, own, -1, derivatives), _row(job, 1, t, own, -1, derivatives)
            z = _row(job, 2, t, own, -1, derivatives)
            for k in range(count):
                product[to + k] = weight[x + k] * weight[y + k]
            if job.dims == 3:
                for k in range(count):
                    product[to + k] = product[to + k] * weight[z + k]
        else:
            _combine_along(job, count, weight, product, to, t, own, derivatives, factor)


@called
def _combine_along(job, count, weight, product, to, t, own, derivatives, factor):
    """Along a direction: the sum of the weights differentiated along each axis."""
    block = job.pitch
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


@called
def _row(job, axis, t, own, along, derivatives):
    """Where in `weight` the weights along an axis begin that tap t needs, differentiated along the axes given."""
    tap = t // job.taps**axis % job.taps
    derivative = (axis == own) + (axis == along)
    return ((axis * derivatives + derivative) * job.taps + tap) * job.pitch


@called
def reach(job, work, room):
    """Where the taps of the samples at the edges lie: the sum over the axes; -1 where one of them is outside."""
    taps, block = job.taps, job.pitch
    for axis in range(job.dims):
        _reach_along(job, work, axis, room.edge_first, room.reach)
    for t in range(job.total):
        x, y, z = t % taps * block, (taps + t // taps % taps) * block, (2 * taps + t // taps // taps) * block
        for k in range(work.edges):
            a, b = room.reach[x + k], room.reach[y + k]
            c = room.reach[z + k] if job.dims == 3 else a
            outside = (a | b | c) < 0
            room.offset[t * block + k] = -1 if outside else a + b + (c if job.dims == 3 else 0)


@called
def _reach_along(job, work, axis, first, reach):
    """Along one axis; OUTSIDE where nothing is."""
    length, step, rule, of = job.size[axis], job.step[axis], job.padding[axis], axis * job.pitch
    low, high = (work.low, work.high) if axis == job.dims - 1 else (0, length)
    for tap in range(job.taps):
        to = (axis * job.taps + tap) * job.pitch
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
