"""Batches of distorted digits: without end and ever fresh for training, frozen for validation and test."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .digits import Digits
from .distortions import Distortion

Batch = tuple[Tensor, Tensor]  # images (N, 1, side, side), labels (N,)

# Seeds of the frozen sets; every run of a distortion is measured on the same images.
VALIDATION_SEED, TEST_SEED = 2014, 2015
FROZEN_BATCH = 500


@dataclass
class TrainingStream:
    """Fresh batches, made on the device that trains.

    A batch is a function of the seed, the rank and the step alone: a run that is resumed, or whose loader reads ahead,
    sees the same images as one that is not.

    Attributes:
        digits: upright ones, on the device.
        distortion: what is done to them.
        batch_size: images per batch.
        seed: of the run.
        rank: of this process among those that train together.
        start: the first step.
        seconds: how long the latest batch took to make.
    """

    digits: Digits
    distortion: Distortion
    batch_size: int
    seed: int
    rank: int = 0
    start: int = 0
    seconds: float = 0.0

    def batch(self, step: int) -> Batch:
        device = self.digits.images.device
        generator = torch.Generator(device).manual_seed(_mix(self.seed, self.rank, step))
        index = torch.randint(len(self.digits), (self.batch_size,), generator=generator, device=device)
        return self.distortion.draw(self.digits.as_input(index), generator), self.digits.labels[index]

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


def frozen(digits: Digits, distortion: Distortion, seed: int, device: torch.device) -> list[Batch]:
    """Distort every digit once, the same way on every machine: drawn on the CPU, then moved."""
    batches = []
    for start in range(0, len(digits), FROZEN_BATCH):
        generator = torch.Generator().manual_seed(_mix(seed, start))
        part = slice(start, start + FROZEN_BATCH)
        images = distortion.draw(digits.as_input(part), generator)
        batches.append((images.to(device), digits.labels[part].to(device)))
    return batches


def _mix(*numbers: int) -> int:
    """One well-mixed seed from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
