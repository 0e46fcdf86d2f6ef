"""Whether the values of a tensor may be looked at."""

import torch
from torch import Tensor, nn


def vectorised(value: Tensor) -> bool:
    """Whether `torch.vmap` runs over a tensor, whose values then are those of many."""
    while torch._C._functorch.is_functorch_wrapped_tensor(value):
        if torch._C._functorch.is_batchedtensor(value):
            return True
        value = torch._C._functorch.get_unwrapped(value)
    return False


def readable(value: Tensor) -> bool:
    """False while a computation is traced, transformed, captured or done without memory; values are checked eagerly.

    Args:
        value: a tensor whose values a check would like to read.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return False
    if type(value) not in (Tensor, nn.Parameter) or value.device.type == "meta":  # a FakeTensor is another type
        return False
    if torch._C._functorch.peek_interpreter_stack() is not None:  # inside of vmap, grad, jacrev ...
        return False
    return not (value.is_cuda and torch.cuda.is_current_stream_capturing())
