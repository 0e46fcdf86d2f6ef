"""Registration: the theta that lays one image on another, by gradient descent from coarse to fine."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from . import checks
from .families import Family
from .measures import MEASURES, Measure
from .sampling import Mode, Padding
from .warping import warp

Stop = Literal["no improvement", "step limit", "not finite"]

SHORTER = 4  # by this, where the loss no longer falls
SHORTEST = 0.02  # pixels: steps that move the corners by less end a level


@dataclass(frozen=True)
class Descent:
    """How far and how fast to descend on each level of the pyramid.

    Attributes:
        rate: the length of the first steps on the coarsest level, in units of theta. Each level begins with half of the
            one before, as its pixels are half as wide.
        steps: the most on each level.
        window: after so many steps that gained too little, a pair goes back to its best theta and on with a quarter of
            the rate; when that is less than a fiftieth of a pixel, the level ends.
        tolerance: too little is less than this part of the loss that the level began with.
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


@dataclass(frozen=True)
class Registration:
    """What `register` found.

    Attributes:
        theta: (N, P) the parameters of the least loss on the finest level.
        warped: (N, C, *size of fixed) the moving image, warped by theta.
        losses: one (steps, N) tensor for each level, coarse to fine. A pair that has stopped repeats its last loss.
        stopped: why each pair ended on the finest level: "no improvement", "step limit", or "not finite" where loss
            or gradient became NaN and the best theta before that is returned.
    """

    theta: Tensor
    warped: Tensor
    losses: tuple[Tensor, ...]
    stopped: tuple[Stop, ...]


def register(
    moving: Tensor,
    fixed: Tensor,
    family: Family,
    *,
    measure: str | Measure = "mse",
    levels: int | None = None,
    start: Tensor | None = None,
    penalty: Callable[[Tensor], Tensor] | None = None,
    mode: Mode = "bilinear",
    padding: Padding = "border",
    descent: Descent | None = None,
) -> Registration:
    """Find the theta with which `warp(moving, family, theta)` looks like `fixed`.

    Both images are averaged down to a pyramid. On each level, coarse to fine, Adam descends from the theta of the level
    before, or from an earlier one's or `start` where the loss is less there; as theta is normalised, it needs no
    conversion. Every pair of a batch descends and stops on its own, so a batch gives what its pairs give one by one,
    and the unit of the intensities does not matter. The loss of the result is never above that of `start`. Descent goes
    to the nearest minimum: where the coarsest images have nothing in common yet, because the motion is far larger than
    what moves, give a `start`.

    Args:
        moving: (N, C, H, W) or (N, C, D, H, W), floating point.
        fixed: (N, C, ...), of any size. N may be 1 in either: that one is then used for all.
        family: the family of transformations.
        measure: "mse", "ncc", "mi", or a function of (warped, fixed) that returns (N,) values, lower is better; see
            `measures`.
        levels: of the pyramid; each halves the size. By default as many as leave 16 pixels along the shortest side, six
            at most.
        start: (N, P) or (1, P) theta to begin with; the identity by default.
        penalty: a function of theta that returns (N,) values to be added to the measure, for instance
            `lambda theta: 0.01 * guards.area_penalty(family, theta)`.
        mode: how the finest level, and the result, are read between pixels, as in `sample`; coarser levels are bicubic.
        padding: what the warp reads outside of `moving`, as in `sample`.
        descent: rate, steps and stopping rule.

    Returns:
        theta, the warped image, the losses and why it stopped.

    Raises:
        ValueError: shapes that do not fit, or an unknown measure.
        TypeError: integer images.

    Example:
        >>> from spatial_transformer import Translation, target_points
        >>> fixed = torch.exp(-8 * target_points((32, 32)).square().sum(dim=-1))[None]  # (1, 1, 32, 32)
        >>> moving = warp(fixed, Translation(), torch.tensor([[0.3, -0.2]]))
        >>> found = register(moving, fixed, Translation())
        >>> found.theta.round(decimals=2), found.stopped
        (tensor([[-0.3000,  0.2000]]), ('no improvement',))
    """
    checks.family(family)
    checks.pair(moving, fixed, family.dims)
    compare, descent = _measure(measure), descent or Descent()
    moving, fixed = (image.to(torch.promote_types(image.dtype, torch.float32)) for image in (moving, fixed))
    theta = _start(start, family, max(len(moving), len(fixed)), moving)  # (N, P)

    def loss_at(level: int) -> Callable[[Tensor], Tensor]:
        small_moving, small_fixed = _shrink(moving, level), _shrink(fixed, level)

        def loss(theta: Tensor) -> Tensor:
            # Coarser pixels see further when the slope is that of a smoother kernel, which looks at four along an axis.
            kernel = "bicubic" if level else mode
            warped = warp(small_moving, family, theta, small_fixed.shape[2:], mode=kernel, padding=padding)
            value = compare(warped, small_fixed.expand(len(warped), *small_fixed.shape[1:]))  # (N,)
            return value if penalty is None else value + penalty(theta)

        return loss

    losses: list[Tensor] = []
    found = [theta]  # where the levels so far have led, and what they began from
    for level in reversed(range(_levels(levels, moving, fixed))):
        loss = loss_at(level)
        shortest = SHORTEST * 2 / max(_size(fixed, level))
        theta, curve, stopped = _descend(loss, _best(loss, found), descent, descent.rate / 2 ** len(losses), shortest)
        losses.append(curve)
        found.append(theta)
    warped = warp(moving, family, theta, fixed.shape[2:], mode=mode, padding=padding)
    return Registration(theta, warped.detach(), tuple(losses), stopped)


