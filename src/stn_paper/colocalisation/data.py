"""Co-localisation: a hundred images with the same kind of digit somewhere in each, to be found without being told.

Source: Jaderberg et al. (2015), appendix A.2. There it is open how random patches are drawn; here they are as large as
a digit's frame, anywhere within the image.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from spatial_transformer import Attention, warp
from stn_lab.colocalisation import CANVAS, Alike, Patches
from stn_lab.digits.distortions import paste, pieces, put_anywhere
from stn_lab.digits.sets import RIM, SIDE, Digits
from stn_lab.tasks.task import Batch

FRAME = SIDE / CANVAS  # a digit's, as a part of the image's side
COUNT = 100
CLUTTER = 16  # 6x6 pieces of other digits


def hide(digits: Digits, digit: int, *, cluttered: bool, seed: int) -> Alike:
    """Put a hundred digits of one kind on canvases of their own.

    Args:
        digits: to choose from; clutter is cut from all of them.
        digit: which kind.
        cluttered: whether 16 pieces of other digits lie about.
        seed: of the choice and the places.
    """
    generator = torch.Generator().manual_seed(seed)
    alike = torch.nonzero(digits.labels == digit)[:, 0]
    chosen = alike[torch.randperm(len(alike), generator=generator)[:COUNT]]
    others = torch.randint(len(digits), (len(chosen),), generator=generator)
    return _hidden(digits, chosen, others, cluttered, generator)


def _hidden(digits: Digits, chosen: Tensor, others: Tensor, cluttered: bool, generator: torch.Generator) -> Alike:
    """Each of the (N,) `chosen` digits anywhere on a canvas; clutter is cut from the `others`."""
    images, corner = put_anywhere(digits.as_input(chosen), CANVAS, generator)
    if cluttered:
        images = paste(images, pieces(digits.as_input(others), CLUTTER, 6, generator), generator)
    edges = torch.cat([corner, corner + SIDE], dim=1)  # (N, 4) in pixels
    return Alike(images, edges * (2 / CANVAS) - 1)


# Images move by whole pixels, at most by the rim that is all but bare in a digit's frame, so that next to no ink of it
# leaves them; random patches are as large as the frame.
PATCHES = Patches(FRAME, RIM)


@dataclass(frozen=True)
class Windows:
    """Windows of every size that hold a digit of any kind, of images like those of `hide`.

    A batch is (N, 1, 28, 28) crops and which digits they hold. A window's side is between nine tenths of a digit's
    frame and a little more than the image's; its place is any within the image where the frame is in it, or it in the
    frame.

    Args:
        cluttered: as for `hide`.
    """

    cluttered: bool

    def compose(self, images: Digits, index: Tensor, generator: torch.Generator) -> Batch:
        """A window around each of the digits at `index`."""
        chance = torch.rand(len(index), 3, generator=generator, device=generator.device)
        hidden = _hidden(images, index, index, self.cluttered, generator)
        scale = 0.9 * FRAME * (1.05 / (0.9 * FRAME)) ** chance[:, :1]  # log-uniform
        centre = (hidden.boxes[:, :2] + hidden.boxes[:, 2:]) / 2
        room = (scale - FRAME).abs()
        shift = centre + room * (2 * chance[:, 1:] - 1)
        inside = (1 - scale).clamp(min=0)
        theta = torch.cat([scale, shift.clamp(-inside, inside)], dim=1)  # (N, 3)
        return warp(hidden.images, Attention(), theta, (SIDE, SIDE)), images.labels[index]
