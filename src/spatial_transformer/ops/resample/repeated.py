"""Calls like one that was made before: they have been checked, and planned.

A network makes the same few calls again and again, on other values. Whether arguments fit, which kernel reads them and
how its work is divided follows from types, shapes, strides and names. The first call of a kind finds out, and the next
look it up, which for small images takes a tenth of the time. Nothing is different but that: `repeated` is left out of
all that is traced, transformed or out of the ordinary.
"""

from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor

from ... import backends
from ...kernels import kernel_of
from . import operators, plain
from .how import How, how_to_read
from .layout import LARGE, readable

MOST = 512  # kinds of calls that are remembered; a program with more is not one that repeats itself

_is_compiling, _forced = torch.compiler.is_compiling, backends.forced  # looked up once

_known: dict[Hashable, "Repeated"] = {}


class Repeated:
    """A kind of call, on tensors that kernels read and write where they lie.

    Args:
        how: it is read.
        target: the size of the output of matrices; nothing for points.
        image: a tensor like the image.
        result: a tensor like the result.
    """

    def __init__(self, how: How, target: tuple[int, ...], image: Tensor, result: Tensor) -> None:
        self.how, self.target, self.image_stride = how, target, _dense_stride(image)
        self.shape, self.stride, self.dtype = tuple(result.shape), result.stride(), result.dtype
        self._prepared: dict[str, Any] = {}  # operators

    def __call__(self, image: Tensor, source: Tensor) -> Tensor:
        """Read images at (M, ..., D) points, or on the grids of (M, D | D+1, D+1) matrices."""
        if (image.requires_grad or source.requires_grad) and torch.is_grad_enabled():
            return _record(image, source, self)
        return self.read(image, source)

    def read(self, image: Tensor, source: Tensor) -> Tensor:
        """The same where no graph is recorded."""
        samples = torch.empty_strided(self.shape, self.stride, dtype=self.dtype, device="cpu")
        source = source.double().contiguous() if self.target else source
        self._operator("pull", image, samples, source).run(image, samples, source)
        return samples

    def gradients(
        self, gradient: Tensor, image: Tensor, source: Tensor, needed: tuple[bool, ...]
    ) -> tuple[Tensor | None, Tensor | None]:
        """Of image and source, those that are needed."""
        if torch.is_grad_enabled() or not plain.are_plain(gradient):
            return self._gradients_of_any(gradient, image, source, needed)
        if gradient.stride() != self.stride:
            gradient = torch.empty_strided(self.shape, self.stride, dtype=self.dtype).copy_(gradient)
        where, for_image, for_source = source.double().contiguous() if self.target else source, None, None
        if needed[0]:
            for_image = torch.empty_strided(image.shape, self.image_stride, dtype=self.dtype, device="cpu")
            self._operator("push", for_image, gradient, where).run(for_image, gradient, where)
        if needed[1]:
            for_source = self._operator("slope", image, gradient, where).slope(image, gradient, where)
        return for_image, for_source.to(source.dtype) if for_source is not None and self.target else for_source

    def _gradients_of_any(
        self, gradient: Tensor, image: Tensor, source: Tensor, needed: tuple[bool, ...]
    ) -> tuple[Tensor | None, Tensor | None]:
        """The same by way of the operators: to be differentiated again, or in a batch of `vmap`."""
        flat = source if self.target else _flat(source)
        gradient = gradient if self.target else _flat_samples(gradient)
        for_image, for_source, _ = operators.gradients(
            (*needed[:2], False), gradient, image, flat, None, None, self.target, self.how
        )
        return for_image, for_source if for_source is None else for_source.reshape(source.shape)

    def _operator(self, name: str, image: Tensor, samples: Tensor, source: Tensor) -> Any:
        """`pull`, `push` or `slope`, prepared when it is first asked for."""
        found = self._prepared.get(name)
        if found is None:
            where, prepare = source if self.target else _flat(source), operators.implementation("cpu", "prepare")
            found = self._prepared[name] = prepare(name, image, _flat_samples(samples), where, self.target, self.how)
        return found


