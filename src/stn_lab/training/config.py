"""Everything that decides the outcome of a run, as frozen dataclasses. Their docstrings are the command's help."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ..data.digits import DataName
from ..data.distortions import DISTORTIONS, DistortionName
from ..errors import UserError
from ..networks import DigitClassifier, ModelSpec, build


@dataclass(frozen=True)
class Task:
    """What is to be learnt."""

    data: DataName = "digits"
    """1,797 real digits that come with scikit-learn (offline), or MNIST."""
    distortion: DistortionName = "RTS"
    """R: rotation. RTS: rotation, translation, scale. P: projective. E: elastic. T: translation. TC: T with clutter. H:
    homography noise, a harder P that moves."""


@dataclass(frozen=True)
class Budget:
    """How long and how it is learnt; the same for every model of the run."""

    steps: int = 3000
    """Updates of the weights."""
    batch_size: int = 256
    """Images per step, over all devices together."""
    optimiser: Literal["adamw", "sgd"] = "adamw"
    """AdamW or SGD (momentum 0.9)."""
    lr: float = 4e-3
    """Highest learning rate of the schedule."""
    drops: int = 0
    """How often the learning rate falls to a tenth, evenly spread over the steps; 0: one cycle, up and down again."""
    weight_decay: float = 0.01
    """Of the optimiser; counts for little with AdamW and much with SGD, which the paper runs without on MNIST."""
    localiser_lr_scale: float = 0.25
    """Learning rate of the localisation network relative to the rest."""
    filters: int = 64
    """Filters per layer of the plain CNN; the other networks are made as large as it."""
    validations: int = 20
    """How often the validation error is measured, at most after every step; the best checkpoint is kept."""
    seed: int = 0
    """Of the weights and the training batches. The test set is the same for every seed."""

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


@dataclass(frozen=True)
class Experiment:
    """A run: models trained on one task under one budget."""

    task: Task
    budget: Budget
    models: tuple[str, ...]
    family: str

    def check(self) -> None:
        """Refuse what cannot be trained.

        Raises:
            UserError: data, distortion or a model is unknown, a number is not positive, or a model is named twice or
                too large to be matched.
        """
        for flag, value, known in (
            ("data", self.task.data, get_args(DataName)),
            ("distortion", self.task.distortion, get_args(DistortionName)),
        ):
            if value not in known:
                raise UserError(f"unknown {flag} {value!r}; choose from {', '.join(known)}")
        for flag in ("steps", "batch_size", "filters", "validations", "lr", "localiser_lr_scale"):
            value = getattr(self.budget, flag)
            if not 0 < value < math.inf:
                raise UserError(f"--{flag.replace('_', '-')} must be above zero; got {value}")
        for flag in ("drops", "weight_decay"):
            value = getattr(self.budget, flag)
            if not 0 <= value < math.inf:
                raise UserError(f"--{flag.replace('_', '-')} must be zero or more; got {value}")
        if not 0 <= self.budget.seed < 2**32:
            raise UserError(f"--seed must be from 0 to {2**32 - 1}; got {self.budget.seed}")
        if not self.models:
            raise UserError("no model is named; give --model or --compare one")
        if len(set(self.models)) != len(self.models):
            raise UserError(f"--compare names a model twice: {', '.join(self.models)}")
        for label in self.models:
            self.build(label)

    def build(self, label: str) -> DigitClassifier:
        """The network of one of the models, untrained."""
        spec = ModelSpec.parse(label, self.family)
        return build(spec, DISTORTIONS[self.task.distortion], filters=self.budget.filters)

    def to_json(self) -> dict[str, Any]:
        """One flat dictionary."""
        return {
            **dataclasses.asdict(self.task),
            "models": list(self.models),
            "family": self.family,
            **dataclasses.asdict(self.budget),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Experiment":
        """The inverse of `to_json`.

        Raises:
            KeyError: an entry is missing.
        """
        task = Task(**{field.name: values[field.name] for field in dataclasses.fields(Task)})
        budget = Budget(**{field.name: values[field.name] for field in dataclasses.fields(Budget)})
        return cls(task, budget, tuple(values["models"]), values["family"])
