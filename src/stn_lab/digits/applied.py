"""How the digits of a frozen set were turned, scaled and moved: what a transformer is to undo."""

import torch
from torch import Tensor

from spatial_transformer import Family, target_points

from ..poses import Pose, nearest_affine, pose_of_matrix
from ..tasks.stream import draws
from .distortions import Distortion


def applied_poses(distortion: Distortion, count: int, seed: int) -> Pose:
    """Of the digits of `frozen(digits, distortion, seed)`, of which there are so many: drawn once more."""
    laws = (distortion.law(len(index), generator) for index, generator in draws(count, seed))
    return pose_of_matrix(torch.cat([_placed(*law) for law in laws]), distortion.size)


def _placed(family: Family, theta: Tensor) -> Tensor:
    """(N, 2, 3) matrices from the frame of a digit to the canvas that reads it by (N, P) parameters.

    Of a warp that is no affine one, that which is nearest to it where the digit is.
    """
    at = target_points((30, 30), dtype=torch.float64).flatten(1, 2)  # (1, 900, 2)
    read = family.points(theta.double(), at)  # (N, 900, 2)
    within = (read.abs().amax(dim=-1) <= 1).double()
    matrix = nearest_affine(at, read, within)  # canvas to digit
    last = matrix.new_tensor([[[0.0, 0.0, 1.0]]]).expand(len(matrix), 1, 3)
    return torch.linalg.inv(torch.cat([matrix, last], dim=1))[:, :2]
