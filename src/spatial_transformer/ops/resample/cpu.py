"""The CPU backend: hands tensors to the kernels of `loops.py`, on PyTorch's own threads."""

import ctypes
import functools
import itertools
import math
import operator
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..parallel import parallel_for
from . import cells, compiled, loops, regions, strips
from .how import OURS, How
from .job import APART, LINEAR, POINTS, PROJECTIVE, Job, write_addresses
from .layout import empty, in_huge_pages, lie_apart, readable
from .variant import CELLS, PACKED, PIXELS, PLANES, Variant

# From so many channels on that lie next to each other, samples are read one by one, with their channels in vectors.
MANY_CHANNELS = 8
# So many of them are dealt with at a time where they are neither next to each other nor copied so.
FEW_CHANNELS = 4
# Columns and rows of a tile of the output; of given points, that many in all. Tiles of large batches are higher: in all
# there are enough, and the fewer an image has, the fewer sums there are to be added.
TILE, POINTS_OF_TILE = (512, 16), 2048
HIGHER = 16  # times as high for so many images, at most as many times
# An image with more bytes than this does not stay in the second-level cache: what it will be asked for so many rows of
# the output below is fetched ahead. Beside smaller ones there is room for the next; beside copies for a quarter.
NEAR, AHEAD = 2**20, 8
# Images with many channels, one plane after the other, are copied so that the channels of a pixel lie together, a block
# of them at a time, if that takes no more bytes than this.
COPY = 2**20
# A thread is given at least so much work, counted as in `_work`: about 0.1 ms. It has to be woken up first, and waited
# for; where all cores are busy with something else that takes far longer.
WORTH_A_THREAD = 2**19
# An image is divided into at most so many bands, each at least so high. Neither may depend on the number of threads:
# the order of summation does not.
BANDS, ROWS_PER_BAND = 16, 64


def pull(
    image: Tensor, source: Tensor, direction: Tensor | None, index: Tensor | None, target: Sequence[int], how: How
) -> Tensor:
    """See `operators.pull`."""
    samples = empty(image, source.shape[0], image.shape[1], target or source.shape[1:2], like=image)
    if samples.numel():  # for nothing no kernel is compiled
        _Call("pull", image, samples, source, direction, index, target, how).run(source.shape[0])
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
    if not samples.numel():
        return image.zero_()
    call = _Call("push", image, samples, source, direction, None, target, how)
    if not call.plan.writes_all:
        image.zero_()
    if index is not None:  # the sets of points of each image, in their order
        counts = torch.bincount(index, minlength=shape[0])
        members, starts = call.keep(index.argsort(stable=True)), call.keep(F.pad(counts.cumsum(0), (1, 0)))
        call.job.members, call.job.starts = members.data_ptr(), starts.data_ptr()
    call.run(shape[0])
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
    if not samples.numel():
        return torch.zeros_like(source)
    call = _Call("slope", image, samples, source, direction, index, target, how)
    sets, blocks = source.shape[0], call.plan.blocks
    if target:
        parts = torch.empty(sets, call.job.parts, *source.shape[1:], dtype=torch.float64)
        call.job.result = parts.data_ptr()
        call.run(sets)
        return (parts[:, 0] if parts.shape[1] == 1 else parts.sum(dim=1)).to(source.dtype)
    apart, gradient = call.plan.variant.kind == APART, in_huge_pages(torch.empty_like(source))
    if blocks == 1 and _writable(gradient, like=image) and lie_apart(gradient) == apart:
        parts = gradient[:, None]
    else:
        count, dims = source.shape[1:]
        parts = torch.empty(sets, blocks, *((dims, count) if apart else (count, dims)), dtype=image.dtype)
        parts = parts.mT if apart else parts
    call.job.result, call.job.result_step = parts.data_ptr(), (parts.stride(int(blocks > 1)), parts.stride(3))
    call.run(sets)
    return gradient if blocks == 1 and parts.data_ptr() == gradient.data_ptr() else gradient.copy_(parts.sum(dim=1))


