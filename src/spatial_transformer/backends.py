"""Which implementation of the operators runs here, why another does not, and how to force one.

A backend changes speed, nothing else. Asked for by name it runs or raises; chosen automatically, the first one that
can run does.
"""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch


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


# In order of preference.
BACKENDS = (Backend("reference", "plain PyTorch: any device, any dtype, any order of derivative", lambda device: None),)

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
    # A graph is compiled for one backend; the compiler cannot look into context variables.
    forced = None if torch.compiler.is_compiling() else _forced.get()
    if forced is None:
        return next(backend.name for backend in BACKENDS if backend.unavailable(device) is None)
    reason = _find(forced).unavailable(device)
    if reason is not None:
        raise RuntimeError(f"the backend {forced!r} was asked for, but cannot run on {device}: {reason}")
    return forced


def implementation(operator: str, device: torch.device) -> Callable[..., torch.Tensor]:
    """The function that computes `operator` on `device`; its module is imported when it is first needed."""
    module = importlib.import_module(f".ops.{operator}.{current(device)}", __package__)
    return getattr(module, operator)


def _find(name: str) -> Backend:
    for backend in BACKENDS:
        if backend.name == name:
            return backend
    raise ValueError(f"`name` must be one of {', '.join(repr(b.name) for b in BACKENDS)}; got {name!r}.")