class _Adam:
    """Adam on every row of theta by itself, blind to the unit of the loss.

    Gradients are measured in units of the first one of their row: where Adam adds an epsilon, it is a part of that.
    """

    def __init__(self, theta: Tensor, rate: float) -> None:
        self.rate = theta.new_full((len(theta), 1), rate)
        self.mean, self.square = torch.zeros_like(theta), torch.zeros_like(theta)
        self.age, self.unit = torch.zeros_like(self.rate), torch.zeros_like(self.rate)

    def step(self, gradient: Tensor) -> Tensor:
        """(N, P) what to add to theta."""
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


def _descend(
    loss: Callable[[Tensor], Tensor], start: Tensor, descent: Descent, rate: float, shortest: float
) -> tuple[Tensor, Tensor, tuple[Stop, ...]]:
    """Adam on every row of theta by itself: the best theta of each, the (steps, N) losses, and why each stopped."""
    theta, adam = start, _Adam(start, rate)
    best, slope = start, torch.zeros_like(start)  # (N, P) the best theta, and the gradient there
    least = start.new_full((len(start),), torch.finfo(start.dtype).max)  # (N,) the loss there
    judged, waited = least, torch.zeros_like(least)  # the loss that was worth waiting for, and the steps since
    running = torch.ones_like(least, dtype=torch.bool)
    broken = torch.zeros_like(running)
    curve: list[Tensor] = []
    for _ in range(descent.steps):
        value, gradient = _value_and_gradient(loss, theta)  # (N,), (N, P)
        finite = value.isfinite() & gradient.isfinite().all(dim=1)
        broken |= running & ~finite
        running = running & finite
        curve.append(torch.where(running, value, curve[-1]) if curve else value)
        better = running & (value < least)
        best, slope = torch.where(better[:, None], theta, best), torch.where(better[:, None], gradient, slope)
        least = torch.where(better, value, least)
        improved = least < judged - descent.tolerance * curve[0].abs()
        judged, waited = torch.where(improved, least, judged), torch.where(improved, 0, waited + 1)
        stalled = waited >= descent.window
        if stalled.any():  # back to the best, and on with shorter steps
            adam.restart(stalled)
            waited = waited.masked_fill(stalled, 0)
            theta, gradient = (torch.where(stalled[:, None], x, y) for x, y in ((best, theta), (slope, gradient)))
            running = running & (adam.rate[:, 0] >= shortest)
        if not running.any():
            break
        # Rows that have stopped stay, without a NaN in them.
        theta = theta + adam.step(gradient.masked_fill(~running[:, None], 0))
    return best, torch.stack(curve), _reasons(running, broken)


def _best(loss: Callable[[Tensor], Tensor], candidates: list[Tensor]) -> Tensor:
    """(N, P) the candidate of the least loss for every row; the first of equal ones, and where no loss is a number."""
    if len(candidates) == 1:
        return candidates[0]
    with torch.no_grad():
        losses = torch.stack([loss(theta) for theta in candidates])  # (K, N)
    chosen = losses.nan_to_num(nan=torch.inf, posinf=torch.inf).argmin(dim=0)  # (N,)
    return torch.stack(candidates)[chosen, torch.arange(len(chosen), device=chosen.device)]


def _value_and_gradient(loss: Callable[[Tensor], Tensor], theta: Tensor) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        theta = theta.detach().requires_grad_()
        value = loss(theta)  # (N,)
        (gradient,) = torch.autograd.grad(value.sum(), theta)
    return value.detach(), gradient


def _reasons(running: Tensor, broken: Tensor) -> tuple[Stop, ...]:
    pairs = zip(running.tolist(), broken.tolist(), strict=True)
    return tuple("not finite" if bad else "step limit" if on else "no improvement" for on, bad in pairs)


def _measure(measure: str | Measure) -> Measure:
    if callable(measure):
        return measure
    if measure not in MEASURES:
        names = ", ".join(map(repr, MEASURES))
        raise ValueError(f"`measure` must be one of {names} or a function of (warped, fixed); got {measure!r}.")
    return MEASURES[measure]


def _start(start: Tensor | None, family: Family, batch: int, like: Tensor) -> Tensor:
    theta = family.identity(1) if start is None else start
    checks.theta(family, family.parameter_count, theta)
    if len(theta) not in (1, batch):
        raise ValueError(f"`start` must have {batch} rows, one for each pair, or one for all; got {len(theta)}.")
    return theta.detach().to(like).expand(batch, -1).clone()


def _levels(levels: int | None, moving: Tensor, fixed: Tensor) -> int:
    if levels is not None:
        checks.at_least("levels", levels, 1)
        return levels
    shortest = min(*moving.shape[2:], *fixed.shape[2:])
    return min(6, max(1, (shortest // 16).bit_length()))


def _shrink(image: Tensor, level: int) -> Tensor:
    """Average 2^level pixels along every axis into one. The outer edges stay, so normalised points mean the same."""
    return F.interpolate(image, _size(image, level), mode="area") if level else image


def _size(image: Tensor, level: int) -> list[int]:
    return [max(1, length // 2**level) for length in image.shape[2:]]
