from types import SimpleNamespace

import pytest
import torch
from torch import nn

import spatial_transformer as st
from stn_lab.digits.distortions import DISTORTIONS
from stn_lab.errors import UserError
from stn_lab.models.build import FAMILIES, build, count_parameters
from stn_lab.models.spec import ModelSpec

LABELS = ["fcn", "cnn", "st-fcn", "st-cnn", "st-cnn:tps", "st-fcn:projective"]


def network(label, distortion="R", filters=64):
    return build(ModelSpec.parse(label, "affine"), DISTORTIONS[distortion], filters=filters)


@pytest.mark.parametrize("distortion", DISTORTIONS)
def test_networks_of_an_experiment_have_the_same_number_of_parameters(distortion):
    counts = [count_parameters(network(label, distortion)) for label in LABELS]
    assert max(counts) <= 1.02 * min(counts)


@pytest.mark.parametrize("distortion", DISTORTIONS)
@pytest.mark.parametrize("label", LABELS)
def test_images_become_ten_logits(label, distortion):
    side = DISTORTIONS[distortion].side
    assert network(label, distortion)(torch.rand(2, 1, side, side)).shape == (2, 10)


def weights(module):
    return [tuple(layer.weight.shape) for layer in module.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]


def test_cnn_is_the_paper_s():
    assert weights(network("cnn")) == [(64, 1, 9, 9), (64, 64, 7, 7), (10, 64 * 2 * 2)]


def test_fcn_is_the_paper_s():
    units = weights(network("fcn"))[0][0]
    assert weights(network("fcn")) == [(units, 784), (units, units), (10, units)]


def test_rts_networks_with_a_transformer_pool_its_output_and_round_up():
    model = network("st-cnn", "RTS")
    assert isinstance(model.pool, nn.AvgPool2d)
    first, second, last = weights(model.classifier)
    assert (first[2:], second[2:]) == ((9, 9), (7, 7))
    assert last == (10, second[0])  # 42 -> 21 -> 13 -> 7 -> 1 -> 1
    assert isinstance(network("cnn", "RTS").pool, nn.Identity)
    assert isinstance(network("st-cnn", "R").pool, nn.Identity)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_starts_as_the_identity(family):
    model = build(ModelSpec.parse("st-cnn", family), DISTORTIONS["R"], filters=32)
    images = torch.rand(3, 1, 28, 28)
    torch.testing.assert_close(model.transformer(images), images, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("name", "family"), [*(("st-resnet", f) for f in FAMILIES), ("st-cnn", "tps"), ("st-fcn", "rigid")]
)
def test_several_transformers_stand_side_by_side_in_a_network_as_large(name, family):
    canvas = SimpleNamespace(channels=1, size=(40, 44), classes=5, pool=False)
    model = build(ModelSpec.parse(f"{name}:{family}", "affine", transformers=2), canvas, filters=96)
    images = torch.rand(2, 1, 40, 44)
    assert model.transformer.theta(images).shape[:2] == (2, 2)
    assert model(images).shape == (2, 5)
    plain = build(ModelSpec.parse(name.removeprefix("st-").replace("fcn", "cnn"), "affine"), canvas, filters=96)
    assert count_parameters(model) == pytest.approx(count_parameters(plain), rel=0.08)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("vgg", "unknown model 'vgg'; choose from fcn, cnn, resnet, st-fcn, st-cnn, st-resnet"),
        ("st-cnn:warp", "unknown family 'warp' of 'st-cnn:warp'; choose from translation"),
        ("cnn:tps", "'cnn:tps' has no transformer.*write 'st-cnn:tps'"),
    ],
)
def test_unknown_models_are_named(label, message):
    with pytest.raises(UserError, match=message):
        ModelSpec.parse(label, "affine")


def test_a_measure_that_cannot_be_matched_is_refused():
    with pytest.raises(UserError, match=r"st-fcn cannot match.*take more filters"):
        network("st-fcn", "R", filters=8)


