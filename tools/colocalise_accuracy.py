"""How often `stn colocalise` finds the thing, and whether its score says so: docs/colocalise.md.

    python tools/colocalise_accuracy.py [NAME...]
    python tools/colocalise_accuracy.py --page-only

writes folders of a hundred pictures, keeps the true boxes to itself, runs the command on each folder, and writes
results/colocalise/NAME.json and the page's tables. Folders that have a file are left out, unless named; one that was
stopped in the middle is gone on with. NAME is TC-4,
T-4 (the paper's cluttered and bare digits, made from MNIST) or colour-4 (of tools/colour_set.py, its own plates of one
digit). A folder takes about a minute on one core.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from stn_lab.digits.sets import load
from stn_lab.files import write_json
from stn_lab.regions import overlap
from stn_lab.training.provenance import provenance
from stn_paper.colocalisation.data import COUNT, hide

sys.path.insert(0, str(Path(__file__).parent))
from colour_set import example

ROOT = Path(__file__).parent.parent
RESULTS, PAGE = ROOT / "results" / "colocalise", ROOT / "docs" / "colocalise.md"
BEGIN, END = "<!-- tables: written by `python tools/colocalise_accuracy.py` -->\n", "<!-- end of tables -->\n"
SETS = {
    "TC": "the paper's cluttered digits",
    "T": "the same without clutter",
    "colour": "plates on photographs",
}
SIDES = {"TC": "0.3333", "T": "0.3333", "colour": "0.5"}  # of the thing, as a part of the picture's: --side
NAMES = [f"{kind}-{digit}" for kind in SETS for digit in range(10)]
SEED = 0
FOUND = 0.5  # of intersection over union, and more
BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # of the score


class Pictures(NamedTuple):
    """Pictures that share a thing, and (n, 4) where it is: left, top, right, bottom in pixels."""

    images: list[Image.Image]
    boxes: np.ndarray


def pictures(name: str) -> Pictures:
    """A hundred of the folder of this name; they depend on the name and `SEED` alone."""
    kind, digit = name.split("-")
    if kind == "colour":
        made = [example(64, digit, np.random.default_rng((SEED, 0, int(digit), number))) for number in range(COUNT)]
        return Pictures([image for image, _ in made], np.array([box for _, box in made], dtype=float))
    hidden = hide(load("mnist").train, int(digit), cluttered=kind == "TC", seed=SEED)
    pixels = (255 * hidden.images[:, 0]).round().byte().numpy()  # (N, 84, 84)
    return Pictures([Image.fromarray(each) for each in pixels], (hidden.boxes.double().numpy() + 1) * 42)


def measure(name: str) -> dict[str, Any]:
    """What the command says of the pictures of a folder, held against the truth."""
    truth = pictures(name)
    side = SIDES[name.split("-")[0]]
    work = Path(tempfile.gettempdir()) / "colocalise-accuracy" / name
    (work / "in").mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(truth.images):
        image.save(work / "in" / f"{number:05}.png")
    command = ["colocalise", str(work / "in"), str(work / "out"), "--side", side, "--seed", str(SEED)]
    subprocess.run([sys.executable, "-m", "stn_lab.cli", *command], check=True, stdout=sys.stderr)
    found = json.loads((work / "out" / "regions.json").read_text())["annotations"]
    shutil.rmtree(work)
    corners = np.array([one["bbox"] for one in found])  # (n, 4) left, top, width, height
    corners[:, 2:] += corners[:, :2]
    iou = overlap(torch.from_numpy(corners), torch.from_numpy(truth.boxes))
    return {
        "name": name,
        "side": float(side),
        "pictures": len(found),
        "iou": [round(float(each), 3) for each in iou],
        "score": [one["score"] for one in found],
        **provenance(torch.device("cpu")),
    }


def auc(score: np.ndarray, right: np.ndarray) -> float:
    """How often a picture that is right has a higher score than one that is wrong; NaN where all are alike."""
    higher = score[right][:, None] - score[~right]
    return float((higher > 0).mean() + (higher == 0).mean() / 2) if higher.size else float("nan")


def row(label: str, results: Sequence[dict[str, Any]]) -> str:
    iou, score = (np.concatenate([result[key] for result in results]) for key in ("iou", "score"))
    right = iou > FOUND
    told = "all alike" if right.all() or not right.any() else f"{auc(score, right):.2f}"
    numbers = [f"{len(iou):,}", f"{100 * right.mean():.1f}", f"{iou.mean():.2f}", f"{score.mean():.2f}", told]
    return f"| {label} | " + " | ".join(numbers) + " |"


def calibration(label: str, results: Sequence[dict[str, Any]]) -> str:
    """The share that is right of the pictures with a score in each bin."""
    iou, score = (np.concatenate([result[key] for result in results]) for key in ("iou", "score"))
    cells = []
    for low, high in pairwise(BINS):
        inside = (score >= low) & ((score < high) | (high == BINS[-1]))
        cells.append(f"{100 * (iou[inside] > FOUND).mean():.0f} % of {inside.sum()}" if inside.any() else "none")
    return f"| {label} | " + " | ".join(cells) + " |"


def tables(results: Iterable[dict[str, Any]]) -> str:
    """What is found and how sure that is, of each folder and each set of folders."""
    of = {kind: [one for one in results if one["name"].startswith(f"{kind}-")] for kind in SETS}
    of = {kind: found for kind, found in of.items() if found}
    lines = ["| pictures of | pictures | found, % | mean IoU | mean score | AUC of the score |", "|" + " --- |" * 6]
    for kind, found in of.items():
        lines += [row(f"{one['name'].split('-')[1]}, {SETS[kind]}", [one]) for one in found]
        lines.append(row(f"**all of {SETS[kind]}**", found))
    bins = [f"{low:.1f} to {high:.1f}" for low, high in pairwise(BINS)]
    lines += ["", "| right, of pictures with a score of | " + " | ".join(bins) + " |", "|" + " --- |" * (len(bins) + 1)]
    lines += [calibration(SETS[kind], found) for kind, found in of.items()]
    return "\n".join(lines) + "\n"


def measured() -> list[dict[str, Any]]:
    """Of all folders that have a file."""
    return [json.loads(path.read_text()) for name in NAMES if (path := RESULTS / f"{name}.json").exists()]


def write_page() -> None:
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + "\n" + tables(measured()) + "\n" + END + rest.split(END)[1])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--page-only", action="store_true")
    options = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    todo = options.names or [name for name in NAMES if not (RESULTS / f"{name}.json").exists()]
    for name in [] if options.page_only else todo:
        write_json(RESULTS / f"{name}.json", measure(name))
        write_page()
    write_page()


if __name__ == "__main__":
    main()
