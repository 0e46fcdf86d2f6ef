"""Time this library beside an older one of its own, row by row of `stn bench`, in turn on the same machine.

    python tools/compare_versions.py COMMIT [--rows 42x42,bicubic] [--threads 1,2] [--output FILE.json]

Each version runs in a process of its own and waits while the other is timed; a row's ratio is that of the medians.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from stn_bench.passes import PASSES, Timed
from stn_bench.problem import problem
from stn_bench.rows import MATRIX, SECOND_ORDER, SHORT, Row, select
from stn_lab.training.provenance import provenance

ROOT = Path(__file__).parents[1]
LIBRARY = "spatial_transformer"
SHORTEST_SAMPLE = 0.003  # seconds that a sample fills with calls
FEWEST, REPEATS = 5, 21
LONG_ENOUGH = 1.5  # seconds that the samples of one cell take, once there are the fewest
PAUSE = 0.004  # the other's threads have gone to sleep


class Version:
    """A process with one version of the library, which times a call when it is told to."""

    def __init__(self, library: Path):
        # The older library is measured by the benchmark of today.
        paths = {"PYTHONPATH": os.pathsep.join((str(library), str(ROOT / "src"), str(ROOT / "tools")))}
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | paths,
        )

    def ask(self, *words: object) -> float:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def answer() -> None:
    """What the process of a version does: prepare a cell, or time so many calls of it."""
    from stn_bench.peers import OURS, PEERS

    ours = next(peer for peer in PEERS if peer.name == OURS)
    rows = {row.name: row for row in rows_of("")}
    run = None
    for line in sys.stdin:
        command, *words = json.loads(line)
        if command == "prepare":
            name, passed, threads = words
            torch.set_num_threads(threads)
            given = problem(rows[name])
            call = ours.prepare(given)
            assert call is not None
            run = PASSES[passed].of(call, given.cotangent)
            assert run is not None
            run()
            seconds = stopwatch(run, 3)
        else:
            assert run is not None
            run()
            seconds = stopwatch(run, words[0])
        say(str(seconds))


def stopwatch(run: Timed, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


def say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def rows_of(words: str) -> tuple[Row, ...]:
    return select((*MATRIX, *SHORT, *SECOND_ORDER), words)


@contextmanager
def library_of(commit: str) -> Iterator[Path]:
    """A folder with the library as it was."""
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(
            ["git", "archive", commit, f"src/{LIBRARY}"], cwd=ROOT, capture_output=True, check=True
        ).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        yield Path(folder, "src")


def compare(old: Version, new: Version, row: Row, passed: str, threads: int) -> dict[str, Any]:
    once = max(version.ask("prepare", row.name, passed, threads) for version in (old, new))
    calls = max(1, math.ceil(SHORTEST_SAMPLE / once))
    taken: tuple[list[float], list[float]] = ([], [])
    start = time.perf_counter()
    while len(taken[0]) < FEWEST or (len(taken[0]) < REPEATS and time.perf_counter() - start < LONG_ENOUGH):
        turn = len(taken[0]) % 2  # who goes first
        for place in (turn, 1 - turn):
            time.sleep(PAUSE)
            taken[place].append((old, new)[place].ask("time", calls))
    before, now = (1000 * statistics.median(of) for of in taken)
    found = {"row": row.name, "pass": passed, "threads": threads}
    what = f"{row.name}, {PASSES[passed].title}, {threads} thread(s)"
    say(f"{now / before:5.2f}  {what}: {before:.4g} -> {now:.4g} ms")
    return found | {"before_ms": before, "now_ms": now}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit")
    parser.add_argument("--rows", default="")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--passes", default=",".join(PASSES))
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with library_of(options.commit) as library:
        old, new = Version(library), Version(ROOT / "src")
        found = [
            compare(old, new, row, passed, int(threads))
            for row in rows_of(options.rows)
            for passed in row.passes
            if passed in options.passes.split(",")
            for threads in options.threads.split(",")
        ]
    ratios = [cell["now_ms"] / cell["before_ms"] for cell in found]
    say(f"now / before: geometric mean {statistics.geometric_mean(ratios):.3f}, worst {max(ratios):.3f}")
    if options.output:
        origin = provenance(torch.device("cpu")) | {"before": options.commit}
        options.output.write_text(json.dumps({"origin": origin, "cells": found}, indent=1) + "\n")


if __name__ == "__main__":
    answer() if sys.argv[1:] == ["--child"] else main()
