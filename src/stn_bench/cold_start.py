"""How long the first call takes, with and without kernels that were compiled before, in processes of their own."""

import json
import sys
import tempfile
import time
from dataclasses import dataclass

from .child import measure_in_child


@dataclass(frozen=True)
class FirstCall:
    """Seconds: to import the library, of the first warp, and of that and the first gradients together."""

    import_s: float
    forward_s: float
    both_s: float


def measure() -> dict[str, FirstCall]:
    """With an empty and with a warm cache of kernels."""
    with tempfile.TemporaryDirectory() as folder:
        caches = {"SPATIAL_TRANSFORMER_CACHE": folder, "TRITON_CACHE_DIR": folder}
        return {name: FirstCall(**measure_in_child("cold_start", [], caches)) for name in ("empty", "warm")}


def _here() -> dict[str, float]:
    start = time.perf_counter()
    import torch

    import spatial_transformer as st

    imported = time.perf_counter()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    image = torch.rand(16, 1, 28, 28, device=device, requires_grad=True)
    theta = st.Affine().identity(16, device=device).requires_grad_()
    start_of_call = time.perf_counter()
    output = st.warp(image, st.Affine(), theta)
    _finish(device)
    forward = time.perf_counter()
    output.sum().backward()
    _finish(device)
    both = time.perf_counter()
    return {
        "import_s": imported - start,
        "forward_s": forward - start_of_call,
        "both_s": both - start_of_call,
    }


def _finish(device: str) -> None:
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_here()) + "\n")
