"""What the sliders do to an image before the network sees it."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from spatial_transformer import rotation_matrix, scale_matrix, translation_matrix

from ..trials import moved


class Range(NamedTuple):
    """From where to where a slider goes, where it begins, and in which steps."""

    low: float
    high: float
    start: float
    step: float


RANGES = {
    "turn": Range(-180, 180, 0, 1),
    "scale": Range(0.25, 3, 1, 0.05),
    "right": Range(-0.5, 0.5, 0, 0.01),
    "down": Range(-0.5, 0.5, 0, 0.01),
    "clutter": Range(0, 16, 0, 1),
}
SEED = 0  # of the places of clutter: they stay where they are while another slider moves
SHARE = 7  # a piece of clutter is a seventh as wide as the image, as 6 pixels are of 42


@dataclass(frozen=True)
class Change:
    """Where the sliders are.

    Attributes:
        turn: degrees, clockwise on the screen.
        scale: above 1 the content grows.
        right: how far the content is moved, as a part of the width.
        down: as a part of the height.
        clutter: how many pieces of other images are put over it.

    Raises:
        ValueError: a slider is out of its range.
    """

    turn: float = 0.0
    scale: float = 1.0
    right: float = 0.0
    down: float = 0.0
    clutter: int = 0

    def __post_init__(self) -> None:
        for name, (low, high, *_) in RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"`{name}` must be from {low:g} to {high:g}; got {value}.")


def changed(image: Tensor, change: Change, pieces: Tensor) -> Tensor:
    """An image as the sliders have it.

    What comes in from outside continues the border. Clutter lies over it and is not moved.

    Args:
        image: (C, H, W).
        change: of the sliders.
        pieces: (M, C, s, s) clutter, of which the first `change.clutter` are used.

    Returns:
        (C, H, W).

    Example:
        >>> image = torch.tensor([[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]])
        >>> changed(image, Change(turn=90), torch.empty(0, 1, 1, 1)).round().abs()  # what was on top is on the right
        tensor([[[0., 0., 0.],
                 [0., 0., 1.],
                 [0., 0., 0.]]])
    """
    size = (image.shape[1], image.shape[2])
    still = Change(clutter=change.clutter)
    if change != still:  # what is not moved stays as it is, to the bit
        image = moved(image[None], _matrix(change, size))[0]
    return _cluttered(image, pieces[: change.clutter])


def clutter(images: Tensor) -> Tensor:
    """(M, C, s, s) square pieces from the middle of (N, C, H, W) images, as many as the slider has; none of none."""
    count, channels, height, width = images.shape
    side = max(1, min(height, width) // SHARE)
    if count == 0:
        return images.new_empty(0, channels, side, side)
    generator = torch.Generator().manual_seed(SEED)
    pieces = []
    for _ in range(int(RANGES["clutter"].high)):
        which, top, left = torch.rand(3, generator=generator).tolist()
        y, x = (int((0.25 + 0.5 * part) * (length - side)) for part, length in ((top, height), (left, width)))
        pieces.append(images[int(which * count), :, y : y + side, x : x + side])
    return torch.stack(pieces)


def _matrix(change: Change, size: tuple[int, int]) -> Tensor:
    """(3, 3) how the content is moved, about the centre, in normalised coordinates."""
    height, width = size
    to_scale = scale_matrix(torch.tensor([[width, height]]).double())  # right angles stay right in it
    turn = rotation_matrix(torch.tensor([math.radians(change.turn)]).double())
    grow = scale_matrix(torch.full((1, 2), change.scale).double())
    shift = translation_matrix(torch.tensor([[2 * change.right, 2 * change.down]]).double())
    return (shift @ torch.linalg.inv(to_scale) @ turn @ grow @ to_scale)[0]


def _cluttered(image: Tensor, pieces: Tensor) -> Tensor:
    """With (M, C, s, s) pieces at places that depend on their number alone.

    Strokes of grey digits are laid over others, the brighter pixel stays, as in the paper; pieces of photographs cover.
    """
    image = image.clone()
    channels, height, width = image.shape
    generator = torch.Generator().manual_seed(SEED + 1)
    for piece in pieces:
        side = piece.shape[-1]
        top, left = torch.rand(2, generator=generator).tolist()
        y, x = round(top * (height - side)), round(left * (width - side))
        place = image[:, y : y + side, x : x + side]
        place.copy_(torch.maximum(place, piece) if channels == 1 else piece)
    return image
