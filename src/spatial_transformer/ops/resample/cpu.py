"""The CPU backend: hands tensors to the kernels of `loops.py`, on PyTorch's own threads."""

import ctypes
import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ..parallel import parallel_for
from . import loops
from .how import How
from .job import LINEAR, POINTS, PROJECTIVE, Job
from .layout import empty
from .variant import PIXELS, PLANES, Variant

# From so many channels on that lie next to each other, samples are read one by one, with their channels in vectors.
MANY_CHANNELS = 8
# Columns and rows of a tile of the output; of given points, that many in all.
TILE = (128, 16)
# A task should be worth starting a thread for: samples times channels.
SMALLEST_TASK = 8192
# An image is divided into at most so many bands, each at least so high. Neither may depend on the number of threads: the
# order of summation does not.
BANDS, ROWS_PER_BAND = 16, 64


def pull(
    image: Tensor, source: Tensor, direction: Tensor | None, index: Tensor | None, target: Sequence[int], how: How
) -> Tensor:
    """See `operators.pull`."""
    samples = empty(image, source.shape[0], image.shape[1], target or source.shape[1:2], like=image)
    call = _Call(image, samples, source, direction, index, target, how)
    call.run("pull", call.tiles * len(source))
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
    image = empty(samples, shape[0], samples.shape[1], shape[1:], like=samples).zero_()
    call = _Call(image, samples, source, direction, None, target, how)
    if index is not None:  # the sets of points of each image, in their order
        counts = torch.bincount(index, minlength=shape[0])
        members, starts = call.keep(index.argsort(stable=True)), call.keep(F.pad(counts.cumsum(0), (1, 0)))
        call.job.members, call.job.starts = members.data_ptr(), starts.data_ptr()
    bands = max(1, min(BANDS // max(1, shape[0]), math.ceil(shape[1] / ROWS_PER_BAND)))
    if call.kind != LINEAR:  # whose rows cannot be passed over without placing their samples
        bands = min(bands, 4)
    call.job.bands = bands
    call.run("push", bands * shape[0])
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
    call = _Call(image, samples, source, direction, index, target, how)
    if target:
        result = call.keep(torch.empty(len(source), call.tiles, *source.shape[1:], dtype=torch.float64))
    else:
        result = torch.empty(source.shape, dtype=source.dtype)
    call.job.result = result.data_ptr()
    call.run("slope", call.tiles * len(source))
    return result.sum(dim=1).to(source.dtype) if target else result


class _Call:
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
        size, dims = tuple(image.shape[2:]), image.ndim - 2
        flat = self.keep(samples.flatten(2))
        source = self.keep(source.double().contiguous() if target else _together(source.to(image.dtype)))
        self.kind = POINTS if not target else LINEAR if source.shape[1] == dims else PROJECTIVE
        output = tuple(target[::-1]) if target else (source.shape[1], 1)
        output = (*output, 1)[:3]
        tile = TILE if target else (TILE[0] * TILE[1], 1)
        across = -(-output[0] // tile[0])
        self.tiles = across * -(-output[1] * output[2] // tile[1])
        self.samples_per_tile = min(tile[0], output[0]) * min(tile[1], output[1] * output[2]) * image.shape[1]
        # Offsets within a channel fit 32 bits, but for the largest volumes.
        extent = sum((n - 1) * step for n, step in zip(size, image.stride()[2:], strict=True))
        along = all(tensor.stride(1) == 1 for tensor in (image, flat)) and image.shape[1] >= MANY_CHANNELS
        self.variant = Variant(
            double=image.dtype == torch.float64,
            large=extent >= 2**31,
            dims=dims,
            taps=how.taps,
            kind=self.kind,
            directional=direction is not None,
            layout=PIXELS if along and False else PLANES,
            dense=image.stride(-1) == 1 and flat.stride(2) == 1,
        )
        scale, shift = how.to_pixels(size)
        job = self.job = Job(
            image=image.data_ptr(),
            image_step=image.stride(0),
            channel_step=image.stride(1),
            channels=image.shape[1],
            size=size[::-1],
            step=image.stride()[:1:-1],
            samples=flat.data_ptr(),
            samples_step=flat.stride(),
            source=source.data_ptr(),
            source_step=source.stride(0),
            target=output,
            tile=tile,
            tiles=(across, self.tiles),
            bands=1,
            padding=tuple(how.padding[::-1]),
            scale=scale,
            shift=shift,
            fill=how.fill,
            table=how.numbers(torch.float64).data_ptr(),
        )
        if direction is not None:
            direction = self.keep(direction.to(image.dtype))
            job.direction, job.direction_step = direction.data_ptr(), direction.stride()
        if index is not None:
            job.index = self.keep(index.long().contiguous()).data_ptr()

    def keep(self, tensor: Tensor) -> Tensor:
        """Hold on to a tensor while the kernel runs."""
        self._kept.append(tensor)
        return tensor

    def run(self, operation: str, tasks: int) -> None:
        if not tasks:
            return
        each_on = parallel_for()
        assert each_on is not None
        grain = max(1, SMALLEST_TASK // max(1, self.samples_per_tile)) if operation != "push" else 1
        each_on(0, tasks, grain, loops.address(operation, self.variant), ctypes.addressof(self.job))


def _together(points: Tensor) -> Tensor:
    """(M, K, D), points of a set one after the other; sets may be one and the same."""
    return points if points.stride()[1:] == (points.shape[2], 1) else points.contiguous()
