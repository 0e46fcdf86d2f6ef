"""Registration: the theta that lays one image on another, from coarse to fine."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .. import checks
from ..families import Family, MatrixFamily
from ..measures import Measure
from ..sampling import Mode, Padding
from ..warping import warp
from .comparison import LEAST_OVERLAP, Comparison, comparison, overlap, seen
from .descent import Descended, Descent, Stop
from .pyramid import Level, level_count, pyramid
from .starts import spread
from .verdict import Verdict, judge

# As many starts as are tried where none is given: the identity and four groups of mirror images.
STARTS = {2: 17, 3: 33}
FEWER = 4  # times fewer of them go on to each finer level


@dataclass(frozen=True)
class Registration:
    """What `register` found.

    Attributes:
        theta: (N, P) the parameters of the least loss on the finest level.
        warped: (N, C, *size of fixed) the moving image, warped by theta.
        losses: one (steps, N) tensor for each level, coarse to fine. A pair that has stopped repeats its last loss.
        stopped: why each pair ended on the finest level: "no improvement", "step limit", or "not finite" where loss
            or gradient became NaN and the best theta before that is returned.
        verdict: whether each pair was laid on one another, and from what that was judged.
    """

    theta: Tensor
    warped: Tensor
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
    family: Family,
    *,
    measure: str | Measure = "ncc",
    levels: int | None = None,
    start: Tensor | None = None,
    penalty: Callable[[Tensor], Tensor] | None = None,
    mode: Mode = "bilinear",
    padding: Padding = "border",
    descent: Descent | None = None,
    moving_mask: Tensor | None = None,
    fixed_mask: Tensor | None = None,
    starts: int | None = None,
) -> Registration:
    """Find the theta with which `warp(moving, family, theta)` looks like `fixed`.

    Both images are averaged down to a pyramid. The coarsest level is searched from several thetas at once; each finer
    one goes on from the best of the level before, or from `start` where the loss is less there. The images are compared
    where both show something: outside of the moving image, and where a mask is 0, nothing counts. Steps are those of
    Levenberg and Marquardt, which never make the loss larger; for "mi", functions, penalties, and families of more than
    128 parameters those of Adam. The loss of the result is never above that of `start`. Every pair of a batch descends
    and stops on its own, so a batch gives what its pairs give one by one, and the unit of intensities does not matter.

    A result may be wrong, and says so: `success` is false where the images are not alike, hardly overlap, or the warp
    folds; see `Verdict`.

    Args:
        moving: (N, C, H, W) or (N, C, D, H, W), floating point.
        fixed: (N, C, ...), of any size. N may be 1 in either: that one is then used for all.
        family: the family of transformations.
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
            if `start` is given, or the family is none of matrices, and 17 (33 for volumes) if not.

    Returns:
        theta, the warped image, whether it succeeded, the losses and why it stopped.

    Raises:
        ValueError: shapes that do not fit, an unknown measure, or several starts for a family that is none of matrices.
        TypeError: integer images.

    Source: Evangelidis and Psarakis (2008) for the steps on correlation.

    Example:
        >>> from spatial_transformer import Translation, target_points
        >>> fixed = torch.exp(-8 * target_points((32, 32)).square().sum(dim=-1))[None]  # (1, 1, 32, 32)
        >>> moving = warp(fixed, Translation(), torch.tensor([[0.3, -0.2]]))
        >>> found = register(moving, fixed, Translation())
        >>> found.theta.round(decimals=2), found.success
        (tensor([[-0.3000,  0.2000]]), tensor([True]))
    """
    checks.family(family)
    checks.pair(moving, fixed, family.dims)
    compare, descent = comparison(measure, penalty, padding), descent or Descent()
    batch = max(len(moving), len(fixed))
    moving, fixed = (_floating(image) for image in (moving, fixed))
    masks = checks.mask("moving_mask", moving_mask, moving), checks.mask("fixed_mask", fixed_mask, fixed)
    begin = _start(start, family, batch, moving)  # (N, P)
    count = _starts(starts, start, family)
    count_levels = _levels(levels, moving, fixed)
    one, other, unit = compare.in_unit(moving, fixed, masks)
    tower = [level.expand(batch) for level in pyramid(one, other, masks, count_levels, mode)]
    with torch.no_grad():
        found, curves = _search(tower, compare, family, spread(family, begin, count), descent)
        verdict = judge(tower, family, found.theta, compare)
    warped = warp(moving, family, found.theta, fixed.shape[2:], mode=mode, padding=padding)
    losses = tuple(curve * unit for curve in curves)
    return Registration(found.theta, warped.detach(), losses, found.stopped(), verdict)


def _search(
    tower: list[Level], compare: Comparison, family: Family, candidates: Tensor, descent: Descent
) -> tuple[Descended, list[Tensor]]:
    """From (N, K, P) candidates: where the finest level ends, and the (steps, N) losses of the best of each level."""
    begin, losses = candidates[:, :1], []
    floor = LEAST_OVERLAP * seen(overlap(tower[0], family, begin[:, 0]))  # (N,)
    for number, level in enumerate(tower):
        last = number == len(tower) - 1
        level = compare.prepared(level, finest=last)
        keep = 1 if last and number else -(-candidates.shape[1] // (FEWER if number else 1))
        pool = torch.cat([candidates, begin], dim=1) if number else candidates
        starts = _best(level, compare, family, pool, floor, keep)  # (N, K', P)
        pairs = torch.arange(len(begin), device=begin.device).repeat_interleave(starts.shape[1])
        begun = starts.flatten(0, 1)  # (N K', P)
        found = compare.descend(level.rows(pairs), family, begun, floor[pairs], descent, number, finest=last)
        order = _order(found.least.view(starts.shape[:2]), found.curve[0].view(starts.shape[:2]))  # (N, K')
        candidates = found.theta.view(starts.shape).gather(1, order[..., None].expand_as(starts))
        found = found.rows(pairs.view(starts.shape[:2])[:, 0] * starts.shape[1] + order[:, 0])
        losses.append(found.curve)
    return found, losses


def _best(level: Level, compare: Comparison, family: Family, pool: Tensor, floor: Tensor, keep: int) -> Tensor:
    """(N, K, P) to the (N, keep, P) of least loss; the first of equal ones, and where no loss is a number."""
    count = pool.shape[1]
    if keep >= count:
        return pool
    columns = [compare.losses(level, family, pool[:, k], floor) for k in range(count)]
    losses = torch.stack(columns, dim=1).nan_to_num(nan=torch.inf, posinf=torch.inf)  # (N, K)
    order = _order(losses, losses)[:, :keep]
    return pool.gather(1, order[..., None].expand(-1, -1, pool.shape[2]))


def _order(losses: Tensor, begun: Tensor) -> Tensor:
    """(N, K) losses from the least to the largest; of those that differ by rounding only the first one comes first."""
    unit = begun.nan_to_num(0, 0, 0).abs().amax(dim=1, keepdim=True) * 1e-6
    return (losses / torch.where(unit > 0, unit, 1)).round().argsort(dim=1, stable=True)


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


def _starts(starts: int | None, start: Tensor | None, family: Family) -> int:
    matrices = isinstance(family, MatrixFamily)
    if starts is None:
        return STARTS[family.dims] if matrices and start is None else 1
    checks.at_least("starts", starts, 1)
    if starts > 1 and not matrices:
        raise ValueError(
            f"`starts` must be 1 for `{family}`, which is no family of matrices; got {starts}. Register an `Affine` "
            "first, and pass what `fit_points` makes of it as `start`."
        )
    return starts


def _levels(levels: int | None, moving: Tensor, fixed: Tensor) -> int:
    if levels is not None:
        checks.at_least("levels", levels, 1)
        return levels
    return level_count(moving, fixed)
