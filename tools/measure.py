"""Run the experiments of the README's table that have no result yet, and write the table.

What was interrupted goes on where it stopped; what is finished is not run again.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from experiments import EXPERIMENTS, Row

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results"
RUNS = HERE.parent / "runs"


def measure(row: Row, seed: int) -> None:
    result = RESULTS / row.name / f"seed{seed}.json"
    if result.exists():
        return
    run = RUNS / f"{row.name}-seed{seed}"
    command = [sys.executable, "-m", "stn_lab.cli", "train", *row.flags.split()]
    command += ["--seed", str(seed), "--runs", str(RUNS), "--name", run.name]
    subprocess.run([*command, "--resume"] if run.exists() else command, check=True)
    result.parent.mkdir(exist_ok=True)
    shutil.copy(run / "results.json", result)


if __name__ == "__main__":
    for experiment in EXPERIMENTS:
        for number in experiment.seeds:
            measure(experiment, number)
    subprocess.run([sys.executable, str(HERE / "tables.py")], check=True)
