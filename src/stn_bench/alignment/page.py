"""Tables of docs/alignment.md, from the file of JSON and nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .tasks import TASKS

FEW = 10
MISSED = 10.0  # pixels: what a success may not be off by
HEAD = ("found", "median px", "95th percentile", "seconds, median", "slowest", "claims that are wrong")


def tables(result: Mapping[str, Any], timed: Mapping[str, Any] | None = None) -> str:
    """Markdown: a table for each task.

    Args:
        result: what was measured.
        timed: the same of fewer pairs while nothing else ran, from which seconds are taken; those of `result` without.
    """
    timed = timed or result
    parts = []
    for name, task in TASKS.items():
        rows = [row for row in result["rows"] if row["task"] == name]
        if not rows:
            continue
        with_dice = rows[0]["nothing"]["dice"] is not None
        head = [f"{len(rows)} pairs", *HEAD, *(["Dice"] if with_dice else [])]
        parts += [f"### {task.title}", "", f"Found: off by {task.within} px at most.", ""]
        parts += ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|", _nothing(rows, with_dice)]
        ways = [way for way in task.methods if way in rows[0]]
        quiet = [row for row in timed["rows"] if row["task"] == name]
        for way in ways:
            seconds = [row[way]["seconds"] for row in quiet]
            parts.append(_line(result["origin"]["methods"][way], [row[way] for row in rows], task.within, seconds))
        parts.append("")
        if timed is not result:
            parts += [f"Seconds are of {len(quiet)} of these pairs, measured apart; the load is below.", ""]
    origin = timed["origin"]
    versions = ", ".join(f"{package} {number}" for package, number in origin["versions"].items())
    load = origin.get("load", "not recorded, so seconds do not count")
    parts.append(f"{origin['threads']} threads, load {load}; {versions}.")
    if len(result["rows"]) < FEW * len({row["task"] for row in result["rows"]}):
        parts.append(f"Fewer than {FEW} pairs of each kind show that it runs, and not how good it is.")
    return "\n".join([*parts, ""])


def _nothing(rows: Sequence[Mapping[str, Any]], with_dice: bool) -> str:
    errors = [row["nothing"]["error"] for row in rows]
    cells = ["nothing done", "", f"{np.median(errors):.2f}", f"{np.percentile(errors, 95):.2f}", "", "", ""]
    cells += [f"{np.mean([row['nothing']['dice'] for row in rows]):.3f}"] if with_dice else []
    return f"| {' | '.join(cells)} |"


def _line(words: str, found: Sequence[Mapping[str, Any]], within: float, seconds: Sequence[float]) -> str:
    errors = np.array([answer["error"] for answer in found])
    wrong = sum(answer["success"] and answer["error"] > MISSED for answer in found)
    cells = [
        words,
        f"{100 * (errors <= within).mean():.0f} %",
        f"{np.median(errors):.2f}",
        f"{np.percentile(errors, 95):.2f}",
        f"{np.median(seconds):.2f}" if seconds else "",
        f"{max(seconds):.2f}" if seconds else "",
        str(wrong),
    ]
    cells += [f"{np.mean([answer['dice'] for answer in found]):.3f}"] if "dice" in found[0] else []
    return f"| {' | '.join(cells)} |"
