"""Which implementation of the operators runs here, why another does not, and how to force one.

A backend changes speed, nothing else. Asked for by name it runs or raises; chosen automatically, the first one that
can run does.
"""

import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch

from .compiling import constant_when_compiled, recorded
from .ops.parallel import parallel_for


@dataclass(frozen=True)
class Backend:
    """One way of running the operators.

    Attributes:
        name: what `use` is called with.
        summary: where it runs and what it is made of.
        unavailable: returns why it cannot run on a device, or None when it can.
    """

    name: str
    summary: str
    unavailable: Callable[[torch.device], str | None]


def _no_cpu_loops(device: torch.device) -> str | None:
    return "it runs on the CPU only" if device.type != "cpu" else _no_loops_at_all()


_checked: dict[str, str | None] = {}  # a plain dictionary, which the compiler sees through


@constant_when_compiled
def _no_loops_at_all() -> str | None:
    if "cpu" not in _checked:
        reason = None
        if importlib.util.find_spec("llvmlite") is None:
            reason = "llvmlite is not installed"
        elif parallel_for() is None:
            reason = f"PyTorch {torch.__version__} does not export torch_parallel_for; 2.10 and later do"
        _checked["cpu"] = reason
    return _checked["cpu"]


def _no_cuda_kernels(device: torch.device) -> str | None:
    if device.type == "cuda":
        return _no_triton_at_all(device)
    interpreted = (
        device.type == "cpu"
        and not torch.compiler.is_compiling()
        and forced() == "cuda"
        and os.environ.get("TRITON_INTERPRET") == "1"
    )
    return _no_triton_at_all(device) if interpreted else "it runs on CUDA devices only"


@constant_when_compiled
def _no_triton_at_all(device: torch.device) -> str | None:
    if str(device) not in _checked_for_triton:
        reason = None
        if importlib.util.find_spec("triton") is None:
            reason = "triton is not installed"
        elif device.type == "cuda" and torch.version.hip is None and torch.cuda.get_device_capability(device) < (8, 0):
            reason = "its compute capability is below 8.0, which Triton needs"
        _checked_for_triton[str(device)] = reason
    return _checked_for_triton[str(device)]


_checked_for_triton: dict[str, str | None] = {}

# In order of preference.
BACKENDS = (
    Backend("cuda", "kernels in Triton: kernels of polynomials, float32, float64", _no_cuda_kernels),
    Backend(
        "cpu", "loops compiled by LLVM, on PyTorch's threads: kernels of polynomials, float32, float64", _no_cpu_loops
    ),
    Backend("reference", "plain PyTorch: any device, any dtype, any order of derivative", lambda device: None),
)

_forced: ContextVar[str | None] = ContextVar("forced_backend", default=None)


@contextmanager
def use(name: str) -> Iterator[None]:
    """Run everything inside the `with` block on one backend. Speed changes, meaning does not.

    Args:
        name: one of the names in `BACKENDS`.

    Raises:
        ValueError: no backend has this name.

    Example:
        >>> with use("reference"):
        ...     current(torch.device("cpu"))
        'reference'
    """
    _find(name)
    token = _forced.set(name)
    try:
        yield
    finally:
        _forced.reset(token)


def current(device: torch.device) -> str:
    """The name of the backend that would run on `device` now.

    Raises:
        RuntimeError: the backend that was asked for cannot run there; says why.
    """
    if recorded():
        return "reference"  # what is exported runs without this library
    if torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active():
        return "reference"  # inside of a graph, transformations of functions do not know the operators' derivatives
    # A graph is compiled for one backend; the compiler cannot look into context variables.
    name = None if torch.compiler.is_compiling() else _forced.get()
    if name is None:
        return next(backend.name for backend in BACKENDS if backend.unavailable(device) is None)
    reason = _find(name).unavailable(device)
    if reason is not None:
        refuse(device, reason)
    return name


def refuse(device: torch.device, reason: str) -> None:
    """Say that a backend cannot do what is asked, unless it was chosen automatically and another one can.

    Raises:
        RuntimeError: the backend was asked for by name.
    """
    name = None if torch.compiler.is_compiling() else _forced.get()
    if name is not None:
        raise RuntimeError(f"the backend {name!r} was asked for, but cannot run on {device}: {reason}")


def forced() -> str | None:
    """The name of the backend that was asked for, if one was."""
    return _forced.get()


def _find(name: str) -> Backend:
    for backend in BACKENDS:
        if backend.name == name:
            return backend
    raise ValueError(f"`name` must be one of {', '.join(repr(b.name) for b in BACKENDS)}; got {name!r}.")
