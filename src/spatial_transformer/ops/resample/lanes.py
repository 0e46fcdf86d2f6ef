"""Samples in groups, side by side in vector registers: the CPU backend where all taps are inside.

    split_group     positions along a row of a linear map: the first pixels touched and the fractions behind them
    place_group     positions of given points
    sort_group      first pixels and fractions of any positions, and which samples are inside
    touch_group     which samples touch
    pull_group      samples of a channel
    push_group      what is to be added to each tap
    slope_group     slopes along the axes, times the sample's gradient

Taps that lie next to each other along x are loaded together, one load per sample and row, and the loads of a group
stand side by side: [sample 0 tap 0, sample 0 tap 1, sample 1 tap 0, ...]. Rows are summed with their weights; at last
the lanes of each tap are picked, weighted along x and summed. A sample takes half the loads that it takes one by one.

The functions here write LLVM's instructions, as a compiler would for vectors in C: loops over arrays that might
overlap, and of lengths that are no multiples of a register's, come out slower and larger. They read and write whole
groups: the rows of arrays are longer than blocks by `MOST_LANES`.
"""

import functools
from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

WIDE = (2, 4)  # taps along an axis for which there are groups
MOST_LANES = 16  # samples in a group
I32, I64, DOUBLE = ir.IntType(32), ir.IntType(64), ir.DoubleType()
FAST = ("contract", "nsz")
EXACT = ("nsz",)  # rounded after each operation; Numba gives its own flags to what has none, and would fuse the two


def group_size(taps: int) -> int:
    """Samples in a group."""
    return 32 // taps


@intrinsic(prefer_literal=True)
def split_group(typingctx, dims, odd, rows, i, steps, base, fraction, pitch, k):
    """Samples i, i + 1, ... of a row of the target, to places k, k + 1, ... of the arrays `base` and `fraction`.

    Args: number of axes, known to the compiler; whether the number of taps is odd; (axis) where the row begins and,
    after three of these, by what it grows; steps in memory, and the offset of the first tap from the central one; row
    length of the arrays.
    """

    def generate(context, builder, signature, arguments):
        _, odd, rows, i, *rest = arguments
        split = _Split(context, builder, dims.literal_value, DOUBLE, odd, base.dtype, fraction.dtype, *rest)
        column = ir.Constant(ir.VectorType(I32, MOST_LANES), list(range(MOST_LANES)))
        column = builder.add(_repeat(builder, builder.trunc(i, I32), MOST_LANES), column)
        column = builder.sitofp(column, split.centre.positions)
        for axis in range(split.dims):
            begin, step = (builder.load(builder.gep(rows, [I64(n)])) for n in (axis, axis + 3))
            moved = builder.fmul(_repeat(builder, step, MOST_LANES), column, flags=FAST)
            split.add(axis, builder.fadd(moved, _repeat(builder, begin, MOST_LANES), flags=FAST))
        split.finish()
        return context.get_dummy_value()

    return types.void(dims, odd, rows, i, steps, base, fraction, pitch, k), generate


@intrinsic(prefer_literal=True)
def place_group(typingctx, dims, points, begin, scale, position, pitch, i):
    """position[axis, i] = points[begin + i, axis] * scale + shift, for samples i, i + 1, ...

    Args: number of axes, known to the compiler; points; where those of the block begin; (axis) scale and, after three
    of these, shift; positions and the length of their rows.
    """

    def generate(context, builder, signature, arguments):
        axes, element = dims.literal_value, context.get_data_type(points.dtype)
        _, source, begin, scale, position, pitch, i = arguments
        first = builder.add(begin, builder.mul(i, I64(axes)))
        found = _load(builder, builder.gep(source, [first]), element, axes * MOST_LANES)
        for axis in range(axes):
            value = _shuffle(builder, found, found, range(axis, axes * MOST_LANES, axes))
            for place, apply in ((axis, builder.fmul), (axis + 3, builder.fadd)):
                number = builder.load(builder.gep(scale, [I64(place)]))
                number = number if element == DOUBLE else builder.fptrunc(number, element)
                value = apply(value, _repeat(builder, number, MOST_LANES), flags=EXACT)
            _store(builder, value, builder.gep(position, [builder.add(builder.mul(I64(axis), pitch), i)]))
        return context.get_dummy_value()

    return types.void(dims, points, begin, scale, position, pitch, i), generate


@intrinsic
def trailing_zeros(typingctx, number):
    """How many of the lowest bits are 0; `number` is not 0."""

    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.IntType(1)(1))

    return types.int64(types.int64), generate


