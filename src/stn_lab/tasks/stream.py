"""Batches of a scene: without end and ever fresh for training, frozen for validation and test."""

from collections.abc import Iterator
from itertools import count

import numpy as np
import torch
from torch import Tensor

from .scene import Images, Scene
from .task import Batch, Draw

# Seeds of the frozen sets; every run of a scene is measured on the same images.
VALIDATION_SEED, TEST_SEED = 2014, 2015
FROZEN_BATCH = 500


class TrainingStream:
    """Fresh batches, made on the device that trains.

    A batch is a function of the seed, the rank and the step alone: a run that is resumed sees the same images as one
    that is not.

    Args:
        images: to draw from.
        scene: what is made of them.
        draw: where, how many, and with which seed.
    """

    def __init__(self, images: Images, scene: Scene, draw: Draw) -> None:
        self.images = images.to(draw.device)
        self.scene = scene
        self.draw = draw

    def batch(self, step: int) -> Batch:
        draw = self.draw
        generator = torch.Generator(draw.device).manual_seed(mixed(draw.seed, draw.rank, step))
        index = torch.randint(len(self.images), (draw.batch_size,), generator=generator, device=draw.device)
        return self.scene.compose(self.images, index, generator)

    def batches(self, start: int) -> Iterator[Batch]:
        """That of step `start`, the next one, and so on without end."""
        return map(self.batch, count(start))


def frozen(images: Images, scene: Scene, seed: int) -> list[Batch]:
    """An example around every image, the same on every machine: drawn on the CPU."""
    return [scene.compose(images, index, generator) for index, generator in draws(len(images), seed)]


def draws(count: int, seed: int) -> Iterator[tuple[Tensor, torch.Generator]]:
    """Which of so many images each batch of a frozen set is made of, and what it is drawn with."""
    for start in range(0, count, FROZEN_BATCH):
        generator = torch.Generator().manual_seed(mixed(seed, start))
        yield torch.arange(start, min(start + FROZEN_BATCH, count)), generator


def mixed(*numbers: int) -> int:
    """One well-mixed seed from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
