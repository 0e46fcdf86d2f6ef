"""Every family as a file for production: how far off it is, and how fast: docs/deploy.md.

`python tools/export_table.py [NAME...]` exports a transformer of each family, 2D and 3D, with a fixed and with an open
batch, to `torch.export` and to ONNX, runs the files on other images, writes results/export/NAME.json, and the table of
the page from all of these. A family takes about a minute; those that have a file are left out, unless named. `--page`
only writes the table.
"""

import io
import json
import logging
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import spatial_transformer as st
from spatial_transformer import testing

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results" / "export"
PAGE = ROOT / "docs" / "deploy.md"
BEGIN, END = "<!-- table: written by `python tools/export_table.py` -->\n", "<!-- end of table -->\n"

SIZES = {2: (32, 32), 3: (12, 12, 12)}
BATCH, OTHER = 4, 3  # images that a file is made with, and where the batch is open, is run with
LARGEST = 1e-4  # difference that is accepted
FAMILIES: dict[str, Callable[[int], st.Family]] = {
    "Translation": st.Translation,
    "Attention": st.Attention,
    "Rigid": st.Rigid,
    "Similarity": st.Similarity,
    "Affine": st.Affine,
    "Projective": st.Projective,
    "PiecewiseAffine": lambda dims: st.PiecewiseAffine((3,) * dims),
    "ThinPlateSpline": lambda dims: st.ThinPlateSpline((3,) * dims),
    "BSpline": lambda dims: st.BSpline((3,) * dims),
    "Velocity": lambda dims: st.Velocity((3,) * dims, steps=3, resolution=(8,) * dims),
    "Displacement": lambda dims: st.Displacement((3,) * dims),
    "Structured": lambda dims: st.Structured(testing.random_image((5,) * dims, batch=1, channels=dims)[0]),
}


def transformer(name: str, dims: int) -> nn.Module:
    """One that has moved away from the identity."""
    torch.manual_seed(0)
    module = st.SpatialTransformer(st.ConvLocaliser(1, dims=dims, width=2), FAMILIES[name](dims)).eval()
    nn.init.normal_(module.regression.weight, std=0.02)
    nn.init.normal_(module.regression.bias, std=0.02)
    return module


@torch.no_grad()
def measure(name: str, dims: int) -> dict[str, Any]:
    module, row = transformer(name, dims), {"family": name, "dims": dims, "batch": BATCH}
    example, other = (testing.random_image(SIZES[dims], batch=n, channels=1, seed=n) for n in (BATCH, OTHER))
    for batch, images in (("fixed", example.flip(-1)), ("open", other)):
        open_ = {0: torch.export.Dim.DYNAMIC} if batch == "open" else {}
        program = torch.export.export(module, (example,), dynamic_shapes=(open_,))
        run = onnx(program)
        row[f"torch_{batch}"] = difference(program.module()(images), module(images))
        row[f"onnx_{batch}"] = difference(run(images), module(images))
    points = F.affine_grid(torch.eye(dims, dims + 1).repeat(OTHER, 1, 1), other.shape, align_corners=False)
    row["ms"] = {
        "onnxruntime": timed(lambda: run(other)),
        "eager": timed(lambda: module(other)),
        "grid_sample": timed(lambda: F.grid_sample(other, points, align_corners=False)),
    }
    return row


def onnx(program: Any) -> Callable[[Tensor], Tensor]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    content = io.BytesIO(torch.onnx.export(program, verbose=False).model_proto.SerializeToString()).getvalue()
    session = onnxruntime.InferenceSession(content, options)
    name = session.get_inputs()[0].name
    return lambda images: torch.from_numpy(session.run(None, {name: images.numpy()})[0])


def difference(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


def timed(call: Callable[[], Any]) -> float:
    """Milliseconds of the processor for an image: the median of 20 calls, after 3."""
    seconds = []
    for _ in range(23):
        begin = time.process_time()
        call()
        seconds.append(time.process_time() - begin)
    return round(1000 * statistics.median(seconds[3:]) / OTHER, 4)


def table(rows: list[dict[str, Any]]) -> str:
    head = [
        "family",
        "",
        "torch.export",
        "open batch",
        "ONNX",
        "open batch",
        "onnxruntime, ms",
        "eager, ms",
        "`grid_sample`, ms",
    ]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        off = [f"{row[key]:.1e}" for key in ("torch_fixed", "torch_open", "onnx_fixed", "onnx_open")]
        ms = [f"{row['ms'][key]:.3f}" for key in ("onnxruntime", "eager", "grid_sample")]
        lines.append("| " + " | ".join([row["family"], f"{row['dims']}D", *off, *ms]) + " |")
    machine = rows[0]["machine"]
    return "\n".join([*lines, "", f"{machine}.", ""])


def rows() -> list[dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in RESULTS.glob("*.json")]
    return sorted(found, key=lambda row: (row["dims"], [*FAMILIES].index(row["family"])))


def write_page() -> None:
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + table(rows()) + END + rest.split(END)[1])


def main() -> None:
    warnings.simplefilter("ignore")  # PyTorch's exporters, of themselves
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    RESULTS.mkdir(exist_ok=True)
    named = [name for name in sys.argv[1:] if name != "--page"]
    for dims in (2, 3):
        for name in FAMILIES:
            path = RESULTS / f"{name}-{dims}d.json"
            if "--page" in sys.argv or (path.stem not in named if named else path.exists()):
                continue
            row = measure(name, dims)
            row["machine"] = f"{_processor()}, 1 thread, torch {torch.__version__}, {time.strftime('%Y-%m-%d')}"
            path.write_text(json.dumps(row, indent=2) + "\n")
            sys.stdout.write(json.dumps(row) + "\n")
            sys.stdout.flush()
            write_page()
    write_page()


def _processor() -> str:
    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
