"""Everything that decides the outcome of a run, as frozen dataclasses. Their docstrings are the command's help."""

import math
from dataclasses import dataclass
from typing import Literal

import tyro

from ..errors import UserError


@dataclass(frozen=True)
class Budget:
    """How long and how it is learnt; the same for every model of the run."""

    steps: tyro.conf.Suppress[int] = 3000  # `stn train` asks for it itself: a run that is resumed brings its own
    """Updates of the weights."""
    batch_size: int = 256
    """Images per step, over all devices together."""
    optimiser: Literal["adamw", "sgd"] = "adamw"
    """AdamW or SGD (momentum 0.9)."""
    lr: tyro.conf.Suppress[float] = 4e-3  # as `steps`
    """Highest learning rate of the schedule."""
    drops: int = 0
    """How often the learning rate falls to a tenth, evenly spread over the steps; 0: one cycle, up and down again."""
    weight_decay: float = 0.01
    """Of the optimiser; counts for little with AdamW and much with SGD, which the paper runs without on MNIST."""
    localiser_lr_scale: float = 1.0
    """Learning rate of the localisation network relative to the rest."""
    label_smoothing: float = 0.0
    """The share of a right answer that is spread over all classes while learning, 0.1 for instance."""
    filters: int = 64
    """Filters per layer of the plain CNN; the other networks are made as large as it."""
    validations: int = 20
    """How often the validation error is measured, at most after every step."""
    keep: Literal["best", "last"] = "best"
    """The weights with the lowest validation error, or the last: of many near ones, the lowest is often luck."""
    patience: int = 0
    """Stop when so many validations in a row have brought no lower error; 0: never."""
    seed: int = 0
    """Of the weights and the training batches. The test set is the same for every seed."""

    def check(self) -> None:
        """Raises UserError for a number with which nothing can be trained."""
        for flag in ("steps", "batch_size", "filters", "validations", "lr", "localiser_lr_scale"):
            value = getattr(self, flag)
            if not 0 < value < math.inf:
                raise UserError(f"--{flag.replace('_', '-')} must be above zero; got {value}")
        for flag in ("drops", "weight_decay", "patience"):
            value = getattr(self, flag)
            if not 0 <= value < math.inf:
                raise UserError(f"--{flag.replace('_', '-')} must be zero or more; got {value}")
        if not 0 <= self.label_smoothing < 1:
            raise UserError(f"--label-smoothing must be 0 or more and below 1; got {self.label_smoothing}")
        if not 0 <= self.seed < 2**32:
            raise UserError(f"--seed must be from 0 to {2**32 - 1}; got {self.seed}")

    @property
    def validation_steps(self) -> list[int]:
        """The steps after which the validation error is measured: spread evenly, the last one among them."""
        times = min(self.validations, self.steps)
        return [math.ceil(self.steps * i / times) for i in range(1, times + 1)]


@dataclass(frozen=True)
class Machine:
    """Where it is learnt; handed to Lightning's Trainer.

    On one machine, with one number of threads, a run repeats bit for bit. Another machine or number of threads rounds
    differently, more so another precision, and each device draws batches of its own.
    """

    accelerator: str = "auto"
    """cpu, gpu, ..."""
    devices: int = 1
    """Per node; the batch is divided among all, evenly."""
    nodes: int = 1
    """Computers."""
    strategy: str = "auto"
    """For instance ddp."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """Of the network; coordinates stay in 32 bits."""

    def check(self) -> None:
        """Raises UserError for numbers that no machine has; what this one has is seen when it is used."""
        if self.devices < 1 and self.devices != -1:
            raise UserError(
                f"this machine cannot be used as asked: --devices must be 1 or more, or -1 for all; got {self.devices}"
            )
        if self.nodes < 1:
            raise UserError(f"this machine cannot be used as asked: --nodes must be 1 or more; got {self.nodes}")
