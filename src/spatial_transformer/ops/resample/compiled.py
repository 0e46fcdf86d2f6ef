"""What the compiled loops of the CPU backend are told, and how they reach memory.

Kernels are C functions that Numba compiles when they are first used and keeps on disk. They are called from PyTorch's
threads with the address of a `Job`; nothing in them belongs to Python.
"""

import ctypes
import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import carray, njit, types
from numba.extending import intrinsic

from .how import MOST_TAPS

POINTS, LINEAR, PROJECTIVE = range(3)  # where positions come from
FILL, BORDER, REFLECTION, WRAP = range(4)  # what lies outside, in the order of `how.RULES`


class Job(ctypes.Structure):
    """Everything about a call.

    Addresses are of the first element; steps count elements, not bytes. Axis 0 is x, axis 1 is y, axis 2 is z; of what
    there is three of, the last is not used in images.
    """

    _fields_ = (
        ("dims", ctypes.c_int64),
        ("taps", ctypes.c_int64),  # along an axis
        ("total", ctypes.c_int64),  # taps of a sample
        ("block", ctypes.c_int64),  # samples per block
        ("pitch", ctypes.c_int64),  # row length of its arrays
        ("image", ctypes.c_int64),  # (N, C, *size); for `push` the one that is written
        ("image_step", ctypes.c_int64),
        ("channel_step", ctypes.c_int64),
        ("size", ctypes.c_int64 * 3),
        ("step", ctypes.c_int64 * 3),
        ("channels", ctypes.c_int64),
        ("samples", ctypes.c_int64),  # (M, C, K): what `pull` writes, and `push` and `slope` read
        ("samples_step", ctypes.c_int64 * 3),
        ("count", ctypes.c_int64),  # K
        ("source", ctypes.c_int64),  # (M, K, D) points or, in float64, (M, D | D + 1, D + 1) matrices
        ("source_step", ctypes.c_int64 * 3),
        ("kind", ctypes.c_int64),
        ("target", ctypes.c_int64 * 3),  # the size of the output on which a matrix is evaluated
        ("direction", ctypes.c_int64),  # (M, K, D), or 0
        ("direction_step", ctypes.c_int64 * 3),
        ("index", ctypes.c_int64),  # (M,) the image that each set of points reads, or 0
        ("members", ctypes.c_int64),  # for `push`: the sets of points ordered by image, or 0
        ("starts", ctypes.c_int64),  # for `push`: (N + 1,) where those of each image begin
        ("bands", ctypes.c_int64),  # for `push`: parts that an image is cut into along its last axis
        ("result", ctypes.c_int64),  # of `slope`: (M, K, D), or (M, chunks, D | D + 1, D + 1) in float64
        ("blocks", ctypes.c_int64),  # per set of points
        ("blocks_per_chunk", ctypes.c_int64),
        ("chunks", ctypes.c_int64),  # per set of points
        ("scale", ctypes.c_double * 3),  # from normalised coordinates to pixels
        ("shift", ctypes.c_double * 3),
        ("padding", ctypes.c_int64 * 3),
        ("fill", ctypes.c_int64),  # one element
        ("along", ctypes.c_int64),  # whether the innermost loop runs over the channels
        ("wide", ctypes.c_int64),  # whether samples are blended in groups: see `lanes.py`
        ("sets", ctypes.c_int64),  # of weights: 1, or one for the slope along each axis
        ("table", ctypes.c_int64),  # derivative, tap, power of the fraction
        ("prepare", ctypes.c_int64),  # the function of `blocks.py`
    )


# A block of samples while it is worked on, on the stack of its thread.
BLOCK = np.dtype(
    [
        ("m", np.int64),  # the set of points
        ("start", np.int64),  # the first sample
        ("count", np.int64),
        ("low", np.int64),  # the band of the last axis that is looked at
        ("high", np.int64),
        ("inside", np.int64),  # how many samples have all their taps inside of the image and of the band
        ("runs", np.int64),  # and in how many runs they come
        ("edges", np.int64),  # how many have some of them inside; all others have none
    ]
)
JOBS, BLOCKS = types.CPointer(numba.from_dtype(np.dtype(Job))), types.CPointer(numba.from_dtype(BLOCK))


def block_length(total: int) -> int:
    """Samples per block: the weights of all their taps fit the first-level cache."""
    return 256 if total <= 8 else 64 if total <= 64 else 16


