import math

import pytest
import torch
from torch.nn import functional as F

from stn_lab.encoders import Gradients, edges


@pytest.mark.parametrize("degrees", [0, 22.5, 45, 90, 135])
def test_a_ramp_has_edges_of_its_own_direction(degrees):
    angle = math.radians(degrees)
    y, x = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="ij")
    ramp = 0.1 * (math.cos(angle) * x + math.sin(angle) * y)
    strength = edges(ramp[None, None], 8)[0, :, 4, 4]  # (8,)
    away = [(degrees - 22.5 * k) % 180 for k in range(8)]
    expected = [0.1 * max(0.0, math.cos(2 * math.radians(apart))) ** 2 for apart in away]
    assert strength.tolist() == pytest.approx(expected, abs=1e-3)


def test_an_encoding_has_one_length_and_knows_no_light():
    crops = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    encodings = Gradients()(crops)
    assert encodings.square().sum(dim=1).tolist() == pytest.approx([0.5] * 3)
    for same in (1 - crops, 0.5 * crops + 0.2, crops.expand(-1, 3, -1, -1)):
        torch.testing.assert_close(Gradients()(same), encodings, atol=2e-3, rtol=0)
    assert (Gradients()(crops.flip(3)) - encodings).norm(dim=1).min() > 0.1


def test_what_is_all_alike_has_an_encoding_and_a_gradient():
    crops = torch.full((2, 3, 28, 28), 0.5, requires_grad=True)
    encodings = Gradients()(crops)
    assert encodings.isfinite().all()
    F.mse_loss(encodings, torch.rand(encodings.shape)).backward()
    assert crops.grad.isfinite().all()
