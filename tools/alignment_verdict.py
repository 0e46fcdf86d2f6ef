"""How often `register` says success where it failed, and failure where it succeeded: docs/registration.md.

`python tools/alignment_verdict.py` registers 600 pairs of photographs of 128 by 128 pixels, half of which show the same
(stn_bench/alignment/photographs.py), and writes results/registration/verdict.json and the page's table from it (five
minutes on one core).
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spatial_transformer import Projective, converters, register
from stn_bench.alignment.photographs import Pair, corner_error, related, unrelated

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results" / "registration" / "verdict.json"
PAGE = ROOT / "docs" / "registration.md"
BEGIN, END = "<!-- verdict: written by `python tools/alignment_verdict.py` -->\n", "<!-- end of verdict -->\n"

SIDE, BATCH = 128, 20
RIGHT, WRONG = 0.02, 0.05  # of the side: a smaller error is a success, a larger one a failure, between is neither
SETS = {
    "the same, 15 %": (related, 0.15, range(0, 150)),
    "the same, 30 %": (related, 0.3, range(150, 300)),
    "two photographs": (unrelated, 0.3, range(300, 600)),
}


def measure() -> list[dict[str, Any]]:
    rows = []
    for title, (make, displacement, seeds) in SETS.items():
        pairs = [make(seed, displacement, SIDE) for seed in seeds]
        for begin in range(0, len(pairs), BATCH):
            rows += [{"set": title, **row} for row in judged(pairs[begin : begin + BATCH])]
    return rows


def judged(pairs: list[Pair]) -> list[dict[str, Any]]:
    family = Projective()
    moving = torch.from_numpy(np.stack([pair.moving for pair in pairs]))[:, None]  # (B, 1, S, S)
    fixed = torch.from_numpy(np.stack([pair.fixed for pair in pairs]))[:, None]
    found = register(moving, fixed, family)
    matrices = converters.to_pixel_matrix(family.matrix(found.theta.double()), (SIDE, SIDE), (SIDE, SIDE)).numpy()
    verdict = found.verdict
    return [
        {
            "pair": pair.name,
            "error": None if pair.matrix is None else round(min(corner_error(matrix, pair), 9999), 3),
            "correlation": round(correlation, 4),
            "overlap": round(overlap, 4),
            "folded": round(folded, 4),
            "success": success,
        }
        for pair, matrix, correlation, overlap, folded, success in zip(
            pairs,
            matrices,
            verdict.correlation.tolist(),
            verdict.overlap.tolist(),
            verdict.folded.tolist(),
            verdict.success.tolist(),
            strict=True,
        )
    ]


def table(rows: list[dict[str, Any]]) -> str:
    lines = ["| pairs | | laid on one another | of these called failures | not | of these called successes |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for title in [*SETS, "all"]:
        part = [row for row in rows if title in ("all", row["set"])]
        right = [row for row in part if row["error"] is not None and row["error"] <= RIGHT * SIDE]
        wrong = [row for row in part if row["error"] is None or row["error"] > WRONG * SIDE]
        alarms, silent = sum(not row["success"] for row in right), sum(row["success"] for row in wrong)
        cells = (title, len(part), len(right), _share(alarms, right), len(wrong), _share(silent, wrong))
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def _share(count: int, of: list[Any]) -> str:
    return f"{count} ({100 * count / len(of):.1f} %)" if of else "-"


def write_page() -> None:
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + table(json.loads(RESULTS.read_text())) + END + rest.split(END)[1])


def main() -> None:
    torch.set_num_threads(1)
    rows = measure()
    RESULTS.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    write_page()


if __name__ == "__main__":
    main()
