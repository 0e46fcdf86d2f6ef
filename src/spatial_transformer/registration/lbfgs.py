"""L-BFGS on every row of theta by itself, for warps of so many parameters that a matrix of them does not fit."""

import torch
from torch import Tensor

from .descent import Descended, Loss, value_and_gradient

MEMORY = 8  # pairs of steps and changes of the gradient that tell the curvature
ENOUGH = 1e-4  # of what the slope promises, a step must gain (Armijo's rule)
SHORTER = 0.3  # by this, where it does not
QUIET = 4  # steps in a row that gain too little end a level


class _Curvature:
    """What the last steps of each row tell of its Hessian's inverse."""

    def __init__(self, theta: Tensor) -> None:
        self.steps = theta.new_zeros(MEMORY, *theta.shape)  # (memory, M, P), the newest last
        self.changes = self.steps.clone()
        self.inverse = theta.new_zeros(MEMORY, len(theta))  # (memory, M): 1 / (step . change), 0 where nothing is known

    def learn(self, step: Tensor, change: Tensor, rows: Tensor) -> None:
        """(M, P) a step and how the gradient changed along it, for the (M,) rows that took it."""
        curved = (step * change).sum(dim=1)
        rows = rows & (curved > 1e-12 * change.square().sum(dim=1))
        inverse = 1 / torch.where(rows, curved, 1)
        for kept, new in ((self.steps, step), (self.changes, change), (self.inverse, inverse)):
            shape = (1, -1, *(1,) * (new.ndim - 1))
            kept.copy_(torch.where(rows.view(shape), torch.cat([kept[1:], new[None]]), kept))

    def direction(self, gradient: Tensor, longest: float) -> Tensor:
        """(M, P) where to go; along the gradient, with `longest` its largest entry, where nothing is known."""
        ahead, shares = -gradient, []
        for step, change, inverse in zip(self.steps.flip(0), self.changes.flip(0), self.inverse.flip(0), strict=True):
            share = inverse * (step * ahead).sum(dim=1)
            ahead = ahead - share[:, None] * change
            shares.append(share)
        newest = self.inverse[-1] * self.changes[-1].square().sum(dim=1)  # (M,)
        largest = gradient.abs().amax(dim=1)
        first = longest / torch.where(largest > 0, largest, 1)
        ahead = ahead * torch.where(newest > 0, 1 / torch.where(newest > 0, newest, 1), first)[:, None]
        for step, change, inverse, share in zip(self.steps, self.changes, self.inverse, reversed(shares), strict=True):
            ahead = ahead + (share - inverse * (change * ahead).sum(dim=1))[:, None] * step
        return ahead

    def forget(self, rows: Tensor) -> None:
        self.inverse = self.inverse.masked_fill(rows, 0)


def lbfgs(loss: Loss, start: Tensor, steps: int, tolerance: float, pixel: float) -> Descended:
    """Descend from `start`; no step that is taken makes the loss larger.

    Args:
        loss: of (M, P) thetas, differentiable; infinite where the images do not overlap.
        start: (M, P), in half-widths of the image.
        steps: how often to evaluate the loss at most.
        tolerance: steps that gain less than this part of the first loss, several in a row, end a row's descent.
        pixel: the width of a pixel, in normalised units: how far the first step moves a point.

    Source: Nocedal (1980); Liu and Nocedal (1989).
    """
    theta, curvature = start, _Curvature(start)
    value, gradient = value_and_gradient(loss, theta)  # (M,), (M, P)
    broken = value.isnan() | ~gradient.isfinite().all(dim=1)
    running, curve = ~broken & value.isfinite(), [value]
    gradient = gradient.masked_fill(broken[:, None], 0)
    length, quiet = torch.ones_like(value), torch.zeros_like(value)
    direction = curvature.direction(gradient, pixel)
    for _ in range(steps - 1):
        if not running.any():
            break
        step = length[:, None] * direction * running[:, None]
        trial, slope = theta + step, (gradient * step).sum(dim=1)
        tried, ahead = value_and_gradient(loss, trial)
        better = running & (tried < value + ENOUGH * slope) & ahead.isfinite().all(dim=1)  # false for NaN
        curvature.learn(step, torch.where(better[:, None], ahead - gradient, 0), better)
        gained = torch.where(better, value - tried, 0)
        theta, gradient = (torch.where(better[:, None], x, y) for x, y in ((trial, theta), (ahead, gradient)))
        value = torch.where(better, tried, value)
        curve.append(value)
        # Where steps became shorter than a hundredth of a pixel the curvature was misleading: the gradient, once more.
        quiet = torch.where(gained > tolerance * curve[0].abs(), 0, quiet + better)
        stuck = running & ~better & ((step.abs().amax(dim=1) < 0.01 * pixel) | (slope >= 0))
        running = running & (quiet < QUIET) & ~(stuck & (curvature.inverse[-1] == 0))
        curvature.forget(stuck)
        length = torch.where(better | stuck, 1, length * SHORTER)
        fresh = (better | stuck)[:, None]
        direction = torch.where(fresh, curvature.direction(gradient, pixel), direction)
    return Descended(theta, torch.stack(curve), running, broken)
