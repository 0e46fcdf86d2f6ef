"""A start from features: keypoints that look alike in both images, and the warp that most of them agree on."""

from types import ModuleType
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .. import checks
from ..coordinates import pixel_to_normalised
from ..families import Family, Projective
from ..landmarks import fit_points
from ..measures import intensity_range

Detector = Literal["sift", "orb"]

RATIO = 0.8  # Lowe's: the second best match of a keypoint must be worse by this factor
REACH = 3.0  # pixels of the moving image: matches that miss by more are outliers
LEAST = 8  # matches that agree: fewer may by chance


class FeatureStart(NamedTuple):
    """What the features say.

    Attributes:
        theta: (N, P) for `register(..., start=theta)`; the identity where too few features match.
        inliers: (N,) how many matches agree on it; 0 where they were too few.
    """

    theta: Tensor
    inliers: Tensor


def feature_start(
    moving: Tensor, fixed: Tensor, family: Family, *, detector: Detector = "sift", count: int = 2000
) -> FeatureStart:
    """A theta from features that match: where a motion is too large for `register` to find by itself.

    Needs OpenCV, `pip install 'spatial-transformer[align]'`.

    Args:
        moving: (N, C, H, W), floating point.
        fixed: (N, C, H, W), of any size. N may be 1 in either: that one is then used for all.
        family: of 2D transformations. Outliers are told by the homography (for `Projective`) or the affine map (for all
            others) that most matches agree on; theta is then the best of the family for the rest, by `fit_points`.
        detector: "sift", which also finds what was scaled and lit in another way, or "orb", which is ten times faster.
        count: of features per image.

    Returns:
        theta, and how many matches it rests upon.

    Raises:
        ImportError: OpenCV is missing.
        ValueError: volumes, or an unknown detector.

    Source: Lowe (2004), Rublee et al. (2011), Fischler and Bolles (1981).

    Example:
        >>> from spatial_transformer import Similarity, register, warp
        >>> fixed = torch.nn.functional.interpolate(torch.rand(1, 1, 32, 32), (128, 128), mode="bicubic")
        >>> moving = warp(fixed, Similarity(), torch.tensor([[1.0, 1.0, 0.2, 0.0]]))
        >>> theta, inliers = feature_start(moving, fixed, Similarity())
        >>> bool(inliers > 20), bool(register(moving, fixed, Similarity(), start=theta).success)
        (True, True)
    """
    checks.family(family)
    checks.pair(moving, fixed, family.dims)
    if family.dims != 2:
        raise ValueError(f"`family` must be of images, as features are; got `{family}`.")
    if detector not in ("sift", "orb"):
        raise ValueError(f"`detector` must be 'sift' or 'orb'; got {detector!r}.")
    checks.at_least("count", count, LEAST)
    cv2 = _opencv()
    one, other = ([_features(cv2, image, detector, count) for image in images] for images in (moving, fixed))
    batch = max(len(moving), len(fixed))
    rows = [_start(cv2, family, detector, one[n % len(one)], other[n % len(other)]) for n in range(batch)]
    like = torch.promote_types(moving.dtype, torch.float32)
    theta = torch.cat([row for row, _ in rows]) if rows else family.identity(0)
    return FeatureStart(theta.to(moving.device, like), torch.tensor([inliers for _, inliers in rows]))


class _Features(NamedTuple):
    points: np.ndarray  # (K, 2) pixels, x first
    descriptors: np.ndarray | None  # (K, bytes or numbers)
    size: tuple[int, int]  # (H, W)


def _opencv() -> ModuleType:
    try:
        import cv2
    except ImportError:
        raise ImportError(
            "`feature_start` needs OpenCV, which is not installed. Run `pip install 'spatial-transformer[align]'`."
        ) from None
    return cv2


def _features(cv2: ModuleType, image: Tensor, detector: Detector, count: int) -> _Features:
    """Of a (C, H, W) image, made grey and stretched to bytes."""
    grey = image.detach().float().mean(dim=0)[None, None].nan_to_num(0, 0, 0)
    low, high = (end.item() for end in intensity_range(grey))
    scaled = ((grey[0, 0] - low) / ((high - low) or 1)).clamp(0, 1)
    pixels = (255 * scaled).round().byte().cpu().numpy()
    finder = cv2.SIFT_create(nfeatures=count) if detector == "sift" else cv2.ORB_create(nfeatures=count)
    keypoints, descriptors = finder.detectAndCompute(pixels, None)
    points = np.array([keypoint.pt for keypoint in keypoints], np.float64).reshape(-1, 2)
    return _Features(points, descriptors, (pixels.shape[0], pixels.shape[1]))


def _start(
    cv2: ModuleType, family: Family, detector: Detector, moving: _Features, fixed: _Features
) -> tuple[Tensor, int]:
    """(1, P) theta, and the number of matches that it rests upon."""
    nothing = family.identity(1, device="cpu"), 0
    target, source = _matches(cv2, detector, moving, fixed)  # (M, 2) pixels each
    if len(target) < LEAST:
        return nothing
    find = cv2.findHomography if isinstance(family, Projective) else cv2.estimateAffine2D
    cv2.setRNGSeed(0)
    matrix, agree = find(target, source, method=cv2.RANSAC, ransacReprojThreshold=REACH)
    agree = np.zeros(len(target), bool) if matrix is None else agree.ravel() > 0
    if agree.sum() < LEAST:
        return nothing
    points = (
        pixel_to_normalised(torch.from_numpy(pixels[agree])[None], size)
        for pixels, size in ((target, fixed.size), (source, moving.size))
    )
    return fit_points(family, *points), int(agree.sum())


def _matches(cv2: ModuleType, detector: Detector, moving: _Features, fixed: _Features) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints of the fixed image, and those of the moving image that look like them alone: (M, 2) each."""
    if fixed.descriptors is None or moving.descriptors is None or len(moving.points) < 2:
        return np.zeros((0, 2)), np.zeros((0, 2))
    matcher = cv2.BFMatcher(cv2.NORM_L2 if detector == "sift" else cv2.NORM_HAMMING)
    pairs = matcher.knnMatch(fixed.descriptors, moving.descriptors, k=2)
    good = [best for best, second in pairs if best.distance < RATIO * second.distance]
    return fixed.points[[match.queryIdx for match in good]], moving.points[[match.trainIdx for match in good]]
