"""This library's ways to align a pair."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

import spatial_transformer as st

from .problem import Answer, Mapping, Method, Problem


def by_register(family: str, **options: Any) -> Method:
    """`register` with its defaults."""

    def method(problem: Problem) -> Answer:
        found = st.register(*_images(problem), getattr(st, family)(problem.fixed.ndim), **options)
        return _answer(found, problem)

    return method


def homography(problem: Problem) -> Answer:
    return _answer(st.register(*_images(problem), st.Projective()), problem)


def features_and_homography(problem: Problem) -> Answer:
    return _answer(st.register(*_images(problem), st.Projective(), starts="features"), problem)


def in_stages(deformation: str) -> Method:
    """An affine map, then a deformation with a control point at every sixteenth pixel."""

    def method(problem: Problem) -> Answer:
        size = problem.fixed.shape
        shape = size if deformation == "Displacement" else _lattice(size)
        stages = [st.Affine(len(size)), getattr(st, deformation)(shape)]
        return _answer(st.register(*_images(problem), stages=stages), problem)

    return method


def _lattice(size: Sequence[int]) -> tuple[int, ...]:
    return tuple(length // 16 + 1 for length in size)


def _images(problem: Problem) -> tuple[Tensor, Tensor]:
    moving, fixed = (torch.from_numpy(np.ascontiguousarray(image)) for image in (problem.moving, problem.fixed))
    return moving[None, None], fixed[None, None]


def _answer(found: st.Registration, problem: Problem) -> Answer:
    return Answer(_mapping(found, problem), bool(found.success))


def _mapping(found: st.Registration, problem: Problem) -> Mapping:
    def mapping(points: np.ndarray) -> np.ndarray:
        at = st.pixel_to_normalised(torch.from_numpy(points)[None], problem.fixed.shape)
        there = found.family.points(found.theta.double(), at)
        return st.normalised_to_pixel(there, problem.moving.shape)[0].numpy()

    return mapping
