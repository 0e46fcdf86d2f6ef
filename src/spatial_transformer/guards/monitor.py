"""A monitor that says when a transformer collapses, and what to do about it."""

import warnings
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from .. import checks
from ..coordinates import axis_lengths
from ..families import Family
from .penalties import determinant, outside_fraction

# What each sign means, and its cure.
CURES = {
    "not finite": "theta holds NaN or infinity for {share:.0%} of the batch. Lower `localiser_lr_scale` in "
    "`parameter_groups`, clip gradients, and look for NaN in the input.",
    "blank": "more than {outside:.0%} of the sampled points lie outside of the image for {share:.0%} of the batch: the "
    "output is mostly padding, and no gradient comes back from there. Lower `localiser_lr_scale`, add "
    "`guards.outside_penalty` to the loss, or limit the shift with `bound=guards.Bound(...)`.",
    "vanishing area": "the sampled area is below {smallest_area:.2%} of the image for {share:.0%} of the batch: the "
    "output is nearly one colour. Lower `localiser_lr_scale`, add `guards.area_penalty` to the loss, or keep the scale "
    "from zero with `bound=guards.Bound(...)`.",
    "zoom-out": "the sampled area is above {largest_area:.0%} of the image for {share:.0%} of the batch: the picture "
    "shrinks into a corner of the output. If inputs are normalised, fill with what black has become, "
    "`padding=guards.normalised_padding(mean, std)`; else lower `localiser_lr_scale` or add `guards.area_penalty`.",
    "constant theta": "theta has been the same for every image for {constant_patience} looks: the transformer does not "
    "look at its input. Raise `localiser_lr_scale`, check that the localiser is in the optimiser and that its "
    "activations are not all zero, or drop penalties on theta.",
    "ignores the image": "for {constant_patience} looks theta has hardly told one image from the other: what is "
    "sampled differs by {spread:.2g} pixels over the batch, which is less than {smallest_spread:g} and moves no pixel "
    "of the output. Raise the learning rate of the localiser, `localiser_lr_scale=1` in `parameter_groups` or more, "
    "train for longer, or loosen `bound` and penalties; if the object is always in one place, leave the transformer "
    "out.",
    "not the start": "the first theta is not the start but samples up to {astray:.2g} pixels from it: an initialiser, "
    "such as a loop over `parameters()`, has overwritten the regression layer. Call `reset_to_identity()` after it "
    "(`reset_to_starts()` of `ParallelTransformers`), or leave that layer out. Where training goes on, leave out "
    "`start`.",
}

# Half-widths by which a start may be missed: what the rounding of half precision may do.
START_MISSED = 1e-2


class CollapseWarning(UserWarning):
    """A transformer has stopped to show anything useful to the layers behind it."""


