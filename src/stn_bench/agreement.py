"""Nobody is timed who computes something else: outputs are compared with those of PyTorch's `grid_sample`.

Libraries differ in what they read half a pixel outside of the image, so only samples well inside are compared.
"""

import torch
from torch import Tensor

from .peers import Differentiable, Opaque
from .problem import Problem


def output(call: Differentiable | Opaque) -> Tensor:
    """(N, C, *size), what a library makes of a row."""
    if isinstance(call, Opaque):
        return call.as_tensor(call.function())
    with torch.no_grad():
        return call.function(call.image, call.parameter)


def disagreement(problem: Problem, left: Differentiable | Opaque, right: Differentiable | Opaque) -> float:
    """The largest difference of two outputs where all that is read lies inside of the image."""
    pixels, size = problem.pixels(), problem.row.size
    last = pixels.new_tensor(size[::-1]) - 1
    margin = 1.0 if problem.row.mode == "bicubic" else 0.0
    inside = ((pixels >= margin) & (pixels <= last - margin)).all(dim=-1)[:, None]  # (N, 1, *size)
    difference = (output(left) - output(right)).abs() * inside
    return float(difference.max())
