"""Tensors for which PyTorch's dispatcher would do nothing but call the kernels, which are then called at once.

On its way an operator passes everything that may change what it means: vmap, forward mode, tracing, a user's modes,
tensors that pretend. What is needed to see that there is none of it is private to PyTorch, and used here only.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

_TYPES = (Tensor, nn.Parameter)
# What PyTorch knows about a tensor on a CPU that is what it seems: not negated, sparse, batched, fake ...
_keys = torch._C._dispatch_keys
_ORDINARY = _keys(torch.empty(0, device="cpu"))
with torch.inference_mode():
    _OF_INFERENCE = _keys(torch.empty(0, device="cpu"))

# By names of their own: to look them up would take longer than to call them.
_is_compiling = torch.compiler.is_compiling
_is_transformed = torch._C._are_functorch_transforms_active
_dispatch_modes, _function_modes = torch._C._len_torch_dispatch_stack, torch._C._len_torch_function_stack
_tracer, _is_profiled = torch._C._get_tracing_state, torch.autograd._profiler_enabled


def are_plain(*tensors: Tensor | None) -> bool:
    """Whether all are ordinary tensors on a CPU, and nobody looks at what is done with them.

    Args:
        tensors: of a call; None for those that it does without.
    """
    if not nobody_watches():
        return False
    for tensor in tensors:  # `all` would take as long as everything else
        if tensor is None:
            continue
        if type(tensor) not in _TYPES:
            return False
        keys = _keys(tensor)
        if keys not in (_ORDINARY, _OF_INFERENCE):
            return False
    return True


def nobody_watches() -> bool:
    """Whether a call on ordinary tensors runs as it stands."""
    return not (
        _is_compiling()
        or _is_transformed()
        or forward_ad._current_level >= 0
        or _dispatch_modes()
        or _function_modes()
        or _tracer()
        or _is_profiled()
    )


def apply_of(function: type[torch.autograd.Function]) -> Callable[..., Any]:
    """`function.apply`, for tensors that are plain: without looking for transformations once more."""
    return super(torch.autograd.Function, function).apply  # type: ignore[misc]
