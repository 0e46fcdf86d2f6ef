"""The CPU backend: hands tensors to the compiled loops in `loops.py`, on PyTorch's own threads."""

import ctypes
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..parallel import parallel_for
from . import blocks, compiled, lanes, loops
from .how import How
from .layout import empty

# From so many channels on that lie next to each other, work runs along them instead of along the samples.
MANY_CHANNELS = 8
# A task should be worth starting a thread for: samples times channels.
SMALLEST_TASK = 8192
# A set of samples is divided into at most so many chunks, an image into at most so many bands. Neither may depend on
# the number of threads: the order of summation does not.
CHUNKS, BANDS, ROWS_PER_BAND = 256, 16, 64

ELEMENTS = {torch.float32: np.float32, torch.float64: np.float64}


def pull(
    image: Tensor, source: Tensor, direction: Tensor | None, index: Tensor | None, target: Sequence[int], how: How
) -> Tensor:
    """See `operators.pull`."""
    samples = empty(image, source.shape[0], image.shape[1], target or source.shape[1:2], like=image)
    job = _Job(image, samples, source, direction, index, target, how)
    job.run("pull", tasks=job.chunks * len(source))
    return samples


def push(
    samples: Tensor,
    source: Tensor,
    direction: Tensor | None,
    index: Tensor | None,
    target: Sequence[int],
    how: How,
    shape: Sequence[int],
) -> Tensor:
    """See `operators.push`."""
    image = empty(samples, shape[0], samples.shape[1], shape[1:], like=samples)
    job = _Job(image, samples, source, direction, None, target, how)
    if index is not None:  # the sets of points of each image, in their order
        counts = torch.bincount(index, minlength=shape[0])
        members, starts = job.keep(index.argsort(stable=True)), job.keep(F.pad(counts.cumsum(0), (1, 0)))
        job.job.members, job.job.starts = members.data_ptr(), starts.data_ptr()
    bands = max(1, min(BANDS // max(1, shape[0]), math.ceil(shape[1] / ROWS_PER_BAND)))
    if job.job.kind != compiled.LINEAR:  # whose blocks cannot be passed over without placing them
        bands = min(bands, 4)
    job.job.bands = bands
    job.run("push", tasks=bands * shape[0])
    return image


def slope(
    samples: Tensor,
    image: Tensor,
    source: Tensor,
    direction: Tensor | None,
    index: Tensor | None,
    target: Sequence[int],
    how: How,
) -> Tensor:
    """See `operators.slope`."""
    job = _Job(image, samples, source, direction, index, target, how)
    if target:
        result = job.keep(torch.empty(len(source), job.chunks, *source.shape[1:], dtype=torch.float64))
    else:
        result = torch.empty(source.shape, dtype=source.dtype)
    job.job.sets, job.job.result = job.dims, result.data_ptr()
    job.run("slope", tasks=job.chunks * len(source))
    return result.sum(dim=1).to(source.dtype) if target else result


class _Job:
    """What a kernel is told, and the tensors whose addresses it is told."""

    def __init__(
        self,
        image: Tensor,
        samples: Tensor,
        source: Tensor,
        direction: Tensor | None,
        index: Tensor | None,
        target: Sequence[int],
        how: How,
    ) -> None:
        self._kept: list[Tensor] = []
        self.dims = image.ndim - 2
        size = tuple(image.shape[2:])
        flat = self.keep(samples.flatten(2))
        source = self.keep(source.double().contiguous() if target else _together(source.to(image.dtype)))
        taps, total = how.taps, how.taps**self.dims
        count = math.prod(target) if target else source.shape[1]
        block = compiled.block_length(total)
        parts = -(-count // block)
        per_chunk = max(1, -(-parts // CHUNKS))
        self.chunks = -(-parts // per_chunk)
        self.samples_per_chunk = per_chunk * block * image.shape[1]
        # Offsets within a channel fit 32 bits, which are gathered faster, but for the largest volumes.
        extent = sum((n - 1) * step for n, step in zip(size, image.stride()[2:], strict=True))
        self.integer = np.int32 if extent < 2**31 else np.int64
        along = all(tensor.stride(1) == 1 for tensor in (image, flat)) and image.shape[1] >= MANY_CHANNELS

        self.element = ELEMENTS[image.dtype]
        wide = direction is None and not along and image.stride(-1) == 1 and taps in lanes.WIDE
        self.variant = (taps, self.dims) if wide else (0, 0)
        scale, shift = how.to_pixels(size)
        numbers = how.numbers(image.dtype)
        job = self.job = compiled.Job(
            dims=self.dims,
            taps=taps,
            total=total,
            block=block,
            pitch=block + lanes.MOST_LANES,
            image=image.data_ptr(),
            image_step=image.stride(0),
            channel_step=image.stride(1),
            size=size[::-1],
            step=image.stride()[:1:-1],
            channels=image.shape[1],
            samples=flat.data_ptr(),
            samples_step=flat.stride(),
            count=count,
            source=source.data_ptr(),
            source_step=source.stride(),
            kind=compiled.POINTS,
            blocks=parts,
            blocks_per_chunk=per_chunk,
            chunks=self.chunks,
            scale=scale,
            shift=shift,
            padding=tuple(how.padding[::-1]),
            table=numbers.data_ptr(),
            fill=numbers[-1:].data_ptr(),
            bands=1,
            sets=1,
            along=along,
            wide=wide,
            prepare=blocks.prepare(self.element, self.integer).address,
        )
        if target:
            job.kind = compiled.LINEAR if source.shape[1] == self.dims else compiled.PROJECTIVE
            job.target = tuple(target[::-1])
        if direction is not None:
            direction = self.keep(direction.to(image.dtype))
            job.direction, job.direction_step = direction.data_ptr(), direction.stride()
        if index is not None:
            job.index = self.keep(index.long().contiguous()).data_ptr()

    def keep(self, tensor: Tensor) -> Tensor:
        """Hold on to a tensor while the kernel runs."""
        self._kept.append(tensor)
        return tensor

    def run(self, operation: str, *, tasks: int) -> None:
        if not tasks:
            return
        kernel = getattr(loops, operation)(self.element, self.integer, *self.variant)
        each_on = parallel_for()
        assert each_on is not None
        grain = max(1, SMALLEST_TASK // max(1, self.samples_per_chunk)) if operation != "push" else 1
        each_on(0, tasks, grain, kernel.address, ctypes.addressof(self.job))


def _together(points: Tensor) -> Tensor:
    """(M, K, D), points of a set one after the other; sets may be one and the same."""
    return points if points.stride()[1:] == (points.shape[2], 1) else points.contiguous()
