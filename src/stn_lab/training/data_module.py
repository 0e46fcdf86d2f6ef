"""The digits of a run, handed to Lightning's Trainer: a stream to learn from, a frozen set to validate on."""

import lightning as L
import torch
from torch.utils.data import DataLoader

from ..data import DISTORTIONS, Splits
from ..data.stream import VALIDATION_SEED, TrainingStream, frozen
from .config import Experiment


class DistortedDigits(L.LightningDataModule):
    """Batches for one experiment, made on the device that trains.

    Attributes:
        validation: the frozen validation set, on the CPU.
        stream: the training stream, once training has begun.
    """

    def __init__(self, splits: Splits, experiment: Experiment) -> None:
        super().__init__()
        self.splits = splits
        self.experiment = experiment
        self.distortion = DISTORTIONS[experiment.task.distortion]
        self.validation = frozen(splits.validation, self.distortion, VALIDATION_SEED, torch.device("cpu"))
        self.stream: TrainingStream | None = None

    def train_dataloader(self) -> TrainingStream:
        trainer, budget = self.trainer, self.experiment.budget
        assert trainer is not None
        self.stream = TrainingStream(
            self.splits.train.to(trainer.strategy.root_device),
            self.distortion,
            budget.batch_size // trainer.world_size,
            budget.seed,
            rank=trainer.global_rank,
            start=trainer.global_step,
        )
        return self.stream

    def val_dataloader(self) -> DataLoader:
        assert self.trainer is not None
        device = self.trainer.strategy.root_device
        batches = [(images.to(device), labels.to(device)) for images, labels in self.validation]
        return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]  # batches already
