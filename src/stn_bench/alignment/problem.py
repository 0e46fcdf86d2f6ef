"""A pair to be aligned, whose truth is known, and how far an answer is from it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

# (K, D) points of the fixed image to points of the moving one, in pixels, x first, 0 the centre of the first pixel.
Mapping = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Problem:
    """Two images of one thing.

    Attributes:
        name: what they show.
        moving, fixed: (H, W) or (D, H, W), float32.
        truth: where points of the fixed image lie in the moving one.
        points: (K, D) where answers are compared with the truth.
        labels: whole numbers on both grids whose regions should overlap, the moving ones first; None without.
    """

    name: str
    moving: np.ndarray
    fixed: np.ndarray
    truth: Mapping
    points: np.ndarray
    labels: tuple[np.ndarray, np.ndarray] | None = None
    facts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What a method says.

    Attributes:
        mapping: from points of the fixed image to the moving one.
        success: whether it claims to have succeeded.
    """

    mapping: Mapping
    success: bool


Method = Callable[[Problem], Answer]


def by_matrix(matrix: np.ndarray) -> Mapping:
    """The mapping of a (D+1, D+1) matrix from pixels of the fixed image to pixels of the moving one."""

    def mapping(points: np.ndarray) -> np.ndarray:
        lifted = points @ matrix[:, :-1].T + matrix[:, -1]
        moved: np.ndarray = lifted[:, :-1] / lifted[:, -1:]
        return moved

    return mapping


def identity(points: np.ndarray) -> np.ndarray:
    return points


def error(mapping: Mapping, problem: Problem) -> float:
    """The mean distance from the truth, in pixels; at most 9999."""
    apart = np.linalg.norm(mapping(problem.points) - problem.truth(problem.points), axis=1)
    return round(float(np.minimum(np.nan_to_num(apart, nan=9999.0), 9999.0).mean()), 4)


def dice(mapping: Mapping, problem: Problem) -> float | None:
    """Over all labels but 0, twice what both share over the sum of both, of labels that are carried over."""
    if problem.labels is None:
        return None
    moving, fixed = problem.labels
    at = np.stack(np.meshgrid(*map(np.arange, fixed.shape), indexing="ij")[::-1], axis=-1).reshape(-1, fixed.ndim)
    where = np.rint(mapping(at.astype(np.float64))).astype(int)
    inside = ((where >= 0) & (where < moving.shape[::-1])).all(axis=1)
    carried = np.zeros(len(at), moving.dtype)
    carried[inside] = moving[tuple(where[inside].T[::-1])]
    other = fixed.reshape(-1)
    scores = [
        2 * ((carried == label) & (other == label)).sum() / max(1, (carried == label).sum() + (other == label).sum())
        for label in np.unique(other)
        if label
    ]
    return round(float(np.mean(scores)), 4)
