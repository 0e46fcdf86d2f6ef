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


def slope_of(function: Callable[[Tensor], Tensor], theta: Tensor) -> tuple[Tensor, Tensor]:
    """A function of parameters, row by row, and its derivative.

    Args:
        function: (N, P) parameters to (N, ...) values.
        theta: (N, P).

    Returns:
        (N, ...) values, and (N, K, P) the derivatives of the K values of a row.
    """
    if recorded() and not torch.compiler.is_dynamo_compiling():
        return _recorded_slope(function, theta)
    values, pull_back = torch.func.vjp(function, theta)[:2]
    each = torch.eye(values.shape[1:].numel(), dtype=values.dtype, device=values.device)  # one of K at a time
    rows = each.unflatten(1, values.shape[1:])[:, None].expand(-1, *values.shape)  # (K, N, ...)
    return values, torch.func.vmap(lambda row: pull_back(row)[0])(rows).movedim(0, 1)


def _recorded_slope(function: Callable[[Tensor], Tensor], theta: Tensor) -> tuple[Tensor, Tensor]:
    """The same by plain autograd, a parameter at a time: what is pulled back is differentiated by what is pulled."""
    with torch.enable_grad():
        leaf = theta.detach().clone().requires_grad_()
        values = function(leaf)  # (N, ...)
        pulled = torch.ones_like(values).requires_grad_()
        (gradient,) = torch.autograd.grad((values * pulled).sum(), leaf, create_graph=True)  # (N, P)
        columns = [
            torch.autograd.grad(one.sum(), pulled, retain_graph=True, materialize_grads=True)[0].flatten(1)
            for one in gradient.unbind(dim=1)
        ]
    return values.detach(), torch.stack(columns, dim=-1)
