"""A model as a folder to hand on."""

import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn

import spatial_transformer as st
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


def test_the_code_of_the_page_runs(run, tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "demo").symlink_to(run)
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(block, names)
    assert names["model"].classes == CLASSES
    images = torch.rand(2, 3, 16, 16)
    assert torch.equal(names["same"](images), names["trained"].eval()(images))


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


class Net(nn.Module):
    """A person's own, with a transformer inside, two names for one weight, and a buffer."""

    def __init__(self, family=None, classes=3):
        super().__init__()
        self.front = st.SpatialTransformer(st.ConvLocaliser(1, width=2), st.Rigid() if family is None else family)
        self.norm = nn.BatchNorm2d(1)
        self.head = nn.Linear(64, classes)
        self.twin = self.head

    def forward(self, images):
        return self.twin(self.norm(self.front(images)).flatten(1))


@pytest.fixture
def own(tmp_path):
    torch.manual_seed(0)
    net = Net()
    nn.init.normal_(net.front.regression.bias, std=0.1)
    net(torch.rand(4, 1, 8, 8))  # which counts in the buffers
    stn_lab.save_pretrained(net, tmp_path / "own" / "net")
    return net.eval(), tmp_path / "own" / "net"


def test_weights_of_a_module_go_into_one_that_is_built_alike(own):
    net, folder = own
    assert sorted(file.name for file in folder.iterdir()) == ["config.json", "model.safetensors"]
    other = Net()
    assert stn_lab.from_pretrained(folder, other) is other
    images = torch.rand(2, 1, 8, 8)
    assert torch.equal(other(images), net(images))
    assert other.twin.weight is other.head.weight


OTHERS = {
    "none": (
        lambda: None,
        r"the weights of a module, Net; build one and hand it over: from_pretrained\(folder, module",
    ),
    "layer": (lambda: Net(classes=4), r"head.weight is \(3, 64\) in the file and \(4, 64\) in the module"),
    "more": (lambda: nn.Sequential(Net()), "the file has no 0.front"),
    "less": (nn.Identity, "the module has no front"),
    "family": (lambda: Net(st.Attention()), r"its transformers are .*Rigid.*, those of the module .*Attention"),
}


@pytest.mark.parametrize(("make", "message"), OTHERS.values(), ids=OTHERS)
def test_another_module_is_refused_and_stays_as_it_is(make, message, own):
    other = make()
    before = {} if other is None else {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(UserError, match=message):
        stn_lab.from_pretrained(own[1], other)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in before.items())


def test_a_module_without_values_leaves_nothing(tmp_path):
    for module in (nn.LazyLinear(3), nn.Linear(2, 2, device="meta")):
        with pytest.raises(UserError, match="weight has no values yet"):
            stn_lab.save_pretrained(module, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize("name", ["no weights", "damaged weights", "pickled weights", "damaged config"])
def test_mistakes_of_a_module_s_folder(name, own):
    damage, message = MISTAKES[name]
    damage(own[1])
    with pytest.raises(UserError, match=message):
        stn_lab.from_pretrained(own[1], Net())
