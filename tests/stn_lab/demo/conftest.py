"""Runs that look trained, made in a moment: networks with weights at random, and files as training leaves them."""

import csv
import functools
import importlib.util
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from stn_lab.models import saved
from stn_lab.models.build import build
from stn_lab.runs.experiment import Experiment
from stn_lab.runs.folder import RunFolder
from stn_lab.tasks.data import Data
from stn_lab.training.config import Budget

TOOL = Path(__file__).parents[3] / "tools" / "demo_load.py"
HOSTILE = ("<script>document.title='run'</script>", "</script><img src=x onerror=alert(1)>", "${alert(2)}")


def stir(network):
    """Transformers away from the identity, so that it matters what they are shown."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "regression" in name:
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return network.eval()


def write_run(path, data, label, **options):
    """The folder of a run with one model, and its network."""
    experiment = Experiment(data, Budget(), (label,), "affine", **options)
    folder = RunFolder.create(path, experiment, overwrite=False)
    task = data.task()
    torch.manual_seed(0)
    network = stir(build(experiment.spec(label), task.canvas, filters=48))
    folder.model(label).mkdir()
    saved.save(
        folder.model(label),
        network,
        experiment.spec(label),
        task.canvas,
        filters=48,
        classes=task.class_names,
        preprocessing=task.preprocessing,
    )
    folder.add_result(label, {"validation_error_percent": 50.0, "steps": 1})
    return path


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    """A table of 30 images in colour, 40 x 30 pixels, of three classes with names that a page must not believe."""
    root = tmp_path_factory.mktemp("photographs")
    random = np.random.default_rng(0)
    with (root / "list.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label"])
        for number in range(30):
            Image.fromarray(random.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(root / f"{number}.png")
            rows.writerow([f"{number}.png", HOSTILE[number % 3]])
    return root / "list.csv"


@pytest.fixture(scope="session")
def run(tmp_path_factory, photographs):
    """Call it with the name of a run; each is made once."""
    root = tmp_path_factory.mktemp("runs")

    @functools.cache
    def make(name):
        own = functools.partial(Data, str(photographs), size=32)
        data, label, options = {
            "digits": (Data("digits", "RTS"), "st-cnn", {}),
            "plain": (Data("digits", "R"), "cnn", {}),
            "looks": (Data("digits", "R"), "st-cnn:projective", {"looks": 2}),
            "colour": (own(), "st-resnet:attention", {"view": 12}),
            "grey": (own(channels=1), "st-resnet:tps", {}),
            "two": (own(), "st-resnet:attention", {"transformers": 2, "view": 16}),
        }[name]
        return write_run(root / name, data, label, **options)

    return make


@pytest.fixture(scope="session")
def bomb():
    """Call it with a width and a height: a PNG of a hundred bytes that says it has as many pixels, and has none."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def make(width, height):
        head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(b"")), chunk(b"IEND", b"")
        return b"\x89PNG\r\n\x1a\n" + b"".join(parts)

    return make


@pytest.fixture(scope="session")
def load_tool():
    """`tools/demo_load.py`, which starts a page and visits it."""
    spec = importlib.util.spec_from_file_location("demo_load", TOOL)
    sys.modules["demo_load"] = tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    yield tool
    del sys.modules["demo_load"]


@pytest.fixture(scope="session")
def served(run, load_tool):
    """The address of the page of the run in colour, one for all tests."""
    with load_tool.served(run("colour")) as (address, *_):
        yield address
