"""A synthetic head: soft ellipsoids and a texture, as a function of space, so that no image of it is interpolated."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from spatial_transformer import sample

# Centre and half axes, x to the right, y to the front, z up, in half-widths of the field; and intensity.
ELLIPSOIDS = (
    ((0.0, 0.0, 0.0), (0.58, 0.70, 0.66), 0.55),  # skin
    ((0.0, 0.68, -0.10), (0.09, 0.12, 0.13), 0.45),  # nose
    ((-0.60, -0.02, -0.08), (0.05, 0.10, 0.14), 0.40),  # ears
    ((0.60, -0.04, -0.04), (0.05, 0.10, 0.13), 0.40),
    ((0.0, 0.0, 0.02), (0.53, 0.64, 0.60), -0.45),  # bone
    ((0.0, -0.02, 0.04), (0.49, 0.59, 0.55), 0.55),  # brain
    ((-0.21, 0.50, -0.16), (0.10, 0.10, 0.10), 0.35),  # eyes
    ((0.21, 0.50, -0.16), (0.10, 0.10, 0.10), 0.35),
    ((-0.12, 0.02, 0.10), (0.07, 0.26, 0.12), -0.45),  # ventricles
    ((0.11, -0.01, 0.11), (0.06, 0.24, 0.12), -0.45),
    ((0.16, -0.30, -0.22), (0.14, 0.12, 0.10), -0.2),  # something on one side only
    ((-0.24, 0.22, 0.30), (0.08, 0.07, 0.09), 0.3),
)
BRAIN = 5  # its place among them; what follows lies within it, but for the eyes
EDGE = 0.06  # half-widths over which an ellipsoid fades: two voxels of 64, as scanners average over voxels
NODES = 28  # of the texture, along each axis
TEXTURE = 0.35


class Head:
    """A head of its own for each seed; `at(points)` is its intensity there."""

    def __init__(self, seed: int) -> None:
        random = torch.Generator().manual_seed(seed)
        self.folds = torch.randn(1, 1, NODES, NODES, NODES, generator=random)
        self.change = 0.08 * (2 * torch.rand(len(ELLIPSOIDS), 6, generator=random) - 1)  # of centres and half axes

    def at(self, points: Tensor) -> Tensor:
        """(..., 3) points in half-widths of the field to (...) intensities from about 0 to 1."""
        flat = points.reshape(-1, 3)
        inside = [torch.sigmoid(depth * (4 / EDGE)) for depth in self._depths(flat)]
        value = sum(part * light for part, (_, _, light) in zip(inside, ELLIPSOIDS, strict=True))
        brain = inside[BRAIN]
        folds = sample(self.folds, flat[None], mode="bspline3")[0, 0]
        return ((value + TEXTURE * brain * folds).clamp(0, 1.5) / 1.5).reshape(points.shape[:-1])

    def regions(self, points: Tensor) -> Tensor:
        """(..., 3) points to (...) whole numbers: 1 within the brain, 2 and more within what it holds; 0 elsewhere."""
        label = torch.zeros(points.shape[:-1], dtype=torch.int64)
        for number, depth in enumerate(self._depths(points.reshape(-1, 3))):
            if number >= BRAIN:
                label = torch.where(depth.reshape(label.shape) > 0, number - BRAIN + 1, label)
        return label

    def _depths(self, points: Tensor) -> Iterator[Tensor]:
        """(K, 3) points to (K,) how far they lie within each ellipsoid, about, in half-widths of the field."""
        for (centre, axes, _), change in zip(ELLIPSOIDS, self.change, strict=True):
            half = torch.tensor(axes) * (1 + change[3:])
            apart = (points - (torch.tensor(centre) + change[:3] * half)) / half
            yield (1 - apart.norm(dim=1)) * half.min()


def field(size: tuple[int, ...]) -> Tensor:
    """(D, H, W, 3) the centres of voxels of a field that all axes span, in its half-widths."""
    axes = [torch.arange(1 - n, n, 2) / n for n in size]
    return torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1], dim=-1)


def rigid_motion(seed: int, share: float) -> Tensor:
    """(4, 4): a shift by a half to the whole of `share` of the field, some way, and a turn about some axis.

    With a share of 0.2 it turns by up to 18 degrees.
    """
    random = torch.Generator().manual_seed(seed)
    axis = torch.nn.functional.normalize(torch.randn(3, generator=random), dim=0)
    way = torch.nn.functional.normalize(torch.randn(3, generator=random), dim=0)
    turn, shift = (torch.rand(2, generator=random)).tolist()
    angle = turn * share * math.pi / 2
    matrix = torch.eye(4)
    cross = torch.tensor([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    matrix[:3, :3] = torch.linalg.matrix_exp(angle * cross)
    matrix[:3, 3] = (0.5 + 0.5 * shift) * 2 * share * way
    return matrix
