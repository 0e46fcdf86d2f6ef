"""Adam on every row of theta by itself, for measures that are no sums of squares."""

import torch
from torch import Tensor

from .descent import Descended, Descent, Loss, value_and_gradient

SHORTER = 4  # by this, where the loss no longer falls
SHORTEST = 0.02  # pixels: steps that move the corners by less end a level


class _Adam:
    """The rule, blind to the unit of the loss.

    Gradients are measured in units of the first one of their row: where Adam adds an epsilon, it is a part of that.
    """

    def __init__(self, theta: Tensor, rate: float) -> None:
        self.rate = theta.new_full((len(theta), 1), rate)
        self.mean, self.square = torch.zeros_like(theta), torch.zeros_like(theta)
        self.age, self.unit = torch.zeros_like(self.rate), torch.zeros_like(self.rate)

    def step(self, gradient: Tensor) -> Tensor:
        """(M, P) what to add to theta."""
        self.unit = torch.where(self.unit > 0, self.unit, gradient.abs().amax(dim=1, keepdim=True))
        gradient = gradient / torch.where(self.unit > 0, self.unit, 1)
        self.age = self.age + 1
        self.mean = torch.lerp(self.mean, gradient, 0.1)
        self.square = torch.lerp(self.square, gradient.square(), 0.001)
        mean, square = self.mean / (1 - 0.9**self.age), self.square / (1 - 0.999**self.age)
        return -self.rate * mean / (square.sqrt() + 1e-8)

    def restart(self, rows: Tensor) -> None:
        """With shorter steps, and without memory."""
        rows = rows[:, None]
        self.rate = torch.where(rows, self.rate / SHORTER, self.rate)
        self.mean, self.square, self.age = (x.masked_fill(rows, 0) for x in (self.mean, self.square, self.age))


def adam(loss: Loss, start: Tensor, descent: Descent, rate: float, pixel: float) -> Descended:
    """Descend from `start`, and go back to the best theta, with shorter steps, whenever the loss no longer falls.

    Args:
        loss: of (M, P) thetas, differentiable; infinite where the images do not overlap.
        start: (M, P).
        descent: when to give up.
        rate: the length of the first steps.
        pixel: the width of a pixel, in normalised units.
    """
    theta, rule = start, _Adam(start, rate)
    best, slope = start, torch.zeros_like(start)  # (M, P) the best theta, and the gradient there
    least = start.new_full((len(start),), torch.finfo(start.dtype).max)  # (M,) the loss there
    judged, waited = least, torch.zeros_like(least)  # the loss that was worth waiting for, and the steps since
    running = torch.ones_like(least, dtype=torch.bool)
    broken = torch.zeros_like(running)
    curve: list[Tensor] = []
    for _ in range(descent.steps):
        value, gradient = value_and_gradient(loss, theta)  # (M,), (M, P)
        finite = ~value.isnan() & gradient.isfinite().all(dim=1)
        broken |= running & ~finite
        running = running & finite
        curve.append(torch.where(running, value, curve[-1]) if curve else value)
        better = running & (value < least)
        best, slope = torch.where(better[:, None], theta, best), torch.where(better[:, None], gradient, slope)
        least = torch.where(better, value, least)
        improved = least < judged - descent.tolerance * curve[0].abs()
        judged, waited = torch.where(improved, least, judged), torch.where(improved, 0, waited + 1)
        stalled = (waited >= descent.window) | value.isinf()
        if stalled.any():
            rule.restart(stalled)
            waited = waited.masked_fill(stalled, 0)
            theta, gradient = (torch.where(stalled[:, None], x, y) for x, y in ((best, theta), (slope, gradient)))
            running = running & (rule.rate[:, 0] >= SHORTEST * pixel)
        if not running.any():
            break
        # Rows that have stopped stay, without a NaN in them.
        theta = theta + rule.step(gradient.masked_fill(~running[:, None], 0))
    return Descended(best, torch.stack(curve), running, broken)
