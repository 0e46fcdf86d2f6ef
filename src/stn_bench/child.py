"""Measurements that need a process of their own: memory, and the first call."""

import json
import os
import subprocess
import sys
from typing import Any

from stn_lab.errors import UserError

LIMIT = 600  # seconds


def measure_in_child(module: str, arguments: Any, environment: dict[str, str] | None = None) -> Any:
    """Run `python -m stn_bench.MODULE ARGUMENTS` and read the last line that it prints; both are JSON.

    Raises:
        UserError: it failed; says with what last words.
    """
    command = [sys.executable, "-m", f"{__package__}.{module}", json.dumps(arguments)]
    # The child must find the same packages, however this process found them.
    paths = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
        env=os.environ | paths | (environment or {}),
    )
    if done.returncode:
        words = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise UserError(f"{module} of {json.dumps(arguments)} failed: {words[-1]}")
    return json.loads(done.stdout.splitlines()[-1])
