"""Every method on every pair, in turn, into a file of JSON."""

import json
import os
import sys
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from stn_lab.errors import UserError
from stn_lab.files import replacing

from .methods import METHODS, method
from .problem import Problem, dice, error, identity
from .tasks import TASKS, Task

PACKAGES = ("torch", "opencv-python-headless", "kornia", "SimpleITK")


def measure(output: Path, pairs: int, chosen: tuple[str, ...] = ()) -> dict[str, Any]:
    """Align pairs of every task; what the file has of them already, from the same versions, is not measured again.

    Args:
        output: the file, written after each pair.
        pairs: how many of photographs; the other tasks have a part of that, one at least.
        chosen: names of tasks; all of them by default.

    Raises:
        UserError: an unknown task, or `output` cannot be read or written.
    """
    for name in chosen:
        if name not in TASKS:
            raise UserError(f"--rows must be some of {', '.join(TASKS)}; got {name!r}")
    origin = _origin()
    rows = _measured_before(output, origin)
    for name, task in TASKS.items():
        if not chosen or name in chosen:
            sys.stderr.write(f"{task.title} ...\n")
            for row in _rows(name, task, max(1, round(task.share * pairs)), rows):
                rows[name, row["seed"]] = row
                _write(output, {"origin": origin, "rows": list(rows.values())})
    return {"origin": origin, "rows": list(rows.values())}


Rows = dict[tuple[str, int], dict[str, Any]]  # by task and seed


def _measured_before(output: Path, origin: dict[str, Any]) -> Rows:
    try:
        before = json.loads(output.read_text())
        same = before["origin"]["versions"] == origin["versions"] and before["origin"]["threads"] == origin["threads"]
        return {(row["task"], row["seed"]): row for row in before["rows"]} if same else {}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise UserError(f"{output} is no file of this benchmark: {problem}. Name another --output") from problem


def _rows(name: str, task: Task, count: int, before: Rows) -> Iterator[dict[str, Any]]:
    missing = [seed for seed in range(count) if (name, seed) not in before]
    if not missing:
        return
    methods = {way: function for way in task.methods if (function := method(way)) is not None}
    first = task.make(0)
    for function in methods.values():
        function(first)  # compiles kernels, and fills caches
    for seed in missing:
        problem = task.make(seed)
        start = {"error": error(identity, problem), "dice": dice(identity, problem)}
        yield {"task": name, "pair": problem.name, "seed": seed, "nothing": start} | {
            way: _measured(function, problem) for way, function in methods.items()
        }


def _measured(function: Any, problem: Problem) -> dict[str, Any]:
    begin = time.perf_counter()
    answer = function(problem)
    seconds = time.perf_counter() - begin
    found = {"error": error(answer.mapping, problem), "seconds": round(seconds, 3), "success": answer.success}
    overlap = dice(answer.mapping, problem)
    return found if overlap is None else found | {"dice": overlap}


def _origin() -> dict[str, Any]:
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    load = round(os.getloadavg()[0], 1)
    return {
        "threads": torch.get_num_threads(),
        "load": load,
        "versions": versions,
        "methods": {k: v[0] for k, v in METHODS.items()},
    }


def _write(output: Path, result: dict[str, Any]) -> None:
    rows = ",\n".join(json.dumps(row) for row in result["rows"])
    try:
        with replacing(output) as unfinished:
            unfinished.write_text(f'{{"origin": {json.dumps(result["origin"])}, "rows": [\n{rows}\n]}}\n')
    except OSError as problem:
        raise UserError(f"{output} cannot be written: {problem.strerror or problem}") from problem