@final
class CollapseMonitor:
    """Watches the thetas of a training run and warns when the transformer collapses, naming the cure.

    Feed it the theta of every training step, or of every tenth: a call waits for the device. A sign is reported when
    it has lasted for `patience` calls, and again only after it has gone. The monitor changes nothing and has no part
    in the model; for `ParallelTransformers` make one for each and feed `theta[:, i]`.

    Args:
        family: the family of theta.
        share: of the batch that must show a sign.
        smallest_area: sampled areas below this part of the image have vanished.
        largest_area: sampled areas above this part of the image are a zoom-out.
        outside: above this share of points outside of the image, the output is blank.
        patience: calls that a sign must last; NaN is reported at once.
        constant_patience: calls that theta must be the same, or nearly, for a whole batch of two or more. Untrained
            transformers are constant, so this is long.
        smallest_spread: in pixels of the image, the standard deviation over the batch of where points are sampled;
            below it theta ignores the image.
        size: (H, W) or (D, H, W) of the image, which says what a pixel is; 32 along each axis by default.
        start: (P,) or (1, P), where a new transformer begins, such as `family.identity()`: the first theta is held
            against it. Leave it out where training goes on.

    Raises:
        ValueError: a number that is negative, a patience below one, or a size or start that does not fit the family.

    Example:
        >>> from spatial_transformer import Attention
        >>> monitor = CollapseMonitor(Attention(), patience=1)
        >>> monitor(torch.tensor([[1.0, 0.0, 0.0], [0.9, 0.1, 0.0]]))
        ()
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     monitor(torch.tensor([[0.05, 0.0, 0.0], [0.02, 0.1, 0.0]]))
        ('vanishing area',)
        >>> str(caught[0].message)[:61]
        'vanishing area: the sampled area is below 1.00% of the image '
    """

    def __init__(
        self,
        family: Family,
        *,
        share: float = 0.9,
        smallest_area: float = 0.01,
        largest_area: float = 4.0,
        outside: float = 0.9,
        patience: int = 10,
        constant_patience: int = 500,
        smallest_spread: float = 0.25,
        size: Sequence[int] | None = None,
        start: Tensor | None = None,
    ) -> None:
        checks.family(family)
        self.family = family
        self.share = checks.positive("share", share)
        self.smallest_area = checks.non_negative("smallest_area", smallest_area)
        self.largest_area = checks.positive("largest_area", largest_area)
        self.outside = checks.non_negative("outside", outside)
        checks.at_least("patience", patience, 1)
        checks.at_least("constant_patience", constant_patience, 1)
        self.patience = patience
        self.constant_patience = constant_patience
        self.smallest_spread = checks.non_negative("smallest_spread", smallest_spread)
        self.size = (32,) * family.dims if size is None else checks.size("size", size, dims=family.dims)
        if start is not None:
            checks.theta(family, family.parameter_count, start := torch.atleast_2d(start))
        self._start = start  # until the first theta has come
        self._lasted = dict.fromkeys(CURES, 0)

    @torch.no_grad()
    def __call__(self, theta: Tensor) -> tuple[str, ...]:
        """Look at one batch; warns with `CollapseWarning`.

        Args:
            theta: (N, P) parameters.

        Returns:
            The signs seen in this batch: "not finite", "blank", "vanishing area", "zoom-out", "constant theta",
            "ignores the image", "not the start".

        Raises:
            ValueError: `theta` is not (N, P).
        """
        checks.theta(self.family, self.family.parameter_count, theta)
        if not len(theta):
            return ()
        numbers = self._numbers(theta.detach())
        self._start = None
        shares = {sign: numbers[sign] for sign in CURES}
        for sign in CURES:
            self._count(sign, numbers)
        return tuple(sign for sign, share in shares.items() if self._shows(sign, share))

    def _numbers(self, theta: Tensor) -> dict[str, float]:
        """The share of the batch that shows each sign, and how many pixels it samples apart and off the start."""
        finite = theta.isfinite().all(dim=1)  # (N,)
        area = determinant(self.family, theta).abs().mean(dim=1)
        points = self.family.grid(theta, (12,) * self.family.dims)  # (N, ..., D)
        outside = outside_fraction(points)
        half_pixels = axis_lengths(self.size, points) / 2  # (D,)
        apart = points.std(dim=0, correction=0) * half_pixels  # (..., D); NaN where one is
        spread = apart.square().sum(dim=-1).mean().sqrt()
        moved = torch.zeros_like(points) if self._start is None else points - self._points_of_start(theta)
        constant = (theta - theta[:1]).abs().amax(dim=1) <= 1e-5 * theta.abs().amax().clamp_min(1)
        alike = spread < self.smallest_spread
        signs = {
            "not finite": ~finite,
            "blank": finite & (outside > self.outside),
            "vanishing area": area < self.smallest_area,  # false for NaN
            "zoom-out": area > self.largest_area,
            "constant theta": constant,
            "ignores the image": alike & ~constant.all(),
            "not the start": (moved.abs() > START_MISSED).any(),
        }
        numbers = {sign: which.float().mean() for sign, which in signs.items()}
        numbers |= {"spread": spread, "astray": (moved * half_pixels).abs().amax()}
        values = torch.stack([number.to(theta.dtype) for number in numbers.values()]).tolist()  # waits once
        found = dict(zip(numbers, values, strict=True))
        return found | (dict.fromkeys(("constant theta", "ignores the image"), 0.0) if len(theta) == 1 else {})

    def _points_of_start(self, theta: Tensor) -> Tensor:
        assert self._start is not None
        return self.family.grid(self._start.to(theta), (12,) * self.family.dims)  # (1, ..., D)

    def _shows(self, sign: str, share: float) -> bool:
        return share > 0 if sign == "not finite" else share >= (1 if sign == "constant theta" else self.share)

    def _count(self, sign: str, numbers: dict[str, float]) -> None:
        self._lasted[sign] = self._lasted[sign] + 1 if self._shows(sign, numbers[sign]) else 0
        long = dict.fromkeys(("constant theta", "ignores the image"), self.constant_patience)
        patience = (long | {"not finite": 1, "not the start": 1}).get(sign, self.patience)
        if self._lasted[sign] == patience:
            text = CURES[sign].format(**(vars(self) | numbers | {"share": numbers[sign]}))
            warnings.warn(f"{sign}: {text}", CollapseWarning, stacklevel=3)