class Prepared:
    """An operator that is run again and again on tensors of the same shapes and strides.

    Args:
        plan: of a call without direction and index.
        sets: of points, or images for `push`.
        adds: for `push`, whether the kernel adds to what is there.
        result_step: for `slope`, from set to set and from coordinate to coordinate.
        parts: for `slope`, the shape of what is to be summed along its second axis; None if the kernel writes the
            gradient itself.
    """

    def __init__(
        self,
        plan: "_Plan",
        sets: int,
        *,
        adds: bool = False,
        result_step: tuple[int, int] = (0, 0),
        parts: tuple[int, ...] | None = None,
    ) -> None:
        job = Job.from_buffer_copy(plan.job)
        job.result_step = result_step
        self._job, self._plan, self._tasks = bytes(job), plan, sets * job.parts
        self._adds, self.parts = adds, parts

    def run(self, image: Tensor, samples: Tensor, source: Tensor, result: Tensor | None = None) -> None:
        """As the operators, which say what is read and what is written.

        Args:
            image: (N, C, *size).
            samples: (M, C, K).
            source: (M, K, D) points or, in float64, (M, D | D+1, D+1) matrices.
            result: of `slope`.
        """
        if self._adds:
            image.zero_()
        job = Job.from_buffer_copy(self._job)
        to = 0 if result is None else result.data_ptr()
        write_addresses(job, 0, image.data_ptr(), samples.data_ptr(), source.data_ptr(), to)
        self._plan.run(job, self._tasks)

    def slope(self, image: Tensor, samples: Tensor, source: Tensor) -> Tensor:
        """`slope`, in the shape of `source`, which has more axes than three if points lie so."""
        if self.parts is None:
            gradient = torch.empty_strided(source.shape, source.stride(), dtype=source.dtype, device="cpu")
            self.run(image, samples, source, gradient)
            return gradient
        parts = torch.empty(self.parts, dtype=source.dtype, device="cpu")
        self.run(image, samples, source, parts)
        gradient = parts.sum(dim=1)
        return (gradient.mT if self._plan.variant.kind == APART else gradient).reshape(source.shape)


def prepare(
    operation: str, image: Tensor, samples: Tensor, source: Tensor, target: Sequence[int], how: How
) -> Prepared:
    """An operator on tensors like these, whose values do not matter: (M, C, K) samples, sources that are read as they
    lie."""
    plan = plan_of(operation, image, samples, source, target, how)
    if operation == "pull":
        return Prepared(plan, len(source))
    if operation == "push":
        return Prepared(plan, len(image), adds=not plan.writes_all)
    parts = Job.from_buffer_copy(plan.job).parts if target else plan.blocks
    if parts == 1:
        return Prepared(plan, len(source), result_step=(source.stride(0), source.stride(2)))
    (sets, *one), apart = source.shape, plan.variant.kind == APART
    one = one[::-1] if apart else one
    return Prepared(plan, sets, result_step=(math.prod(one), one[1] if apart else 1), parts=(sets, parts, *one))


class _Call:
    """What a kernel is told, and the tensors whose addresses it is told."""

    def __init__(
        self,
        operation: str,
        image: Tensor,
        samples: Tensor,
        source: Tensor,
        direction: Tensor | None,
        index: Tensor | None,
        target: Sequence[int],
        how: How,
    ) -> None:
        flat = samples if samples.ndim == 3 or samples.is_contiguous() else samples.flatten(2)
        source = source.double().contiguous() if target else readable(source.to(image.dtype))
        self._kept = [flat, source]
        self.plan = plan_of(operation, image, flat, source, target, how, directional=direction is not None)
        self.job = job = Job.from_buffer_copy(self.plan.job)
        write_addresses(job, 0, image.data_ptr(), flat.data_ptr(), source.data_ptr(), 0)
        if direction is not None:
            direction = self.keep(direction.to(image.dtype))
            job.direction, job.direction_step = direction.data_ptr(), direction.stride()
        if index is not None:
            job.index = self.keep(index.long().contiguous()).data_ptr()

    def keep(self, tensor: Tensor) -> Tensor:
        """Hold on to a tensor while the kernel runs."""
        self._kept.append(tensor)
        return tensor

    def run(self, sets: int) -> None:
        """Run all tasks of so many sets of points, or images for `push`."""
        self.plan.run(self.job, sets * self.job.parts)


# --- what follows from shapes -----------------------------------------------------------------------------------------


class _Shape(NamedTuple):
    """Of a tensor, without its values."""

    shape: torch.Size
    stride: tuple[int, ...]
    dtype: torch.dtype


