"""The one operator under everything: read an image at points, on the backend that is asked for."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ... import backends
from ...homography import grid
from ...kernels import Kernel
from . import operators, reference
from .how import MOST_TAPS, How, how_to_read
from .layout import readable


def resample(
    image: Tensor,
    points: Tensor,
    *,
    kernel: Kernel,
    padding: tuple[str | float, ...],
    index: Tensor | None = None,
) -> Tensor:
    """Read (N, C, *size) images at (M, K, D) points: (M, C, K). Arguments are checked by the callers."""
    if not _is_compiled(image, kernel, padding):
        return reference.resample(image, points, kernel=kernel, padding=padding, index=index)
    return _run(image, points, (), kernel, padding, index)


def resample_grid(
    image: Tensor,
    matrix: Tensor,
    target: Sequence[int],
    *,
    kernel: Kernel,
    padding: tuple[str | float, ...],
    index: Tensor | None = None,
) -> Tensor:
    """Read (N, C, *size) images on the grids of (M, D | D+1, D+1) matrices: (M, C, *target)."""
    if not _is_compiled(image, kernel, padding):
        read = reference.resample(image, grid(matrix, target), kernel=kernel, padding=padding, index=index)
        return read.unflatten(2, tuple(target))
    return _run(image, matrix, target, kernel, padding, index)


def _is_compiled(image: Tensor, kernel: Kernel, padding: tuple[str | float, ...]) -> bool:
    """Whether a compiled backend reads the image; if not, the readable twin does.

    Raises:
        RuntimeError: a backend was asked for by name that cannot do this; says why.
    """
    if backends.current(image.device) == "reference":
        return False
    reason, how = None, how_to_read(kernel, padding, (0,) * len(padding))
    name = type(kernel).__name__ if torch.compiler.is_compiling() else repr(kernel)  # which reads the thread's number
    if how is None:
        reason = f"the weights of {name} are no polynomials"
    elif how.taps ** len(padding) > MOST_TAPS:
        reason = f"{name} reads {how.taps ** len(padding)} pixels for a sample, and it has room for {MOST_TAPS}"
    elif not image.dtype.is_floating_point:
        reason = f"it reads floating-point images, not {image.dtype}"
    if reason is not None:
        backends.refuse(image.device, reason)
    return reason is None


def _run(
    image: Tensor,
    source: Tensor,
    target: Sequence[int],
    kernel: Kernel,
    padding: tuple[str | float, ...],
    index: Tensor | None,
) -> Tensor:
    narrow, wide, rounding = image.dtype, torch.promote_types(image.dtype, source.dtype), torch.finfo(source.dtype).eps
    prepared, margins = kernel.prepare(image.to(wide), padding)
    source = source.to(wide)
    if not target:
        source = readable(source)  # once, rather than in every operator
    images, sets = prepared.shape[0], source.shape[0]
    if index is None and images != sets:
        if images == 1:
            index = torch.zeros(sets, dtype=torch.int64, device=image.device)
        else:
            source = source.expand(images, -1, -1)
    how = how_to_read(kernel, padding, margins)
    assert how is not None
    how = How(how.table, how.margin, how.padding, how.fill, rounding)
    return operators.pull(prepared, source, how, index=index, target=target).to(narrow)
