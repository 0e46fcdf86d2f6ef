"""Samples in groups, side by side in vector registers: the CPU backend where all taps are inside.

    split_group     positions along a row of a linear map: the first pixels touched and the fractions behind them
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


def group_size(taps: int) -> int:
    """Samples in a group."""
    return 32 // taps


@intrinsic(prefer_literal=True)
def split_group(typingctx, lanes, dims, odd, rows, i, steps, base, fraction, pitch, k):
    """Samples i, i + 1, ... of a row of the target, to places k, k + 1, ... of the arrays `base` and `fraction`.

    Args: numbers of lanes and axes, known to the compiler; whether the number of taps is odd; (axis) where the row
    begins and, after three of these, by what it grows; steps in memory, and the offset of the first tap from the
    central one; row length of the arrays.
    """

    def generate(context, builder, signature, arguments):
        count, axes = lanes.literal_value, dims.literal_value
        _, _, odd, rows, i, steps, base, fraction, pitch, k = arguments
        element, integer = (context.get_data_type(signature.args[n].dtype) for n in (7, 6))
        positions, indices = ir.VectorType(DOUBLE, count), ir.VectorType(I32, count)
        column = builder.add(_repeat(builder, builder.trunc(i, I32), count), ir.Constant(indices, list(range(count))))
        column = builder.sitofp(column, positions)
        odd = builder.sitofp(odd, DOUBLE)
        half, one = (_repeat(builder, builder.fmul(odd, DOUBLE(number)), count) for number in (0.5, 1.0))
        floor = ir.FunctionType(positions, [positions])
        floor = cgutils.get_or_insert_function(builder.module, floor, f"llvm.floor.v{count}f64")
        total = _repeat(builder, builder.trunc(builder.extract_value(steps, 3), integer), count)
        for axis in range(axes):
            begin, step = (builder.load(builder.gep(rows, [I64(n)])) for n in (axis, axis + 3))
            moved = builder.fmul(_repeat(builder, step, count), column, flags=FAST)
            position = builder.fadd(moved, _repeat(builder, begin, count), flags=FAST)
            centre = builder.fadd(builder.call(floor, [builder.fsub(position, half)]), one)
            rest = builder.fsub(position, centre)
            rest = rest if element == DOUBLE else builder.fptrunc(rest, ir.VectorType(element, count))
            _store(builder, rest, builder.gep(fraction, [builder.add(builder.mul(I64(axis), pitch), k)]))
            pixel = builder.fptosi(centre, indices)
            pixel = pixel if integer == I32 else builder.sext(pixel, ir.VectorType(I64, count))
            step = _repeat(builder, builder.trunc(builder.extract_value(steps, axis), integer), count)
            total = builder.add(total, builder.mul(pixel, step))
        _store(builder, total, builder.gep(base, [k]))
        return context.get_dummy_value()

    return types.void(lanes, dims, odd, rows, i, steps, base, fraction, pitch, k), generate


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


def _repeat(builder: Any, number: Any, count: int) -> Any:
    vector = builder.insert_element(ir.Constant(ir.VectorType(number.type, 1), ir.Undefined), number, I32(0))
    return _shuffle(builder, vector, vector, [0] * count)


def _shuffle(builder: Any, a: Any, b: Any, lanes: Sequence[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, len(lanes)), list(lanes)))
