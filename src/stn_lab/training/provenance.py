"""Where a number comes from: device, date, versions, commit."""

import datetime
import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

import spatial_transformer


def provenance(device: torch.device) -> dict[str, Any]:
    """What every result carries, ready for JSON."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "threads": torch.get_num_threads(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {
            "spatial_transformer": spatial_transformer.__version__,
            "torch": torch.__version__,
            "lightning": importlib.metadata.version("lightning"),
            "python": platform.python_version(),
        },
        "commit": _commit(),
    }


def _processor() -> str:
    """The processor's name where the system tells, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def _commit() -> str | None:
    """Of the checkout this file lies in; None when it was installed without one."""
    asked = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
