"""Errors against how far something is distorted, for the tables that measure them, as a picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .compare import Comparison
from .table import BudgetName

# What is said of the distortion, to its amounts, the range that was trained, and the errors in percent.
Curves = Mapping[str, Mapping[str, Any]]


def swept(comparisons: list[Comparison], budget: BudgetName) -> dict[str, Curves]:
    """Row to its curves, of the first seed, for the rows that have any: those along the same amounts as the first's."""
    found = {c.row: c.results[0] for c in comparisons if c.budget == budget}
    curves: dict[str, Curves] = {row: result["curves"] for row, result in found.items() if "curves" in result}
    first = next(iter(curves.values()), {})
    return {row: kinds for row, kinds in curves.items() if _along(kinds) == _along(first)}


def _along(curves: Curves) -> dict[str, Any]:
    return {said: curve["amounts"] for said, curve in curves.items()}


def draw(rows: Mapping[str, Curves], path: Path) -> None:
    """A panel for each distortion, a line for each row; what was trained is shaded."""
    from matplotlib.figure import Figure  # which takes a second to import

    from stn_lab.views.figures import save

    kinds = next(iter(rows.values()))
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    for panel, (said, first) in zip(figure.subplots(1, len(kinds), sharey=True), kinds.items(), strict=True):
        panel.axvspan(*first["trained"], color="#e9ecef")
        for row, curves in rows.items():
            panel.plot(curves[said]["amounts"], curves[said]["error_percent"], "o-", markersize=3, label=row)
        panel.set_xlabel(f"digits {said}")
        panel.set_yscale("log")
        panel.grid(color="#dee2e6", linewidth=0.6)
    figure.axes[0].set_ylabel("error, %")
    figure.axes[0].yaxis.set_major_formatter("{x:g}")
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(rows), frameon=False
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    save(figure, path)
