"""The CPU backend: hands tensors to the kernels of `loops.py`, on PyTorch's own threads."""

import ctypes
import itertools
import math
import operator
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ..parallel import parallel_for
from . import cells, loops, regions, strips
from .how import How
from .job import APART, LINEAR, POINTS, PROJECTIVE, Job
from .layout import empty, in_huge_pages, lie_apart, readable
from .variant import CELLS, PACKED, PIXELS, PLANES, Variant

# From so many channels on that lie next to each other, samples are read one by one, with their channels in vectors.
MANY_CHANNELS = 8
# So many of them are dealt with at a time where they are neither next to each other nor copied so.
FEW_CHANNELS = 4
# Columns and rows of a tile of the output; of given points, that many in all.
TILE, POINTS_OF_TILE = (512, 16), 2048
# An image with more bytes than this does not stay in the second-level cache: what it will be asked for so many rows of
# the output below is fetched ahead.
NEAR, AHEAD = 2**20, 8
# Images with many channels, one plane after the other, are copied so that the channels of a pixel lie together, a block
# of them at a time, if that takes no more bytes than this.
COPY = 2**20
# A task should be worth starting a thread for: samples times channels.
SMALLEST_TASK = 8192
# An image is divided into at most so many bands, each at least so high. Neither may depend on the number of threads:
# the order of summation does not.
BANDS, ROWS_PER_BAND = 16, 64


