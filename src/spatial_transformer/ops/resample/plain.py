"""Tensors for which PyTorch's dispatcher would do nothing but call the kernels, which are then called at once.

On its way an operator passes everything that may change what it means: vmap, forward mode, tracing, a user's modes,
tensors that pretend. What is needed to see that there is none of it is private to PyTorch, and used here only.
"""

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

_TYPES = (Tensor, nn.Parameter)
# What PyTorch knows about a tensor on a CPU that is what it seems: not negated, sparse, batched, fake ...
_ORDINARY = torch._C._dispatch_keys(torch.empty(0, device="cpu"))
with torch.inference_mode():
    _OF_INFERENCE = torch._C._dispatch_keys(torch.empty(0, device="cpu"))


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
        if type(tensor) not in _TYPES or torch._C._dispatch_keys(tensor) not in (_ORDINARY, _OF_INFERENCE):
            return False
    return True


def nobody_watches() -> bool:
    """Whether a call on ordinary tensors runs as it stands."""
    return not (
        torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()
        or forward_ad._current_level >= 0
        or torch._C._len_torch_dispatch_stack()
        or torch._C._len_torch_function_stack()
        or torch._C._get_tracing_state()
        or torch.autograd._profiler_enabled()
    )
