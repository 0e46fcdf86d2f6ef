"""Calls like one that was made before: they have been checked, and planned.

A network makes the same few calls again and again, on other values. Whether arguments fit, which kernel reads them and
how its work is divided follows from types, shapes, strides and names. The first call of a kind finds out, and the next
look it up, which for small images takes a tenth of the time. Nothing is different but that: `repeated` is left out of
all that is traced, transformed or out of the ordinary.
"""

import math
from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor

from ... import backends
from ...kernels import kernel_of
from . import operators, plain
from .how import How, how_to_read
from .layout import LARGE, has_channels_last

MOST = 512  # kinds of calls that are remembered; a program with more is not one that repeats itself

_known: dict[Hashable, "Repeated"] = {}


class Repeated:
    """A kind of call, on tensors without gaps.

    Args:
        how: it is read.
        target: the size of the output of matrices; nothing for points.
        shape: of the result.
    """

    def __init__(self, how: How, target: tuple[int, ...], shape: tuple[int, ...]) -> None:
        self.how, self.target, self.shape = how, target, shape
        self._prepared: dict[str, Any] = {}  # operators

    def __call__(self, image: Tensor, source: Tensor) -> Tensor:
        """Read images at (M, ..., D) points, or on the grids of (M, D | D+1, D+1) matrices."""
        if torch.is_grad_enabled() and (image.requires_grad or source.requires_grad):
            return _Recorded.apply(image, source, self)
        return self.read(image, source)

    def read(self, image: Tensor, source: Tensor) -> Tensor:
        """The same where no graph is recorded."""
        samples = torch.empty(self.shape, dtype=image.dtype, device="cpu")
        self._operator("pull", image, samples, source).run(image, samples, self._where(source))
        return samples

    def _where(self, source: Tensor) -> Tensor:
        """Points or matrices as kernels read them."""
        return source.double().contiguous() if self.target else source

    def _operator(self, name: str, image: Tensor, samples: Tensor, source: Tensor) -> Any:
        """An operator, prepared; None if it cannot be."""
        try:
            return self._prepared[name]
        except KeyError:
            where = self._where(source) if self.target else self._flat(source)
            prepare = operators.implementation("cpu", "prepare")
            return self._prepared.setdefault(name, prepare(name, image, samples, where, self.target, self.how))

    def _flat(self, source: Tensor) -> Tensor:
        """(M, K, D) points, or matrices as they are."""
        return source if self.target else source.reshape(source.shape[0], -1, source.shape[-1])

    def gradients(
        self, gradient: Tensor, image: Tensor, source: Tensor, needed: tuple[bool, ...]
    ) -> tuple[Tensor | None, Tensor | None]:
        """Of image and source, those that are needed."""
        if torch.is_grad_enabled() or not plain.are_plain(gradient) or not gradient.is_contiguous():
            return self._gradients_of_any(gradient, image, source, needed)
        where, for_image, for_source = self._where(source), None, None
        if needed[0]:
            for_image = torch.empty(image.shape, dtype=image.dtype, device="cpu")
            push = self._operator("push", for_image, gradient, source)
            if push is None:
                (for_image, _) = self._gradients_of_any(gradient, image, source, (True, False))
            else:
                push.run(for_image, gradient, where)
        if needed[1]:
            for_source = torch.empty(where.shape, dtype=where.dtype, device="cpu")
            slope = self._operator("slope", image, gradient, source)
            if slope is None:
                (_, for_source) = self._gradients_of_any(gradient, image, source, (False, True))
            else:
                slope.run(image, gradient, where, for_source)
                for_source = for_source.to(source.dtype) if self.target else for_source
        return for_image, for_source

    def _gradients_of_any(
        self, gradient: Tensor, image: Tensor, source: Tensor, needed: tuple[bool, ...]
    ) -> tuple[Tensor | None, Tensor | None]:
        """The same by way of the operators: to be differentiated again, or in a batch of `vmap`."""
        if not self.target:
            gradient = gradient.reshape(*gradient.shape[:2], -1)  # (M, C, K)
        for_image, for_source, _ = operators.gradients(
            (*needed[:2], False), gradient, image, self._flat(source), None, None, self.target, self.how
        )
        return for_image, for_source if for_source is None else for_source.reshape(source.shape)


class _Recorded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, source: Tensor, call: Repeated) -> Tensor:
        ctx.call = call
        ctx.save_for_backward(image, source)
        return call.read(image, source)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        return *ctx.call.gradients(gradient, *ctx.saved_tensors, ctx.needs_input_grad), None


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
    if torch.compiler.is_compiling() or index is not None or not plain.are_plain(image, source):
        return None
    return _known.get(_key(image, source, of, mode, padding)) if type(mode) is type(padding) is str else None


def remember(
    image: Tensor,
    source: Tensor,
    of: Hashable,
    mode: object,
    padding: object,
    index: Tensor | None,
    *,
    matrix: Tensor | None = None,
    target: tuple[int, ...] = (),
) -> None:
    """Remember a call that has passed all checks, with the arguments of `find`.

    Args:
        image: as there.
        source: as there.
        of: as there.
        mode: as there.
        padding: as there.
        index: as there.
        matrix: (M, D | D+1, D+1) that theta comes to.
        target: the size of its output.
    """
    if torch.compiler.is_compiling() or index is not None or not plain.are_plain(image, source):
        return
    if isinstance(mode, str) and isinstance(padding, str) and backends.current(image.device) == "cpu":
        call = _plan(image, source if matrix is None else matrix, target, mode, padding)
        if call is not None:
            if len(_known) >= MOST:
                _known.clear()
            _known[_key(image, source, of, mode, padding)] = call


def _key(image: Tensor, source: Tensor, of: Hashable, mode: object, padding: object) -> Hashable:
    of_image, of_source = (image.shape, image.stride(), image.dtype), (source.shape, source.stride(), source.dtype)
    return of_image, of_source, of, mode, padding, backends.forced()


def _plan(image: Tensor, source: Tensor, target: tuple[int, ...], mode: str, padding: str) -> Repeated | None:
    """What is remembered; None if tensors are not read as they are, or are so large that nothing would be gained."""
    shape = (*image.shape[:2], *(target or source.shape[1:-1]))
    kinds = image.dtype in (torch.float32, torch.float64) and image.dtype == source.dtype
    if not kinds or image.shape[0] != source.shape[0] or has_channels_last(image) or 0 in shape:
        return None
    kernel, rules = kernel_of(mode), (padding,) * (image.ndim - 2)
    prepared, margins = kernel.prepare(image, rules)
    how = how_to_read(kernel, rules, margins)
    if prepared is not image or how is None or math.prod(shape) * image.itemsize >= LARGE:
        return None
    if not target and not source.is_contiguous():
        return None
    how = how._replace(rounding=torch.finfo(source.dtype).eps)
    return Repeated(how, target, shape)
