"""Errors as pictures: against how far something is distorted, and against how much of that a transformer undoes."""

from collections.abc import Mapping
from pathlib import Path
from statistics import median
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


def undoing(comparisons: list[Comparison], budget: BudgetName, name: str) -> dict[str, list[tuple[str, float, float]]]:
    """Column to its rows, each with the share in percent of the shift, scale or rotation that is undone and the error;
    medians over seeds. Without the rows and columns in which that was not measured."""
    found: dict[str, list[tuple[str, float, float]]] = {}
    for c in comparisons:
        shares = [result["undone"][name]["share_percent"] for result in c.results if name in result.get("undone", {})]
        if c.budget == budget and shares:
            found.setdefault(c.column, []).append((c.row, median(shares), c.ours.value))
    return found


def scatter(columns: Mapping[str, list[tuple[str, float, float]]], undone: str, path: Path) -> None:
    """A panel for each column, a named point for each row."""
    from matplotlib.figure import Figure

    from stn_lab.views.figures import save

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    panels = figure.subplots(1, len(columns), squeeze=False)[0]
    for panel, (column, points) in zip(panels, columns.items(), strict=True):
        for row, share, error in points:
            panel.plot(share, error, "o", color="#1c7ed6", markersize=4)
            panel.annotate(row, (share, error), (4, 3), textcoords="offset points", fontsize=7)
        panel.margins(x=0.15)  # room for the names
        panel.set_title(column)
        panel.set_xlabel(f"{undone} undone, %")
        panel.grid(color="#dee2e6", linewidth=0.6)
    panels[0].set_ylabel("error, %")
    path.parent.mkdir(parents=True, exist_ok=True)
    save(figure, path)
