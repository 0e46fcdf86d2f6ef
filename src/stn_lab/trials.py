"""What a transformer undoes, found by trial: images are turned, scaled and moved, and theta is looked at again.

That needs to know nothing of what is in the images, so it can be done with anybody's.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from spatial_transformer import Similarity, rotation_matrix, scale_matrix, translation_matrix, warp

from .poses import Pose, comparison, pose_of_matrix

# What is tried: degrees, factors, and parts of the width and of the height.
TURNS = (-20.0, -10.0, 10.0, 20.0)
SCALES = (0.8, 0.9, 1 / 0.9, 1 / 0.8)
SHIFTS = ((-0.1, 0.0), (-0.05, 0.0), (0.05, 0.0), (0.1, 0.0), (0.0, -0.1), (0.0, -0.05), (0.0, 0.05), (0.0, 0.1))
COUNT = 200  # images that are enough


@torch.inference_mode()
def tried(
    look: Callable[[Tensor], Pose], images: Tensor, names: tuple[str, ...] = Pose._fields
) -> dict[str, dict[str, Any]]:
    """As `undone` of `poses.py`, for some of the quantities.

    Args:
        look: from images to the poses of the regions that a transformer samples in them.
        images: (N, C, H, W).
        names: of "rotation", "scale" and "shift".

    Returns:
        As `undone`; the spreads are those of the trials. What leaves an image at a border is continued from there.
    """
    before = look(images)
    return {name: _tried(name, look, images, before) for name in names}


def _tried(name: str, look: Callable[[Tensor], Pose], images: Tensor, before: Pose) -> dict[str, Any]:
    size = (images.shape[2], images.shape[3])
    applied, found = [], []
    for matrix in _matrices(name, size):
        move = getattr(pose_of_matrix(matrix[None, :2], size), name)  # (1, 1 or 2)
        after = look(moved(images, matrix))
        change = getattr(after, name) - getattr(before, name)  # (N, 1 or 2)
        if name == "rotation":
            change = torch.remainder(change + math.pi, 2 * math.pi) - math.pi
        kept = change[change.isfinite().all(dim=1)]
        applied.append(move.expand_as(kept))
        found.append(kept)
    return comparison(name, torch.cat(applied), torch.cat(found)) | {"source": "trial"}


def moved(images: Tensor, matrix: Tensor) -> Tensor:
    """(N, C, H, W) images whose content is moved by a (3, 3) matrix, in normalised coordinates."""
    family = Similarity(extent=(images.shape[3], images.shape[2]))
    theta = family.from_matrix(torch.linalg.inv(matrix)[None]).to(images)
    return warp(images, family, theta, padding="border")


def _matrices(name: str, size: tuple[int, int]) -> list[Tensor]:
    """(3, 3) each: how the content of images is moved, about the centre."""
    if name == "scale":
        return list(scale_matrix(torch.tensor(SCALES).double()[:, None].expand(-1, 2)))
    if name == "shift":
        return list(translation_matrix(2 * torch.tensor(SHIFTS).double()))
    to_scale = scale_matrix(torch.tensor([size[::-1]]).double())
    turned = rotation_matrix(torch.deg2rad(torch.tensor(TURNS).double()))
    return list(torch.linalg.inv(to_scale) @ turned @ to_scale)
