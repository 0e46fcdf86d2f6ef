"""A saved model is read as it was written, or refused in one line."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

import stn_lab
from stn_lab.cli import main
from stn_lab.errors import UserError
from stn_lab.images import Preprocessing
from stn_lab.models import saved
from stn_lab.models.build import build
from stn_lab.models.spec import ModelSpec

README = Path(__file__).parents[3] / "README.md"
CANVAS = SimpleNamespace(channels=3, size=(32, 40), classes=3, pool=False)
LABELS = ["cnn", "fcn", "resnet", "st-cnn:tps", "st-fcn:projective", "st-resnet:attention", "st-cnn:velocity"]


def write(folder, label="st-resnet:attention", **changes):
    torch.manual_seed(0)
    spec = ModelSpec.parse(label, "affine")
    network = build(spec, CANVAS, filters=64)
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.to(memory_format=torch.channels_last)  # as training leaves them
    classes, preprocessing = ("é", "<b>", "7"), Preprocessing((32, 40), fit="squeeze")
    saved.save(folder, network, spec, CANVAS, filters=64, classes=classes, preprocessing=preprocessing)
    if changes:
        spec = json.loads((folder / saved.SPEC).read_text())
        (folder / saved.SPEC).write_text(json.dumps(spec | changes))
    return network.eval()


@pytest.mark.parametrize("label", LABELS)
def test_a_model_is_read_as_it_was_written(tmp_path, label):
    network = write(tmp_path, label)
    model = saved.load(tmp_path)
    images = torch.rand(2, 3, 32, 40)
    weights = network.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in model.network.state_dict().items())
    torch.testing.assert_close(model.network(images), network(images), atol=1e-5, rtol=1e-5)
    assert not model.network.training
    assert model.classes == ("é", "<b>", "7")
    assert model.preprocessing == Preprocessing((32, 40), fit="squeeze")
    assert {path.name for path in tmp_path.iterdir()} == {saved.SPEC, saved.WEIGHTS}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "format 2; this version reads 1"),
        ({"canvas": {}}, "spec.json is damaged"),
        ({"classes": None}, "spec.json is damaged"),
        ({"classes": ["a"]}, "classes: the network is built for 3, the rest of the file says 1"),
        (
            {"canvas": {"channels": 3, "size": [10**6, 10**6], "classes": 3, "pool": False}},
            r"built for \(1000000, 10000",
        ),
        (
            {"canvas": {"channels": 1, "size": [32, 40], "classes": 3, "pool": False}},
            "channels: the network is built for 1",
        ),
        ({"model": {"label": "x"}}, "spec.json is damaged"),
        ({"model": {"label": "x", "network": "vgg", "family": None}}, "spec.json is damaged"),
        ({"model": {"label": "cnn", "network": "cnn", "family": None}}, "weights of another model"),
    ],
)
def test_a_description_that_cannot_be_followed_is_named(tmp_path, changes, message):
    write(tmp_path, **changes)
    with pytest.raises(UserError, match=message):
        saved.load(tmp_path)


@pytest.mark.parametrize("name", [saved.SPEC, saved.WEIGHTS])
@pytest.mark.parametrize("content", [None, b"", b"\xff\x00 damaged"])
def test_a_file_that_is_missing_or_damaged_is_named(tmp_path, name, content):
    write(tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name} is {'missing' if content is None else 'damaged'}"):
        saved.load(tmp_path)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """runs/demo, of two models that have learnt nothing much."""
    runs = tmp_path_factory.mktemp("somewhere") / "runs"
    flags = ["--steps", "4", "--batch-size", "8", "--filters", "16", "--validations", "1", "--distortion", "R"]
    main(["train", *flags, "--compare", "cnn,st-cnn", "--runs", str(runs), "--name", "demo"])
    return runs / "demo"


def test_a_run_gives_the_model_that_is_best_in_validation_or_the_one_that_is_named(run):
    results = json.loads((run / "results.json").read_text())
    errors = {label: result["validation_error_percent"] for label, result in results.items()}
    assert stn_lab.load(run).spec["model"]["label"] == min(errors, key=errors.get)
    model = stn_lab.load(str(run), "st-cnn")
    assert model.classes == tuple("0123456789")
    checkpoint = torch.load(run / "st-cnn" / "best.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(value, checkpoint[name]) for name, value in model.network.state_dict().items())


def test_the_example_of_the_readme_runs(run, monkeypatch):
    monkeypatch.chdir(run.parent.parent)
    Image.new("RGBA", (60, 33), (255, 0, 0, 128)).save("seven.png")
    _, code = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    names = {}
    exec(code, names)
    assert names["answer"] in "0123456789"


def test_results_that_are_damaged_do_not_matter_to_one_that_is_not(run):
    results = json.loads((run / "results.json").read_text())
    (run / "results.json").write_text(json.dumps({"a": 3, "b": {}, **results}))
    try:
        assert stn_lab.load(run).spec["model"]["label"] in results
    finally:
        (run / "results.json").write_text(json.dumps(results))


def test_a_model_that_there_is_not_is_named_with_those_that_there_are(run, tmp_path):
    with pytest.raises(UserError, match="has no trained model 'fcn'; it has cnn, st-cnn"):
        stn_lab.load(run, "fcn")
    with pytest.raises(UserError, match="not the folder of a run"):
        stn_lab.load(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="is trained yet; `stn train --resume`"):
        stn_lab.load(tmp_path)
