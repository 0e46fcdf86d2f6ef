"""Batches of a scene: without end and ever fresh for training, frozen for validation and test."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from .scene import Batch, Images, Scene

# Seeds of the frozen sets; every run of a scene is measured on the same images.
VALIDATION_SEED, TEST_SEED = 2014, 2015
FROZEN_BATCH = 500


@dataclass
class TrainingStream:
    """Fresh batches, made on the device that trains.

    A batch is a function of the seed, the rank and the step alone: a run that is resumed, or whose loader reads ahead,
    sees the same images as one that is not.

    Attributes:
        images: to draw from.
        scene: what is made of them.
        device: where.
        batch_size: images per batch.
        seed: of the run.
        rank: of this process among those that train together.
        start: the first step.
        seconds: how long the latest batch took to make.
    """

    images: Images
    scene: Scene
    device: torch.device
    batch_size: int
    seed: int
    rank: int = 0
    start: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.images = self.images.to(self.device)

    def batch(self, step: int) -> Batch:
        generator = torch.Generator(self.device).manual_seed(_mix(self.seed, self.rank, step))
        index = torch.randint(len(self.images), (self.batch_size,), generator=generator, device=self.device)
        return self.scene.compose(self.images, index, generator)

    def __iter__(self) -> Iterator[Batch]:
        step = self.start
        while True:
            begun = time.perf_counter()
            batch = self.batch(step)
            if batch[0].is_cuda:
                torch.cuda.synchronize()
            self.seconds = time.perf_counter() - begun
            yield batch
            step += 1


def frozen(images: Images, scene: Scene, seed: int) -> list[Batch]:
    """An example around every image, the same on every machine: drawn on the CPU."""
    batches = []
    for start in range(0, len(images), FROZEN_BATCH):
        generator = torch.Generator().manual_seed(_mix(seed, start))
        index = torch.arange(start, min(start + FROZEN_BATCH, len(images)))
        batches.append(scene.compose(images, index, generator))
    return batches


def _mix(*numbers: int) -> int:
    """One well-mixed seed from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
