"""What the kernels of the CPU backend are told: everything about a call, as numbers."""

import ctypes
import struct
from typing import Any

from .lanes import F64, I64

# Where positions come from: points whose coordinates lie next to each other, a map, or points of which first all x lie
# next to each other.
POINTS, LINEAR, PROJECTIVE, APART = range(4)
FILL, BORDER, REFLECTION, WRAP = range(4)  # what lies outside, in the order of `how.RULES`

# Addresses are of the first element; steps count elements, not bytes. Axis 0 is x, axis 1 is y, axis 2 is z; of what
# there is three of, the last is not used in images.
FIELDS: tuple[tuple[str, Any, int], ...] = (
    ("image", I64, 1),  # (N, C, *size); for `push` the one that is written
    ("samples", I64, 1),  # (M, C, K): what `pull` writes, and `push` and `slope` read
    ("source", I64, 1),  # (M, K, D) points or, in float64, (M, D | D + 1, D + 1) matrices
    ("result", I64, 1),  # of `slope`: as `source`, for each block of channels, or (M, parts, D | D + 1, D + 1), float64
    ("image_step", I64, 1),
    ("channel_step", I64, 1),
    ("channels", I64, 1),
    ("size", I64, 3),
    ("step", I64, 3),
    ("samples_step", I64, 3),
    ("source_step", I64, 2),  # from set to set, and for APART from coordinate to coordinate
    ("target", I64, 3),  # the size of the output; of points, (K, 1, 1)
    ("tile", I64, 2),  # columns and rows of a tile of it
    ("across", I64, 1),  # tiles along a row
    ("ahead", I64, 1),  # rows of it below the one at hand for which pixels are fetched already; 0 for the next image
    ("region", I64, 3),  # for `push`: the size of a part of the image that one task writes
    ("tiles", I64, 1),  # of a set of points, or for `push` regions of an image
    ("parts", I64, 1),  # tasks of a set of points, or for `push` of an image: tiles times blocks of channels
    ("direction", I64, 1),  # (M, K, D)
    ("direction_step", I64, 3),
    ("index", I64, 1),  # (M,) the image that each set of points reads
    ("members", I64, 1),  # for `push`: the sets of points ordered by image
    ("starts", I64, 1),  # for `push`: (N + 1,) where those of each image begin
    ("result_step", I64, 2),  # as `source_step`
    ("padding", I64, 3),
    ("scale", F64, 3),  # from normalised coordinates to pixels
    ("shift", F64, 3),
    ("fill", F64, 1),
    ("rounding", F64, 3),  # how far off a position may be, in pixels
    ("lowest", F64, 3),  # in PyTorch's conventions: up to where a position is taken for another one
    ("instead", F64, 3),  # and for which
    ("table", I64, 1),  # (derivative, tap, power of the fraction), float64
)


class Job(ctypes.Structure):
    """The fields, in memory."""

    _fields_ = tuple(
        (name, kind * count if count > 1 else kind)
        for name, type_, count in FIELDS
        for kind in (ctypes.c_double if type_ == F64 else ctypes.c_int64,)
    )


# Into a job from its beginning: the addresses of image, samples, source and result.
write_addresses = struct.Struct("4q").pack_into