# What follows a BLOCK in memory: arrays of rows, each as long as a block and `MOST_LANES` more. "Inside" are the
# samples all of whose taps are inside, listed one after the other; "edges" those with some.
class Room(NamedTuple):
    """Pointers to the arrays of a block.

    Attributes:
        position: all samples: D rows in pixels; for projective maps, 1 over the homogeneous coordinate.
        limit: numbers that groups of samples have in common, float64.
        fraction: behind the central pixel along each axis, of samples inside.
        base: inside: where the first tap lies in memory.
        begins: the first sample of each run.
        lengths: how many samples it has.
        weight: (axis, derivative, tap) of the samples inside.
        product: (tap) their products over the axes, unless the job is wide; a set of rows for each slope.
        factor: the direction along each axis, in pixels, of the samples inside.
        value: of the samples inside, in one channel: what is read, or what is to be added.
        slope: along each axis, of the samples inside, summed over the channels.
        found: along each axis, of all samples.
        edge: which samples are edges; all that follows is of them.
        edge_position: as above, float64.
        edge_first: as above.
        edge_fraction: as above.
        edge_weight: as above.
        edge_product: as above.
        edge_factor: as above.
        reach: (axis, tap) offsets in memory.
        offset: (tap) where it lies in memory, negative outside.
    """

    position: Any
    limit: Any
    fraction: Any
    base: Any
    begins: Any
    lengths: Any
    weight: Any
    product: Any
    factor: Any
    value: Any
    slope: Any
    found: Any
    edge: Any
    edge_position: Any
    edge_first: Any
    edge_fraction: Any
    edge_weight: Any
    edge_product: Any
    edge_factor: Any
    reach: Any
    offset: Any


_B = 256 + 16  # the longest row
_WEIGHTS, _PRODUCTS = 3 * 3 * 2 * _B, 3 * MOST_TAPS * 32  # elements, however many taps there are
_LENGTHS = (4 * _B, 3 * 6, 3 * _B, _B, _B, _B, _WEIGHTS, _PRODUCTS, 3 * _B, _B, 3 * _B, 3 * _B)
_LENGTHS += (_B, 3 * _B, 3 * _B, 3 * _B, _WEIGHTS, _PRODUCTS, 3 * _B, 3 * 2 * _B, _PRODUCTS // 3)
# Where each array begins, in words of 8 bytes, though most elements are shorter.
_WORDS = BLOCK.itemsize // 8
_START = tuple(itertools.accumulate(_LENGTHS, initial=64))
MEMORY = _START[-1]

# A change of the package is a change of every kernel, wherever in it the change is; Numba looks at one file only.
SOURCE = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))).hexdigest()

_FAST = {"contract", "reassoc", "nsz"}  # NaN and infinity keep their meaning
inline = njit(inline="always", fastmath=_FAST, error_model="numpy")
called = njit(fastmath=_FAST, error_model="numpy")  # compiled once, however often it is used


def kernel(function: Callable[..., Any], *arguments: types.Type, returns: types.Type = types.void) -> Any:
    """Compile a C function, or load it if it was compiled before."""
    return numba.cfunc(returns(*arguments), cache=True, fastmath=_FAST, error_model="numpy")(function)


@inline
def room(memory, element, integer):
    """The arrays of the block at an address, of types that differ from kernel to kernel."""
    return Room(
        at(memory + 8 * _START[0], element),
        at(memory + 8 * _START[1], np.float64),
        at(memory + 8 * _START[2], element),
        at(memory + 8 * _START[3], integer),
        at(memory + 8 * _START[4], np.int64),
        at(memory + 8 * _START[5], np.int64),
        at(memory + 8 * _START[6], element),
        at(memory + 8 * _START[7], element),
        at(memory + 8 * _START[8], element),
        at(memory + 8 * _START[9], element),
        at(memory + 8 * _START[10], element),
        at(memory + 8 * _START[11], element),
        at(memory + 8 * _START[12], np.int64),
        at(memory + 8 * _START[13], np.float64),
        at(memory + 8 * _START[14], np.int32),
        at(memory + 8 * _START[15], element),
        at(memory + 8 * _START[16], element),
        at(memory + 8 * _START[17], element),
        at(memory + 8 * _START[18], element),
        at(memory + 8 * _START[19], integer),
        at(memory + 8 * _START[20], integer),
    )


@inline
def block(memory):
    """The BLOCK at a pointer to memory."""
    return carray(memory, (_WORDS,)).view(BLOCK)[0]


@intrinsic
def at(typingctx, address, element):
    """The pointer to elements of a type at an address."""
    pointer = types.CPointer(element.dtype)

    def generate(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(pointer))

    return pointer(address, element), generate


@intrinsic
def address_of(typingctx, pointer):
    def generate(context, builder, signature, arguments):
        return builder.ptrtoint(arguments[0], ir.IntType(64))

    return types.int64(pointer), generate


@intrinsic(prefer_literal=True)
def scratch(typingctx, count, element):
    """Uninitialised elements on the stack; `count` must be known to the compiler."""
    length, dtype = count.literal_value, getattr(element, "dtype", element)
    pointer = types.CPointer(dtype)

    def generate(context, builder, signature, arguments):
        with builder.goto_entry_block():
            array = builder.alloca(ir.ArrayType(context.get_data_type(dtype), length))
            array.align = 64
        return builder.bitcast(array, context.get_value_type(pointer))

    return pointer(count, element), generate


@intrinsic
def call(typingctx, address, jobs, blocks):
    """Call the function at an address."""

    def generate(context, builder, signature, arguments):
        pointers = [context.get_value_type(pointer) for pointer in (jobs, blocks)]
        function = ir.FunctionType(ir.IntType(64), pointers).as_pointer()
        return builder.call(builder.inttoptr(arguments[0], function), arguments[1:])

    return types.int64(address, jobs, blocks), generate
