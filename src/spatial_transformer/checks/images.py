"""Checks of images, and of how they are read."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .arguments import positive, shape, tensor
from .values import readable, vectorised

MODES = ("nearest", "bilinear", "bicubic", "bspline3")

PADDINGS = ("zeros", "border", "reflection", "wrap")

# What PyTorch can index and compute with on every device; it merely stores the others.
IMAGE_DTYPES = (
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.complex64, torch.complex128),
)


def image(value: Tensor, dims: int | None = None) -> int:
    """Check an image (N, C, H, W) or a volume (N, C, D, H, W) and return its number of spatial axes."""
    tensor("image", value)
    allowed = (2, 3) if dims is None else (dims,)
    if value.ndim - 2 not in allowed:
        wanted = " or ".join({2: "(N, C, H, W)", 3: "(N, C, D, H, W)"}[d] for d in allowed)
        repair = " Add the missing axes, for instance `image[None]`." if value.ndim - 2 < min(allowed) else ""
        if value.ndim == 3:
            repair += " A one-dimensional signal (N, C, W) goes as an image of height one, `image[:, :, None]`."
        raise ValueError(f"`image` must have shape {wanted}; got {shape(value)}.{repair}")
    if any(length < 1 for length in value.shape[2:]):
        raise ValueError(f"`image` must have at least one pixel along every axis; got {shape(value)}.")
    if value.dtype not in IMAGE_DTYPES:
        names = ", ".join(str(dtype).removeprefix("torch.") for dtype in IMAGE_DTYPES)
        raise TypeError(f"`image` must be one of {names}; got {value.dtype}. Convert it to the next wider one.")
    return value.ndim - 2


def same_batch(image: Tensor, name: str, value: Tensor) -> None:
    if image.shape[0] != value.shape[0] and 1 not in (image.shape[0], value.shape[0]):
        raise ValueError(
            f"`{name}` must have as many rows as `image` has images, {image.shape[0]}, or one for all; "
            f"got {value.shape[0]} (shape {shape(value)})."
        )


def same_device(image: Tensor, name: str, value: Tensor) -> None:
    if image.device != value.device:
        raise ValueError(
            f"`image` and `{name}` must be on one device; got {image.device} and {value.device}. "
            f"Pass `{name}.to(image.device)`."
        )


def mode(value: object) -> None:
    if isinstance(value, str):
        if value not in MODES:
            raise ValueError(f"`mode` must be one of {', '.join(map(repr, MODES))} or a kernel; got {value!r}.")
    elif not (hasattr(value, "weight") or hasattr(value, "spread")):
        name = value.__name__ if isinstance(value, type) else type(value).__name__
        raise TypeError(f"`mode` must be a name or a kernel, such as `Lanczos(3)`; got {name}.")
    elif isinstance(value, type):
        raise TypeError(f"`mode` must be a kernel; got the class {value.__name__}. Write `{value.__name__}()`.")
    elif hasattr(value, "support"):
        positive("support", value.support)


def blends(mode: object) -> bool:
    """Whether samples are blended from pixels, and not copied from the nearest."""
    return mode != "nearest" and getattr(mode, "blends", True)


def padding(
    value: str | float | Sequence[str | float], dims: int, *, mode: object = "bilinear"
) -> tuple[str | float, ...]:
    """Return the rule for each axis, in the order of the image's size."""
    rules = (value,) * dims if isinstance(value, str) or not isinstance(value, Sequence) else tuple(value)
    if len(rules) != dims:
        raise ValueError(f"`padding` must be one rule, or one for each of {dims} axes; got {len(rules)}: {value!r}.")
    for rule in rules:
        if isinstance(rule, str) and rule not in PADDINGS:
            raise ValueError(
                f"`padding` must be one of {', '.join(map(repr, PADDINGS))} or a number to fill with; got {rule!r}."
            )
        if not isinstance(rule, str) and (isinstance(rule, bool) or not isinstance(rule, int | float)):
            raise TypeError(f"`padding` must be a name or a number; got {type(rule).__name__}.")
        if not isinstance(rule, str) and not math.isfinite(rule) and blends(mode):
            raise ValueError(
                f"`padding` must be a finite number, as it is blended with pixels; got {rule!r}. Fill with 0, and warp "
                'an image of ones to see where that counts, or pass `mode="nearest"`, which copies.'
            )
    numbers = {rule for rule in rules if not isinstance(rule, str)} | {0.0 for rule in rules if rule == "zeros"}
    fills = {math.nan if math.isnan(number) else number for number in numbers}  # one NaN is not the other
    if len(fills) > 1:
        raise ValueError(f"`padding` can fill with one value only, as corners lie outside of two axes; got {value!r}.")
    return rules


