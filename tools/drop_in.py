"""What existing networks gain by `compat.accelerate`, unchanged: docs/drop-in.md.

`python tools/drop_in.py` runs the networks of tests/spatial_transformer/compat/networks.py forward, and forward and
backward, with and without it, writes results/compat/drop-in.json, and the page's table from it (two minutes on a core).
`drop_in.py WORD` measures networks with a word in their name again, `--page` only writes the table. Times are of the
processor, on one thread, the least of several turns.
"""

import importlib.util
import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spatial_transformer import compat

ROOT = Path(__file__).parent.parent
NETWORKS = ROOT / "tests" / "spatial_transformer" / "compat" / "networks.py"
RESULTS = ROOT / "results" / "compat" / "drop-in.json"
PAGE = ROOT / "docs" / "drop-in.md"
BEGIN, END = "<!-- table: written by `python tools/drop_in.py` -->\n", "<!-- end of table -->\n"
TURNS = 7


def networks() -> Any:
    spec = importlib.util.spec_from_file_location("networks", NETWORKS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measure(name: str) -> dict[str, Any]:
    module = networks()
    network, inputs = module.made(name, large=True)

    def forward() -> tuple[Tensor, ...]:
        with torch.no_grad():
            return (network(*inputs),)

    def learn() -> tuple[Tensor, ...]:
        return module.learn(network, inputs)

    forward_ms, learn_ms = in_turn(forward), in_turn(learn)
    expected = learn()
    with compat.accelerate():
        found = learn()
    off = max(difference(one, other) for one, other in zip(found, expected, strict=True))
    return {
        "network": name,
        "inputs": [list(each.shape) for each in inputs],
        "forward_ms": forward_ms,
        "forward_and_backward_ms": learn_ms,
        "largest_difference": off,
    }


def in_turn(call: Callable[[], Any]) -> dict[str, float]:
    """Milliseconds with PyTorch's functions and with ours, each the least of several calls, one after the other."""
    least = {"torch": float("inf"), "ours": float("inf")}
    for turn in range(TURNS + 1):
        for which in least:
            begin = time.process_time()
            if which == "ours":
                with compat.accelerate():
                    call()
            else:
                call()
            if turn:  # the first compiles
                least[which] = min(least[which], 1000 * (time.process_time() - begin))
    return {which: round(ms, 3) for which, ms in least.items()}


def difference(one: Tensor, other: Tensor) -> float:
    """The largest, over the largest number of a tensor."""
    return float((one - other).abs().max() / other.abs().max().clamp(min=1e-9))


def table(results: dict[str, Any]) -> str:
    head = "| network | input | forward | ms | forward + backward | ms | largest difference |"
    lines = [head, "|" + " --- |" * 7]
    for row in results["rows"]:
        shape = " x ".join(map(str, row["inputs"][0]))
        cells = [row["network"], shape]
        for key in ("forward_ms", "forward_and_backward_ms"):
            ms = row[key]
            cells += [f"{ms['torch'] / ms['ours']:.2f}x", f"{ms['torch']:.1f}, {ms['ours']:.1f}"]
        lines.append("| " + " | ".join([*cells, f"{row['largest_difference']:.0e}"]) + " |")
    return "\n".join([*lines, "", f"{results['machine']}.", ""])


def write_page() -> None:
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + table(json.loads(RESULTS.read_text())) + END + rest.split(END)[1])


def keep(row: dict[str, Any]) -> None:
    """In the file, in place of what was measured of this network before."""
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()
    before = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else []
    kept = {one["network"]: one for one in [*before, row]}
    RESULTS.parent.mkdir(exist_ok=True)
    rows = [kept[name] for name in networks().NETWORKS if name in kept]
    machine = f"{_processor()}, 1 thread, torch {torch.__version__}, {time.strftime('%Y-%m-%d')}"
    RESULTS.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")


def main() -> None:
    torch.set_num_threads(1)
    named = [name for name in networks().NETWORKS if any(word in name for word in sys.argv[1:])]
    for name in [] if "--page" in sys.argv else named or networks().NETWORKS:
        keep(measure(name))
    if PAGE.exists():
        write_page()


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.processor())


if __name__ == "__main__":
    main()
