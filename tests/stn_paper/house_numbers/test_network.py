import pytest
import torch
from torch import nn

from spatial_transformer import SpatialTransformer
from stn_lab.models.build import count_localising_parameters, count_parameters
from stn_paper.house_numbers.network import FlattenPixels, HouseNumberReader


def reader(side, transformers, **options):
    with torch.device("meta"):
        return HouseNumberReader(side, transformers, **options)


def test_the_cnn_has_the_paper_s_eleven_hidden_layers():
    layers = [layer for layer in reader(64, "none") if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert [layer.out_channels for layer in layers[:8]] == [48, 64, 128, 160, 192, 192, 192, 192]
    assert all((layer.kernel_size, layer.padding) == ((5, 5), (2, 2)) for layer in layers[:8])
    assert [layer.out_features for layer in layers[8:]] == [3072, 3072, 3072, 55]


def test_dropout_is_everywhere_but_behind_the_first_convolution():
    network = reader(64, "multi")
    assert sum(isinstance(layer, nn.Dropout) for layer in network.modules()) == 10
    first = next(i for i, layer in enumerate(network) if isinstance(layer, nn.Conv2d))
    assert not any(isinstance(layer, nn.Dropout) for layer in list(network)[: first + 4])


@pytest.mark.parametrize(("side", "millions"), [(64, 32.8), (128, 61.1)])
def test_sizes(side, millions):
    assert count_parameters(reader(side, "none")) == pytest.approx(millions * 1e6, rel=0.01)


@pytest.mark.parametrize(("transformers", "count", "millions"), [("single", 1, 1.1), ("multi", 4, 5.1)])
def test_transformers_stand_before_the_first_convolutions(transformers, count, millions):
    network = reader(64, transformers)
    places = [i for i, layer in enumerate(network) if isinstance(layer, SpatialTransformer)]
    assert len(places) == count
    assert all(isinstance(network[i + 1], nn.Conv2d) for i in places)
    assert count_localising_parameters(network) == pytest.approx(millions * 1e6, rel=0.03)


@pytest.mark.parametrize("transformers", ["none", "single", "multi"])
def test_images_become_five_answers(transformers):
    network = HouseNumberReader(64, transformers, filters=6)
    assert network(torch.rand(2, 3, 64, 64)).shape == (2, 5, 11)


def test_a_smaller_network_has_a_smaller_localisation_network():
    localisers = [HouseNumberReader(64, "single", filters=filters)[0].localiser for filters in (48, 12)]
    assert [localiser[0].out_channels for localiser in localisers] == [32, 8]
    assert [localiser.out_features for localiser in localisers] == [32, 32]


@pytest.mark.parametrize(("transformers", "count"), [("none", 11), ("single", 11 + 4), ("multi", 11 + 4 * 2)])
def test_batch_norm_is_behind_every_hidden_layer_or_behind_none(transformers, count):
    kinds = nn.BatchNorm1d | nn.BatchNorm2d
    network = reader(64, transformers, batch_norm=True)
    assert sum(isinstance(layer, kinds) for layer in network.modules()) == count
    assert not any(isinstance(layer, kinds) for layer in reader(64, transformers).modules())


def test_maps_are_flattened_as_they_lie_in_memory():
    maps = torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last)
    flat = FlattenPixels()(maps)
    assert flat.shape == (2, 60)
    assert torch.equal(flat[:, 3:6], maps[:, :, 0, 1])
    assert flat.data_ptr() == maps.data_ptr(), "it was copied"
