"""How to descend, and where it led: what both step rules share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from .. import checks
from ..coordinates import target_points
from ..families import Family

Stop = Literal["no improvement", "step limit", "not finite"]


@dataclass(frozen=True)
class Descent:
    """How far and how fast to descend on each level of the pyramid.

    Attributes:
        rate: the length of Adam's first steps on the coarsest level, in units of theta. Each level begins with half of
            the one before, as its pixels are half as wide. Gauss and Newton's steps know their length.
        steps: the most on each level.
        window: of Adam: after so many steps that gained too little, a pair goes back to its best theta and on with a
            quarter of the rate; when that is less than a fiftieth of a pixel, the level ends.
        tolerance: of Adam: too little is less than this part of the loss that the level began with.
    """

    rate: float = 0.03
    steps: int = 200
    window: int = 20
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        checks.positive("rate", self.rate)
        checks.at_least("steps", self.steps, 1)
        checks.at_least("window", self.window, 1)
        checks.non_negative("tolerance", self.tolerance)


class Descended(NamedTuple):
    """Where the steps of one level have led.

    Attributes:
        theta: (M, P) of the least loss.
        curve: (steps, M) losses; a row that has stopped repeats its last.
        running: (M,) whether a row would have gone on.
        broken: (M,) whether loss or gradient became NaN.
    """

    theta: Tensor
    curve: Tensor
    running: Tensor
    broken: Tensor

    @property
    def least(self) -> Tensor:
        """(M,) the loss at theta."""
        return self.curve.nan_to_num(nan=torch.inf).amin(dim=0)

    def stopped(self) -> tuple[Stop, ...]:
        pairs = zip(self.running.tolist(), self.broken.tolist(), strict=True)
        return tuple("not finite" if bad else "step limit" if on else "no improvement" for on, bad in pairs)

    def rows(self, index: Tensor) -> "Descended":
        return Descended(self.theta[index], self.curve[:, index], self.running[index], self.broken[index])


def displacement(family: Family, a: Tensor, b: Tensor) -> Tensor:
    """(M,) how far apart two thetas send a point, at most, of a lattice over the image; in normalised units."""
    at = target_points((5,) * family.dims, dtype=a.dtype, device=a.device) * 1.25  # the outer edges are among them
    apart = (family.points(a, at) - family.points(b, at)).norm(dim=-1)
    return apart.flatten(1).amax(dim=1) if len(a) else apart.new_zeros(0)


Loss = Callable[[Tensor], Tensor]  # (M, P) thetas to (M,) values


def value_and_gradient(loss: Loss, theta: Tensor) -> tuple[Tensor, Tensor]:
    """(M,) values and (M, P) gradients, without a graph."""
    with torch.enable_grad():
        theta = theta.detach().requires_grad_()
        value = loss(theta)  # (M,)
        (gradient,) = torch.autograd.grad(value.sum(), theta)
    return value.detach(), gradient
