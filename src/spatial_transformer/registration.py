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
from .sampling import Padding
from .warping import warp

Stop = Literal["no improvement", "step limit", "not finite"]


@dataclass(frozen=True)
class Descent:
    """How far and how fast to descend on each level of the pyramid.

    Attributes:
        rate: the length of the first steps on the coarsest level, in units of theta. Each level begins with half of the
            one before, as its pixels are half as wide, and ends with zero, along half a cosine.
        steps: the most on each level.
        window: steps over which the improvement is judged.
        tolerance: a relative improvement of less than this over the window ends the level.
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
    padding: Padding = "border",
    descent: Descent | None = None,
) -> Registration:
    """Find the theta with which `warp(moving, family, theta)` looks like `fixed`.

    Both images are averaged down to a pyramid. On each level, coarse to fine, Adam descends from the theta of the level
    before; as theta is normalised, it needs no conversion. Every pair of a batch descends and stops on its own, so a
    batch gives what its pairs give one by one. Descent goes to the nearest minimum: where the coarsest images have
    nothing in common yet, because the motion is far larger than what moves, give a `start`.

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
            warped = warp(small_moving, family, theta, small_fixed.shape[2:], padding=padding)
            value = compare(warped, small_fixed.expand(len(warped), *small_fixed.shape[1:]))  # (N,)
            return value if penalty is None else value + penalty(theta)

        return loss

    losses: list[Tensor] = []
    for level in reversed(range(_levels(levels, moving, fixed))):
        theta, curve, stopped = _descend(loss_at(level), theta, descent, descent.rate / 2 ** len(losses))
        losses.append(curve)
    warped = warp(moving, family, theta, fixed.shape[2:], padding=padding)
    return Registration(theta, warped.detach(), tuple(losses), stopped)


def _descend(
    loss: Callable[[Tensor], Tensor], start: Tensor, descent: Descent, rate: float
) -> tuple[Tensor, Tensor, tuple[Stop, ...]]:
    """Adam on every row of theta by itself: the best theta of each, the (steps, N) losses, and why each stopped."""
    theta = start.clone().requires_grad_()
    adam = torch.optim.Adam([theta], lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, descent.steps)
    best, least = start.clone(), start.new_full((len(start),), torch.inf)
    running = torch.ones_like(least, dtype=torch.bool)
    broken = torch.zeros_like(running)
    curve: list[Tensor] = []
    for _ in range(descent.steps):
        value, gradient = _value_and_gradient(loss, theta)  # (N,), (N, P)
        finite = value.isfinite() & gradient.isfinite().all(dim=1)
        broken |= running & ~finite
        running &= finite
        curve.append(torch.where(running, value, curve[-1]) if curve else value)
        better = running & (value < least)
        best, least = torch.where(better[:, None], theta.detach(), best), torch.where(better, value, least)
        running &= ~_stalled(curve, descent)
        if not running.any():
            break
        # Rows that have stopped coast on unseen, without a NaN in them.
        theta.grad = gradient.masked_fill(~running[:, None], 0)
        adam.step()
        schedule.step()
    return best, torch.stack(curve), _reasons(running, broken)


def _value_and_gradient(loss: Callable[[Tensor], Tensor], theta: Tensor) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        value = loss(theta)  # (N,)
        (gradient,) = torch.autograd.grad(value.sum(), theta)
    return value.detach(), gradient


def _stalled(curve: list[Tensor], descent: Descent) -> Tensor:
    """(N,) whether the least loss of the last window is hardly below the least before it."""
    if len(curve) <= descent.window:
        return torch.zeros_like(curve[-1], dtype=torch.bool)
    before = torch.stack(curve[: -descent.window]).amin(dim=0)
    now = torch.stack(curve[-descent.window :]).amin(dim=0)
    return ~(before - now > descent.tolerance * before.abs())


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
    size = [max(1, length // 2**level) for length in image.shape[2:]]
    return F.interpolate(image, size, mode="area") if level else image