@pytest.mark.parametrize("distortion", ["R", "TC"])
def test_a_crop_is_handed_over_as_it_is(distortion):
    scene = DISTORTIONS[distortion]
    model = build(ModelSpec("st-fcn", "fcn", "affine", crop=20), scene, filters=64)
    assert model.transformer.size == (20, 20)
    assert isinstance(model.pool, nn.Identity)
    assert model(torch.rand(2, 1, scene.side, scene.side)).shape == (2, 10)


def test_a_halved_localisation_network_has_a_quarter_of_the_weights_and_the_rest_goes_to_the_classifier():
    plain, halved = (
        build(ModelSpec("st-fcn", "fcn", "affine", halved=halved), DISTORTIONS["RTS"], filters=64)
        for halved in (False, True)
    )
    first = [weights(model.transformer.localiser)[0] for model in (plain, halved)]
    assert first == [(32, 42 * 42), (32, 21 * 21)]
    assert count_parameters(halved) == pytest.approx(count_parameters(plain), rel=0.02)
    assert halved.classifier[-1].in_features > plain.classifier[-1].in_features


@pytest.mark.parametrize("size", [(20, 31), (48, 64), (96, 96)])
@pytest.mark.parametrize("family", [None, "affine", "tps"])
def test_residual_networks_take_images_of_any_size_and_are_as_large_as_each_other(size, family):
    canvas = SimpleNamespace(channels=3, size=size, classes=7, pool=False)
    label = "resnet" if family is None else f"st-resnet:{family}"
    network = build(ModelSpec.parse(label, "affine"), canvas, filters=64)
    plain = build(ModelSpec("resnet", "resnet", None), canvas, filters=64)
    images = torch.rand(2, 3, *size)
    assert network(images).shape == (2, 7)
    assert count_parameters(network) == pytest.approx(count_parameters(plain), rel=0.08)
    if network.transformer is not None:
        torch.testing.assert_close(network.transformer(images), images, atol=1e-6, rtol=0)


@pytest.mark.parametrize("label", ["cnn", "fcn", "st-cnn", "st-fcn:tps"])
def test_the_paper_s_networks_take_images_that_are_not_square_but_none_below_28_pixels(label):
    canvas = SimpleNamespace(channels=3, size=(32, 49), classes=5, pool=False)
    spec = ModelSpec.parse(label, "affine")
    assert build(spec, canvas, filters=64)(torch.rand(2, 3, 32, 49)).shape == (2, 5)
    canvas.size = (27, 49)
    with pytest.raises(UserError, match="28 pixels or more along each side, these have 27 x 49"):
        build(spec, canvas, filters=64)


def test_a_view_is_what_the_network_behind_the_transformer_sees():
    for label in ("st-fcn", "st-resnet"):
        network = build(ModelSpec.parse(label, "affine", view=12), DISTORTIONS["R"], filters=32)
        assert network.transformer(torch.rand(2, 1, 28, 28)).shape == (2, 1, 12, 12)
        assert network(torch.rand(2, 1, 28, 28)).shape == (2, 10)


@pytest.mark.parametrize("label", ["st-cnn", "st-fcn"])
def test_the_papers_networks_may_look_by_keypoints(label):
    paper, keypoints = (
        build(ModelSpec.parse(label, "affine", localiser=localiser), DISTORTIONS["R"], filters=32)
        for localiser in ("paper", "keypoints")
    )
    assert not isinstance(paper.transformer.localiser, st.KeypointLocaliser)
    assert isinstance(keypoints.transformer.localiser, st.KeypointLocaliser)
    assert count_parameters(keypoints) == pytest.approx(count_parameters(paper), rel=0.1)


def test_a_view_too_small_for_the_papers_convolutions_is_refused():
    with pytest.raises(UserError, match=r"st-cnn needs a view of 21 pixels or more; got --view 20"):
        build(ModelSpec.parse("st-cnn", "affine", view=20), DISTORTIONS["R"], filters=32)
