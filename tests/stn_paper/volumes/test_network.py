import pytest
import torch

from stn_lab.models.build import count_localising_parameters, count_parameters
from stn_paper.volumes.data import SCALE, THICKNESS, extrude, place
from stn_paper.volumes.network import VolumeClassifier


def classifier(transformed):
    torch.manual_seed(0)
    return VolumeClassifier(32, 8, 10, transformed=transformed)


@pytest.mark.parametrize("transformed", [False, True])
def test_volumes_become_logits(transformed):
    assert classifier(transformed)(torch.rand(2, 1, 32, 32, 32)).shape == (2, 10)


def test_the_classifier_sees_the_sum_over_depth():
    volumes = torch.rand(2, 1, 32, 32, 32)
    for transformed in (False, True):  # the transformer starts at the identity
        seen = classifier(transformed).project(volumes)
        torch.testing.assert_close(seen, volumes.sum(dim=2) / (SCALE * THICKNESS))


def test_the_two_differ_by_the_transformer_alone():
    plain, transformed = classifier(False), classifier(True)
    assert transformed.transformer.family.parameter_count == 12
    assert count_parameters(transformed) - count_localising_parameters(transformed) == count_parameters(plain)


def test_turning_the_volume_by_theta_makes_an_edge_on_digit_face_the_reader():
    digit = torch.zeros(1, 1, 28, 28)
    digit[..., 10:18, 6:22] = 1
    quarter = torch.tensor([[0.0, torch.pi / 2, 0.0]])  # about the vertical axis
    turned = place(extrude(digit), 32, turn=quarter, shift=torch.zeros(1, 3))
    network = classifier(True).eval()  # one volume has no statistics to be normalised by
    facing = network.project(place(extrude(digit), 32, turn=0 * quarter, shift=torch.zeros(1, 3)))
    assert (network.project(turned) - facing).abs().max() > 0.9
    with torch.no_grad():  # x reads z, z reads -x
        theta = torch.tensor([0.0, 0, 1, 0, 0, 1, 0, 0, -1, 0, 0, 0])
        network.transformer.regression.bias.copy_(theta - network.transformer.family.identity()[0])
    torch.testing.assert_close(network.project(turned), facing, atol=0.05, rtol=0)


def test_where_to_look_is_learnt_from_the_classes():
    network = classifier(True)
    network(torch.rand(2, 1, 32, 32, 32)).logsumexp(dim=1).sum().backward()
    assert network.transformer.regression.weight.grad.abs().sum() > 0
