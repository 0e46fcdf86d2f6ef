"""What is told of transformers that collapse, once, and that nothing of the network is changed by it."""

import copy

import pytest
import torch
from torch import nn

import spatial_transformer as st
from stn_lab.runs import collapse
from stn_lab.runs.collapse import EVERY, CollapseWatch

PATIENCE = 3  # looks, instead of the many that a transformer is given to begin
IMAGES = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def network(transformer):
    return nn.Sequential(transformer, nn.BatchNorm2d(1), nn.Dropout(), nn.Flatten(), nn.LazyLinear(2))


def single():
    return network(st.SpatialTransformer(st.ConvLocaliser(1), st.Attention()))


def pair():
    family = st.Attention()
    both = st.ParallelTransformers(st.ConvLocaliser(1), family, st.tile_starts(family, (1, 2)))
    return nn.Sequential(both, nn.Flatten(), nn.LazyLinear(2))


@pytest.mark.parametrize(("make", "names"), [(single, ["0"]), (pair, ["0 1", "0 2"])])
def test_a_theta_that_ignores_the_image_is_told_once_for_each_transformer(make, names, capfd, monkeypatch):
    monkeypatch.setattr(collapse, "PATIENCE", PATIENCE)
    watch, net = CollapseWatch("st-cnn", IMAGES), make()
    for look in range(2 * PATIENCE):
        watch.look(look * EVERY, net)
    assert [(entry["transformer"], entry["step"]) for entry in watch.told] == [
        (n, (PATIENCE - 1) * EVERY) for n in names
    ]
    lines = capfd.readouterr().out.splitlines()
    assert [
        line.startswith(f"st-cnn: step 20, {n}: constant theta: theta") for n, line in zip(names, lines, strict=True)
    ]
    assert all(f"for {PATIENCE} looks" in line for line in lines)
    resumed = CollapseWatch("st-cnn", IMAGES)
    resumed.load_state_dict(watch.state_dict())
    for look in range(PATIENCE):
        resumed.look(look * EVERY, net)
    assert resumed.told == watch.told


@pytest.mark.parametrize(("make", "names"), [(single, ["0"]), (pair, ["0 1", "0 2"])])
def test_a_start_that_an_initialiser_has_overwritten_is_told_before_the_first_step(make, names):
    net = make()
    net(IMAGES)
    untouched, resumed, watch = (CollapseWatch("", IMAGES) for _ in range(3))
    untouched.look(0, net)
    torch.nn.init.constant_(
        next(p for name, p in net.named_parameters() if name.endswith("bias") and "regr" in name), 0.5
    )
    watch.look(0, net)
    resumed.look(EVERY, net)  # where training goes on, theta is anywhere
    assert untouched.told == resumed.told == []
    assert [(entry["transformer"], entry["text"].partition(":")[0]) for entry in watch.told] == [
        (name, "not the start") for name in names
    ]


class Brightness(nn.Module):
    out_features = 1

    def forward(self, images):
        return images.mean(dim=(1, 2, 3))[:, None]


@pytest.mark.parametrize(("length", "told"), [(16, ["ignores the image"]), (160, [])])
def test_pixels_are_those_of_the_images(length, told, monkeypatch):
    monkeypatch.setattr(collapse, "PATIENCE", PATIENCE)
    net = nn.Sequential(st.SpatialTransformer(Brightness(), st.Translation(), size=(4, 4)))
    with torch.no_grad():
        net[0].regression.weight[:, 0] = 0.01  # half-widths: a twelfth of a pixel of 16, eight tenths of one of 160
    watch = CollapseWatch("", torch.tensor([-1.0, 1.0])[:, None, None, None].expand(2, 1, length, length))
    for look in range(1, 1 + PATIENCE):
        watch.look(look * EVERY, net)
    assert [entry["text"].partition(":")[0] for entry in watch.told] == told


def test_looking_changes_nothing_of_the_network_and_draws_no_numbers():
    net = single()
    net(IMAGES)  # gives the lazy layer its shape
    before, state = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    CollapseWatch("", IMAGES).look(0, net)
    assert net.training
    assert all(module.training for module in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_a_network_without_a_transformer_is_not_run():
    def fail(*_):
        raise AssertionError("it was run")

    net = nn.Linear(2, 2)
    net.forward = fail
    CollapseWatch("", IMAGES).look(0, net)
