"""What PyTorch's compiler is told about functions, without importing it."""

from collections.abc import Callable
from typing import TypeVar

AnyFunction = TypeVar("AnyFunction", bound=Callable)


def constant_when_compiled(function: AnyFunction) -> AnyFunction:
    """Mark a function whose result is a constant of the graph.

    `torch.compiler.assume_constant_result` sets the same attribute, but imports the compiler first, and that imports
    Triton wherever it is installed.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function
