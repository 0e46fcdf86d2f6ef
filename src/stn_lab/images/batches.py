"""Training batches of a set of images, without end."""

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError
from .augmentation import Augmentation
from .sets import Batch, ImageSet, as_input

AHEAD = 3  # batches that are decoded while the network learns from another


@dataclass
class TrainingBatches:
    """Batches to learn from, decoded in threads ahead of time.

    A batch is a function of the seed, the rank and the step alone, given the set, the batch size and the number of
    processes: a run that is resumed sees the same images as one that was not stopped. Every image is seen once before
    any is seen again. A damaged file is replaced by the next whole one of the set.

    Attributes:
        images: to draw from.
        batch_size: images per batch, of this process.
        seed: of the run.
        device: where batches are wanted; images are changed there.
        augmentation: how images are changed.
        rank: of this process among those that train together.
        world_size: how many these are.
        start: the first step of an iteration.
        seconds: how long the latest batch of an iteration was waited for.
    """

    images: ImageSet
    batch_size: int
    seed: int
    device: torch.device | str = "cpu"
    augmentation: Augmentation | None = None
    rank: int = 0
    world_size: int = 1
    start: int = 0
    seconds: float = 0.0

    def indices(self, step: int) -> np.ndarray:
        """(batch_size,) which images of the set are in a batch."""
        first = (step * self.world_size + self.rank) * self.batch_size
        epochs, places = np.divmod(np.arange(first, first + self.batch_size), len(self.images))
        return np.array(
            [
                _order(len(self.images), self.seed, int(epoch))[place]
                for epoch, place in zip(epochs, places, strict=True)
            ]
        )

    def batch(self, step: int) -> Batch:
        """Images (B, C, H, W), float32 in 0 ... 1, and labels (B,), on the device."""
        return self._finish(step, *self._decoded(step))

    def __iter__(self) -> Iterator[Batch]:
        with ThreadPoolExecutor(1, thread_name_prefix="ahead") as ahead:
            first = range(self.start, self.start + AHEAD)
            waiting = deque((step, ahead.submit(self._decoded, step)) for step in first)
            try:
                while True:
                    begun = time.perf_counter()
                    step, decoded = waiting.popleft()
                    following = step + AHEAD
                    waiting.append((following, ahead.submit(self._decoded, following)))
                    batch = self._finish(step, *decoded.result())
                    self.seconds = time.perf_counter() - begun
                    yield batch
            finally:
                ahead.shutdown(wait=False, cancel_futures=True)

    def _decoded(self, step: int) -> tuple[Tensor, Tensor]:
        """The images of a step, (B, C, H, W), uint8, and their labels, (B,), in host memory."""
        indices = self.indices(step)
        pixels, sound = self.images.pixels(indices)
        for i in torch.nonzero(~sound).flatten().tolist():
            indices[i], pixels[i] = self._next_whole(int(indices[i]))
        return pixels, self.images.labels[indices]

    def _next_whole(self, index: int) -> tuple[int, Tensor]:
        total = len(self.images)
        for other in range(index + 1, index + total):
            pixels, sound = self.images.pixels([other % total])
            if sound[0]:
                return other % total, pixels[0]
        raise UserError(f"none of the {total} images to train on can be read, the first {self.images.name(0)!r}")

    def _finish(self, step: int, pixels: Tensor, labels: Tensor) -> Batch:
        images = as_input(pixels, self.device)
        if self.augmentation is not None:
            generator = torch.Generator(self.device).manual_seed(_mix(self.seed, self.rank, step))
            images = self.augmentation(images, generator)
        return images, labels.to(self.device)


@lru_cache(maxsize=8)
def _order(total: int, seed: int, epoch: int) -> np.ndarray:
    """(total,) the order of an epoch."""
    generator = torch.Generator().manual_seed(_mix(seed, epoch))
    return torch.randperm(total, generator=generator).numpy()


def _mix(*numbers: int) -> int:
    """One well-mixed seed from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