@intrinsic(prefer_literal=True)
def sort_group(typingctx, dims, odd, position, i, limit, steps, base, fraction, pitch, k):
    """Samples i, i + 1, ... of a block, to places k, k + 1, ...; returns which of them are inside, as bits.

    Args: as for `split_group`, but for (axis, i) positions, and (axis, 6) limits, of which the first two are the first
    and the last central pixel of samples inside.
    """

    def generate(context, builder, signature, arguments):
        _, odd, position, i, limit, *rest = arguments
        element = context.get_data_type(fraction.dtype)
        split = _Split(context, builder, dims.literal_value, element, odd, base.dtype, fraction.dtype, *rest)
        inside = []
        for axis in range(split.dims):
            row = builder.gep(position, [builder.add(builder.mul(I64(axis), split.pitch), i)])
            centre = split.add(axis, _load(builder, row, element, MOST_LANES))
            inside.append(_between(builder, centre, limit, 6 * axis))
        split.finish()
        return _bits(builder, functools.reduce(builder.and_, inside))

    return types.int64(dims, odd, position, i, limit, steps, base, fraction, pitch, k), generate


@intrinsic(prefer_literal=True)
def touch_group(typingctx, dims, odd, position, i, limit, pitch):
    """Which of the samples i, i + 1, ... touch, as bits.

    Args: as for `sort_group`; along each axis, samples touch whose central pixel is between the third and the fourth
    limit, below the fifth, or above the sixth.
    """

    def generate(context, builder, signature, arguments):
        _, odd, positions, i, limit, pitch = arguments
        element, found = context.get_data_type(position.dtype), []
        centre_of = _Centre(builder, element, odd)
        for axis in range(dims.literal_value):
            row = builder.gep(positions, [builder.add(builder.mul(I64(axis), pitch), i)])
            centre = centre_of(_load(builder, row, element, MOST_LANES))
            below, above = (
                builder.fcmp_ordered(relation, centre, _limit(builder, limit, 6 * axis + n, element))
                for relation, n in (("<", 4), (">", 5))
            )
            found.append(builder.or_(_between(builder, centre, limit, 6 * axis + 2), builder.or_(below, above)))
        return _bits(builder, functools.reduce(builder.and_, found))

    return types.int64(dims, odd, position, i, limit, pitch), generate


class _Centre:
    """Instructions from positions to central pixels, as floating-point numbers."""

    def __init__(self, builder: Any, element: Any, odd: Any) -> None:
        self.builder, self.positions = builder, ir.VectorType(element, MOST_LANES)
        odd = builder.sitofp(odd, element)
        self.half = _repeat(builder, builder.fmul(odd, element(0.5)), MOST_LANES)
        self.odd = _repeat(builder, odd, MOST_LANES)

    def __call__(self, position: Any) -> Any:
        floor, bits = ir.FunctionType(self.positions, [self.positions]), 64 if self.positions.element == DOUBLE else 32
        floor = cgutils.get_or_insert_function(self.builder.module, floor, f"llvm.floor.v{MOST_LANES}f{bits}")
        floored = self.builder.call(floor, [self.builder.fsub(position, self.half)])
        return self.builder.fadd(floored, self.odd)


class _Split:
    """Instructions from positions to first pixels and fractions, for a group of as many samples as there are lanes."""

    def __init__(
        self,
        context: Any,
        builder: Any,
        dims: int,
        position: Any,
        odd: Any,
        integer: Any,
        element: Any,
        steps: Any,
        base: Any,
        fraction: Any,
        pitch: Any,
        k: Any,
    ) -> None:
        self.builder, self.dims, self.steps, self.pitch = builder, dims, steps, pitch
        self.base, self.fraction, self.k = base, fraction, k
        self.integer, self.element = context.get_data_type(integer), context.get_data_type(element)
        self.position, self.centre = position, _Centre(builder, position, odd)
        self.total = _repeat(builder, builder.trunc(builder.extract_value(steps, 3), self.integer), MOST_LANES)

    def add(self, axis: int, position: Any) -> Any:
        """Take in positions along an axis, in pixels; returns the central pixels, as floating-point numbers."""
        builder, centre = self.builder, self.centre(position)
        rest = builder.fsub(position, centre)
        if self.element != self.position:
            rest = builder.fptrunc(rest, ir.VectorType(self.element, MOST_LANES))
        row = builder.add(builder.mul(I64(axis), self.pitch), self.k)
        _store(builder, rest, builder.gep(self.fraction, [row]))
        pixel = builder.fptosi(centre, ir.VectorType(I32, MOST_LANES))
        if self.integer != I32:
            pixel = builder.sext(pixel, ir.VectorType(I64, MOST_LANES))
        step = builder.trunc(builder.extract_value(self.steps, axis), self.integer)
        self.total = builder.add(self.total, builder.mul(pixel, _repeat(builder, step, MOST_LANES)))
        return centre

    def finish(self) -> None:
        _store(self.builder, self.total, self.builder.gep(self.base, [self.k]))


