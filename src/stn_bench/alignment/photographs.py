"""Pairs of photographs with a known homography, from a seed.

The photographs are those that scikit-image and scikit-learn carry. One image of a pair is the photograph, the other a
view of it: its corners are moved by up to a part of the side along each axis, its light changed by a gamma, a gain, an
offset and a gradient, black where the photograph ends. Both get noise of their own. Every other group of pairs has them
the other way round.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np

PACKAGED = (
    *("astronaut", "coffee", "camera", "chelsea", "rocket", "hubble_deep_field", "immunohistochemistry", "retina"),
    *("moon", "coins", "brick", "grass", "gravel"),
)
NOISE = 0.02  # standard deviation, of intensities from 0 to 1
LEAST_AREA = 0.1  # of the side squared, at each corner: views that are narrower are drawn again


@dataclass(frozen=True)
class Pair:
    """Two (side, side) images and the (3, 3) matrix from pixels of `fixed` to pixels of `moving`; None if unrelated."""

    name: str
    moving: np.ndarray
    fixed: np.ndarray
    matrix: np.ndarray | None


@cache
def photographs(side: int) -> dict[str, np.ndarray]:
    """Grey, square, from 0 to 1."""
    from skimage import data
    from sklearn.datasets import load_sample_image

    images: dict[str, Any] = {name: getattr(data, name)() for name in PACKAGED}
    images["motorcycle"] = data.stereo_motorcycle()[0]
    images |= {name: load_sample_image(f"{name}.jpg") for name in ("china", "flower")}
    return {name: _square(np.asarray(image), side) for name, image in images.items()}


def related(seed: int, displacement: float, side: int) -> Pair:
    """A photograph and a view of it, whose corners moved by up to `displacement` of the side along each axis."""
    random = np.random.default_rng(seed)
    photos = photographs(side)
    name = list(photos)[seed % len(photos)]
    matrix = _homography(random, displacement, side)
    photo, view = noisy(random, photos[name]), _view(random, photos[name], matrix)
    if seed // len(photos) % 2:
        return Pair(name, photo, view, np.linalg.inv(matrix))
    return Pair(name, view, photo, matrix)


def unrelated(seed: int, displacement: float, side: int) -> Pair:
    """A photograph and a view of another."""
    random = np.random.default_rng(seed)
    photos = photographs(side)
    first, second = random.choice(list(photos), 2, replace=False)
    view = _view(random, photos[second], _homography(random, displacement, side))
    return Pair(f"{first}, {second}", view, noisy(random, photos[first]), None)


def corner_error(found: np.ndarray, pair: Pair) -> float:
    """The mean distance of the corners of `fixed` under two matrices, in pixels."""
    assert pair.matrix is not None
    corners = _corners(pair.fixed.shape[0])[:, None].astype(np.float64)
    apart = cv2.perspectiveTransform(corners, found) - cv2.perspectiveTransform(corners, pair.matrix)
    return float(np.linalg.norm(apart, axis=2).mean())


def _square(image: np.ndarray, side: int) -> np.ndarray:
    grey = cv2.cvtColor(image[..., :3], cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
    length = min(grey.shape)
    top, left = ((edge - length) // 2 for edge in grey.shape)
    square = grey[top : top + length, left : left + length].astype(np.float32) / 255
    return cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA)


def _corners(side: int) -> np.ndarray:
    return np.array([[0, 0], [side - 1, 0], [side - 1, side - 1], [0, side - 1]], np.float32)


def _homography(random: np.random.Generator, displacement: float, side: int) -> np.ndarray:
    while True:
        corners = _corners(side)
        moved = (corners + random.uniform(-displacement, displacement, (4, 2)) * side).astype(np.float32)
        (x, y), (u, v) = (np.roll(moved, -1, axis=0) - moved).T, (np.roll(moved, -2, axis=0) - np.roll(moved, -1, 0)).T
        if (x * v - y * u).min() > LEAST_AREA * side**2:
            return cv2.getPerspectiveTransform(corners, moved)


def _view(random: np.random.Generator, photo: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    side = len(photo)
    view = cv2.warpPerspective(photo, matrix, (side, side), flags=cv2.INTER_CUBIC).clip(0, 1)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    gradient = 1 + random.uniform(-0.2, 0.2) * x + random.uniform(-0.2, 0.2) * y
    lit = view ** random.uniform(0.7, 1.4) * random.uniform(0.6, 1.2) * gradient + random.uniform(-0.05, 0.1)
    return noisy(random, lit)


def noisy(random: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """With noise of its own, from 0 to 1."""
    return (image + NOISE * random.standard_normal(image.shape)).clip(0, 1).astype(np.float32)
