"""The operators as PyTorch knows them: schemas, shapes, derivatives of any order, vmap.

    pull(image, source)             samples of images at points
    push(samples, source)           its transpose: samples added to images
    slope(samples, image, source)   the gradient of <samples, pull(image, source)> with respect to source

The source is (M, K, D) points, or, with a `target` size, (M, D | D+1, D+1) matrices, whose points are computed on the
way and never stored. Every operator takes a `direction` (M, K, D) as well: then it is differentiated along it with
respect to the points. That closes the set under differentiation up to second order:

    of                    with respect to image / samples     points
    pull(I, p)            push(g, p)                          slope(g, I, p)
    push(s, p)            pull(G, p)                          slope(s, G, p)
    slope(s, I, p)        pull, push along the cotangent      slope along the cotangent

The third order, and second derivatives of matrices, go through the readable twin and through points.
"""

import functools
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from ... import backends
from ...homography import grid
from . import plain, reference
from .how import How
from .layout import empty

_library = torch.library.Library("spatial_transformer", "DEF")
_HOW = "float[] table, int[] margin, int[] padding, float fill, float rounding, int convention"
_SOURCE = f"Tensor source, Tensor? direction, Tensor? index, SymInt[] target, {_HOW}"
for schema in (
    f"pull(Tensor image, {_SOURCE}) -> Tensor",
    f"push(Tensor samples, {_SOURCE}, SymInt[] shape) -> Tensor",
    f"slope(Tensor samples, Tensor image, {_SOURCE}) -> Tensor",
):
    _library.define(schema, tags=(torch.Tag.pt2_compliant_tag,))
_ops = torch.ops.spatial_transformer


# --- what runs, and what shapes come out ------------------------------------------------------------------------------


def _implement(device: str) -> None:
    """Register what the module of a device implements; it is imported when it is first called."""

    def late(name: str, before_how: int) -> Any:
        after_how = before_how + len(How._fields)

        def run(*arguments: Any) -> Tensor:
            how = How.of(*arguments[before_how:after_how])
            return implementation(device, name)(*arguments[:before_how], how, *arguments[after_how:])

        return run

    for name, before_how in (("pull", 5), ("push", 5), ("slope", 6)):
        _library.impl(name, late(name, before_how), device.upper())


def implementation(device: str, name: str) -> Any:
    """The kernels for CUDA run on a CPU in Triton's interpreter, if they are asked for by name."""
    return _load("cuda" if "cuda" in (device, backends.forced()) else "cpu", name)


@functools.cache
def _load(module: str, name: str) -> Any:
    return getattr(importlib.import_module(f".{module}", __package__), name)


_implement("cpu")
_implement("cuda")


@torch.library.register_fake("spatial_transformer::pull", lib=_library)
def _(image: Tensor, source: Tensor, direction: Any, index: Any, target: Sequence[int], *how: Any) -> Tensor:
    return empty(image, source.shape[0], image.shape[1], target or source.shape[1:2], like=image)


@torch.library.register_fake("spatial_transformer::push", lib=_library)
def _(samples: Tensor, *others: Any) -> Tensor:
    shape = others[-1]
    return empty(samples, shape[0], samples.shape[1], shape[1:], like=samples)


@torch.library.register_fake("spatial_transformer::slope", lib=_library)
def _(
    samples: Tensor, image: Tensor, source: Tensor, direction: Any, index: Any, target: Sequence[int], *how: Any
) -> Tensor:
    return source.new_empty(source.shape) if target else torch.empty_like(source)


# --- derivatives -----------------------------------------------------------------------------------------------------


def pull(
    image: Tensor,
    source: Tensor,
    how: How,
    *,
    direction: Tensor | None = None,
    index: Tensor | None = None,
    target: Sequence[int] = (),
) -> Tensor:
    """Samples of images.

    Args:
        image: (N, C, *size).
        source: (M, K, D) normalised points, x first, or matrices; of the dtype of `image`.
        how: kernel, padding and margins.
        direction: (M, K, D) along which to differentiate; for points only.
        index: (M,) the image that each row of `source` reads; without, M = N.
        target: the size of the output if `source` holds matrices.

    Returns:
        (M, C, K), or (M, C, *target).
    """
    if torch.compiler.is_compiling():  # which does not look into functions with forward derivatives
        return _ops.pull.default(image, source, direction, index, list(target), *how)
    return _apply(_Pull, image, source, direction, index, _Rest(list(target), how))


def push(
    samples: Tensor,
    source: Tensor,
    how: How,
    shape: Sequence[int],
    *,
    direction: Tensor | None = None,
    index: Tensor | None = None,
    target: Sequence[int] = (),
) -> Tensor:
    """Images, (N, C, *size) with `shape` = (N, *size), to which (M, C, K) samples are added where `pull` reads."""
    if torch.compiler.is_compiling():
        return _ops.push.default(samples, source, direction, index, list(target), *how, list(shape))
    return _apply(_Push, samples, source, direction, index, _Rest(list(target), how, list(shape)))


