"""The derivative of a warp with respect to its points, also where an exporter looks on."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..compiling import differentiated, recorded


def jacobian_of(warp: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """The Jacobian of a map that takes each point by itself.

    Args:
        warp: (N, ..., D) target points to (N, ..., D) source points.
        at: (N, ..., D) points. Each image has its own: the rows of shared ones would be summed over the batch.

    Returns:
        (N, ..., D, D); entry [i, j] is the change of source coordinate i with target coordinate j.
    """
    if recorded() and not torch.compiler.is_dynamo_compiling():
        return _recorded(warp, at)
    source, pull_back = torch.func.vjp(warp, at)[:2]  # (N, ..., D)
    axes = torch.eye(at.shape[-1], dtype=source.dtype, device=source.device)
    return torch.stack([pull_back(axis.expand_as(source))[0] for axis in axes], dim=-2)


def _recorded(warp: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """The same by plain autograd: neither ONNX nor `torch.jit.trace` has a word for transformations of functions."""
    token = differentiated.set(True)
    try:
        with torch.enable_grad():
            leaf = at.detach().clone().requires_grad_()
            sums = warp(leaf).flatten(0, -2).sum(dim=0)  # (D,); a point moves with itself alone
            rows = [torch.autograd.grad(total, leaf, create_graph=True)[0] for total in sums]
    finally:
        differentiated.reset(token)
    return torch.stack(rows, dim=-2)
