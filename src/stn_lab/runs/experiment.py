"""A run as data: everything that decides its outcome."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from ..models.spec import TIMM, LocaliserName, ModelSpec, need_timm
from ..tasks.data import Data
from ..training.config import Budget

if TYPE_CHECKING:
    from ..images.survey import Survey

PRETRAINED = "pretrained"  # weights, where a network has them


@dataclass(frozen=True)
class Experiment:
    """Models trained on the same data under one budget."""

    data: Data
    budget: Budget
    models: tuple[str, ...]
    family: str
    looks: int = 1
    transformers: int = 1
    weights: str = PRETRAINED
    view: int | None = None
    localiser: LocaliserName = "paper"

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
        if self.transformers < 1:
            raise UserError(f"--transformers must be 1 or more; got {self.transformers}")
        if self.looks > 1 and self.transformers > 1:
            raise UserError("--looks and --transformers do not go together: transformers side by side look once")
        if self.view is not None and not 1 <= self.view <= 4096:
            raise UserError(f"--view must be from 1 to 4096 pixels; got {self.view}")
        self._check_weights(any(TIMM in self.spec(label).network for label in self.models))

    def survey(self) -> "Survey | None":
        """A look at people's own images, without PyTorch; None for what is built in.

        Raises:
            UserError: there is something wrong with them, or they are too small for a model.
        """
        found = self.data.survey()
        if found is not None:
            for label in self.models:
                self.spec(label).check_size(found.preprocessing.size)
        return found

    def _check_weights(self, has_timm: bool) -> None:
        if has_timm:
            need_timm()
        elif self.weights != PRETRAINED:
            raise UserError(f"--weights {self.weights} is for networks of timm, timm:resnet18; there is none here")
        if self.weights not in (PRETRAINED, "none") and not Path(self.weights).is_file():
            raise UserError(f"--weights must be {PRETRAINED}, none or a file that is there; got {self.weights!r}")

    def spec(self, label: str) -> ModelSpec:
        """What one of the models is made of."""
        return ModelSpec.parse(
            label,
            self.family,
            looks=self.looks,
            transformers=self.transformers,
            view=self.view,
            localiser=self.localiser,
        )

    def to_json(self) -> dict[str, Any]:
        """One flat dictionary."""
        return {
            **self.data.to_json(),
            "models": list(self.models),
            "family": self.family,
            "looks": self.looks,
            "transformers": self.transformers,
            "weights": self.weights,
            "view": self.view,
            "localiser": self.localiser,
            **dataclasses.asdict(self.budget),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Experiment":
        """The inverse of `to_json`.

        Raises:
            KeyError: an entry is missing.
        """
        earlier: dict[str, Any] = {
            "keep": "best",
            "patience": 0,
            "label_smoothing": 0.0,
            "looks": 1,
            "transformers": 1,
            "weights": PRETRAINED,
            "view": None,
            "localiser": "paper",
        }  # runs before these
        values = earlier | values
        budget = Budget(**{field.name: values[field.name] for field in dataclasses.fields(Budget)})
        rest = {name: values[name] for name in ("family", "looks", "transformers", "weights", "view", "localiser")}
        return cls(Data.from_json(values), budget, tuple(values["models"]), **rest)
