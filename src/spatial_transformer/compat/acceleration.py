"""A block of code in which PyTorch's own functions run on this library's kernels."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch

from . import operators

# Looked up in `torch` by `torch.nn.functional` whenever it is called, whoever has imported it under which name.
REPLACED = ("grid_sampler", "affine_grid_generator")

_active: ContextVar[bool] = ContextVar("accelerated", default=False)  # a thread begins with the default
_lock = threading.Lock()
_blocks = 0  # that are open, in all threads


@contextmanager
def accelerate() -> Iterator[None]:
    """In this block `affine_grid` and `grid_sample` run on this library's kernels where these are faster.

    Results are equal, gradients too; so are warnings and errors, which are PyTorch's own. What these kernels are not
    faster at, or do not do, runs as before: other devices and precisions, small images, reflection, whatever is
    compiled, exported, vectorised, or in an autocast region. Blocks may be nested; a block ends with whatever is raised
    in it. Used as a decorator, `@accelerate()`, it opens a block for each call.

    It reaches `torch.nn.functional.grid_sample` and `affine_grid` under any name, imported before or after, and
    whatever is built on them, Kornia and torchvision for instance; on the thread, or in the asynchronous task, that
    opened the block. It does not reach what calls PyTorch's operators directly (`torch.grid_sampler_2d`,
    `torch.ops.aten`, a name for `torch.grid_sampler` from before), programs that were compiled or exported,
    TorchScript, C++ and other threads, such as those of `DataParallel` and the workers of a `DataLoader`.

    Example:
        >>> import torch
        >>> import torch.nn.functional as F
        >>> image, theta = torch.rand(2, 3, 64, 64), torch.eye(2, 3).expand(2, 2, 3)
        >>> def model(image):  # whatever is there
        ...     grid = F.affine_grid(theta, image.shape, align_corners=False)
        ...     return F.grid_sample(image, grid, align_corners=False)
        >>> with accelerate():
        ...     faster = model(image)
        >>> torch.testing.assert_close(faster, model(image))
    """
    token = _active.set(True)
    _open()
    try:
        yield
    finally:
        _close()
        _active.reset(token)


def _open() -> None:
    global _blocks
    with _lock:
        if not _blocks:
            for name in REPLACED:
                setattr(torch, name, _on_this_thread(getattr(torch, name), getattr(operators, name)))
        _blocks += 1


def _close() -> None:
    global _blocks
    with _lock:
        _blocks -= 1
        if not _blocks:
            for name in REPLACED:
                setattr(torch, name, getattr(torch, name).__wrapped__)


def _on_this_thread(theirs: Any, ours: Any) -> Any:
    """A function that is ours within a block, and theirs for threads that have opened none."""

    def either(*arguments: Any, **named: Any) -> Any:
        if torch.compiler.is_compiling() or not _active.get():
            return theirs(*arguments, **named)
        return ours(*arguments, **named)

    either.__wrapped__ = theirs  # type: ignore[attr-defined]
    return either
