"""What registration compares on one level of the pyramid, and how it descends there."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from ..coordinates import target_points
from ..families import Family
from ..measures import Measure, mse, mutual_information, ncc
from ..sampling import Padding, sample
from ..warping import warp
from .adam import adam
from .descent import Descended, Descent
from .gauss_newton import gauss_newton
from .intensities import locally_normalised, moments, standardised
from .lbfgs import lbfgs
from .normal_equations import Model, mse_model, ncc_model, sums
from .pyramid import MANY, SPARSE, Level, Masks

LEAST_OVERLAP = 0.2  # of what the start has: where less overlaps, a few pixels that look alike would decide
MOST_PARAMETERS = 128  # of Gauss and Newton: their normal equations are square
# A step that moves no point by so many pixels is the last, as is one that gains less than this part of the loss. Coarse
# levels only have to lead to the next.
SHORTEST, ENOUGH = 0.002, 1e-4
SMOOTH_STEPS, SMOOTH_ENOUGH = 60, 1e-5
COARSE_SHORTEST, COARSE_ENOUGH, COARSE_STEPS = 0.05, 1e-3, 40


@dataclass(frozen=True)
class Comparison:
    """A measure by name, or a function.

    Attributes:
        measure: of (warped, fixed) images.
        model: of Gauss and Newton around a theta, from the sums of `normal_equations`, if it has one.
        local: on which levels images are normalised locally first: none, all, or all but the finest.
        smooth: whether the measure is, and no sum of squares, so that the steps of L-BFGS do.
        weighs: whether the measure takes a `weight`.
        penalty: to be added to it.
        padding: what is read outside of the moving image by a measure that does not weigh.
    """

    measure: Callable[..., Tensor]
    model: Callable[[Tensor, int], Model] | None = None
    local: Literal["none", "coarse", "all"] = "none"
    smooth: bool = False
    weighs: bool = True
    penalty: Callable[[Tensor], Tensor] | None = None
    padding: Padding = "border"

    def in_unit(self, moving: Tensor, fixed: Tensor, masks: Masks) -> tuple[Tensor, Tensor, Tensor | float]:
        """Images of about unit deviation, where steps need that, and what their losses are to be multiplied by."""
        if not self.squares:
            return moving, fixed, 1.0
        if self.measure is not mse:
            return standardised(moving, masks[0]), standardised(fixed, masks[1]), 1.0
        mean, deviation = moments(fixed, masks[1])
        return (moving - mean) / deviation, (fixed - mean) / deviation, deviation.flatten().square()

    @property
    def squares(self) -> bool:
        """Whether it is a sum of squares, for the steps of Gauss and Newton."""
        return self.model is not None and self.penalty is None

    def prepared(self, level: Level, *, finest: bool) -> Level:
        if self.smooth:
            return replace(level, every=SPARSE if level.fixed[0, 0].numel() > MANY else 1)
        if not self.squares:  # functions may ask for neighbours
            return replace(level, every=1)
        if self.local == "none" or (self.local == "coarse" and finest):
            return level
        moving = locally_normalised(level.moving, level.moving_mask)
        fixed = locally_normalised(level.fixed, level.fixed_mask)
        return Level(moving, fixed, level.moving_mask, level.fixed_mask, level.mode, level.every)

    def losses(self, level: Level, family: Family, theta: Tensor, floor: Tensor) -> Tensor:
        """(M,) values, differentiable in theta; infinite where less than `floor` (M,) of the fixed image is seen."""
        size, chosen = level.fixed.shape[2:], level.chosen()
        padding = "border" if self.weighs else self.padding
        if level.every == 1:
            warped, fixed = warp(level.moving, family, theta, size, mode=level.mode, padding=padding), level.fixed
            weight = overlap(level, family, theta.detach())  # (M, 1, *size)
        else:  # as an image that is one pixel wide
            at = target_points(size, dtype=theta.dtype, device=theta.device).flatten(1, -2)[:, chosen]
            points = family.points(theta, at)  # (M, K, D)
            warped = sample(level.moving, points, mode=level.mode, padding=padding)[..., None]
            fixed = level.fixed.flatten(2)[..., chosen, None]
            weight = level.overlap(points.detach(), chosen)[:, None, :, None]
        value = self.value(warped, fixed, weight)
        value = value if self.penalty is None else value + self.penalty(theta)
        return torch.where(seen(weight) < floor, torch.inf, value)

    def value(self, warped: Tensor, fixed: Tensor, weight: Tensor) -> Tensor:
        """(M,) the measure, told of the (M, 1, *size) weights if it asks for them."""
        return self.measure(warped, fixed, weight=weight) if self.weighs else self.measure(warped, fixed)

    def descend(
        self, level: Level, family: Family, start: Tensor, floor: Tensor, descent: Descent, number: int, finest: bool
    ) -> Descended:
        """From (M, P) thetas, one for each row of the level of this number, from coarse to fine; floor is (M,)."""
        whole = replace(level, every=1)
        level = whole if family.parameter_count > MOST_PARAMETERS else level
        found = self._descend(level, family, start, floor, descent, number, finest)
        if not finest or level.every == 1:
            return found
        began, ended = (self.losses(whole, family, theta, floor) for theta in (start, found.theta))
        return found._replace(theta=torch.where((ended <= began)[:, None], found.theta, start))

    def _descend(
        self, level: Level, family: Family, start: Tensor, floor: Tensor, descent: Descent, number: int, finest: bool
    ) -> Descended:
        def loss(theta: Tensor) -> Tensor:
            return self.losses(level, family, theta, floor)

        if self.smooth and self.penalty is None and number:
            steps, enough = min(descent.steps, SMOOTH_STEPS), SMOOTH_ENOUGH if finest else COARSE_ENOUGH
            return lbfgs(loss, start, steps, enough, level.pixel())
        if self.model is None or not self.squares or family.parameter_count > MOST_PARAMETERS:
            return adam(loss, start, descent, descent.rate / 2**number, level.pixel())
        make, values = self.model, level.fixed.shape[1] * len(level.chosen())

        def model_at(theta: Tensor, rows: Tensor) -> Model:
            model = make(sums(level.rows(rows), family, theta), values)
            return model._replace(loss=torch.where(model.overlap < floor[rows], torch.inf, model.loss))

        if finest:
            return gauss_newton(model_at, family, start, descent.steps, SHORTEST * level.pixel(), ENOUGH)
        steps, shortest = min(descent.steps, COARSE_STEPS), COARSE_SHORTEST * level.pixel()
        return gauss_newton(model_at, family, start, steps, shortest, COARSE_ENOUGH)


def overlap(level: Level, family: Family, theta: Tensor) -> Tensor:
    """(M, 1, *size) how much each pixel of the fixed image counts under theta."""
    size = level.fixed.shape[2:]
    points = family.grid(theta, size).flatten(1, -2)  # (M, K, D)
    return level.overlap(points).unflatten(1, size)[:, None]


def seen(weight: Tensor) -> Tensor:
    """(M, 1, *size) weights to the (M,) parts of the fixed images that count."""
    return weight.flatten(1).mean(dim=1)


NAMED = {
    "mse": Comparison(mse, mse_model),
    "ncc": Comparison(ncc, ncc_model, local="coarse"),
    "local_ncc": Comparison(ncc, ncc_model, local="all"),
    "mi": Comparison(mutual_information, smooth=True),
}


def comparison(measure: str | Measure, penalty: Callable[[Tensor], Tensor] | None, padding: Padding) -> Comparison:
    if callable(measure):
        weighs = "weight" in inspect.signature(measure).parameters
        return Comparison(measure, weighs=weighs, penalty=penalty, padding=padding)
    if measure not in NAMED:
        names = ", ".join(map(repr, NAMED))
        raise ValueError(f"`measure` must be one of {names} or a function of (warped, fixed); got {measure!r}.")
    return replace(NAMED[measure], penalty=penalty, padding=padding)