class _Plan(NamedTuple):
    """All about a call that does not depend on values: networks make the same ones again and again.

    Attributes:
        variant: of the kernel.
        kernel: its code.
        job: what it is told, but for addresses.
        blocks: of channels, each with its own tasks.
        grain: a thread is given at least so many tasks.
        writes_all: for `push`, whether the kernel writes every pixel once; if not, it adds.
        kept: a tensor whose address is in the job.
    """

    variant: Variant
    kernel: compiled.Code
    job: bytes
    blocks: int
    grain: int
    writes_all: bool
    kept: Tensor

    def run(self, job: Job, tasks: int) -> None:
        """Run all tasks, on PyTorch's threads if there is enough to do."""
        if tasks <= self.grain:  # a single thread's work
            self.kernel.call(0, tasks, ctypes.addressof(job))
            return
        each_on = parallel_for()
        assert each_on is not None
        each_on(0, tasks, self.grain, self.kernel.address, ctypes.addressof(job))


def plan_of(
    operation: str,
    image: Tensor,
    samples: Tensor,
    source: Tensor,
    target: Sequence[int],
    how: How,
    *,
    directional: bool = False,
) -> _Plan:
    """The plan of a call on tensors of these shapes; samples that have more than three axes have no gaps."""
    samples_step = samples.stride()
    return _plan(
        operation,
        image.shape,
        image.stride(),
        image.dtype,
        samples_step if len(samples_step) == 3 else (*samples_step[:2], 1),
        source.shape,
        source.stride(),
        directional,
        tuple(target),
        how,
    )


