"""Networks of timm, through a stand-in: what is timm of it, and what is said when it does not give it."""

import sys
from types import SimpleNamespace

import pytest
import torch

from spatial_transformer import ParallelTransformers
from spatial_transformer.insertion import TransformedLayer
from stn_lab.errors import UserError
from stn_lab.models.build import build
from stn_lab.models.spec import ModelSpec

MEAN = (0.5, 0.25, 0.75)  # of the stand-in
CANVAS = SimpleNamespace(channels=3, size=(40, 40), classes=5, pool=False)


def network(label, *, weights="none", canvas=CANVAS, **options):
    return build(ModelSpec.parse(label, "affine", **options), canvas, filters=64, weights=weights)


def test_a_name_says_network_layer_and_family():
    spec = ModelSpec.parse("st-timm:resnet18.a1_in1k@layer2.0:tps", "affine", looks=2)
    assert (spec.network, spec.before, spec.family, spec.looks) == ("timm:resnet18.a1_in1k", "layer2.0", "tps", 2)
    assert ModelSpec.parse("timm:vit_tiny", "affine").family is None


@pytest.mark.parametrize(
    ("label", "options", "message"),
    [
        ("timm:", {}, "unknown model 'timm:'"),
        ("st-timm:", {}, "unknown model 'st-timm:'"),
        ("st-st-timm:resnet18", {}, "unknown model"),
        ("st-st-cnn", {}, "unknown model"),
        ("timm:resnet18:tps", {}, "no transformer to give a family to; write 'st-timm:resnet18:tps'"),
        ("timm:resnet18@layer1", {}, "no transformer"),
        ("st-timm:resnet18:warp", {}, "unknown family 'warp'"),
        ("st-timm:resnet18@layer1", {"transformers": 2}, "one transformer before its layer 'layer1'"),
    ],
)
def test_names_that_mean_nothing_are_refused(label, options, message):
    with pytest.raises(UserError, match=message):
        ModelSpec.parse(label, "affine", **options)


@pytest.mark.parametrize("label", ["timm:little.a1", "st-timm:little.a1:tps", "st-timm:little.a1@layer1"])
@pytest.mark.parametrize("channels", [1, 3])
def test_networks_take_images_and_begin_as_they_are_without_a_transformer(timm, label, channels):
    canvas = SimpleNamespace(channels=channels, size=(40, 40), classes=5, pool=False)
    images = torch.rand(2, channels, 40, 40)
    torch.manual_seed(0)
    plain = network("timm:little.a1", canvas=canvas)
    torch.manual_seed(0)
    made = network(label, canvas=canvas)
    assert timm.options[-1][-1] == {"in_chans": channels, "num_classes": 5}
    assert made.training
    torch.testing.assert_close(made(images), plain(images), atol=1e-5, rtol=1e-5)


def test_a_network_sees_images_normalised_as_it_was_trained(timm):
    made = network("timm:little.a1").classifier
    image = torch.tensor(MEAN)[:, None, None].expand(1, 3, 40, 40)
    torch.testing.assert_close(made(image), made.network(torch.zeros(1, 3, 40, 40)))
    grey = network("timm:little.a1", canvas=SimpleNamespace(channels=1, size=(40, 40), classes=5, pool=False))
    assert grey.classifier.mean.flatten().tolist() == [0.5]


def test_a_transformer_stands_before_the_layer_that_is_named(timm):
    made = network("st-timm:little.a1@layer1", looks=2)
    inserted = made.classifier.network.layer1
    assert isinstance(inserted, TransformedLayer)
    assert inserted.transformer.steps == 2
    with pytest.raises(UserError, match=r"no transformer can stand there.*'layer9' is not. Near to it: 'layer1'"):
        network("st-timm:little.a1@layer9")


def test_several_transformers_stand_side_by_side(timm):
    made = network("st-timm:little.a1", transformers=3)
    assert isinstance(made.transformer, ParallelTransformers)
    assert timm.options[-1][-1]["in_chans"] == 9
    assert made.classifier.mean.flatten().tolist() == [*MEAN] * 3
    assert made(torch.rand(2, 3, 40, 40)).shape == (2, 5)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [("none", (False, None)), ("pretrained", (True, None)), ("my.safetensors", (True, {"file": "my.safetensors"}))],
)
def test_weights_are_those_that_were_timm_for(timm, weights, expected):
    network("timm:little.a1", weights=weights)
    assert timm.options[-1][1:3] == expected


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("pretrained", r"the weights of 'little.a1' cannot be fetched \(no\s+route\).*--weights none"),
        ("my.safetensors", r"cannot be read from my.safetensors \(no\s+route\)"),
    ],
)
def test_weights_that_cannot_be_had_are_said_in_one_line(timm, weights, message):
    timm.error = OSError("no\n  route")
    with pytest.raises(UserError, match=message) as refused:
        network("timm:little.a1", weights=weights)
    assert "\n" not in str(refused.value)
    assert network("timm:little.a1", weights="none")


def test_unknown_networks_and_sizes_are_named_with_what_there_is(timm):
    with pytest.raises(UserError, match=r"timm has no network 'little'; it has little\.a1"):
        network("timm:little")
    canvas = SimpleNamespace(channels=3, size=(36, 36), classes=5, pool=False)
    with pytest.raises(UserError, match=r"36 x 36 pixels \(Input width must be a multiple of 8\).*--size 40"):
        network("timm:little.a1", canvas=canvas)


def test_without_timm_the_line_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UserError, match=r"pip install 'spatial-transformer\[timm\]'"):
        network("timm:little.a1")


def test_a_timm_that_does_not_go_with_this_pytorch_is_one_line(monkeypatch, tmp_path):
    (tmp_path / "timm.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    with pytest.raises(UserError, match="cannot be imported: operator torchvision::nms does not exist"):
        network("timm:little.a1")
