"""Which of a run's models is meant, and reading it."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..models.saved import SavedModel, load
from .folder import RunFolder


def best_of(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The label of the lowest validation error; one that is not known counts as the highest."""
    return min(results, key=lambda label: results[label].get("validation_error_percent", math.inf))


def load_model(run: Path, label: str | None) -> SavedModel:
    """The model of that label; without one, that with the lowest validation error.

    Raises:
        UserError: this is no run, or it has no such model that is trained.
    """
    folder = RunFolder.open(run)
    results = folder.results()
    if not results:
        raise UserError(f"no model of {run} is trained yet; `stn train --resume` goes on with it")
    if label is None:
        label = best_of(results)
    if label not in results:
        raise UserError(f"{run} has no trained model {label!r}; it has {', '.join(results)}")
    return load(folder.model(label))