@intrinsic(prefer_literal=True)
def pull_group(typingctx, taps, dims, sizes, image, pixels, base, fraction, table, value, k):
    """value[k] = what is read for the samples k, k + 1, ... of a group.

    Args: numbers of taps along an axis and of axes, known to the compiler; (row length of the arrays, step along y,
    step along z); the image and where the channel begins in it; arrays of a block; coefficients of the weights.
    """

    def generate(context, builder, signature, arguments):
        group = _Group(context, builder, taps.literal_value, dims.literal_value, value.dtype, *arguments[2:8])
        group.begin(arguments[9])
        total = group.zero(group.taps)
        for row in range(group.rows):
            total = group.multiply_add(group.row_weight(row), group.load_row(row), total)
        group.store(group.along_x(total), arguments[8])
        return context.get_dummy_value()

    return types.void(taps, dims, sizes, image, pixels, base, fraction, table, value, k), generate


@intrinsic(prefer_literal=True)
def slope_group(typingctx, taps, dims, sizes, image, pixels, base, fraction, table, value, slope, k):
    """slope[axis, k] += value[k] times the slope along each axis, for a group. Arguments as for `pull_group`."""

    def generate(context, builder, signature, arguments):
        group = _Group(context, builder, taps.literal_value, dims.literal_value, value.dtype, *arguments[2:8])
        group.begin(arguments[10])
        totals = [group.zero(group.taps) for _ in range(group.dims)]  # differentiated along x, y, z; along x at the end
        for row in range(group.rows):
            read = group.load_row(row)
            for axis in range(group.dims):
                totals[axis] = group.multiply_add(group.row_weight(row, axis), read, totals[axis])
        factor = group.load(arguments[8])
        for axis in range(group.dims):
            found = group.along_x(totals[axis], axis)
            group.store(group.multiply_add(factor, found, group.load(arguments[9], axis)), arguments[9], axis)
        return context.get_dummy_value()

    return types.void(taps, dims, sizes, image, pixels, base, fraction, table, value, slope, k), generate


@intrinsic(prefer_literal=True)
def push_group(typingctx, taps, dims, sizes, fraction, table, value, product, k):
    """product[tap, k] = value[k] times the weight of each tap, for a group. Arguments as for `pull_group`."""

    def generate(context, builder, signature, arguments):
        none = (None, None, None)
        group = _Group(
            context, builder, taps.literal_value, dims.literal_value, value.dtype, arguments[2], *none, *arguments[3:5]
        )
        group.k = arguments[7]
        factor = group.load(arguments[5])
        for tap in range(group.rows * group.taps):
            along_x, row = tap % group.taps, tap // group.taps
            weight = builder.fmul(group.weight(0, along_x), group.row_weight(row, spread=False), flags=FAST)
            group.store(builder.fmul(weight, factor, flags=FAST), arguments[6], tap)
        return context.get_dummy_value()

    return types.void(taps, dims, sizes, fraction, table, value, product, k), generate


