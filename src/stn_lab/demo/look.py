"""What the page shows of an image: a function of the image and of where the sliders are, and of nothing else."""

import threading
import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spatial_transformer import record_thetas, warp

from .changes import Change, changed
from .held import KINDS, held


@dataclass(frozen=True)
class Subject:
    """What is tried.

    Attributes:
        network: (N, C, H, W) images in 0 ... 1 to (N, classes) logits, in evaluation mode.
        still: the same with its transformers held at the identity; None where it has none.
        channels: C that the network takes.
        size: (H, W) that it takes.
        pieces: (M, C, s, s) clutter.
    """

    network: nn.Module
    still: nn.Module | None
    channels: int
    size: tuple[int, int]
    pieces: Tensor

    @classmethod
    def of(cls, network: nn.Module, channels: int, size: tuple[int, int], pieces: Tensor) -> "Subject":
        """A network, and itself without transformers."""
        return cls(network, held(network), channels, size, pieces)


@dataclass(frozen=True)
class Answer:
    """What a network says of an image: (classes,) probabilities, and how long it took."""

    chances: Tensor
    milliseconds: float


@dataclass(frozen=True)
class Seen:
    """What is shown.

    Attributes:
        image: (C, H, W) that the network was given.
        outlines: of each transformer, (L, 2) points around the region that it samples, in pixels of the image.
        crops: of each, (C, h, w) that it hands over. Before a layer inside of a network that is a map; shown is the
            image, warped as the map is.
        answer: of the network.
        still: of the network whose transformers are held at the identity; None where it has none.
    """

    image: Tensor
    outlines: tuple[Tensor, ...]
    crops: tuple[Tensor, ...]
    answer: Answer
    still: Answer | None


# Theta is recorded by hooks, which are the network's and not the caller's; and times are those of one look.
_one_at_a_time = threading.Lock()


@torch.inference_mode()
def look(subject: Subject, image: Tensor, change: Change) -> Seen:
    """Change an image as the sliders say, and look at it with and without transformers.

    Args:
        subject: the network.
        image: (C, H, W), float32 in 0 ... 1.
        change: where the sliders are.

    Raises:
        ValueError: the image has other channels, or another size, than the network takes.
    """
    if image.shape != (subject.channels, *subject.size):
        channels, *size = image.shape
        raise ValueError(
            f"`image` has {channels} channels and {_by(size)} pixels, the model takes {subject.channels} channels and "
            f"{_by(subject.size)} pixels. Bring it there with the `preprocessing` of the model."
        )
    image = changed(image, change, subject.pieces)
    with _one_at_a_time:
        with record_thetas(subject.network) as thetas:
            answer = _answer(subject.network, image)
        still = None if subject.still is None else _answer(subject.still, image)
    found = [_sampled(subject.network.get_submodule(name), theta, image) for name, (theta, *_) in thetas.items()]
    outlines = tuple(outline for each, _ in found for outline in each)
    return Seen(image, outlines, tuple(crop for _, each in found for crop in each), answer, still)


def _answer(network: nn.Module, image: Tensor) -> Answer:
    begin = time.perf_counter()
    chances = network(image[None]).softmax(dim=-1)[0]  # (classes,)
    return Answer(chances, 1000 * (time.perf_counter() - begin))


def _sampled(transformer: nn.Module, theta: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
    """(K, L, 2) outlines and (K, C, h, w) crops of (1, P) or (1, K, P) thetas."""
    assert isinstance(transformer, KINDS)
    theta = theta.flatten(0, -2)  # (K, P)
    size = (image.shape[1], image.shape[2])
    crops = warp(
        image[None],
        transformer.family,
        theta,
        transformer.size or size,
        mode=transformer.mode,
        padding=transformer.padding,
        antialias=transformer.antialias,
    )
    return transformer.family.region(theta, size).outline, crops


def _by(size: list[int] | tuple[int, ...]) -> str:
    return " x ".join(map(str, size))