def pull(
    image: Tensor, source: Tensor, direction: Tensor | None, index: Tensor | None, target: Sequence[int], how: How
) -> Tensor:
    """See `operators.pull`."""
    samples = empty(image, source.shape[0], image.shape[1], target or source.shape[1:2], like=image)
    call = _Call(image, samples, source, direction, index, target, how)
    call.run("pull", len(source))
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
    call = _Call(image, samples, source, direction, None, target, how)
    call.divide_image(shape[0], how)
    if not (call.variant.layout == PACKED or (call.variant.layout == CELLS and not any(how.padding))):
        image.zero_()  # the others write every pixel once
    if index is not None:  # the sets of points of each image, in their order
        counts = torch.bincount(index, minlength=shape[0])
        members, starts = call.keep(index.argsort(stable=True)), call.keep(F.pad(counts.cumsum(0), (1, 0)))
        call.job.members, call.job.starts = members.data_ptr(), starts.data_ptr()
    call.run("push", shape[0], grain=1)
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
        parts = torch.empty(len(source), call.job.parts, *source.shape[1:], dtype=torch.float64)
        call.job.result = parts.data_ptr()
        call.run("slope", len(source))
        return (parts[:, 0] if parts.shape[1] == 1 else parts.sum(dim=1)).to(source.dtype)
    apart, gradient = call.variant.kind == APART, in_huge_pages(torch.empty_like(source))
    if call.blocks == 1 and _writable(gradient, like=image) and lie_apart(gradient) == apart:
        parts = gradient[:, None]
    else:
        count, dims = source.shape[1:]
        parts = torch.empty(len(source), call.blocks, *((dims, count) if apart else (count, dims)), dtype=image.dtype)
        parts = parts.mT if apart else parts
    call.job.result, call.job.result_step = parts.data_ptr(), (parts.stride(int(call.blocks > 1)), parts.stride(3))
    call.run("slope", len(source))
    return (
        gradient if call.blocks == 1 and parts.data_ptr() == gradient.data_ptr() else gradient.copy_(parts.sum(dim=1))
    )


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
        source = self.keep(source.double().contiguous() if target else readable(source.to(image.dtype)))
        output = tuple(target[::-1]) if target else (source.shape[1], 1)
        output = (*output, 1)[:3]
        channels = image.shape[1]
        # Offsets within a channel fit 32 bits, but for the largest volumes.
        extent = sum((n - 1) * step for n, step in zip(size, image.stride()[2:], strict=True))
        layout, block = _layout(image, flat)
        self.variant = Variant(
            double=image.dtype == torch.float64,
            large=extent >= 2**31,
            dims=dims,
            taps=how.taps,
            kind=_kind(source, target, dims),
            directional=direction is not None,
            layout=layout,
            block=block,
            strips=strips.fit(image, layout, how.taps) and direction is None,
            dense=flat.stride(2) == 1 and (layout == PACKED or image.stride(-1) == 1),
        )
        self.blocks = 1 if layout == PIXELS else max(1, -(-channels // block))  # of channels, each with its own tasks
        rows = output[1] * output[2]
        if layout == PACKED:  # a copy of an image is worth one task
            tile, step = (output[0], rows), _steps(size, block)
        else:
            tile, step = TILE if target else (POINTS_OF_TILE, 1), image.stride()[:1:-1]
        across = -(-output[0] // tile[0])
        tiles = across * -(-rows // tile[1])
        self.work = min(tile[0], output[0]) * min(tile[1], rows) * channels // self.blocks
        scale, shift = how.to_pixels(size)
        job = self.job = Job(
            image=image.data_ptr(),
            image_step=image.stride(0),
            channel_step=image.stride(1),
            channels=channels,
            size=(*size[::-1], 1)[:3],
            step=step,
            samples=flat.data_ptr(),
            samples_step=flat.stride(),
            source=source.data_ptr(),
            source_step=(source.stride(0), source.stride(2)),
            target=output,
            tile=tile,
            across=across,
            ahead=AHEAD if block * math.prod(size) * image.element_size() > NEAR else 0,
            tiles=tiles,
            parts=tiles * self.blocks,
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

    def divide_image(self, count: int, how: How) -> None:
        """Make tasks of regions of the images, for `push`."""
        size, dims = tuple(self.job.size), self.variant.dims
        region, most = list(size), regions.most(self.variant, how, size[0])
        if self.variant.layout == PLANES and cells.fit(self.variant):
            across, high = cells.region(self.variant, size)
            if -(-size[0] // across) * -(-size[1] // high) <= most:
                region[:2] = across, high
                self.variant = self.variant._replace(layout=CELLS)
        if self.variant.layout != PACKED:
            bands = max(1, min(BANDS // max(1, count), math.ceil(size[dims - 1] / ROWS_PER_BAND), most))
            region[dims - 1] = max(1, min(region[dims - 1], math.ceil(size[dims - 1] / bands)))
        self.job.region = tuple(region)
        self.job.tiles = math.prod(-(-n // max(1, length)) for n, length in zip(size, region, strict=True))
        self.job.parts = self.job.tiles * self.blocks

    def run(self, operation: str, sets: int, *, grain: int = 0) -> None:
        """Run all tasks of so many sets of points, or images; at least `grain` of them on a thread."""
        tasks, each_on = sets * self.job.parts, parallel_for()
        assert each_on is not None
        if tasks:
            grain = grain or max(1, SMALLEST_TASK // max(1, self.work))
            each_on(0, tasks, grain, loops.address(operation, self.variant), ctypes.addressof(self.job))


def _writable(points: Tensor, *, like: Tensor) -> bool:
    """Whether a kernel for images like this one can store points in a tensor."""
    return points.dtype == like.dtype and readable(points) is points


def _kind(source: Tensor, target: Sequence[int], dims: int) -> int:
    """Where positions come from: see `Variant`."""
    if target:
        return LINEAR if source.shape[1] == dims else PROJECTIVE
    return APART if lie_apart(source) else POINTS


def _layout(image: Tensor, flat: Tensor) -> tuple[str, int]:
    """How samples are best read, and how many channels at a time: see `Variant`."""
    channels, size = image.shape[1], image.shape[2:]
    if channels < MANY_CHANNELS:
        return PLANES, max(1, channels)
    pixels, block = math.prod(size), 16 if channels >= 16 else MANY_CHANNELS
    if image.stride(1) == flat.stride(1) == 1:
        return PIXELS, block
    planes = flat.stride(2) == 1 and image.stride()[2:] == _steps(size, 1)[::-1]
    small = block <= pixels and pixels * block * image.element_size() <= COPY
    return (PACKED, block) if planes and small else (PLANES, FEW_CHANNELS)


def _steps(size: Sequence[int], first: int) -> tuple[int, ...]:
    """From pixel to pixel along each axis, x first, in memory without gaps."""
    return tuple(itertools.accumulate(size[:0:-1], operator.mul, initial=first))
