"""`stn export`: the files answer as the network does, also to programs that do not have this package."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

import stn_lab
from stn_lab import exporting
from stn_lab.cli import main
from stn_lab.images.preprocessing import Preprocessing
from stn_lab.models import saved
from stn_lab.models.build import build
from stn_lab.models.saved import BuiltFor
from stn_lab.models.spec import ModelSpec

EXAMPLES = Path(__file__).parents[3] / "examples"
CLASSES = ("<script>", "café", "3")


def stn(*arguments):
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return stop.code
    return 0


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """As `stn train` leaves it, but for the training."""
    run, canvas = tmp_path_factory.mktemp("run"), BuiltFor(1, (28, 28), 3, False)
    for label in ("fcn", "st-fcn"):
        torch.manual_seed(0)
        spec = ModelSpec.parse(label, "affine")
        network = build(spec, canvas, filters=32).eval()
        if network.transformer is not None:  # one that has moved
            torch.nn.init.normal_(network.transformer.regression.bias, std=0.2)
        folder = run / label
        folder.mkdir()
        preprocessing = Preprocessing((28, 28), 1)
        saved.save(folder, network, spec, canvas, filters=32, classes=CLASSES, preprocessing=preprocessing)
        images = np.random.default_rng(0).integers(0, 255, (5, 28, 28)).astype(np.float32) / 255
        np.savez(folder / "pictures.npz", images=images)
    (run / "config.json").write_text("{}")
    results = {"fcn": {"validation_error_percent": 2.0}, "st-fcn": {"validation_error_percent": 1.0}}
    (run / "results.json").write_text(json.dumps(results))
    return run


@pytest.fixture(scope="module", params=["onnx", "torch"])
def exported(request, run, tmp_path_factory):
    """A file with an open batch, and what was said of it."""
    path = tmp_path_factory.mktemp("out") / {"onnx": "model.onnx", "torch": "model.pt2"}[request.param]
    with pytest.MonkeyPatch.context() as patch:
        said = []
        patch.setattr(sys.stdout, "write", said.append)
        assert stn("export", run, "--format", request.param, "--dynamic", "batch", "--output", path) == 0
    return path, "".join(said)


def test_what_is_said(exported):
    path, said = exported
    assert re.search(r"st-fcn, \d+\.\d MB\. On 6 images of the run logits differ by \d\.\de-\d\d at most", said)
    assert said.count(" ms") == 2
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_an_example_runs_it_without_this_package(exported, run, tmp_path):
    path, _ = exported
    script = EXAMPLES / {".onnx": "run_onnx.py", ".pt2": "run_torch.py"}[path.suffix]
    assert len([line for line in script.read_text().splitlines() if line]) <= 20
    with np.load(run / "st-fcn" / "pictures.npz") as arrays:
        pixels = (arrays["images"][0] * 255).round().astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "one.png")
    program = (
        "import runpy, sys; script, *sys.argv[1:] = sys.argv[1:]; runpy.run_path(script)\n"
        "print(*[name for name in sys.modules if name.startswith(('spatial_transformer', 'stn_'))])"
    )
    command = [sys.executable, "-c", program, script, path, tmp_path / "one.png"]
    answer, ours = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    model = stn_lab.load(run)
    chances = model.network(torch.tensor(pixels)[None, None] / 255).softmax(dim=1)[0]
    assert answer == f"{CLASSES[chances.argmax()]} {chances.max():.4f}"
    assert not ours


def test_the_file_knows_its_classes_and_how_images_are_fitted_in(exported):
    path, _ = exported
    if path.suffix == ".onnx":  # of the other, the example above shows it
        about = {one.key: json.loads(one.value) for one in onnx.load(path).metadata_props}
        assert about["classes"] == list(CLASSES)
        assert Preprocessing(**about["preprocessing"]) == Preprocessing((28, 28), 1)


@pytest.fixture
def echo(monkeypatch):
    """No exporter: the file holds nothing, and what runs it answers with `answer(logits)`."""

    def install(answer):
        model = {}

        def exported(trained, *rest):
            model["network"] = trained.network
            return b"file"

        monkeypatch.setattr(exporting, "_exported", exported)
        monkeypatch.setattr(exporting, "_run_onnx", lambda path: lambda images: answer(model["network"](images)))

    return install


def test_a_file_that_answers_otherwise_is_not_kept(run, echo, tmp_path, capsys):
    for wrong in (lambda logits: logits + 2e-4, lambda logits: logits * float("nan")):
        echo(wrong)
        assert stn("export", run, "--output", tmp_path / "model.onnx") == 2
        assert "answers otherwise" in capsys.readouterr().err
        assert not [*tmp_path.iterdir()]


def test_what_was_there_stays_when_an_export_fails(run, monkeypatch, tmp_path, capsys):
    (tmp_path / "model.onnx").write_bytes(b"good")
    monkeypatch.setattr(torch.export, "export", lambda *a, **b: 1 / 0)
    assert stn("export", run, "--output", tmp_path / "model.onnx") == 2
    assert capsys.readouterr().err == "stn: PyTorch cannot export this network to onnx: division by zero\n"
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"good"]


def test_a_named_model_goes_into_the_run_s_folder(run, echo, capsys):
    echo(lambda logits: logits)
    assert stn("export", run, "--model", "fcn") == 0
    assert "fcn.onnx: fcn," in capsys.readouterr().out
    (run / "fcn.onnx").unlink()


MISTAKES = {
    "no run": (["nowhere"], "nowhere is not the folder of a run"),
    "the old exporter": (["RUN", "--format", "torchscript"], "by way of TorchScript are deprecated; the one by way of"),
    "format": (["RUN", "--format", "tflite"], "--format must be onnx or torch; got 'tflite'"),
    "dynamic": (
        ["RUN", "--dynamic", "batch,width"],
        "--dynamic knows batch and size, with a comma between; got 'width'",
    ),
    "model": (["RUN", "--model", "cnn"], "has no trained model 'cnn'; it has fcn, st-fcn"),
    "folder": (["RUN", "--output", "no/where.onnx"], "cannot be written: name a file, in a folder that exists"),
    "size": (["RUN", "--model", "fcn", "--dynamic", "size"], "takes images of 28 x 28 pixels only; leave out size"),
}


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_one_line(arguments, message, run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert stn("export", *[run if one == "RUN" else one for one in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("content", [None, b"damaged"])
def test_a_run_without_images(content, run, tmp_path, capsys):
    kept = (run / "fcn" / "pictures.npz").read_bytes()
    (run / "fcn" / "pictures.npz").unlink() if content is None else (run / "fcn" / "pictures.npz").write_bytes(content)
    assert stn("export", run, "--model", "fcn", "--output", tmp_path / "model.onnx") == 2
    (run / "fcn" / "pictures.npz").write_bytes(kept)
    assert "has no images to try the file on" in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


def test_images_of_another_size(run, tmp_path):
    model = stn_lab.load(run)
    np.savez(tmp_path / "pictures.npz", images=np.zeros((2, 30, 28), np.float32))
    with pytest.raises(exporting.UserError, match=r"holds images of \(1, 30, 28\), the model takes \(1, 28, 28\)"):
        exporting.images_of(tmp_path, model)
