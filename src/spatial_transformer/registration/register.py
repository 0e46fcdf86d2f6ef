"""Registration: the theta that lays one image on another, from coarse to fine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .. import checks
from ..families import Family, MatrixFamily
from ..measures import Measure
from ..sampling import Mode, Padding
from ..warping import warp
from .comparison import comparison
from .descent import Descent, Stop
from .features import feature_start
from .pyramid import level_count, pyramid
from .search import search
from .smoothness import Smoothness
from .stages import in_stages
from .starts import spread
from .verdict import Verdict, judge

# As many starts as are tried where none is given: the identity and four groups of mirror images.
STARTS = {2: 17, 3: 33}


@dataclass(frozen=True)
class Registration:
    """What `register` found.

    Attributes:
        family: that of theta: the one that was asked for, or a `Staged` of several stages.
        theta: (N, P) the parameters of the least loss on the finest level.
        warped: (N, C, *size of fixed) the moving image, warped by theta.
        valid: (N, 1, *size of fixed) booleans: where `moving` shows something; `padding` made up the rest of `warped`.
        losses: one (steps, N) tensor for each level, coarse to fine, stage by stage, with the penalties. A pair that
            has stopped repeats its last loss.
        stopped: why each pair ended on the finest level: "no improvement", "step limit", or "not finite" where loss
            or gradient became NaN and the best theta before that is returned.
        verdict: whether each pair was laid on one another, and from what that was judged.
    """

    family: Family
    theta: Tensor
    warped: Tensor
    valid: Tensor
    losses: tuple[Tensor, ...]
    stopped: tuple[Stop, ...]
    verdict: Verdict

    @property
    def success(self) -> Tensor:
        """(N,) booleans: `verdict.success`."""
        return self.verdict.success


def register(
    moving: Tensor,
    fixed: Tensor,
    family: Family | None = None,
    *,
    stages: Sequence[Family] | None = None,
    measure: str | Measure = "ncc",
    levels: int | None = None,
    start: Tensor | None = None,
    penalty: Callable[[Tensor], Tensor] | None = None,
    mode: Mode = "bilinear",
    padding: Padding = "border",
    descent: Descent | None = None,
    moving_mask: Tensor | None = None,
    fixed_mask: Tensor | None = None,
    starts: int | Literal["features"] | None = None,
    smoothness: Smoothness | None = None,
) -> Registration:
    """Find the theta with which `warp(moving, family, theta)` looks like `fixed`.

    Both images are averaged down to a pyramid. The coarsest level is searched from several thetas at once; each finer
    one goes on from the best of the level before, or from `start` where the loss is less there. The images are compared
    where both show something: outside of the moving image, and where a mask is 0, nothing counts. Steps are those of
    Levenberg and Marquardt, which never make the loss larger; for "mi" those of L-BFGS; for functions, penalties, and
    families of more than 128 parameters those of Adam. The loss of the result is never above that of `start`. Every
    pair of a batch descends and stops on its own, so a batch gives what its pairs give one by one, and the unit of
    intensities does not matter.

    A result may be wrong, and says so: `success` is false where the images are not alike, hardly overlap, or the warp
    folds; see `Verdict`. After "mi" it says nothing where it is false, as images need not be alike.

    `stages=[Affine(3), Velocity((6, 6, 6))]` fits one family after the other: matrices first, each from where the one
    before ended, then deformations on top of them, by L-BFGS and with the penalties of `smoothness`.

    Args:
        moving: (N, C, H, W) or (N, C, D, H, W), floating point.
        fixed: (N, C, ...), of any size. N may be 1 in either: that one is then used for all.
        family: the family of transformations.
        stages: instead of it, families one after the other: matrices, then `BSpline`, `Velocity`, `Displacement` or any
            other deformation. `start` is then the first one's. `found.family` is of them all.
        measure: "local_ncc" (uneven light), "ncc" (another exposure), "mse" (the same intensities), "mi" (another
            modality), or a function of (warped, fixed) that returns (N,) values, lower is better; if it takes a
            `weight` (N, 1, ...), it is told which pixels count, and sees all that `padding` makes up if not. See
            `measures`; "local_ncc" here is `measures.ncc` of images that were normalised in windows of 15 pixels.
        levels: of the pyramid; each halves the size, but for axes of 8 pixels or less. By default as many as leave 16
            pixels along the longest side, six at most.
        start: (N, P) or (1, P) theta to begin with; the identity by default.
        penalty: a function of theta that returns (N,) values to be added to the measure, for instance
            `lambda theta: 0.01 * guards.area_penalty(family, theta)`.
        mode: how the finest level, and the result, are read between pixels, as in `sample`; coarser levels are bicubic.
        padding: what the result shows outside of `moving`, as in `sample`.
        descent: steps and stopping rule.
        moving_mask: (N, 1, ...) or (1, 1, ...), booleans or numbers from 0 to 1, as large as `moving`: which of its
            pixels count. What is NaN elsewhere does not matter.
        fixed_mask: the same for `fixed`.
        starts: how many thetas to begin with on the coarsest level: `start` and others that are shifted, turned and
            scaled by up to 0.45 half-widths, 0.5 radians and a factor of 1.35, for families of matrices. By default 1
            if `start` is given, or the family is none of matrices, and 17 (33 for volumes) if not. "features": also
            with what `feature_start` makes of the images, which needs OpenCV; photographs from further apart.
        smoothness: what the deformations of `stages` pay for bending and folding.

    Returns:
        theta, the warped image, whether it succeeded, the losses and why it stopped.

    Raises:
        ValueError: shapes that do not fit, an unknown measure, several starts for a family that is none of matrices, or
            stages that do not begin with the matrices.
        TypeError: integer images, or neither a family nor stages, or both.

    Source: Evangelidis and Psarakis (2008) for the steps on correlation.

    Example:
        >>> from spatial_transformer import Translation, target_points
        >>> fixed = torch.exp(-8 * target_points((32, 32)).square().sum(dim=-1))[None]  # (1, 1, 32, 32)
        >>> moving = warp(fixed, Translation(), torch.tensor([[0.3, -0.2]]))
        >>> found = register(moving, fixed, Translation())
        >>> found.theta.round(decimals=2), found.success
        (tensor([[-0.3000,  0.2000]]), tensor([True]))
    """
    order = _stages(family, stages)
    _only_of("penalty", penalty is not None and stages is not None, "a family; deformations pay by `smoothness`")
    _only_of("smoothness", smoothness is not None and stages is None, "`stages`")
    checks.pair(moving, fixed, order[0].dims)
    compare, descent = comparison(measure, penalty, padding), descent or Descent()
    batch = max(len(moving), len(fixed))
    moving, fixed = (_floating(image) for image in (moving, fixed))
    masks = checks.mask("moving_mask", moving_mask, moving), checks.mask("fixed_mask", fixed_mask, fixed)
    begin = _start(start, order[0], batch, moving)  # (N, P)
    candidates, known = _candidates(starts, start is None, order[0], begin, moving, fixed)
    count_levels = _levels(levels, moving, fixed)
    one, other, unit = compare.in_unit(moving, fixed, masks)
    tower = [level.expand(batch) for level in pyramid(one, other, masks, count_levels, mode)]
    with torch.no_grad():
        if stages is None:
            whole: Family = order[0]
            found, curves = search(tower, compare, whole, candidates, descent, known)
        else:
            whole, found, curves = in_stages(tower, compare, order, candidates, descent, smoothness, known)
        points = whole.grid(found.theta, fixed.shape[2:])  # (N, *size, D)
        verdict = judge(tower, whole, found.theta, points, compare)
    warped = warp(moving, whole, found.theta, fixed.shape[2:], mode=mode, padding=padding)
    valid = (points.abs() <= 1).all(dim=-1)[:, None]
    losses = tuple(curve * unit for curve in curves)
    return Registration(whole, found.theta, warped.detach(), valid, losses, found.stopped(), verdict)


def _stages(family: Family | None, stages: Sequence[Family] | None) -> list[Family]:
    """The stages, one if there is a family."""
    if (family is None) == (stages is None):
        raise TypeError(
            "`register` needs a family or `stages`, and not both. Pass `stages=[Affine(), BSpline((8, 8))]`."
        )
    order = [family] if family is not None else list(stages or ())
    if not order:
        raise ValueError("`stages` must have one family or more; got none.")
    for stage in order:
        checks.family(stage)
    if len({stage.dims for stage in order}) > 1:
        raise ValueError(f"`stages` must all be of images, or all of volumes; got {', '.join(map(str, order))}.")
    matrices = [isinstance(stage, MatrixFamily) for stage in order]
    if matrices != sorted(matrices, reverse=True):
        raise ValueError(f"`stages` must begin with those of matrices; got {', '.join(map(str, order))}.")
    return order


def _only_of(name: str, misplaced: bool, of: str) -> None:
    if misplaced:
        raise ValueError(f"`{name}` is an argument for {of}; leave it out.")


def _floating(image: Tensor) -> Tensor:
    return image.detach().to(torch.promote_types(image.dtype, torch.float32))


def _start(start: Tensor | None, family: Family, batch: int, like: Tensor) -> Tensor:
    theta = family.identity(1) if start is None else start
    checks.theta(family, family.parameter_count, theta)
    if len(theta) not in (1, batch):
        raise ValueError(
            f"`start` must have {batch} rows, one for each pair, or one for all; got {len(theta)}. For several starts "
            "of one pair repeat its images, or pass `starts`."
        )
    return theta.detach().to(like).expand(batch, -1).clone()


def _candidates(
    starts: int | str | None, free: bool, family: Family, begin: Tensor, moving: Tensor, fixed: Tensor
) -> tuple[Tensor, int]:
    """(N, K, P) thetas to begin with, and how many of them every level looks at again."""
    matrices = isinstance(family, MatrixFamily)
    if starts == "features" and matrices:
        theta, inliers = feature_start(moving, fixed, family)
        theta = torch.where((inliers > 0)[:, None].to(theta.device), theta.to(begin), begin)
        around = spread(family, begin, STARTS[family.dims])
        return torch.cat([around[:, :1], theta[:, None], around[:, 1:]], dim=1), 2
    if starts is None:
        starts = STARTS[family.dims] if matrices and free else 1
    if isinstance(starts, str) and starts != "features":
        raise ValueError(f'`starts` must be a number or "features"; got {starts!r}.')
    if isinstance(starts, int):
        checks.at_least("starts", starts, 1)
    if starts != 1 and not matrices:
        raise ValueError(
            f"`starts` must be 1 for `{family}`, which is no family of matrices; got {starts!r}. Register an `Affine` "
            "first, and pass what `fit_points` makes of it as `start`."
        )
    return spread(family, begin, int(starts)), 1


def _levels(levels: int | None, moving: Tensor, fixed: Tensor) -> int:
    if levels is not None:
        checks.at_least("levels", levels, 1)
        return levels
    return level_count(moving, fixed)
