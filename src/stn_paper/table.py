"""What a table of the paper is made of: rows, columns, budgets, and the number that the paper prints in each cell."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from stn_lab.training.config import Budget, Machine

if TYPE_CHECKING:  # this file is read before PyTorch is
    from torch import nn

    from stn_lab.digits.sets import Digits
    from stn_lab.tasks.scene import Splits

BudgetName = Literal["smoke", "quick", "standard", "paper", "modern"]
BUDGETS: tuple[BudgetName, ...] = get_args(BudgetName)

# A few steps with scikit-learn's digits, to see that everything runs. What it measures means nothing.
SMOKE = Budget(steps=4, batch_size=8, validations=1)


@dataclass(frozen=True)
class Row:
    """One model of a table.

    Attributes:
        name: as in the paper, in the letters of a file name: "ST-CNN-Aff".
        build: the network, untrained, from the scene of a column and the budget's `filters`.
        published: column to the number that the paper prints; without the columns that it leaves out.
        learnt: what is different in the budget, for a row that is learnt in another way than the others.
    """

    name: str
    build: "Callable[[Any, int], nn.Module]"
    published: Mapping[str, float] = field(default_factory=dict)
    learnt: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Estimate:
    """What was measured for a cell: the mean over seeds, as the table counts it, and its standard error."""

    value: float
    error: float


# Estimates by (row, column); those that a claim needs and that are missing raise KeyError.
Estimates = Mapping[tuple[str, str], Estimate]


@dataclass(frozen=True)
class Claim:
    """A sentence that the numbers of a table bear out or do not.

    Attributes:
        text: the sentence.
        holds: whether it is true of the estimates of one budget.
    """

    text: str
    holds: Callable[[Estimates], bool]


@dataclass(frozen=True)
class Table:
    """A table of the paper, or a comparison of our own in the same form.

    Attributes:
        name: of its folder in the results, and on the command line.
        title: says what is measured.
        source: where the paper has it, and what it leaves open and is chosen here.
        columns: name to the scene that is learnt and tested.
        rows: the models.
        load: the sets of images of a cell.
        train: trains and measures one cell: the cell, its sets, a folder to work in, the machine; returns a result.
        budgets: by name.
        right: whether the numbers count what is right, in percent, instead of what is wrong.
        claims: what the paper concludes from it.
        pictured: (row, column) of the cells to be shown with what their transformer sees.
        against: a chart is drawn of all errors against the share of this that transformers undo.
    """

    name: str
    title: str
    source: str
    columns: Mapping[str, Any]
    rows: tuple[Row, ...]
    load: "Callable[[Cell], Splits[Any]]"
    train: "Callable[[Cell, Splits[Any], Path, Machine], dict[str, Any]]"
    budgets: Mapping[BudgetName, Budget]
    right: bool = False
    claims: tuple[Claim, ...] = ()
    pictured: tuple[tuple[str, str], ...] = ()
    against: Literal["shift", "scale", "rotation"] | None = None


@dataclass(frozen=True)
class Cell:
    """One number: a model, a column, a budget and a seed."""

    table: Table
    row: Row
    column: str
    budget_name: BudgetName
    seed: int

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.row.name}--{self.column}--{self.budget_name}--seed{self.seed}"

    @property
    def budget(self) -> Budget:
        return replace(self.table.budgets[self.budget_name], **self.row.learnt, seed=self.seed)

    @property
    def scene(self) -> Any:
        return self.table.columns[self.column]

    @property
    def is_pictured(self) -> bool:
        return (self.row.name, self.column) in self.table.pictured

    def build(self) -> "nn.Module":
        return self.row.build(self.scene, self.budget.filters)

    def load(self) -> "Splits[Any]":
        return self.table.load(self)


def load_digits(cell: Cell) -> "Splits[Digits]":
    """MNIST; for a smoke test the digits of scikit-learn, which need no download."""
    from stn_lab.digits.sets import load

    return load("digits" if cell.budget_name == "smoke" else "mnist")
