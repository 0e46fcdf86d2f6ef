"""A run as data: everything that decides its outcome."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from ..errors import UserError
from ..models.spec import ModelSpec
from ..tasks.data import Data
from ..training.config import Budget


@dataclass(frozen=True)
class Experiment:
    """Models trained on the same data under one budget."""

    data: Data
    budget: Budget
    models: tuple[str, ...]
    family: str
    looks: int = 1

    def check(self) -> None:
        """Refuse what cannot be trained, as far as that can be seen without building a network.

        Raises:
            UserError: data or a model is unknown, a number is not positive, or a model is named twice.
        """
        self.data.check()
        self.budget.check()
        if not self.models:
            raise UserError("no model is named; give --model or --compare one")
        if len(set(self.models)) != len(self.models):
            raise UserError(f"--compare names a model twice: {', '.join(self.models)}")
        if self.looks < 1:
            raise UserError(f"--looks must be 1 or more; got {self.looks}")
        for label in self.models:
            self.spec(label)

    def spec(self, label: str) -> ModelSpec:
        """What one of the models is made of."""
        return ModelSpec.parse(label, self.family, looks=self.looks)

    def to_json(self) -> dict[str, Any]:
        """One flat dictionary."""
        return {
            **self.data.to_json(),
            "models": list(self.models),
            "family": self.family,
            "looks": self.looks,
            **dataclasses.asdict(self.budget),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Experiment":
        """The inverse of `to_json`.

        Raises:
            KeyError: an entry is missing.
        """
        values = {"patience": 0, "looks": 1} | values  # earlier runs do not say
        budget = Budget(**{field.name: values[field.name] for field in dataclasses.fields(Budget)})
        return cls(Data.from_json(values), budget, tuple(values["models"]), values["family"], values["looks"])
