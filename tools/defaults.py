"""Which learning rates transformers learn with: the sweep behind the defaults of `stn train` and `parameter_groups`.

    python tools/defaults.py --colour FOLDER      # the folder that tools/colour_set.py makes
    python tools/defaults.py --page-only

trains a transformer on three kinds of data, at two rates, three scales of the localisation network's rate and two
lengths, and writes results/defaults/*.json, one file per training, and docs/defaults.md. What is there is not trained
again. Without MNIST its trainings are left out.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from stn_lab.errors import UserError
from stn_lab.files import write_json
from stn_lab.runs.experiment import Experiment
from stn_lab.tasks.data import Data
from stn_lab.training.config import Budget, Machine

ROOT = Path(__file__).parent.parent
RESULTS, PAGE = ROOT / "results" / "defaults", ROOT / "docs" / "defaults.md"
RATES, SCALES, SEEDS = (1e-3, 4e-3), (0.1, 0.25, 1.0), (0, 1)


@dataclass(frozen=True)
class Kind:
    """What is learnt, by which network, for how long."""

    title: str
    data: Data
    model: str
    steps: tuple[int, int]
    batch_size: int = 64
    filters: int = 32
    family: str = "affine"
    view: int | None = None


@dataclass(frozen=True)
class Cell:
    """One training."""

    kind: str
    lr: float
    scale: float
    steps: int
    seed: int

    @property
    def path(self) -> Path:
        return RESULTS / f"{self.kind}--{self.lr:g}--{self.scale:g}--{self.steps}--seed{self.seed}.json"


def kinds(colour: str) -> dict[str, Kind]:
    """By name; `colour` is the folder of colour images."""
    return {
        "digits": Kind("scikit-learn's digits, rotated, scaled and moved", Data("digits"), "st-cnn", (400, 1600)),
        "mnist": Kind("MNIST, moved, with clutter", Data("mnist", distortion="TC"), "st-fcn", (500, 2000), filters=64),
        "colour": Kind(
            "digits on plates on photographs", Data(colour), "st-cnn", (1000, 2500), 32, 32, "attention", 28
        ),
    }


def cells(kind: str, steps: Iterable[int]) -> list[Cell]:
    """Short trainings first, and all of one seed before the next."""
    return [Cell(kind, lr, scale, n, seed) for seed, n, lr, scale in product(SEEDS, steps, RATES, SCALES)]


def train(kind: Kind, cell: Cell) -> dict[str, Any]:
    """The result of one training: its error, and what its transformer does."""
    import torch

    from stn_lab.runs.run import build_model
    from stn_lab.training.learn import learn

    budget = Budget(
        steps=cell.steps,
        batch_size=kind.batch_size,
        lr=cell.lr,
        localiser_lr_scale=cell.scale,
        filters=kind.filters,
        seed=cell.seed,
        validations=5,
    )
    localiser = "paper" if kind.data.is_built_in else "keypoints"  # as `stn train` has it
    experiment = Experiment(kind.data, budget, (kind.model,), kind.family, view=kind.view, localiser=localiser)
    task = kind.data.task()
    torch.manual_seed(cell.seed)
    network = build_model(experiment, task, kind.model)
    with tempfile.TemporaryDirectory() as folder:
        how = learn(task, network, Path(folder), budget, Machine())
    measured = task.measure(network)
    return {"kind": cell.kind, "lr": cell.lr, "scale": cell.scale, "spread": spread(task, network), **measured, **how}


def spread(task: Any, network: Any) -> float:
    """How far the points that are sampled differ over test images: their standard deviation, in pixels."""
    import torch

    images = next(iter(task.test))[0]
    transformer = network.transformer.eval()
    with torch.inference_mode():
        points = transformer.family.grid(transformer.theta(images), (8, 8))  # (N, 8, 8, 2)
    half = torch.tensor([images.shape[3] / 2, images.shape[2] / 2])
    return float((points.std(dim=0) * half).square().sum(dim=-1).mean().sqrt())


def page() -> str:
    """docs/defaults.md, of what there is."""
    results = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    sections = [
        section(kind, [result for result in results if result["kind"] == name])
        for name, kind in kinds("").items()
        if any(result["kind"] == name for result in results)
    ]
    return HEAD + "\n".join(sections)


def section(kind: Kind, results: list[dict[str, Any]]) -> str:
    lines = [
        f"## {kind.title[0].upper()}{kind.title[1:]}\n",
        f"`{kind.model}`, {kind.family}, batches of {kind.batch_size}. Error on the test images in %, mean of the "
        "seeds; in brackets the spread of where is sampled, in pixels.\n",
        "| steps | rate | " + " | ".join(f"x {scale:g}" for scale in SCALES) + " |",
        "|---|---|" + "---|" * len(SCALES),
    ]
    for steps, lr in product(kind.steps, RATES):
        row = [[r for r in results if (r["planned_steps"], r["lr"], r["scale"]) == (steps, lr, s)] for s in SCALES]
        if any(row):
            lines.append(f"| {steps:,} | {lr:g} | " + " | ".join(map(entry, row)) + " |")
    return "\n".join(lines) + "\n"


def entry(runs: list[dict[str, Any]]) -> str:
    if not runs:
        return "not measured"
    error, apart = (statistics.mean(run[key] for run in runs) for key in ("error_percent", "spread"))
    return f"{error:.1f} ({apart:.1f})" + (" of one seed" if len(runs) == 1 else "")


HEAD = """# How fast a localisation network should learn

How the defaults of `stn train`, of `parameter_groups` and of the examples were chosen: by the error of transformers on
three kinds of data, when the localisation network learns at a tenth of the rate of the rest, at a quarter and at the
same. A spread near zero means that theta ignores the image. `python tools/defaults.py` trains what is missing and
writes this page from `results/defaults`.

"""


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--colour", default="", help="the folder of colour images; without it they are left out")
    parser.add_argument("--page-only", action="store_true")
    options = parser.parse_args()
    for name, kind in () if options.page_only else kinds(options.colour).items():
        for cell in cells(name, kind.steps) if kind.data.data else ():
            if not cell.path.exists():
                try:
                    write_json(cell.path, train(kind, cell))
                except UserError as error:
                    sys.stderr.write(f"{name} is left out: {error}\n")
                    break
                PAGE.write_text(page())
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