def slope(
    samples: Tensor,
    image: Tensor,
    source: Tensor,
    how: How,
    *,
    direction: Tensor | None = None,
    index: Tensor | None = None,
    target: Sequence[int] = (),
) -> Tensor:
    """The gradient of <samples, pull(image, source)> with respect to `source`, in its shape."""
    if torch.compiler.is_compiling():
        return _ops.slope.default(samples, image, source, direction, index, list(target), *how)
    return _apply(_Slope, samples, image, source, direction, index, _Rest(list(target), how))


@dataclass(slots=True)
class _Rest:
    """The arguments of an operator that are no tensors, as one: functorch takes lists apart."""

    target: list[int]
    how: How
    shape: list[int] | None = None

    @property
    def arguments(self) -> tuple[Any, ...]:
        return (self.target, *self.how) if self.shape is None else (self.target, *self.how, self.shape)


def _run(name: str, tensors: Sequence[Tensor | None], rest: _Rest) -> Tensor:
    """An operator, below autograd: straight to the kernels where PyTorch's dispatcher would do nothing else."""
    if plain.are_plain(*tensors):
        return implementation("cpu", name)(
            *tensors, rest.target, rest.how, *([] if rest.shape is None else [rest.shape])
        )
    with torch._C._AutoDispatchBelowAutograd():
        return getattr(_ops, name).default(*tensors, *rest.arguments)


def _without_fill(how: How) -> How:
    """`pull` is linear in the image but for what it is filled with."""
    return how._replace(fill=0.0)