@functools.lru_cache(maxsize=512)
def _plan(
    operation: str,
    shape: torch.Size,
    stride: tuple[int, ...],
    dtype: torch.dtype,
    samples_step: tuple[int, ...],
    source: torch.Size,
    source_step: tuple[int, ...],
    directional: bool,
    target: tuple[int, ...],
    how: How,
) -> _Plan:
    """How a call is divided, and what its kernel is told.

    Args:
        operation: "pull", "push" or "slope".
        shape: (N, C, *size) of images.
        stride: of them.
        dtype: of them.
        samples_step: strides of (M, C, K).
        source: shape of points or matrices.
        source_step: strides of them.
        directional: whether weights are differentiated along a direction.
        target: the size of the output of matrices.
        how: how it is read.
    """
    image = _Shape(shape, stride, dtype)
    count, channels, *size = shape
    output = (*(target[::-1] if target else (source[1], 1)), 1)[:3]
    x_first = (*size[::-1], 1)[:3]
    variant = _variant(operation, image, samples_step, _kind(source, source_step, target, len(size)), directional, how)
    layout, block = variant.layout, variant.block
    blocks = 1 if layout == PIXELS else max(1, -(-channels // block))
    rows = output[1] * output[2]
    if layout == PACKED:  # a copy of an image is worth one task
        tile, step = (output[0], rows), _steps(size, block)
    else:
        tile, step = _tile(count, output[0], rows) if target else (POINTS_OF_TILE, 1), image.stride[:1:-1]
    across = -(-output[0] // tile[0])
    tiles = across * -(-rows // tile[1])
    region: tuple[int, ...] = (0, 0, 0)
    samples = min(tile[0], output[0]) * min(tile[1], rows)  # of a task
    if operation == "push":
        variant, region = _regions(variant, count, x_first, how, output[0] * rows * -(-source[0] // max(1, count)))
        tiles = math.prod(-(-n // max(1, length)) for n, length in zip(x_first, region, strict=True))
        samples = output[0] * rows // max(1, tiles)
    grain = max(1, WORTH_A_THREAD // max(1, _work(samples, channels / blocks, variant)))
    scale, shift = how.to_pixels(size)
    bytes_of_block = block * math.prod(size) * image.dtype.itemsize
    table = how.numbers(torch.float64)
    job = Job(
        image_step=image.stride[0],
        channel_step=image.stride[1],
        channels=channels,
        size=x_first,
        step=step,
        samples_step=samples_step,
        source_step=(source_step[0], source_step[2]),
        target=output,
        tile=tile,
        across=across,
        ahead=AHEAD if bytes_of_block > (NEAR // 4 if layout == PACKED else NEAR) else 0,
        region=region,
        tiles=tiles,
        parts=tiles * blocks,
        padding=tuple(how.padding[::-1]),
        scale=scale,
        shift=shift,
        fill=how.fill,
        rounding=how.roundings(size)[::-1],
        lowest=how.lowest[::-1],
        instead=how.instead[::-1],
        table=table.data_ptr(),
    )
    writes_all = variant.layout == PACKED or (variant.layout == CELLS and not any(how.padding))
    kernel = loops.kernel_of(operation, variant)
    return _Plan(variant, kernel, bytes(job), blocks, grain, writes_all, table)


def _tile(count: int, width: int, rows: int) -> tuple[int, int]:
    """Columns and rows of the tiles of an output, as many samples in narrow ones as in wide ones."""
    columns, higher = TILE[0], max(1, min(HIGHER, count // HIGHER))
    high = max(TILE[1] * higher, TILE[1] * columns // min(columns, width))
    return columns, -(-rows // -(-rows // high))


def _work(samples: int, channels: float, variant: Variant) -> int:
    """What a task costs: about as much as so many taps that are read. To find a sample costs as much as to read ten."""
    return int(samples * (10 + channels * variant.total))


def _variant(
    operation: str, image: _Shape, samples_step: tuple[int, ...], kind: int, directional: bool, how: How
) -> Variant:
    """Which kernel is the fastest."""
    channels, *size = image.shape[1:]
    double, (layout, block) = image.dtype == torch.float64, _layout(image, samples_step)
    # Offsets within a channel fit 32 bits, but for the largest volumes.
    large = sum((n - 1) * step for n, step in zip(size, image.stride[2:], strict=True)) >= 2**31
    reads_planes = layout == PLANES and operation != "push" and not double
    gathers = reads_planes and not large and compiled.gathers()
    order = directional + (operation == "slope")  # of the derivatives that are taken
    fit = reads_planes and len(size) == 2 and image.stride[-1] == 1 and not directional
    return Variant(
        double=double,
        large=large,
        dims=len(size),
        taps=how.taps,
        foreign=how.convention != OURS,
        kind=kind,
        directional=directional,
        sides=how.sides(order),
        layout=layout,
        block=block,
        strips=fit and strips.pay(how.taps, kind, channels, gathers=gathers),
        gathers=gathers,
        dense=samples_step[2] == 1 and (layout == PACKED or image.stride[-1] == 1),
    )


def _regions(
    variant: Variant, count: int, size: tuple[int, ...], how: How, samples: int
) -> tuple[Variant, tuple[int, ...]]:
    """Columns, rows and slices of the regions of images for `push`, and the kernel; an image has so many samples."""
    dims, region, most = variant.dims, list(size), regions.most(variant, how, count, size[0], samples)
    if variant.layout == PLANES and cells.fit(variant):
        across, high = cells.region(variant, size, few=regions.looks_at_all(variant, how))
        if -(-size[0] // across) * -(-size[1] // high) <= most:
            region[:2] = across, high
            variant = variant._replace(layout=CELLS)
    if variant.layout != PACKED:
        bands = max(1, min(BANDS // max(1, count), math.ceil(size[dims - 1] / ROWS_PER_BAND), most))
        region[dims - 1] = max(1, min(region[dims - 1], math.ceil(size[dims - 1] / bands)))
    return variant, tuple(region)


def _writable(points: Tensor, *, like: Tensor) -> bool:
    """Whether a kernel for images like this one can store points in a tensor."""
    return points.dtype == like.dtype and readable(points) is points


def _kind(source: torch.Size, step: tuple[int, ...], target: Sequence[int], dims: int) -> int:
    """Where positions come from: see `Variant`."""
    if target:
        return LINEAR if source[1] == dims else PROJECTIVE
    return APART if step[1] == 1 and source[1] > 1 else POINTS


def _layout(image: _Shape, samples_step: tuple[int, ...]) -> tuple[str, int]:
    """How samples are best read, and how many channels at a time: see `Variant`."""
    channels, size = image.shape[1], image.shape[2:]
    if channels < MANY_CHANNELS:
        return PLANES, max(1, channels)
    pixels, block = math.prod(size), 16 if channels >= 16 else MANY_CHANNELS
    if image.stride[1] == samples_step[1] == 1:
        return PIXELS, block
    planes = samples_step[2] == 1 and image.stride[2:] == _steps(size, 1)[::-1]
    small = block <= pixels and pixels * block * image.dtype.itemsize <= COPY
    return (PACKED, block) if planes and small else (PLANES, FEW_CHANNELS)


def _steps(size: Sequence[int], first: int) -> tuple[int, ...]:
    """From pixel to pixel along each axis, x first, in memory without gaps."""
    return tuple(itertools.accumulate(size[:0:-1], operator.mul, initial=first))
