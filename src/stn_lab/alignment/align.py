"""A pair laid on one another: the usual start, then features, and an answer that says whether to trust it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

import spatial_transformer as st
from spatial_transformer import converters
from spatial_transformer.families import MatrixFamily
from spatial_transformer.registration import verdict as limits

from ..errors import UserError
from ..images.volumes import voxels_to_world
from . import families
from .placed import Placed
from .reading import Scan
from .settings import Settings

CONSISTENT = 2.0  # pixels: how far from where they began points may be after the way there and back, between modalities
AFTER_FEATURES = 3  # levels: a start within a few pixels needs no coarser ones
MEASURES: dict[str, Callable[..., Tensor]] = {
    **{"ncc": st.measures.ncc, "local_ncc": st.measures.ncc},
    **{"mse": st.measures.mse, "mi": st.measures.mutual_information},
}


@dataclass(frozen=True)
class Alignment:
    """What was found.

    Attributes:
        family: that of theta.
        theta: (1, P), from the fixed image to the moving one.
        warped: (1, C, *size of fixed) the moving image on the fixed one's grid.
        valid: (1, 1, *size of fixed) where it shows something.
        success: whether to trust it.
        why: from what that was judged.
        start: from where it was found.
        facts: numbers for `alignment.json`.
    """

    family: st.Family
    theta: Tensor
    warped: Tensor
    valid: Tensor
    success: bool
    why: str
    start: str
    facts: dict[str, Any]

    def matrix(self, moving: Scan, fixed: Scan) -> np.ndarray | None:
        """(D+1, D+1) from pixels of the moving image to those of the fixed one; None if no matrix can say it."""
        if not isinstance(self.family, MatrixFamily):
            return None
        ours = self.family.matrix(self.theta.double())
        back = converters.to_pixel_matrix(ours, moving.size, fixed.size)[0].numpy()
        matrix: np.ndarray = np.linalg.inv(back)
        return matrix / matrix[-1, -1]

    def world_matrix(self, moving: Scan, fixed: Scan) -> np.ndarray | None:
        """The same between millimetres of the world, for volumes."""
        matrix = self.matrix(moving, fixed)
        if matrix is None or moving.volume is None or fixed.volume is None:
            return None
        return voxels_to_world(matrix, moving.volume, fixed.volume)

    def positions(self, moving: Scan) -> np.ndarray:
        """(*size of fixed, D) the position in the moving image, in pixels, x first, that each pixel shows."""
        points = self.family.grid(self.theta, self.warped.shape[2:])[0]
        return st.normalised_to_pixel(points, moving.size).float().numpy()


def check_pair(moving: Scan, fixed: Scan) -> None:
    """Refuse what cannot be compared.

    Raises:
        UserError: an image and a volume, or another number of channels.
    """
    if len(moving.size) != len(fixed.size):
        one, other = (("an image", "a volume")[len(scan.size) - 2] for scan in (moving, fixed))
        raise UserError(f"{moving.path} is {one} and {fixed.path} is {other}; align two of a kind")
    channels = moving.values.shape[1], fixed.values.shape[1]
    if channels[0] != channels[1]:
        raise UserError(
            f"{moving.path} has {_channels(channels[0])} and {fixed.path} {_channels(channels[1])}; add --grey to "
            "align both in grey"
        )


def align(
    moving: Scan,
    fixed: Scan,
    settings: Settings,
    moving_mask: Tensor | None = None,
    fixed_mask: Tensor | None = None,
    start: Tensor | None = None,
) -> Alignment:
    """Lay one image on another.

    Args:
        moving: what is warped.
        fixed: what it is laid on.
        settings: how.
        moving_mask: (1, 1, ...) which of its values count; those that are finite by default.
        fixed_mask: the same.
        start: (D+1, D+1) from normalised points of `fixed` to those of `moving`, to begin with.

    Raises:
        UserError: a pair that cannot be compared, or a family that is none of such images.
    """
    check_pair(moving, fixed)
    names = settings.of(len(fixed.size))
    stages = [families.make(name, fixed.size, fixed.extent, settings.control) for name in names]
    stages = _placed(stages, moving, fixed)
    masks = {
        "moving_mask": moving.mask if moving_mask is None else moving_mask,
        "fixed_mask": fixed.mask if fixed_mask is None else fixed_mask,
    }
    options: dict[str, Any] = {"measure": settings.measure, "padding": "border", **masks}
    if settings.mode != "nearest":
        options["mode"] = settings.mode
    if any(name in families.DEFORMATIONS for name in names):
        options["smoothness"] = st.Smoothness(bending=settings.bending)

    def attempt(theta: Tensor | None, levels: int | None) -> tuple[st.Registration, bool, str]:
        found = _register(moving, fixed, stages, options, theta, levels)
        success, why = _judged(found, moving, fixed, stages, options)
        return found, success, why

    begin = None if start is None else _nearest(stages[0], start)
    found, success, why = attempt(begin, None if begin is None else AFTER_FEATURES)
    origin = "the usual one" if start is None else "the neighbour's"
    if not success and start is not None:
        found, success, why = attempt(None, None)
        origin = "the usual one"
    if not success and len(fixed.size) == 2 and isinstance(stages[0], MatrixFamily):
        theta, origin = _from_features(moving, fixed, stages[0], origin)
        if theta is not None:
            second = attempt(theta, AFTER_FEATURES)
            if second[1] or second[0].verdict.correlation > found.verdict.correlation:
                found, success, why = second
            else:
                origin = f"the usual one, as that from features was no better ({origin})"
    facts = _facts(found, moving, fixed, stages, settings, masks)
    warped, valid = _shown(found, moving, fixed, settings)
    return Alignment(found.family, found.theta, warped, valid, success, why, origin, facts)


def _register(
    moving: Scan,
    fixed: Scan,
    stages: list[st.Family],
    options: dict[str, Any],
    theta: Tensor | None,
    levels: int | None,
) -> st.Registration:
    images = (moving.values, fixed.values)
    if len(stages) == 1 and isinstance(stages[0], MatrixFamily):
        return st.register(*images, stages[0], start=theta, levels=levels, **options)
    return st.register(*images, stages=stages, start=theta, levels=levels, **options)


def _placed(stages: list[st.Family], moving: Scan, fixed: Scan) -> list[st.Family]:
    """Families whose identity is what headers say; of images of two sizes, the whole of one on that of the other."""
    matrices = [stage for stage in stages if isinstance(stage, MatrixFamily)]
    first = matrices or [st.Translation(len(fixed.size))]
    place = _place(moving, fixed, to_scale=isinstance(first[0], st.Rigid | st.Translation))
    if torch.allclose(place, torch.eye(len(place), dtype=place.dtype), rtol=0, atol=1e-9):
        return stages
    return [*(Placed(stage, place) for stage in first), *stages[len(matrices) :]]


def _place(moving: Scan, fixed: Scan, *, to_scale: bool) -> Tensor:
    """(D+1, D+1) from normalised points of the fixed image to those of the moving one, before anything is searched."""
    if moving.volume is not None and fixed.volume is not None:
        voxels = np.linalg.inv(moving.volume.affine) @ fixed.volume.affine  # of the fixed volume to the moving one's
        return converters.from_pixel_matrix(torch.from_numpy(voxels)[None], moving.size, fixed.size)[0]
    sides = zip(moving.size[::-1], fixed.size[::-1], strict=True)
    ratios = torch.tensor([own / other for other, own in sides], dtype=torch.float64)
    return torch.diag(torch.cat([ratios if to_scale else ratios / ratios.max(), torch.ones(1, dtype=torch.float64)]))


def _nearest(family: st.Family, matrix: Tensor) -> Tensor:
    """(1, P) what a family has that comes nearest to a matrix between normalised points."""
    at = st.target_points((3,) * family.dims, dtype=torch.float64).flatten(1, -2)
    dims = family.dims
    lifted = at @ matrix.double()[:, :dims].mT + matrix.double()[:, dims]  # (1, K, D+1)
    return st.fit_points(family, at, lifted[..., :dims] / lifted[..., dims:]).float()


def _from_features(moving: Scan, fixed: Scan, family: MatrixFamily, origin: str) -> tuple[Tensor | None, str]:
    """(1, P) where features say to begin, or None; and what is to be said of it."""
    inside = family.inside if isinstance(family, Placed) else family
    general = st.Projective() if isinstance(inside, st.Projective) else st.Affine()
    try:
        theta, inliers = st.feature_start(moving.values, fixed.values, general)
    except ImportError:
        return None, f"{origin}; features need OpenCV, pip install 'spatial-transformer[align]'"
    if not int(inliers):
        return None, f"{origin}; too few features match"
    said = f"features: {int(inliers)} matches agree; {origin} had failed"
    return _nearest(family, general.matrix(theta)[0]), said


def _judged(
    found: st.Registration, moving: Scan, fixed: Scan, stages: list[st.Family], options: dict[str, Any]
) -> tuple[bool, str]:
    """Whether to trust a registration, and why."""
    verdict = found.verdict
    correlation, part, folds = (float(value) for value in (verdict.correlation, verdict.overlap, verdict.folds))
    if found.stopped[0] == "not finite":
        return False, "the measure became NaN on the way"
    if folds:
        return False, f"the warp folds between {folds:.0f} pixels"
    if part <= limits.LEAST_OVERLAP:
        return False, f"only {100 * part:.0f} % of the fixed image is covered"
    if options["measure"] == "mi":
        return _consistent(found, moving, fixed, stages, options, part)
    alike = f"correlation {correlation:.2f} over the {100 * part:.0f} % that both show"
    if not bool(found.success):
        return False, f"the images do not look alike: {alike}, where {limits.LEAST_CORRELATION} is needed"
    return True, alike


def _consistent(
    found: st.Registration, moving: Scan, fixed: Scan, stages: list[st.Family], options: dict[str, Any], part: float
) -> tuple[bool, str]:
    """Between modalities nothing needs to look alike: the way back must lead to where points began."""
    back = _register(
        fixed,
        moving,
        _placed([getattr(stage, "inside", stage) for stage in stages], fixed, moving),
        options | {"moving_mask": options["fixed_mask"], "fixed_mask": options["moving_mask"]},
        None,
        None,
    )
    at = st.target_points((9,) * found.family.dims)
    there = found.family.points(found.theta, at)
    half = torch.tensor(fixed.size[::-1]) / 2
    apart = ((back.family.points(back.theta, there) - at) * half).norm(dim=-1)
    inside = (there.abs() <= 1).all(dim=-1)
    off = float(apart[inside].mean()) if bool(inside.any()) else math.inf
    said = f"there and back points are {off:.2f} pixels off, over the {100 * part:.0f} % that both show"
    return (True, said) if off <= CONSISTENT else (False, f"the way back leads elsewhere: {said}")


def _facts(
    found: st.Registration,
    moving: Scan,
    fixed: Scan,
    stages: list[st.Family],
    settings: Settings,
    masks: dict[str, Tensor | None],
) -> dict[str, Any]:
    measure, before = MEASURES[settings.measure], stages[0]
    values = [
        _measured(measure, family, theta, moving, fixed, masks)
        for family, theta in ((before, before.identity(1)), (found.family, found.theta))
    ]
    verdict = found.verdict
    return {
        "measure": {"name": settings.measure, "before": values[0], "after": values[1]},
        "correlation": round(float(verdict.correlation), 4),
        "overlap": round(float(verdict.overlap), 4),
        "folds": int(verdict.folds),
    }


def _measured(
    measure: Callable[..., Tensor],
    family: st.Family,
    theta: Tensor,
    moving: Scan,
    fixed: Scan,
    masks: dict[str, Tensor | None],
) -> float | None:
    """The measure where both show something; None where they do not."""
    points = family.grid(theta, fixed.size)
    weight = (points.abs() <= 1).all(dim=-1)[:, None].float()
    if masks["moving_mask"] is not None:
        weight = weight * (st.sample(masks["moving_mask"].float(), points) > 0.999)
    if masks["fixed_mask"] is not None:
        weight = weight * masks["fixed_mask"]
    if not bool(weight.any()):
        return None
    warped = st.sample(moving.values.nan_to_num(0, 0, 0), points, padding="border")
    return round(float(measure(warped, fixed.values.nan_to_num(0, 0, 0), weight=weight)), 6)


def _shown(found: st.Registration, moving: Scan, fixed: Scan, settings: Settings) -> tuple[Tensor, Tensor]:
    """The warped image, and where it is valid: within the moving image, and not blended with what is not finite."""
    white = {"uint8": 255, "uint16": 65535}.get(moving.dtype.name, 1) if moving.volume is None else 1
    outside = settings.outside / white
    number = outside if math.isfinite(outside) or settings.mode == "nearest" else 0.0
    warped = st.warp(moving.values, found.family, found.theta, fixed.size, mode=settings.mode, padding=number)
    valid = found.valid & warped.isfinite().all(dim=1, keepdim=True)
    kept = warped.isfinite() if math.isfinite(outside) else valid
    return torch.where(kept, warped, outside), valid


def _channels(count: int) -> str:
    return f"{count} channel{'' if count == 1 else 's'}"
