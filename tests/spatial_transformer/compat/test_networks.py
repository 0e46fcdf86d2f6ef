"""Whole networks, unchanged, in a block of `accelerate`: outputs and all gradients are PyTorch's."""

import pytest
import torch

from spatial_transformer import compat
from spatial_transformer.compat import operators, speed

from . import networks


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_a_network_learns_the_same(name, monkeypatch):
    network, inputs = networks.made(name, dtype=torch.float64)
    expected = networks.learn(network, inputs)
    monkeypatch.setattr(speed, "FEWEST_VALUES", dict.fromkeys(speed.FEWEST_VALUES, 0))
    monkeypatch.setattr(speed, "FEWEST_POINTS_OF_A_GRID", 0)
    called, pull = [], operators.operators.pull
    monkeypatch.setattr(operators.operators, "pull", lambda *arguments: called.append(1) or pull(*arguments))
    with compat.accelerate():
        found = networks.learn(network, inputs)
    assert called
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10 * max(1.0, float(other.abs().max())))
