"""A table whose cells take no time: `train` notes that it was called, and makes up a result."""

import pytest
from torch import nn

from stn_lab.training.config import Budget
from stn_paper.results import Results
from stn_paper.table import Row, Table


def made_up(error=1.0, seed=0, **changes):
    """A result as `train` returns it."""
    return {
        "error_percent": error,
        "standard_error": 0.1,
        "test_images": 10_000,
        "parameters": 1000,
        "localiser_parameters": 0,
        "steps": 10,
        "batch_size": 4,
        "seed": seed,
        "seconds": 60.0,
        "ms_per_step": 10.0,
        "data_ms_per_step": 1.0,
        "precision": "32-true",
        "device": "a processor",
        "threads": 1,
        "date": "2026-01-02T03:04:05+00:00",
        "versions": {"torch": "2.13.0"},
        "commit": "1234567",
    } | changes


@pytest.fixture
def trained():
    """Names of the cells that were trained, in their order."""
    return []


@pytest.fixture
def table(trained):
    def train(cell, splits, folder, machine):
        trained.append(cell.name)
        (folder / "left").write_text("something")
        return made_up(seed=cell.seed)

    return Table(
        name="tiny",
        title="A tiny table",
        source="Nowhere.",
        columns={"X": None, "Y": None},
        rows=(Row("A", lambda *_: nn.Linear(2, 2), {"X": 1.0}), Row("B", lambda *_: nn.Linear(2, 2))),
        load=lambda _: None,
        train=train,
        budgets={"smoke": Budget(steps=1), "quick": Budget(steps=10, batch_size=4)},
    )


@pytest.fixture
def warnings():
    return []


@pytest.fixture
def results(tmp_path, warnings):
    return Results(tmp_path / "results", warnings.append)
