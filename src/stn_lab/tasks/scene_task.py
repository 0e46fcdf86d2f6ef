"""A scene handed to Lightning's Trainer: a stream to learn from, a frozen set to validate on."""

from typing import Any

import lightning as L
from torch.utils.data import DataLoader

from ..digits.sets import Splits
from ..tasks.scene import Scene
from ..tasks.stream import TEST_SEED, VALIDATION_SEED, TrainingStream, frozen
from .config import Budget


class Batches(L.LightningDataModule):
    """Batches of one scene, made on the device that trains.

    Attributes:
        validation: the frozen validation set, on the CPU.
        test: the frozen test set, on the CPU.
        stream: the training stream, once training has begun.
    """

    def __init__(self, splits: Splits[Any], scene: Scene, budget: Budget) -> None:
        super().__init__()
        self.splits = splits
        self.scene = scene
        self.budget = budget
        self.validation = frozen(splits.validation, scene, VALIDATION_SEED)
        self.test = frozen(splits.test, scene, TEST_SEED)
        self.stream: TrainingStream | None = None

    def train_dataloader(self) -> TrainingStream:
        trainer, batch_size = self.trainer, self.budget.batch_size
        assert trainer is not None
        self.stream = TrainingStream(
            self.splits.train,
            self.scene,
            trainer.strategy.root_device,
            batch_size // trainer.world_size,
            self.budget.seed,
            rank=trainer.global_rank,
            start=trainer.global_step,
        )
        return self.stream

    def val_dataloader(self) -> DataLoader:
        assert self.trainer is not None
        device = self.trainer.strategy.root_device
        batches = [(images.to(device), labels.to(device)) for images, labels in self.validation]
        return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]  # batches already