class _Pull(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(*arguments: Any) -> Tensor:
        *tensors, rest = arguments
        return _run("pull", tensors, rest)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        *tensors, ctx.rest = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        image, source, direction, index = ctx.saved_tensors
        needed, target, how = ctx.needs_input_grad, ctx.rest.target, ctx.rest.how
        return *gradients(needed, gradient, image, source, direction, index, target, how), None, None

    @staticmethod
    def jvp(ctx: Any, d_image: Any, d_source: Any, d_direction: Any, *_: Any) -> Tensor:
        image, source, direction, index = ctx.saved_tensors
        shape = (*ctx.rest.target,) if ctx.rest.target else (-1,)
        if direction is not None:
            tangents = (d_image, d_source, d_direction)
            return _directional(
                lambda i, p, d: _reference_pull(i, p, d, index, ctx.rest.how), (image, source, direction), tangents
            )
        if ctx.rest.target:
            d_matrix = torch.zeros_like(source) if d_source is None else d_source
            source, d_points = _along(lambda matrix: grid(matrix, ctx.rest.target), (source,), (d_matrix,))
            d_source = None if d_source is None else d_points
        terms = []
        if d_image is not None:
            terms.append(pull(d_image, source, _without_fill(ctx.rest.how), index=index))
        if d_source is not None:
            terms.append(pull(image, source, ctx.rest.how, direction=d_source.contiguous(), index=index))
        return sum(terms[1:], terms[0]).unflatten(2, shape)


def gradients(
    needed: Sequence[bool],
    gradient: Tensor,
    image: Tensor,
    source: Tensor,
    direction: Tensor | None,
    index: Tensor | None,
    target: Sequence[int],
    how: How,
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Of image, source and direction, those that are needed, from that of what `pull` returned."""
    back_to_matrix = None
    if target and torch.is_grad_enabled():  # to be differentiated again
        source, back_to_matrix = torch.func.vjp(lambda matrix: grid(matrix, target), source)[:2]
        gradient, target = gradient.flatten(2), []
    for_image = for_source = for_direction = None
    if needed[0]:
        shape = (image.shape[0], *image.shape[2:])
        for_image = push(gradient, source, how, shape, direction=direction, index=index, target=target)
    if needed[1]:
        for_source = slope(gradient, image, source, how, direction=direction, index=index, target=target)
        if back_to_matrix is not None:
            (for_source,) = back_to_matrix(for_source)
    if needed[2]:
        for_direction = slope(gradient, image, source, how, index=index)
    return for_image, for_source, for_direction


class _Push(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(*arguments: Any) -> Tensor:
        *tensors, rest = arguments
        return _run("push", tensors, rest)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        *tensors, ctx.rest = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        samples, source, direction, index = ctx.saved_tensors
        how = _without_fill(ctx.rest.how)
        for_samples = for_source = for_direction = None
        if ctx.needs_input_grad[0]:
            for_samples = pull(gradient, source, how, direction=direction, index=index, target=ctx.rest.target)
        if ctx.needs_input_grad[1]:
            for_source = slope(samples, gradient, source, how, direction=direction, index=index, target=ctx.rest.target)
        if ctx.needs_input_grad[2]:
            for_direction = slope(samples, gradient, source, how, index=index)
        return for_samples, for_source, for_direction, None, None

    @staticmethod
    def jvp(ctx: Any, d_samples: Any, d_source: Any, d_direction: Any, *_: Any) -> Tensor:
        samples, source, direction, index = ctx.saved_tensors
        shape, how = ctx.rest.shape, _without_fill(ctx.rest.how)
        if direction is not None:
            tangents = (d_samples, d_source, d_direction)
            return _directional(
                lambda s, p, d: _reference_push(s, p, d, index, how, shape), (samples, source, direction), tangents
            )
        terms = []
        if d_samples is not None:
            terms.append(push(d_samples, source, how, shape, index=index))
        if d_source is not None:
            terms.append(push(samples, source, how, shape, direction=d_source.contiguous(), index=index))
        return sum(terms[1:], terms[0])


class _Slope(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(*arguments: Any) -> Tensor:
        *tensors, rest = arguments
        return _run("slope", tensors, rest)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        *tensors, ctx.rest = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        samples, image, source, direction, index = ctx.saved_tensors
        if direction is not None:
            _, back = torch.func.vjp(
                lambda s, i, p, d: _reference_slope(s, i, p, d, index, ctx.rest.how), samples, image, source, direction
            )[:2]
            return *back(gradient), None, None
        gradient = gradient.contiguous()
        for_samples = for_image = for_source = None
        if ctx.needs_input_grad[0]:
            for_samples = pull(image, source, ctx.rest.how, direction=gradient, index=index)
        if ctx.needs_input_grad[1]:
            shape = (image.shape[0], *image.shape[2:])
            for_image = push(samples, source, ctx.rest.how, shape, direction=gradient, index=index)
        if ctx.needs_input_grad[2]:
            for_source = slope(samples, image, source, ctx.rest.how, direction=gradient, index=index)
        return for_samples, for_image, for_source, None, None, None

    @staticmethod
    def jvp(ctx: Any, d_samples: Any, d_image: Any, d_source: Any, d_direction: Any, *_: Any) -> Tensor:
        samples, image, source, direction, index = ctx.saved_tensors
        if direction is not None:
            tangents = (d_samples, d_image, d_source, d_direction)
            return _directional(
                lambda s, i, p, d: _reference_slope(s, i, p, d, index, ctx.rest.how),
                (samples, image, source, direction),
                tangents,
            )
        terms = []
        if d_samples is not None:
            terms.append(slope(d_samples, image, source, ctx.rest.how, index=index))
        if d_image is not None:
            terms.append(slope(samples, d_image, source, _without_fill(ctx.rest.how), index=index))
        if d_source is not None:
            terms.append(slope(samples, image, source, ctx.rest.how, direction=d_source.contiguous(), index=index))
        return sum(terms[1:], terms[0])


def _apply(function: Any, *arguments: Any) -> Tensor:
    """`function.apply`, without what it does for nothing."""
    if torch._C._are_functorch_transforms_active():
        return function.apply(*arguments)
    *tensors, _ = arguments
    recorded = torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)
    if not recorded and forward_ad._current_level < 0:
        return function.forward(*arguments)
    return _eager(function).apply(*arguments)


@functools.cache
def _eager(function: Any) -> Any:
    """The same function with all in `forward`, which `torch.func` does not take and PyTorch calls much faster."""

    class Eager(function):
        setup_context = torch.autograd.Function.setup_context  # which says that there is none

        @staticmethod
        def forward(ctx: Any, *arguments: Any) -> Tensor:
            output = function.forward(*arguments)
            function.setup_context(ctx, arguments, output)
            return output

    Eager.__name__ = Eager.__qualname__ = function.__name__
    return Eager


def _differentiate(name: str, function: Any) -> None:
    """Teach the operator itself the first derivative, for what is compiled."""

    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        at = next(i for i, argument in enumerate(inputs) if isinstance(argument, list | tuple | torch.Size))
        end = at + 1 + len(How._fields)
        # The dispatcher turns tuples into lists, of which plans cannot be made.
        how = How._make(tuple(field) if isinstance(field, list) else field for field in inputs[at + 1 : end])
        rest = _Rest(list(inputs[at]), how, *inputs[end:])
        ctx.others = len(inputs) - at
        function.setup_context(ctx, (*inputs[:at], rest), output)

    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        return *function.backward(ctx, gradient)[:-1], *(None,) * ctx.others

    torch.library.register_autograd(f"spatial_transformer::{name}", backward, setup_context=setup_context, lib=_library)


_differentiate("pull", _Pull)
_differentiate("push", _Push)
_differentiate("slope", _Slope)


# --- the third order, through the readable twin ----------------------------------------------------------------------


def _reference_pull(image: Tensor, points: Tensor, direction: Tensor, index: Tensor | None, how: How) -> Tensor:
    def read(at: Tensor) -> Tensor:
        return reference.pull(image, at, how, index=index)

    return _along(read, (points,), (direction,))[1]


def _reference_push(
    samples: Tensor, points: Tensor, direction: Tensor, index: Tensor | None, how: How, shape: Sequence[int]
) -> Tensor:
    blank = samples.new_zeros(shape[0], samples.shape[1], *shape[1:])
    _, back = torch.func.vjp(lambda image: _reference_pull(image, points, direction, index, how), blank)[:2]
    return back(samples)[0]


def _reference_slope(
    samples: Tensor, image: Tensor, points: Tensor, direction: Tensor, index: Tensor | None, how: How
) -> Tensor:
    def gradient(at: Tensor) -> Tensor:
        _, back = torch.func.vjp(lambda where: reference.pull(image, where, how, index=index), at)[:2]
        return back(samples)[0]

    return _along(gradient, (points,), (direction,))[1]


def _directional(function: Any, inputs: tuple[Tensor, ...], tangents: tuple[Any, ...]) -> Tensor:
    pairs = zip(inputs, tangents, strict=True)
    return _along(function, inputs, tuple(torch.zeros_like(x) if t is None else t for x, t in pairs))[1]


def _along(function: Any, inputs: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """What `torch.func.jvp` returns, by reverse mode twice: forward mode cannot be used within itself."""
    value, back = torch.func.vjp(function, *inputs)[:2]
    _, transposed = torch.func.vjp(back, torch.zeros_like(value))[:2]
    return value, transposed(tangents)[0]


# --- vmap: one more batch is a larger batch --------------------------------------------------------------------------


def _fold(tensor: Tensor | None, dim: int | None, size: int) -> Any:
    """(size * rows, ...) from (rows, ...) with or without a batch dimension more."""
    if tensor is None:
        return None
    whole = tensor.expand(size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
    return whole.flatten(0, 1)


def _fold_index(index: Tensor | None, dim: int | None, size: int, images: int) -> Any:
    """(size * M,) from (M,) with or without a batch dimension more; `images` from one of the batch to the next."""
    if index is None:
        return None
    whole = index.expand(size, -1) if dim is None else index.movedim(dim, 0)
    return (whole + images * torch.arange(size, device=index.device)[:, None]).flatten()


def _fold_image(image: Tensor, dim: int | None, index: Any, index_dim: int | None, size: int) -> tuple[Tensor, Any]:
    """An image with the index into it; one that the batch shares is not copied."""
    if dim is not None:
        return _fold(image, dim, size), _fold_index(index, index_dim, size, image.movedim(dim, 0).shape[1])
    if index is None:
        index, index_dim = torch.arange(len(image), device=image.device), None
    return image, _fold_index(index, index_dim, size, 0)


@torch.library.register_vmap("spatial_transformer::pull", lib=_library)
def _(info: Any, dims: Any, image: Tensor, source: Tensor, direction: Any, index: Any, *how: Any) -> tuple[Tensor, int]:
    size = info.batch_size
    image, index = _fold_image(image, dims[0], index, dims[3], size)
    result = _ops.pull.default(image, _fold(source, dims[1], size), _fold(direction, dims[2], size), index, *how)
    return result.unflatten(0, (size, -1)), 0


@torch.library.register_vmap("spatial_transformer::push", lib=_library)
def _(
    info: Any, dims: Any, samples: Tensor, source: Tensor, direction: Any, index: Any, *how: Any
) -> tuple[Tensor, int]:
    size = info.batch_size
    *settings, shape = how
    index = _fold_index(index, dims[3], size, shape[0])
    tensors = [_fold(tensor, dim, size) for tensor, dim in zip((samples, source, direction), dims, strict=False)]
    return _ops.push.default(*tensors, index, *settings, [size * shape[0], *shape[1:]]).unflatten(0, (size, -1)), 0


@torch.library.register_vmap("spatial_transformer::slope", lib=_library)
def _(
    info: Any, dims: Any, samples: Tensor, image: Tensor, source: Tensor, direction: Any, index: Any, *how: Any
) -> tuple[Tensor, int]:
    size = info.batch_size
    image, index = _fold_image(image, dims[1], index, dims[4], size)
    samples, source, direction = (
        _fold(tensor, dim, size) for tensor, dim in ((samples, dims[0]), (source, dims[2]), (direction, dims[3]))
    )
    return _ops.slope.default(samples, image, source, direction, index, *how).unflatten(0, (size, -1)), 0
