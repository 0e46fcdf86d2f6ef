"""Digits in volumes: given a thickness, turned about a random axis and put at a random place of a cube.

Source: Jaderberg et al. (2015), appendix A.3, where the cube has 60 voxels along each side. Chosen here: 32 voxels, so
that a laptop can learn from them; digits at 0.8 of their size, 12 of their own pixels thick; turns of up to 90 degrees;
any place where the whole digit stays inside, however it is turned. Smaller and thinner digits move further than they
are deep, and a localisation network then learns to follow their moves and not their turns.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from spatial_transformer import Affine, rotation_matrix, scale_matrix, translation_matrix, warp
from stn_lab.digits.sets import SIDE, Digits
from stn_lab.tasks.task import Batch

THICKNESS = 12  # in pixels of a digit
SCALE = 0.8  # voxels of the cube to a pixel of a digit


@dataclass(frozen=True)
class DigitVolumes:
    """(N, 1, side, side, side) volumes in 0 ... 1 with a digit in each, and its label.

    Attributes:
        side: of the cube, in voxels.
        largest_turn: in radians; the angle is uniform from zero to it, the axis uniform on the sphere.
    """

    side: int = 32
    largest_turn: float = math.pi / 2
    classes: ClassVar[int] = 10

    def compose(self, images: Digits, index: Tensor, generator: torch.Generator) -> Batch:
        """The digits at `index`."""
        digits, device = images.as_input(index), generator.device
        axis = F.normalize(torch.randn(len(index), 3, generator=generator, device=device), dim=1)
        turn = self.largest_turn * torch.rand(len(index), 1, generator=generator, device=device)
        room = (self.side / 2 - SCALE * reach(digits)).clamp(min=0)  # (N,) voxels
        shift = room[:, None] * (2 * torch.rand(len(index), 3, generator=generator, device=device) - 1)
        return place(extrude(digits), self.side, turn=turn * axis, shift=shift), images.labels[index]


def extrude(digits: Tensor) -> Tensor:
    """(N, 1, 28, 28) to (N, 1, 12, 28, 28): the same picture in every slice."""
    return digits[:, :, None].expand(-1, -1, THICKNESS, -1, -1)


def reach(digits: Tensor) -> Tensor:
    """(N,) pixels from the centre of an extruded digit beyond which there is none of it, in any direction."""
    from_centre = (torch.arange(SIDE, device=digits.device) + 0.5 - SIDE / 2).abs() + 1  # (28,); ink fades over a pixel
    in_plane = torch.hypot(from_centre, from_centre[:, None])  # (28, 28)
    furthest = torch.where(digits[:, 0] > 0, in_plane, 0).amax(dim=(1, 2))  # (N,)
    return torch.hypot(furthest, torch.full_like(furthest, THICKNESS / 2 + 0.5))


def place(solids: Tensor, side: int, *, turn: Tensor, shift: Tensor) -> Tensor:
    """Turn extruded digits and move them in a cube.

    Args:
        solids: (N, 1, 12, 28, 28).
        side: of the cube, in voxels.
        turn: (N, 3) axis times angle, in radians, x first.
        shift: (N, 3) from the centre of the cube, in voxels, x first.

    Returns:
        (N, 1, side, side, side).
    """
    shrink = turn.new_tensor([SIDE, SIDE, THICKNESS]).reciprocal() * (side / SCALE)  # x first
    # cube point -> digit point: undo the shift, then the turn, then the scale.
    matrix = (
        scale_matrix(shrink.expand(len(turn), 3)) @ rotation_matrix(-turn) @ translation_matrix(-shift * (2 / side))
    )
    family = Affine(dims=3)
    return warp(solids, family, family.from_matrix(matrix), (side,) * 3)
