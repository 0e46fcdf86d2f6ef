"""Runs that nobody trained: a network whose transformers look where a test says."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from spatial_transformer import ParallelTransformers
from stn_lab.cli import main
from stn_lab.images import Preprocessing
from stn_lab.models import saved
from stn_lab.models.build import build
from stn_lab.models.spec import ModelSpec
from stn_lab.tasks.own_images import ImageCanvas

CLASSES = ("<script>alert(1)", "=1+1", "café")
WINDOW = (0.5, 0.25, -0.5)  # attention: half as large, right of the middle and above it


@pytest.fixture
def stn(capfd):
    """Call it with arguments of `stn`: exit code, what it printed, and what it complained of."""

    def call(*arguments):
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        return code, *capfd.readouterr()

    return call


def make_run(path, *labels, theta=WINDOW, channels=3, size=(32, 32), **spec):
    """A run whose models all look at `theta`, whatever they see; None leaves the identity."""
    path.mkdir(parents=True)
    preprocessing = Preprocessing(size, channels)
    canvas = ImageCanvas(channels, size, len(CLASSES))
    results = {}
    for number, label in enumerate(labels):
        torch.manual_seed(number)
        model = ModelSpec.parse(label, "attention", **spec)
        network = build(model, canvas, filters=48)
        if network.transformer is not None and theta is not None:
            look_at(network.transformer, torch.tensor(theta))
        folder = path / label.replace(":", "-")
        folder.mkdir()
        saved.save(folder, network, model, canvas, filters=48, classes=CLASSES, preprocessing=preprocessing)
        results[label] = {"validation_error_percent": number, "error_percent": number, "steps": 1}
    (path / "config.json").write_text("{}")
    (path / "results.json").write_text(json.dumps(results))
    return path


def look_at(transformer, theta):
    several = isinstance(transformer, ParallelTransformers)
    regressions = transformer.regressions if several else [transformer.regression]
    with torch.no_grad():
        for regression, wanted in zip(regressions, theta.view(len(regressions), -1), strict=True):
            regression.bias.copy_((wanted - regression.start.flatten()).to(regression.bias))


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "own", "resnet", "st-resnet")


def picture(path, size=(64, 32), seed=0, mode="RGB", **options):
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise).convert(mode).save(path, **options)
    return path


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Nine pictures and four files that are none."""
    root = tmp_path_factory.mktemp("pictures")
    for number in range(9):
        picture(root / ("a" if number % 2 else "b\nc") / f"{number}.png", seed=number)
    whole = picture(root / "d" / "short.png").read_bytes()
    (root / "d" / "short.png").write_bytes(whole[: len(whole) // 2])
    (root / "d" / "text.jpg").write_text("no picture")
    (root / "d" / "empty.gif").write_bytes(b"")
    (root / "d" / "phone.heic").write_bytes(b"ftypheic")
    (root / "d" / "notes.txt").write_text("passed over without a word")
    return root
