"""What is aligned: photographs, heads, what bends, and what looks different in both images."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product

import cv2
import numpy as np
import torch

import spatial_transformer as st

from . import photographs
from .head import Head, field, rigid_motion
from .problem import Problem, by_matrix

SIDE = 512
HEAD = (64, 64, 64)
NOISE = 0.02


@dataclass(frozen=True)
class Task:
    """Pairs of one kind.

    Attributes:
        title: for the page.
        make: a pair from a seed.
        methods: names of those that do it, in `methods.METHODS`.
        within: pixels that count as found.
        share: how many pairs, as a part of those of photographs.
    """

    title: str
    make: Callable[[int], Problem]
    methods: tuple[str, ...]
    within: float
    share: float


def homography(seed: int, displacement: float, side: int = SIDE) -> Problem:
    pair = photographs.related(seed, displacement, side)
    assert pair.matrix is not None
    corners = np.array([[0, 0], [side - 1, 0], [side - 1, side - 1], [0, side - 1]], np.float64)
    return Problem(pair.name, pair.moving, pair.fixed, by_matrix(pair.matrix), corners)


def affine(seed: int, change: str, side: int = SIDE // 2) -> Problem:
    """A photograph and a view of it by an affine map, the corners moved by up to a tenth; its intensities `change`."""
    random = np.random.default_rng(seed)
    photos = photographs.photographs(side)
    name = list(photos)[seed % len(photos)]
    square = np.array([[0, 0], [side - 1, 0], [0, side - 1]], np.float32)
    moved = (square + random.uniform(-0.1, 0.1, (3, 2)) * side).astype(np.float32)
    matrix = np.vstack([cv2.getAffineTransform(square, moved), [0, 0, 1]])  # of fixed to moving
    fixed = cv2.warpAffine(photos[name], matrix[:2], (side, side), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
    fixed = CHANGES[change](fixed.clip(0, 1))
    moving, fixed = (photographs.noisy(random, image) for image in (photos[name], fixed))
    corners = np.array([[0, 0], [side - 1, 0], [side - 1, side - 1], [0, side - 1]], np.float64)
    return Problem(name, moving, fixed, by_matrix(matrix), corners)


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "light": lambda image: 0.8 * image**1.2 + 0.05,
    "inverted": lambda image: 1 - image,
    "not monotonic": lambda image: 4 * (image - 0.5) ** 2,  # the darkest and the brightest look alike
}


def heads(seed: int, size: tuple[int, ...] = HEAD) -> Problem:
    """Two scans of a synthetic head, which has moved by up to a fifth of the field."""
    head, motion = Head(seed), rigid_motion(seed, 0.2).double().numpy()
    at = field(size)
    images = (
        head.at(at),
        head.at(at @ torch.from_numpy(motion[:3, :3]).float().T + torch.from_numpy(motion[:3, 3]).float()),
    )
    matrix = st.converters.to_pixel_matrix(torch.from_numpy(motion)[None], size, size)[0].numpy()
    corners = np.array(list(product(*((0.2 * (n - 1), 0.8 * (n - 1)) for n in reversed(size)))))  # about the head
    random = np.random.default_rng(seed)
    moving, fixed = (photographs.noisy(random, image.numpy()) for image in images)
    return Problem(f"head {seed}", moving, fixed, by_matrix(matrix), corners)


def bent(seed: int, size: tuple[int, ...]) -> Problem:
    """A head, or a slice of one, and what an affine map and smooth waves make of it; regions to be carried over."""
    dims, head = len(size), Head(seed)
    random = np.random.default_rng(seed)
    linear = np.eye(dims) + 0.05 * random.uniform(-1, 1, (dims, dims))
    shift = 0.06 * random.uniform(-1, 1, dims)
    waves = [
        (random.uniform(-2.5, 2.5, dims), random.uniform(0, 6.3), 0.03 * random.normal(size=dims)) for _ in range(4)
    ]

    def moved(points: np.ndarray) -> np.ndarray:  # in half-widths
        bending = sum(np.sin(points @ wave + phase)[..., None] * way for wave, phase, way in waves)
        result: np.ndarray = (points + bending) @ linear.T + shift
        return result

    half = np.array(size[::-1]) / 2

    def truth(pixels: np.ndarray) -> np.ndarray:
        found: np.ndarray = (moved((pixels + 0.5) / half - 1) + 1) * half - 0.5
        return found

    at = field(size).double().numpy()
    grids = [_in_space(points) for points in (at, moved(at))]
    images = [photographs.noisy(random, head.at(points).numpy()) for points in grids]
    labels = (head.regions(grids[0]).numpy(), head.regions(grids[1]).numpy())
    inside = np.argwhere(labels[1] > 0)[:, ::-1].astype(np.float64)
    chosen = inside[random.permutation(len(inside))[:500]]
    return Problem(f"head {seed}", images[0], images[1], truth, chosen, labels)


def _in_space(points: np.ndarray) -> torch.Tensor:
    """Points of a slice lie in the head's plane through eyes and ventricles."""
    found = torch.from_numpy(points).float()
    return found if found.shape[-1] == 3 else torch.cat([found, torch.full_like(found[..., :1], 0.05)], dim=-1)


LINEAR = ("register", "features, register", "ecc", "sift", "orb", "kornia")
BENT = (
    "register, affine and bspline",
    "register, affine and velocity",
    "register, affine and displacement",
    "itk bspline",
)
TASKS = {
    "15 %": Task(
        "Photographs of 512 x 512, corners moved by up to 15 %", partial(homography, displacement=0.15), LINEAR, 0.5, 1
    ),
    "30 %": Task(
        "Photographs of 512 x 512, corners moved by up to 30 %", partial(homography, displacement=0.3), LINEAR, 0.5, 1
    ),
    "affine": Task(
        "Photographs of 256 x 256, affine",
        partial(affine, change="light"),
        ("register, affine", "itk affine"),
        0.5,
        0.3,
    ),
    "heads": Task(
        "Heads of 64 x 64 x 64, rigid, moved by up to 20 %", heads, ("register, rigid", "itk rigid"), 0.1, 0.4
    ),
    "bent": Task("Slices of 128 x 128 that bend", partial(bent, size=(128, 128)), BENT, 0.5, 0.2),
    "bent heads": Task("Heads of 48 x 48 x 48 that bend", partial(bent, size=(48, 48, 48)), BENT, 0.5, 0.1),
    "inverted": Task(
        "Inverted, 256 x 256, affine", partial(affine, change="inverted"), ("register, mi", "itk mattes"), 0.5, 0.2
    ),
    "not monotonic": Task(
        "Not monotonic, 256 x 256, affine",
        partial(affine, change="not monotonic"),
        ("register, mi", "itk mattes"),
        0.5,
        0.2,
    ),
}