def _flat(points: Tensor) -> Tensor:
    """(M, K, D), of points of any rank."""
    return points[:, None] if points.ndim == 2 else points.flatten(1, -2)


def _flat_samples(samples: Tensor) -> Tensor:
    """(M, C, K), at points of any rank."""
    return samples.reshape(*samples.shape[:2], -1)


class _Recorded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, source: Tensor, call: Repeated) -> Tensor:
        ctx.call = call
        ctx.save_for_backward(image, source)
        return call.read(image, source)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        return *ctx.call.gradients(gradient, *ctx.saved_tensors, ctx.needs_input_grad), None


_record = plain.apply_of(_Recorded)


def find(
    image: Tensor, source: Tensor, of: Hashable, mode: object, padding: object, index: Tensor | None
) -> Repeated | None:
    """How a call as this one was made before; None if there was none, or more has to be looked at than shapes.

    Args:
        image: as in `sample` and `warp`.
        source: points, or theta.
        of: what else tells kinds of calls apart.
        mode: as there; only names are looked up, as for `padding`.
        padding: as there.
        index: as there; with one, nothing is looked up.
    """
    if _is_compiling() or index is not None or type(mode) is not str or type(padding) is not str:
        return None
    return _known.get(_key(image, source, of, mode, padding)) if plain.are_plain(image, source) else None


def remember(
    image: Tensor,
    source: Tensor,
    of: Hashable,
    mode: object,
    padding: object,
    index: Tensor | None,
    result: Tensor,
    *,
    matrix: Tensor | None = None,
) -> None:
    """Remember a call that has passed all checks, with the arguments of `find`.

    Args:
        image: as there.
        source: as there.
        of: as there.
        mode: as there.
        padding: as there.
        index: as there.
        result: what it returned.
        matrix: (M, D | D+1, D+1) that theta comes to.
    """
    if torch.compiler.is_compiling() or index is not None or not plain.are_plain(image, source):
        return
    if isinstance(mode, str) and isinstance(padding, str) and backends.current(image.device) == "cpu":
        call = _plan(image, source if matrix is None else matrix, mode, padding, result, on_grid=matrix is not None)
        if call is not None:
            if len(_known) >= MOST:
                _known.clear()
            _known[_key(image, source, of, mode, padding)] = call


def _key(image: Tensor, source: Tensor, of: Hashable, mode: object, padding: object) -> Hashable:
    return (
        image.shape,
        image.stride(),
        image.dtype,
        source.shape,
        source.stride(),
        source.dtype,
        of,
        mode,
        padding,
        _forced(),
    )


def _plan(image: Tensor, source: Tensor, mode: str, padding: str, result: Tensor, *, on_grid: bool) -> Repeated | None:
    """What is remembered; None if tensors are not read as they are, or are so large that nothing would be gained."""
    kinds = image.dtype in (torch.float32, torch.float64) and image.dtype == source.dtype
    if not kinds or image.shape[0] != source.shape[0] or not result.numel() or result.nbytes >= LARGE:
        return None
    kernel, rules = kernel_of(mode), (padding,) * (image.ndim - 2)
    prepared, margins = kernel.prepare(image, rules)
    how = how_to_read(kernel, rules, margins)
    if prepared is not image or how is None:
        return None
    dense = _dense_stride(source) == source.stride() and readable(_flat(source)).data_ptr() == source.data_ptr()
    if not on_grid and not dense:
        return None
    how = how._replace(rounding=torch.finfo(source.dtype).eps)
    return Repeated(how, tuple(result.shape[2:]) if on_grid else (), image, result)


def _dense_stride(tensor: Tensor) -> tuple[int, ...]:
    """Strides of new memory for a tensor of this kind, in the same order; without gaps."""
    return torch.empty_like(tensor, device="meta").stride()
