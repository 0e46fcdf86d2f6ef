"""What the compiled loops of the CPU backend are told, and how they reach memory.

Kernels are C functions that Numba compiles when they are first used and keeps on disk. They are called from PyTorch's
threads with the address of a `Job`; nothing in them belongs to Python.
"""

import ctypes
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

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
        ("plain", ctypes.c_int64),  # whether samples need no weights if all their taps are inside: see `linear.py`
        ("sets", ctypes.c_int64),  # of weights: 1, or one for the slope along each axis
        ("table", ctypes.c_int64),  # derivative, tap, power of the fraction
        ("prepare", ctypes.c_int64),  # the function of `blocks.py`
    )


# A block of samples while it is worked on, on the stack of its thread. Arrays are (rows, block).
BLOCK = np.dtype(
    [
        ("m", np.int64),  # the set of points
        ("start", np.int64),  # the first sample
        ("count", np.int64),
        ("low", np.int64),  # the band of the last axis that is looked at
        ("high", np.int64),
        ("position", np.int64),  # float64: D rows in pixels; and 1 over the homogeneous coordinate
        ("first", np.int64),  # int32: the first pixel touched along each axis
        ("fraction", np.int64),  # along each axis
        ("weight", np.int64),  # axis, derivative, tap
        ("reach", np.int64),  # axis, tap: offsets in memory
        ("factor", np.int64),  # the direction along each axis, in pixels
        ("product", np.int64),  # the weight of every tap; a set of rows for each slope
        ("found", np.int64),  # of `slope`: along each axis
        ("base", np.int64),  # where the first tap of a sample lies, if all its taps are inside
        ("status", np.int64),  # of a sample: NOTHING, SOME or ALL of its taps are inside
        ("runs", np.int64),  # how many runs of samples there are that are NOTHING or ALL
        ("begins", np.int64),
        ("ends", np.int64),
        ("kinds", np.int64),
        ("edges", np.int64),  # how many samples are SOME
        ("edge", np.int64),  # which; all that follows is counted along this list
        ("edge_first", np.int64),
        ("edge_fraction", np.int64),
        ("edge_factor", np.int64),
        ("edge_product", np.int64),
        ("offset", np.int64),  # where every tap lies, negative outside
    ]
)
JOBS, BLOCKS = types.CPointer(numba.from_dtype(np.dtype(Job))), types.CPointer(numba.from_dtype(BLOCK))

# A change of the package is a change of every kernel, wherever in it the change is; Numba looks at one file only.
SOURCE = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))).hexdigest()

_FAST = {"contract", "reassoc", "nsz"}  # NaN and infinity keep their meaning
inline = njit(inline="always", fastmath=_FAST, error_model="numpy")


def kernel(function: Callable[..., Any], *arguments: types.Type, returns: types.Type = types.void) -> Any:
    """Compile a C function, or load it if it was compiled before."""
    return numba.cfunc(returns(*arguments), cache=True, fastmath=_FAST, error_model="numpy")(function)


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
