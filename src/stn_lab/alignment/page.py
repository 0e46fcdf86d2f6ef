"""One page of many alignments: `index.html` beside their folders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..files import replacing

NAME = "index.html"


@dataclass(frozen=True)
class Card:
    """What the page says of one pair.

    Attributes:
        name: of the pair.
        success, why: the verdict.
        files: which images they are.
        folder, overlay: where its picture is; no overlay where there is none.
        measure: before and after.
    """

    name: str
    success: bool
    why: str
    files: str
    folder: str
    overlay: str
    measure: str


def write_page(folder: Path, records: Sequence[tuple[str, Mapping[str, Any]]], title: str) -> Path:
    """Write the page of a folder.

    Args:
        folder: which holds those of the pairs, and the page.
        records: a name and what `alignment.json` says, for each pair.
        title: where the pairs come from.
    """
    cards = sorted((_card(name, record) for name, record in records), key=lambda card: card.success)
    environment = Environment(loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined)
    aligned = sum(card.success for card in cards)
    page = environment.get_template("batch.html.jinja").render(rows=cards, title=title, aligned=aligned)
    with replacing(folder / NAME) as unfinished:
        unfinished.write_text(page, encoding="utf-8")
    return folder / NAME


def _card(name: str, record: Mapping[str, Any]) -> Card:
    measure = record.get("measure")
    said = (
        ""
        if measure is None
        else f"{measure['name']}: {_shown(measure['before'])} before, {_shown(measure['after'])} after"
    )
    return Card(
        name=name,
        success=bool(record["success"]),
        why=str(record["why"]),
        files=f"{Path(record['moving']).name} on {Path(record['fixed']).name}",
        folder=str(record.get("folder", name)),
        overlay=str(record.get("overlay", "")),
        measure=said,
    )


def _shown(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.4f}"
