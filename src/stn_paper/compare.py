"""Ours beside the paper's: every cell that has a result, as values."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from .results import Result, Results, estimate
from .table import BUDGETS, BudgetName, Estimate, Table

# Within this many standard errors ours is called as good as the paper's.
NEAR = 2.0

Agreement = Literal["as good", "worse", "unpublished"]


@dataclass(frozen=True)
class Comparison:
    """One cell under one budget.

    Attributes:
        table, row, column, budget: which.
        published: what the paper prints; None where it prints nothing.
        ours: mean over seeds and standard error.
        results: of each seed.
    """

    table: Table
    row: str
    column: str
    budget: BudgetName
    published: float | None
    ours: Estimate
    results: tuple[Result, ...]

    @property
    def agreement(self) -> Agreement:
        """Whether ours is as good as the paper's, or better, as far as the standard error can tell."""
        if self.published is None:
            return "unpublished"
        behind = self.ours.value - self.published
        if self.table.right:
            behind = -behind
        return "as good" if behind <= NEAR * self.ours.error else "worse"


def compare(results: Results, table: Table) -> Iterator[Comparison]:
    """The cells of a table that have a result; smoke tests measure nothing and are left out."""
    for budget in BUDGETS[1:]:
        for row in table.rows:
            for column in table.columns:
                if found := results.seeds(table, row.name, column, budget):
                    ours = estimate(found, right=table.right)
                    published = row.published.get(column)
                    yield Comparison(table, row.name, column, budget, published, ours, tuple(found))


def claims(comparisons: list[Comparison], table: Table) -> Iterator[tuple[BudgetName, str, bool]]:
    """What the paper concludes from a table and whether it is so here, for each budget that has the cells it needs."""
    for budget in BUDGETS[1:]:
        measured = {(c.row, c.column): c.ours for c in comparisons if c.budget == budget and c.table is table}
        for claim in table.claims:
            try:
                yield budget, claim.text, claim.holds(measured)
            except KeyError:
                continue


def as_json(comparison: Comparison) -> dict[str, object]:
    """For `stn reproduce --compare --json`."""
    return {
        "table": comparison.table.name,
        "row": comparison.row,
        "column": comparison.column,
        "budget": comparison.budget,
        "counts": "right" if comparison.table.right else "wrong",
        "paper": comparison.published,
        "ours": comparison.ours.value,
        "standard_error": comparison.ours.error,
        "seeds": len(comparison.results),
        "agreement": comparison.agreement,
    }
