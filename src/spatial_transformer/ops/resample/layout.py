"""Memory of results: stored as what went in, and where a computer gives large ones out quickly."""

import ctypes
import functools
import mmap
import sys
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

HUGE_PAGE = 2**21
LARGE = 4 * HUGE_PAGE  # bytes from which it pays to ask


def empty(on: Tensor, count: int, channels: int, size: Sequence[int], *, like: Tensor) -> Tensor:
    """(count, channels, *size) where `on` is, and in its dtype; channels last in memory if they are so in `like`."""
    if has_channels_last(like):
        return in_huge_pages(on.new_empty(count, *size, channels)).movedim(-1, 1)
    return in_huge_pages(on.new_empty(count, channels, *size))


def has_channels_last(image: Tensor) -> bool:
    """Whether (N, C, ...) is stored with the channels of a pixel next to each other."""
    return image.shape[1] > 1 and image.stride(1) == 1 and image.stride(-1) == image.shape[1]


def lie_apart(points: Tensor) -> bool:
    """Whether of each set of (M, K, D) points first all x are stored next to each other, then all y."""
    return points.stride(1) == 1 and points.shape[1] > 1


def readable(points: Tensor) -> Tensor:
    """(M, K, D) points with coordinates next to each other or apart; sets may be one and the same."""
    together = points.stride()[1:] == (points.shape[2], 1)
    return points if together or lie_apart(points) else points.contiguous()


def in_huge_pages(tensor: Tensor) -> Tensor:
    """Ask Linux for pages of 2 MiB under a large new tensor, which it is handed out in a fraction of the time.

    Memory that was never written to is handed out page by page as it is written to; with pages of 4 KiB that takes
    longer than a warp. What the system makes of the request is its own business.
    """
    length = tensor.numel() * tensor.element_size()
    advise = _advise()
    if length >= LARGE and tensor.device.type == "cpu" and advise is not None:
        begin = -(-tensor.data_ptr() // HUGE_PAGE) * HUGE_PAGE
        end = (tensor.data_ptr() + length) // HUGE_PAGE * HUGE_PAGE
        advise(begin, end - begin, mmap.MADV_HUGEPAGE)
    return tensor


@functools.cache
def _advise() -> Callable[..., Any] | None:
    if not sys.platform.startswith("linux") or not hasattr(mmap, "MADV_HUGEPAGE"):
        return None
    function = ctypes.CDLL(None).madvise
    function.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return function
