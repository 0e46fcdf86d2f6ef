"""The CUDA backend: hands tensors to the Triton kernels in `triton_kernels.py`.

Nothing here waits for the device, so that calls can be captured in a CUDA graph. Before that, make one call of the same
kind: it compiles the kernels, times their block sizes, and copies the kernel's table to the device.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import torch
import triton
from torch import Tensor

from . import triton_kernels
from .how import OURS, How
from .layout import empty

# Samples of a program, and how many channels it holds at once.
BLOCK, CHANNELS = 128, 8
# More taps than this are a loop at run time, of which one slice is unrolled.
UNROLLED = 16
# Block sizes and numbers of warps that are timed when a kernel first meets another kind of call.
CONFIGURATIONS = ((64, 2), (128, 4), (256, 4), (256, 8))
# In deterministic mode sums are kept below 2 to this power, in 64-bit whole numbers.
BITS = 62


def pull(
    image: Tensor, source: Tensor, direction: Tensor | None, index: Tensor | None, target: Sequence[int], how: How
) -> Tensor:
    """See `operators.pull`."""
    samples = empty(image, source.shape[0], image.shape[1], target or source.shape[1:2], like=image)
    _run("pull", image, samples, source, direction, index, target, how)
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
    if not torch.are_deterministic_algorithms_enabled() or samples.numel() == 0:
        _run("push", image, samples, source, direction, index, target, how, scale=None)
        return image
    most = samples.numel() // samples.shape[1] if index is not None else samples[0, 0].numel()
    scale = _fixed_point(samples, direction, shape[1:], how, most)
    whole = torch.zeros_like(image, dtype=torch.int64)
    _run("push", whole, samples, source, direction, index, target, how, scale=scale)
    return image.copy_(whole / scale)


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
    if not target:
        result = source.new_zeros(source.shape)
        _run(
            "slope", image, samples, source, direction, index, target, how, result=result, result_step=result.stride(0)
        )
        gradient = torch.empty_like(source)  # in the order in memory that the points have
        return result if gradient.stride() == result.stride() else gradient.copy_(result)
    # A part for each program, added up in an order that is always the same.
    smallest = BLOCK if _is_fixed(image) else min(block for block, _ in CONFIGURATIONS)
    tiles = max(1, -(-math.prod(target) // smallest))
    parts = source.new_zeros(len(source), tiles, *source.shape[1:], dtype=torch.float64)
    _run("slope", image, samples, source, direction, index, target, how, result=parts, result_step=parts.stride(0))
    return parts.sum(dim=1).to(source.dtype)


def _is_fixed(image: Tensor) -> bool:
    """Whether the block size is given: it decides the order of summation, and the interpreter has nothing to time."""
    return image.device.type != "cuda" or torch.are_deterministic_algorithms_enabled()


def _run(
    name: str,
    image: Tensor,
    samples: Tensor,
    source: Tensor,
    direction: Tensor | None,
    index: Tensor | None,
    target: Sequence[int],
    how: How,
    **own: Tensor | int | None,
) -> None:
    assert how.convention == OURS, "`compat` hands tensors on a GPU to PyTorch"
    flat = samples.flatten(2)  # (M, C, K)
    if flat.shape[2] * len(source) == 0:
        return
    source = source.to(flat.dtype)
    direction = None if direction is None else direction.to(flat.dtype)
    tensors = {
        "image": image,
        "samples": flat,
        "source": source,
        "direction": direction,
        "index": None if index is None else index.long().contiguous(),
        "numbers": _numbers(tuple(how.table), how.fill, flat.dtype, image.device),
    }
    steps = {
        "steps": (*image.stride()[:2], *_x_first(image.stride()[2:])),
        "samples_step": flat.stride(),
        "source_step": source.stride(),
        "direction_step": None if direction is None else direction.stride(),
    }
    order = (name == "slope") + (direction is not None)  # of the derivatives that are taken
    constants = _constants(image.shape[1], flat.shape[2], source, target, how, order)
    _launch(name, len(source), {**tensors, **steps, **_sizes(image, flat, target, how), **own, **constants})


def _sizes(image: Tensor, flat: Tensor, target: Sequence[int], how: How) -> dict[str, Any]:
    return {
        "size": _x_first(image.shape[2:]),
        "margin": _x_first(how.margin),
        "rounding": _x_first(how.roundings(image.shape[2:])),
        "target": _x_first(target) if target else None,
        "channels": flat.shape[1],
        "count": flat.shape[2],
    }


def _constants(
    channels: int, count: int, source: Tensor, target: Sequence[int], how: How, order: int
) -> dict[str, Any]:
    """What kernels are compiled for."""
    dims = len(how.padding)
    kind = triton_kernels.POINTS
    if target:
        kind = triton_kernels.LINEAR if source.shape[1] == dims else triton_kernels.PROJECTIVE
    return {
        "dims": dims,
        "taps": how.taps,
        "kind": kind,
        "sides": how.sides(order),
        "rules": _x_first(how.padding),
        "unrolled": how.taps**dims if how.taps**dims <= UNROLLED else how.taps**2,
        "tile_of_channels": min(CHANNELS, triton.next_power_of_2(max(1, channels))),
        "wide": count >= 2**31 - 2**16,  # samples are counted in 64 bits
        # A fused product would not be rounded, and a pixel's centre would not come out as a whole number.
        "enable_fp_fusion": False,
    }


def _launch(name: str, sets: int, arguments: dict[str, Any]) -> None:
    image, count = arguments["image"], arguments["count"]
    fixed = _is_fixed(image)
    kernel = getattr(triton_kernels, name) if fixed else _tuned(name)
    chosen = {"block": BLOCK} if fixed else {}
    with torch.cuda.device_of(image):
        kernel[lambda meta: (sets * triton.cdiv(count, meta["block"]),)](**arguments, **chosen)


@functools.cache
def _tuned(name: str) -> Any:
    """A kernel that finds its block size, and clears what it added up meanwhile."""
    written = {"pull": [], "push": ["image"], "slope": ["result"]}
    return triton.autotune(
        [triton.Config({"block": block}, num_warps=warps) for block, warps in CONFIGURATIONS],
        key=["dims", "taps", "kind", "tile_of_channels"],
        reset_to_zero=written[name],
    )(getattr(triton_kernels, name))


def _fixed_point(samples: Tensor, direction: Tensor | None, size: Sequence[int], how: How, most: int) -> Tensor:
    """What sums are multiplied by to become whole numbers, so that none of `most` terms exceeds 2^BITS; NaN if some
    sample is not finite."""
    dims, taps = len(size), how.taps
    # A fraction is at most 1, so the coefficients bound the weights of a sample, and how fast these change.
    weights = sum(abs(c) for c in how.table)
    bound = samples.abs().amax().double() * (most * weights**dims)
    if direction is not None:
        slopes = sum(abs(c) * (j % taps) for j, c in enumerate(how.table))
        bound = bound * direction.abs().amax().double() * (dims * max(size) / 2 * slopes / weights)
    exponent = torch.frexp(bound)[1].clamp(min=-960)
    scale = torch.ldexp(torch.ones_like(bound), BITS - exponent)
    return torch.where(bound.isfinite(), scale, math.nan)


def _x_first(numbers: Sequence[Any]) -> tuple[Any, ...]:
    """Three numbers, x first; the last one of two stands for z as well."""
    turned = tuple(numbers)[::-1]
    return turned if len(turned) == 3 else (*turned, turned[-1])


@functools.lru_cache(maxsize=64)
def _numbers(table: tuple[float, ...], fill: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """`How.numbers` on the device."""
    return How(table, (), (), fill).numbers(dtype).to(device)
