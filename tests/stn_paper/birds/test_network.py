import functools
import sys
import types

import pytest
import torch
from torch import nn

from spatial_transformer import parameter_groups
from stn_lab.errors import UserError
from stn_paper.birds import backbones
from stn_paper.birds.backbones import Inception, SmallBackbone, photograph_backbone
from stn_paper.birds.network import PartClassifier, as_costly, multiply_adds

TILES = {None: [], (1, 2): [(-0.5, 0.0), (0.5, 0.0)], (2, 2): [(-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5)]}


def classifier(tiles, side=32, width=4):
    torch.manual_seed(0)
    return PartClassifier(functools.partial(SmallBackbone, width, 3), side, 7, tiles=tiles, crop=16)


@pytest.mark.parametrize("tiles", TILES)
@pytest.mark.parametrize("side", [16, 32])
def test_images_become_logits(tiles, side):
    assert classifier(tiles, side)(torch.rand(2, 3, side, side)).shape == (2, 7)


@pytest.mark.parametrize("tiles", [(1, 2), (2, 2)])
def test_windows_start_as_tiles_and_show_pixels_as_they_are(tiles):
    images = torch.rand(2, 3, 32, 32)
    crops, theta = classifier(tiles).transformer(images, return_theta=True)
    assert theta[0, :, 1:].tolist() == pytest.approx(torch.tensor(TILES[tiles]))
    if tiles == (2, 2):
        torch.testing.assert_close(crops[:, 1], images[:, :, :16, 16:])


def test_windows_move_and_keep_their_size():
    network = classifier((1, 2))
    optimiser = torch.optim.SGD(network.parameters(), lr=1.0)
    images = torch.rand(8, 3, 32, 32)
    for _ in range(3):
        nn.functional.cross_entropy(network(images), torch.arange(8) % 7).backward()
        optimiser.step()
    theta = network.eval().transformer.theta(images)
    assert torch.equal(theta[..., 0], torch.full((8, 2), 0.5))
    assert (theta[..., 1:] - torch.tensor(TILES[1, 2])).abs().max() > 0.01


def test_one_localiser_for_all_and_a_stream_for_each():
    network = classifier((2, 2))
    assert len(network.transformer.localisers) == 1
    assert len(network.streams) == 4
    assert len({id(p) for stream in network.streams for p in stream.parameters()}) == 4 * len(
        list(network.streams[0].parameters())
    )
    assert network.head[1].in_features == 4 * 16
    slow, fast = (group["params"] for group in reversed(parameter_groups(network, lr=1.0)))
    assert len(slow) + len(fast) == len(list(network.parameters()))


@pytest.mark.parametrize(("tiles", "count"), [(None, 1), ((1, 2), 3)])
def test_all_backbones_begin_with_what_one_has_learnt(tiles, count):
    network, learnt = classifier(tiles), SmallBackbone(4, 3)
    nn.init.constant_(learnt[0].weight, 0.123)
    network.start_from(learnt)
    first = [m[0].weight for m in network.modules() if isinstance(m, SmallBackbone)]
    assert len(first) == count
    assert all((weight == 0.123).all() for weight in first)
    assert len({id(weight) for weight in first}) == count


def test_every_stream_has_a_say():
    network = classifier((1, 2)).eval()
    images = torch.rand(2, 3, 32, 32)
    images.requires_grad_()
    network(images).sum().backward()
    assert images.grad[..., :16].abs().sum() > 0
    assert images.grad[..., 16:].abs().sum() > 0


def test_a_small_backbone_halves_and_counts():
    assert SmallBackbone(4, 5)(torch.rand(2, 3, 64, 64)).shape == (2, 16, 2, 2)
    network = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.Flatten(), nn.Linear(5 * 64, 2))
    assert multiply_adds(network, 8) == 64 * 3 * 5 * 9 + 5 * 64 * 2


def test_a_network_is_made_as_costly_as_another():
    target = multiply_adds(classifier((1, 2)), 32)
    network = as_costly(lambda width: classifier(None, width=width), target, 32)
    assert multiply_adds(network, 32) == pytest.approx(target, rel=0.15)


class Body(nn.Module):
    """What timm makes, with as much of it as is used here."""

    num_features = 6
    pretrained_cfg = types.MappingProxyType({"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)})

    def forward(self, x):
        return x.repeat(1, 2, 1, 1)


@pytest.fixture
def timm(monkeypatch):
    """A stand-in for timm, which is no dependency of the tests; notes what it was asked for."""
    module, asked = types.ModuleType("timm"), []

    def create_model(name, **options):
        asked.append((name, options))
        return Body()

    module.create_model, module.asked = create_model, asked
    monkeypatch.setitem(sys.modules, "timm", module)
    monkeypatch.setattr(backbones, "find_spec", lambda name: module if name == "timm" else None)
    return module


def test_with_timm_the_backbone_is_its_inception_on_normalised_images(timm):
    backbone = photograph_backbone(8)
    assert isinstance(backbone, Inception)
    assert timm.asked == [("inception_v3.tv_in1k", {"pretrained": True, "num_classes": 0, "global_pool": ""})]
    assert backbone.out_features == 6
    assert backbone(torch.full((1, 3, 2, 2), 0.75)).unique().tolist() == [1.0]
    assert PartClassifier(lambda: photograph_backbone(8), 32, 7, tiles=(1, 2), crop=16)(
        torch.rand(2, 3, 32, 32)
    ).shape == (2, 7)


def test_weights_that_cannot_be_fetched_are_one_line(timm):
    def fail(*_, **__):
        raise ConnectionError("nobody there\nat all")

    timm.create_model = fail
    with pytest.raises(UserError, match=r"^timm cannot fetch the weights .*\(ConnectionError\).*$"):
        photograph_backbone(8)


def test_without_timm_a_small_one_is_built_in(monkeypatch):
    monkeypatch.setattr(backbones, "find_spec", lambda _: None)
    backbone = photograph_backbone(8)
    assert isinstance(backbone, SmallBackbone)
    assert backbone(torch.rand(1, 3, 224, 224)).shape == (1, 32, 7, 7)
