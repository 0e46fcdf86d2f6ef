"""What PyTorch's compiler and exporters are told, and whether they look on, without importing them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

import torch

AnyFunction = TypeVar("AnyFunction", bound=Callable)

# Set where what is recorded is differentiated on the way: `recorded` values are else taken as they are.
differentiated: ContextVar[bool] = ContextVar("differentiated", default=False)


def recorded() -> bool:
    """Whether an exporter or `torch.jit.trace` writes down what is done, to do it again with other values."""
    return torch.compiler.is_exporting() or torch.jit.is_tracing()


@contextmanager
def untraced() -> Iterator[None]:
    """What is computed here is a constant to `torch.jit.trace`, whether it is remembered from before or made now."""
    state = torch._C._get_tracing_state()
    torch._C._set_tracing_state(None)  # type: ignore[attr-defined]  # not in PyTorch's stubs
    try:
        yield
    finally:
        torch._C._set_tracing_state(state)  # type: ignore[attr-defined]


def constant_when_compiled(function: AnyFunction) -> AnyFunction:
    """Mark a function whose result is a constant of the graph.

    `torch.compiler.assume_constant_result` sets the same attribute, but imports the compiler first, and that imports
    Triton wherever it is installed.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function
