"""What is said of transformers in a terminal: what they undo, and how well they frame things."""

from collections.abc import Sequence

from rich.table import Table

from . import wording
from .read import Model
from .undone import MOVES, accounts


def looks_table(models: Sequence[Model]) -> Table | None:
    """A line for each transformer; None where nothing was measured of any."""
    boxes = any("box_overlap_mean" in model.result for model in models)
    heads = ["transformer", "family", *MOVES.values(), *(("box IoU", "IoU ≥ 0.5") if boxes else ())]
    table = Table(*heads, title="How much of shifts, zooms and turns is undone", title_justify="left")
    for model in models:
        for account in accounts(model):
            shares = {row.moves: wording.whole_percent(row.share) for row in account.rows}
            line = [f"{model.label} {account.name}".strip(), model.family]
            line += [shares.get(moves, wording.MISSING) for moves in MOVES.values()]
            table.add_row(*line, *(_framing(model) if boxes else ()))
    return table if table.rows else None


def said(models: Sequence[Model]) -> list[str]:
    """The same in sentences."""
    return [
        f"{model.label}{account.name and ', '}{account.name}: {account.sentence}"
        for model in models
        for account in accounts(model)
    ]


def _framing(model: Model) -> list[str]:
    mean, found = model.number("box_overlap_mean"), model.number("boxes_found_percent")
    return [wording.short(mean, 2), wording.percent(found)]
