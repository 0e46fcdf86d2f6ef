"""A model as a folder to hand on."""

import json

import pytest
import torch

import stn_lab
from stn_lab.errors import UserError
from stn_lab.images.preprocessing import Preprocessing
from stn_lab.models import saved
from stn_lab.models.build import build
from stn_lab.models.saved import BuiltFor
from stn_lab.models.spec import ModelSpec

CLASSES = ("<script>alert(1)</script>", "a|b", "`c`\n---\n# d")
RESULT = {
    "error_percent": 12.5,
    "standard_error": 1.25,
    "test_images": 1600,
    "validation_error_percent": 9.0,
    "parameters": 64532,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run, canvas = tmp_path_factory.mktemp("runs") / "a: run", BuiltFor(1, (28, 28), 3, False)
    for label in ("fcn", "st-fcn:tps"):
        spec, folder = ModelSpec.parse(label, "affine"), run / label.replace(":", "-")
        folder.mkdir(parents=True)
        torch.manual_seed(0)
        network = build(spec, canvas, filters=32).eval()
        saved.save(folder, network, spec, canvas, filters=32, classes=CLASSES, preprocessing=Preprocessing((28, 28), 1))
    (run / "config.json").write_text("{}")
    (run / "results.json").write_text(
        json.dumps({"fcn": RESULT | {"validation_error_percent": 20}, "st-fcn:tps": RESULT})
    )
    return run


@pytest.fixture
def folder(run, tmp_path):
    stn_lab.save_pretrained(run, tmp_path / "to" / "hand on")
    return tmp_path / "to" / "hand on"


def test_what_is_read_answers_as_what_was_written(run, folder):
    image = torch.rand(2, 1, 28, 28)
    before, after = stn_lab.load(run, "st-fcn:tps"), stn_lab.from_pretrained(folder)
    assert torch.equal(before.network(image), after.network(image))
    assert (after.classes, after.preprocessing, after.spec) == (before.classes, before.preprocessing, before.spec)
    assert sorted(file.name for file in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]


def test_another_model_of_the_run(run, tmp_path):
    stn_lab.save_pretrained(run, tmp_path, "fcn")
    assert stn_lab.from_pretrained(tmp_path).spec["model"]["label"] == "fcn"


def test_the_card_says_what_was_measured_and_lets_no_name_out_of_its_place(folder):
    _, front, text = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    said = {name: json.loads(value) for name, value in (line.split(": ", 1) for line in front.splitlines())}
    ((model,), (result,)) = said["model-index"], said["model-index"][0]["results"]
    assert model["name"] == "st-fcn:tps"
    assert result["metrics"][0]["value"] == 0.875
    assert result["dataset"]["name"] == "a: run"
    assert "12.50 % ± 1.25 on 1,600 test images" in text
    assert "64,532" in text
    assert "<script>" not in text
    (line,) = [line for line in text.splitlines() if line.startswith("| classes")]
    assert line == ("| classes | &lt;script&gt;alert(1)&lt;/script&gt;, a&#124;b, &#96;c&#96; --- # d |")


def test_a_card_is_made_of_what_there_is(run, folder):
    """Results of earlier versions say less: a line about what is not known is left out."""
    assert "| training |" not in (folder / "README.md").read_text()
    assert "| transformation | tps |" in (folder / "README.md").read_text()


MISTAKES = {
    "no folder": (lambda f: f / "nowhere", "is not a folder"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "model.safetensors is missing"),
    "no config": (lambda f: (f / "config.json").unlink(), "config.json is missing"),
    "damaged weights": (lambda f: (f / "model.safetensors").write_bytes(b"x"), "model.safetensors is damaged"),
    "pickled weights": (lambda f: torch.save({}, f / "model.safetensors"), "model.safetensors is damaged"),
    "damaged config": (lambda f: (f / "config.json").write_text("{"), "config.json is damaged"),
    "another network": (
        lambda f: _edit(f, lambda c: c["model"].update(family="affine")),
        "of another model than config.json",
    ),
    "no such network": (lambda f: _edit(f, lambda c: c["model"].update(network="os.system")), "config.json is damaged"),
    "a later version": (lambda f: _edit(f, lambda c: c.update(format=99)), "has format 99; this version reads 1"),
}


def _edit(folder, change):
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(("damage", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(damage, message, folder):
    where = damage(folder)
    with pytest.raises(UserError, match=message):
        stn_lab.from_pretrained(where if message == "is not a folder" else folder)


def test_a_folder_that_cannot_be_written(run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        stn_lab.save_pretrained(run, tmp_path / "file")
