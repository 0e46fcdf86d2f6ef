"""Levenberg and Marquardt's steps on every row of theta by itself: none makes the loss larger.

A step is that of Gauss and Newton on the quadratic model of `normal_equations`, the shorter and the nearer to the
gradient the more it is damped. One that makes the loss smaller is taken, and the next is damped less; any other is not,
and the next is damped more. So a theta that is right stays where it is, and the unit of the loss means nothing.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ..families import Family
from .descent import Descended, displacement
from .normal_equations import Model

DAMPING = 1e-3  # of the first step, in parts of the Hessian's diagonal
LESS, MORE = 0.2, 5.0  # what damping is multiplied by after a step that was taken, and after one that was not
LEAST, MOST = 1e-6, 1e6
GAIN = 1e-12  # less is rounding: sums are in float64, of images of unit deviation
IN_VAIN = 10.0  # times the shortest step: where one that long does not help, no shorter one is tried


def gauss_newton(
    model_at: Callable[[Tensor, Tensor], Model],
    family: Family,
    start: Tensor,
    steps: int,
    shortest: float,
    enough: float,
) -> Descended:
    """Descend from `start`.

    Args:
        model_at: the model around (R, P) thetas, for the pairs of which (R,) numbers are given.
        family: says how far a step moves points.
        start: (M, P).
        steps: how many models to make at most.
        shortest: a step that moves no point by more is the last; in normalised units.
        enough: so is one that gains less than this part of the loss.
    """
    theta, best = start, model_at(start, torch.arange(len(start), device=start.device))
    broken = best.loss.isnan() | ~best.gradient.isfinite().all(dim=1)
    running, damping, curve = ~broken & best.loss.isfinite(), torch.full_like(best.loss, DAMPING), [best.loss]
    for _ in range(steps - 1):
        if not running.any():
            break
        rows = running.nonzero()[:, 0]
        here, current = Model(*(part[rows] for part in best)), theta[rows]
        trial = current + _step(here, damping[rows]).to(theta)
        tried = model_at(trial, rows)
        better = tried.loss < here.loss - GAIN  # false for NaN
        theta = _put(theta, rows, trial, better)
        best = Model(*(_put(old, rows, new, better) for old, new in zip(best, tried, strict=True)))
        damping[rows] = (damping[rows] * torch.where(better, LESS, MORE)).clamp(LEAST, MOST)
        moved = displacement(family, trial, current)
        goes_on = (moved >= shortest) & (here.loss - tried.loss >= enough * here.loss)
        running[rows] = torch.where(better, goes_on, moved >= IN_VAIN * shortest)
        curve.append(best.loss)
    return Descended(theta, torch.stack(curve).to(theta), running, broken)


def _step(model: Model, damping: Tensor) -> Tensor:
    """(R, P) of the damped normal equations."""
    diagonal = model.hessian.diagonal(dim1=1, dim2=2)  # (R, P)
    # Parameters that hardly matter stay where they are.
    scale = torch.maximum(diagonal, 1e-6 * diagonal.amax(dim=1, keepdim=True))
    scale = torch.where(scale > 0, scale, 1)
    damped = model.hessian + torch.diag_embed(damping[:, None] * scale)
    return torch.linalg.solve_ex(damped, -model.gradient[..., None])[0][..., 0].nan_to_num(0, 0, 0)


def _put(old: Tensor, rows: Tensor, new: Tensor, where: Tensor) -> Tensor:
    """`old` with new rows where they are wanted."""
    return old.index_copy(0, rows, torch.where(where.reshape(-1, *(1,) * (old.ndim - 1)), new, old[rows]))
