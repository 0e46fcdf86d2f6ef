"""How much memory a call takes beyond what it returns, measured in a process of its own.

On a CPU that is the highest resident size during the call (`VmHWM`, reset before it) less the size before it. The call
has been made once by then: kernels are loaded, threads are there. What a library then still holds does not count.
malloc is told to give every block of 64 KB or more back at once, so that nothing is served from what an earlier call
has left. On a GPU it is PyTorch's count of allocated bytes.
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from .child import measure_in_child
from .passes import PASSES, Timed
from .peers import OURS, PEERS, REFERENCE, set_threads
from .problem import problem
from .rows import Row

MEASURED_PEERS = (OURS, REFERENCE, "Kornia")
MEASURED_PASSES = ("forward", "both")
MEGABYTE = 2**20

_BLOCK = str(2**16)
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": _BLOCK, "MALLOC_TRIM_THRESHOLD_": _BLOCK}
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Use:
    """Of one call, in megabytes: the highest use less that before it, and the size of what it returned."""

    peak_mb: float
    returned_mb: float

    @property
    def extra_mb(self) -> float:
        return max(0.0, self.peak_mb - self.returned_mb)


def unavailable(device: torch.device) -> str | None:
    """Why memory cannot be measured here."""
    if device.type == "cuda":
        return None
    return None if _RESET.exists() else "the system does not tell the highest resident size of a process (Linux does)"


def measure(row: Row, peer: str, device: torch.device, threads: int) -> dict[str, Use]:
    """The use of a library for a row, by pass; empty where it does not apply."""
    arguments = {"row": asdict(row), "peer": peer, "device": str(device), "threads": threads}
    return {name: Use(**use) for name, use in measure_in_child("memory", arguments, ENVIRONMENT).items()}


def _here(row: dict[str, Any], peer: str, device: str, threads: int) -> dict[str, dict[str, float]]:
    set_threads(threads)
    given = problem(Row(**row | {"shape": tuple(row["shape"]), "passes": tuple(row["passes"])}), device)
    call = next(one for one in PEERS if one.name == peer).prepare(given)
    if call is None:
        return {}
    timed = {name: PASSES[name].of(call, given.cotangent) for name in MEASURED_PASSES}
    return {name: asdict(_use(run, torch.device(device))) for name, run in timed.items() if run is not None}


def _use(run: Timed, device: torch.device) -> Use:
    run()
    uses = [_once(run, device) for _ in range(3)]
    return sorted(uses, key=lambda use: use.peak_mb)[1]


def _once(run: Timed, device: torch.device) -> Use:
    before = _start(device)
    returned = run()
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _resident("VmHWM")
    return Use((peak - before) / MEGABYTE, sum(tensor.nbytes for tensor in returned) / MEGABYTE)


def _start(device: torch.device) -> int:
    """Reset the peak; returns the bytes in use."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    _RESET.write_text("5")
    return _resident("VmRSS")


def _resident(what: str) -> int:
    """In bytes."""
    lines = _STATUS.read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(f"{what}:")))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_here(**json.loads(sys.argv[1]))) + "\n")
