"""Many people at one page: `stn demo` under clients that all move sliders and bring images, for a minute.

python tools/demo_load.py runs/demo --output results/demo/load.json

Every answer is compared with what the same function says in this process. The page is a process of its own.
"""

import argparse
import json
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import torch
from gradio_client import Client, handle_file
from PIL import Image

from stn_lab.demo.changes import RANGES, Change
from stn_lab.demo.exhibit import Exhibit, exhibit
from stn_lab.demo.look import look
from stn_lab.demo.received import uploaded
from stn_lab.demo.view import scene
from stn_lab.files import write_json
from stn_lab.training.provenance import provenance

PATIENCE = 120  # seconds for an answer
CLOSE = 1e-4  # of probabilities: those of another process, with other threads beside it


class Served(NamedTuple):
    """A page: where it is, its process, and the file of what that complains about."""

    address: str
    process: subprocess.Popen[str]
    complaints: Path


@contextmanager
def served(run: Path, program: Sequence[str] = ("-m", "stn_lab.cli")) -> Iterator[Served]:
    """The page of a run in a process of its own.

    Args:
        run: its folder.
        program: what Python is to run, with the arguments of `stn`.
    """
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, *program, "demo", str(run), "--port", str(port)]
    with TemporaryDirectory() as folder, (Path(folder) / "complaints.txt").open("w") as complaints:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints, text=True)
        try:
            assert process.stdout is not None
            (address,) = re.findall(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
            yield Served(address, process, Path(complaints.name))
        finally:
            process.terminate()
            process.communicate(timeout=60)


class Visitor(threading.Thread):
    """One client, with choices of its own.

    Args:
        number: of the client.
        address: of the page.
        about: the same as the page's.
        files: images that it may bring.
        until: when it leaves, as `time.monotonic` counts.
        calls: how often it asks at most.
    """

    def __init__(
        self, number: int, address: str, about: Exhibit, files: list[Path], until: float, calls: int | None = None
    ) -> None:
        super().__init__(name=f"visitor {number}")
        self.random = random.Random(number)
        self.address, self.about, self.files, self.until, self.calls = address, about, files, until, calls
        self.seconds: list[float] = []  # that each answer took
        self.wrong: list[str] = []

    def run(self) -> None:
        """Bring an image, move the sliders three times, bring another, ..."""
        try:
            client = Client(self.address, verbose=False, download_files=False, httpx_kwargs={"timeout": PATIENCE})
            while time.monotonic() < self.until and (self.calls is None or len(self.seconds) < self.calls):
                path = self.random.choice(self.files)
                client.predict(handle_file(str(path)), api_name="/upload")
                for _ in range(3):
                    self._move(client, path)
        except Exception as error:  # a visitor that could not stay counts as one that was told wrong
            self.wrong.append(f"{type(error).__name__}: {error}")

    def _move(self, client: Client, path: Path) -> None:
        places = {name: self._place(*bounds) for name, bounds in RANGES.items()}
        begin = time.monotonic()
        shown, _, answer, *_ = client.predict(*places.values(), api_name="/look")
        self.seconds.append(time.monotonic() - begin)
        pixels, _ = uploaded(str(path), self.about.preprocessing)
        change = Change(**places | {"clutter": int(places["clutter"])})
        seen = look(self.about.subject, torch.from_numpy(pixels).float() / 255, change)
        chances = dict(zip(self.about.classes, seen.answer.chances.tolist(), strict=True))
        told = {each["label"]: each["confidence"] for each in answer["confidences"]}
        picture = re.search(r'href="([^"]+)"', scene(seen.image, seen.outlines)).group(1)  # type: ignore[union-attr]
        if picture not in shown or any(abs(chances[name] - share) > CLOSE for name, share in told.items()):
            self.wrong.append(f"{path.name} {places}: {told}, and not {chances}")

    def _place(self, low: float, high: float, _: float, step: float) -> float:
        return round(low + step * self.random.randint(0, round((high - low) / step)), 6)


def visit(address: str, about: Exhibit, clients: int, seconds: float, calls: int | None = None) -> list[Visitor]:
    """Have many clients at a page at the same time; returns them when they have left."""
    with TemporaryDirectory() as folder:
        files = _photographs(Path(folder), about)
        until = time.monotonic() + seconds
        visitors = [Visitor(number, address, about, files, until, calls) for number in range(clients)]
        for visitor in visitors:
            visitor.start()
        for visitor in visitors:
            visitor.join()
    return visitors


def _photographs(folder: Path, about: Exhibit) -> list[Path]:
    """Ten images as files, of other sizes than the model takes."""
    noise = np.random.default_rng(0)
    paths = [folder / f"{number}.png" for number in range(10)]
    for number, path in enumerate(paths):
        pixels = noise.integers(0, 256, (20 + number, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((about.preprocessing.size[1] * 2, 80), Image.Resampling.BICUBIC).save(path)
    return paths


def main() -> None:
    """Measure, print, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("run", type=Path)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    about = exhibit(options.run, None)
    with served(options.run) as (address, *_):
        visitors = visit(address, about, options.clients, options.seconds)
    each = np.array([took for visitor in visitors for took in visitor.seconds])
    wrong = [line for visitor in visitors for line in visitor.wrong]
    figures = {
        "clients": options.clients,
        "seconds": options.seconds,
        "answers": len(each),
        "wrong": len(wrong),
        "milliseconds_median": round(1000 * float(np.median(each)), 1),
        "milliseconds_99_percent": round(1000 * float(np.quantile(each, 0.99)), 1),
    }
    sys.stdout.write(json.dumps(figures, indent=2) + "\n" + "".join(f"wrong: {line}\n" for line in wrong[:5]))
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        write_json(options.output, figures | provenance(torch.device("cpu")))


if __name__ == "__main__":
    main()