def integer_image(image: Tensor, points: Tensor, *, mode: object, padding: tuple[str | float, ...]) -> None:
    """Integer images can be copied from, not blended; they carry no gradient, and hold whole fill values only."""
    if image.is_floating_point() or image.is_complex():
        return
    repair = "Pass `image.float()`"
    if blends(mode):
        shown = f'"{mode}"' if isinstance(mode, str) else repr(mode)
        raise TypeError(f'`image` is {image.dtype}, which `mode={shown}` cannot blend. {repair}, or `mode="nearest"`.')
    if points.requires_grad and torch.is_grad_enabled():
        raise TypeError(
            f"`image` is {image.dtype}, through which no gradient can flow, but a gradient is asked for. {repair}, or "
            "detach theta."
        )
    low, high = (0, 1) if image.dtype == torch.bool else (torch.iinfo(image.dtype).min, torch.iinfo(image.dtype).max)
    for rule in padding:
        if not isinstance(rule, str) and not (low <= rule <= high and rule % 1 == 0):
            raise ValueError(f"`padding` must be a value that {image.dtype} holds, {low} to {high}; got {rule!r}.")


def batches(image: Tensor, name: str, value: Tensor, index: Tensor | None) -> None:
    """Without an index, as many images as rows, or one of either; with one, an entry for each row."""
    if index is None:
        same_batch(image, name, value)
        return
    tensor("index", index)
    if index.dtype not in (torch.int64, torch.int32):
        raise TypeError(f"`index` must hold whole numbers, int64; got {index.dtype}. Pass `index.long()`.")
    if index.ndim != 1 or index.shape[0] != value.shape[0]:
        raise ValueError(
            f"`index` must have one entry for each row of `{name}`, shape ({value.shape[0]},); got {shape(index)}."
        )
    same_device(image, "index", index)
    count = image.shape[0]
    if readable(index) and index.numel() and not (0 <= int(index.min()) <= int(index.max()) < count):
        raise ValueError(f"`index` must name images 0 to {count - 1}; got {int(index.min())} to {int(index.max())}.")


def averageable(image: Tensor) -> None:
    if not (image.is_floating_point() or image.is_complex()):
        raise TypeError(f"`image` is {image.dtype}, which `antialias` cannot average. Pass `image.float()`.")


def countable(covered: Tensor) -> None:
    if vectorised(covered):
        raise ValueError(
            "`antialias=True` takes as many samples as theta asks for, and `torch.vmap` does not let it look; got a "
            "theta that is vectorised. Pass a number, such as `antialias=4`, or warp the whole batch at once."
        )


def same_shape(name: str, value: Tensor, other: str, reference: Tensor) -> int:
    """Two images of one shape; return their number of spatial axes."""
    dims = image(reference)
    if value.shape != reference.shape:
        raise ValueError(f"`{name}` and `{other}` must have one shape; got {shape(value)} and {shape(reference)}.")
    return dims


def pair(moving: Tensor, fixed: Tensor, dims: int) -> None:
    for name, value in (("moving", moving), ("fixed", fixed)):
        tensor(name, value)
        image(value, dims)
        if not value.is_floating_point():
            raise TypeError(f"`{name}` must be floating point; got {value.dtype}. Pass `{name}.float()`.")
    if moving.shape[1] != fixed.shape[1]:
        raise ValueError(f"`moving` and `fixed` must have as many channels; got {shape(moving)} and {shape(fixed)}.")
    if len(moving) != len(fixed) and 1 not in (len(moving), len(fixed)):
        raise ValueError(
            f"`moving` and `fixed` must hold as many images, or one for all; got {len(moving)} and {len(fixed)}."
        )
    same_device(moving, "fixed", fixed)


def mask(name: str, value: Tensor | None, image: Tensor) -> Tensor | None:
    """Return the (N, 1, *size) mask of an image in its dtype."""
    if value is None:
        return None
    tensor(name, value)
    expected = (1, *image.shape[2:])
    if tuple(value.shape[1:]) != expected or len(value) not in (1, len(image)):
        sizes = ", ".join(map(str, expected))
        raise ValueError(
            f"`{name}` must have shape (N, {sizes}), one for each image or one for all; got {shape(value)}."
        )
    value = value.detach().to(image)
    if readable(value) and not bool(((value >= 0) & (value <= 1)).all()):
        raise ValueError(f"`{name}` must hold booleans or numbers from 0 to 1. Divide it by its maximum.")
    return value
