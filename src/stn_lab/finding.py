"""Where in pictures the thing is that windows of others show: every place is looked at, and how sure that is.

A localisation network that has learnt what pictures share shows most of them in the same way, though often off its
middle: nothing tells the middle of a thing from its corner but what lies around it. Windows are therefore moved, all
alike, to the middle of what they share; their mean encoding says what to look for, and every window of every picture is
held against it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from spatial_transformer import Attention, target_points, warp

from .colocalisation import CROP, Colocaliser, boxes_of
from .encoders import edges
from .regions import overlap

FAMILY = Attention()  # of windows
AROUND = 2.2  # how much larger than a window what is looked at for its middle is
FINE = 44  # pixels along each side of that
SIZES = (0.85, 1.0, 1.18)  # of windows, as multiples of the side that was asked for
PLACES = 17  # along each axis
BEYOND = 0.04  # by which windows may reach out of a picture
SOFTNESS = 0.03  # of likeness: what counts as about as good; chosen on the paper's cluttered fours
FOUND = 0.5  # of intersection over union: windows that show the same
AT_ONCE = 64  # windows that are encoded together: what comes of more is read from memory, and takes five times as long


@dataclass(frozen=True)
class Sought:
    """What to look for.

    Attributes:
        encoding: (F,) the mean of windows that show it, of length 1.
        offset: (2,) from the middle of a window that is most like it to that of the thing, in half-widths.
    """

    encoding: Tensor
    offset: Tensor


@torch.inference_mode()
def sought(network: Colocaliser, images: Tensor) -> Sought:
    """What the windows of a network share, on (N, C, 84, 84) images that it has learnt from."""
    theta = network.theta(images, network.side)
    theta = moved(theta, middle(images, theta))
    first = Sought(_mean(network, images, theta), theta.new_zeros(2))
    theta, _ = find(network, first, images)
    return Sought(_mean(network, images, theta), middle(images, theta))


@torch.inference_mode()
def find(network: Colocaliser, thing: Sought, images: Tensor) -> tuple[Tensor, Tensor]:
    """(N, 3) windows of (N, C, 84, 84) images that are most like what is sought, and (N,) how sure each is.

    That is the share of likeness, as the softmax over all windows has it, of those that overlap with the best one by
    half or more: near 1 where nothing else in the picture comes near to it.
    """
    candidates = windows(network.side).to(images)  # (M, 3)
    likeness = torch.stack([_likeness(network, thing, image, candidates) for image in images])  # (N, M)
    best = candidates[likeness.argmax(dim=1)]  # (N, 3)
    same = overlap(boxes_of(best)[:, None], boxes_of(candidates)[None]) >= FOUND  # (N, M)
    sure = (torch.softmax(likeness / SOFTNESS, dim=1) * same).sum(dim=1)
    return moved(best, thing.offset), sure


def windows(side: float) -> Tensor:
    """(M, 3) attention windows of several sizes all over a picture."""
    found = []
    for scale in (side * size for size in SIZES):
        points = target_points((PLACES, PLACES)).reshape(-1, 2) * PLACES / (PLACES - 1)  # from -1 to 1
        shift = points * (1 - min(scale, 1) + BEYOND)
        found.append(torch.cat([torch.full_like(shift[:, :1], scale), shift], dim=1))
    return torch.cat(found)


def middle(images: Tensor, theta: Tensor) -> Tensor:
    """(2,) from the middle of (N, 3) windows to that of what is where they are in all images, in half-widths.

    That is the centre of the edges that stand out when all are laid on top of each other.
    """
    wide = theta * theta.new_tensor([AROUND, 1, 1])
    seen = warp(images, FAMILY, wide, (FINE, FINE), padding="border")
    strength = edges(seen, 1).sum(dim=1)  # (N, FINE, FINE)
    strength = strength / strength.sum(dim=(1, 2), keepdim=True).clamp(min=1e-6)
    shared = strength.mean(dim=0)
    weight = (shared - shared.median()).clamp(min=0).square()[..., None]  # (FINE, FINE, 1)
    places = target_points((FINE, FINE))[0].to(weight)  # (FINE, FINE, 2)
    return AROUND * (weight * places).sum(dim=(0, 1)) / weight.sum().clamp(min=1e-12)


def moved(theta: Tensor, offset: Tensor) -> Tensor:
    """(N, 3) windows moved by (2,) half-widths of theirs."""
    return torch.cat([theta[:, :1], theta[:, 1:] + theta[:, :1] * offset], dim=1)


def _mean(network: Colocaliser, images: Tensor, theta: Tensor) -> Tensor:
    return F.normalize(network.encode(_crops(images, theta)).mean(dim=0), dim=0)


def _likeness(network: Colocaliser, thing: Sought, image: Tensor, candidates: Tensor) -> Tensor:
    """(M,) of the windows of one (C, 84, 84) image, at most 1."""
    found = []
    for some in candidates.split(AT_ONCE):
        index = torch.zeros(len(some), dtype=torch.long, device=image.device)
        found.append(F.normalize(network.encode(_crops(image[None], some, index=index)), dim=1) @ thing.encoding)
    return torch.cat(found)


def _crops(images: Tensor, theta: Tensor, index: Tensor | None = None) -> Tensor:
    return warp(images, FAMILY, theta, (CROP, CROP), padding="border", index=index)