class _Group:
    """Instructions for the samples k, k + 1, ... of a group."""

    def __init__(
        self,
        context: Any,
        builder: Any,
        taps: int,
        dims: int,
        element: Any,
        sizes: Any,
        image: Any,
        pixels: Any,
        base: Any,
        fraction: Any,
        table: Any,
    ) -> None:
        self.builder, self.element = builder, context.get_data_type(element)
        self.taps, self.dims, self.rows, self.size = taps, dims, taps ** (dims - 1), group_size(taps)
        self.pitch, *self.steps = (builder.extract_value(sizes, n) for n in range(3))
        self.image, self.pixels, self.base, self.fraction, self.table = image, pixels, base, fraction, table
        self._weights: dict[tuple[int, int, int], Any] = {}

    def begin(self, k: Any) -> None:
        """Find the first taps."""
        self.k = k
        channel = self._after(self.image, self.pixels)
        firsts = (self.builder.load(self._after(self.base, self.builder.add(k, I64(i)))) for i in range(self.size))
        firsts = (self.builder.sext(first, I64) if first.type != I64 else first for first in firsts)
        self.firsts = [self._after(channel, first) for first in firsts]

    def load(self, array: Any, row: int = 0) -> Any:
        """A number for each sample, from a row of an array."""
        return _load(self.builder, self._after(array, self._index(row)), self.element, self.size)

    def store(self, vector: Any, array: Any, row: int = 0) -> None:
        """The opposite of `load`."""
        _store(self.builder, vector, self._after(array, self._index(row)))

    def load_row(self, row: int) -> Any:
        """The taps of a row of all samples, side by side."""
        shift = I64(0)
        for axis in range(self.dims - 1):
            steps = row // self.taps**axis % self.taps
            shift = self.builder.add(shift, self.builder.mul(I64(steps), self.steps[axis]))
        parts = [_load(self.builder, self._after(first, shift), self.element, self.taps) for first in self.firsts]
        while len(parts) > 1:  # join them in pairs
            lanes = range(2 * parts[0].type.count)
            parts = [_shuffle(self.builder, a, b, lanes) for a, b in zip(parts[::2], parts[1::2], strict=True)]
        return parts[0]

    def weight(self, axis: int, tap: int, derivative: int = 0) -> Any:
        """The weight of a tap along an axis for each sample: a polynomial of the fraction, by Horner's rule."""
        key = (axis, tap, derivative)
        if key not in self._weights:
            first = (derivative * self.taps + tap) * self.taps
            numbers = [self._number(first + power) for power in range(self.taps - derivative)]
            weight, fraction = numbers.pop(), self.load(self.fraction, axis)
            while numbers:
                weight = self.multiply_add(weight, fraction, numbers.pop())
            self._weights[key] = weight
        return self._weights[key]

    def row_weight(self, row: int, differentiated: int = 0, *, spread: bool = True) -> Any:
        """The weight of a row for each sample, or its derivative along y or z; `spread`: once for each tap."""
        weight = self.weight(1, row % self.taps, differentiated == 1)
        if self.dims == 3:
            other = self.weight(2, row // self.taps, differentiated == 2)
            weight = self.builder.fmul(weight, other, flags=FAST)
        if not spread:
            return weight
        return _shuffle(self.builder, weight, weight, [lane // self.taps for lane in range(self.size * self.taps)])

    def along_x(self, total: Any, differentiated: int = 1) -> Any:
        """The sum over the taps of what `load_row` put side by side, weighted."""
        found = self.zero(1)
        for tap in range(self.taps):
            picked = _shuffle(self.builder, total, total, range(tap, self.size * self.taps, self.taps))
            found = self.multiply_add(self.weight(0, tap, differentiated == 0), picked, found)
        return found

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        return self.builder.fadd(self.builder.fmul(a, b, flags=FAST), c, flags=FAST)

    def zero(self, taps: int) -> Any:
        return ir.Constant(ir.VectorType(self.element, self.size * taps), None)

    def _number(self, index: int) -> Any:
        return _repeat(self.builder, self.builder.load(self._after(self.table, I64(index))), self.size)

    def _index(self, row: int) -> Any:
        return self.builder.add(self.builder.mul(I64(row), self.pitch), self.k)

    def _after(self, pointer: Any, index: Any) -> Any:
        return self.builder.gep(pointer, [index])


def _load(builder: Any, pointer: Any, element: Any, count: int) -> Any:
    loaded = builder.load(builder.bitcast(pointer, ir.VectorType(element, count).as_pointer()))
    loaded.align = 8 if element == DOUBLE else 4
    return loaded


def _store(builder: Any, vector: Any, pointer: Any) -> None:
    builder.store(vector, builder.bitcast(pointer, vector.type.as_pointer())).align = 4


def _limit(builder: Any, limit: Any, number: int, element: Any) -> Any:
    found = builder.load(builder.gep(limit, [I64(number)]))
    return _repeat(builder, found if element == DOUBLE else builder.fptrunc(found, element), MOST_LANES)


def _between(builder: Any, centre: Any, limit: Any, number: int) -> Any:
    least, most = (_limit(builder, limit, n, centre.type.element) for n in (number, number + 1))
    return builder.and_(builder.fcmp_ordered(">=", centre, least), builder.fcmp_ordered("<=", centre, most))


def _bits(builder: Any, lanes: Any) -> Any:
    return builder.zext(builder.bitcast(lanes, ir.IntType(MOST_LANES)), I64)


def _repeat(builder: Any, number: Any, count: int) -> Any:
    vector = builder.insert_element(ir.Constant(ir.VectorType(number.type, 1), ir.Undefined), number, I32(0))
    return _shuffle(builder, vector, vector, [0] * count)


def _shuffle(builder: Any, a: Any, b: Any, lanes: Sequence[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, len(lanes)), list(lanes)))
