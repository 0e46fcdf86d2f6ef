"""A transformer in front of a layer of published networks: nothing changes until it trains."""

import copy
import io

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import spatial_transformer as st
from spatial_transformer.insertion import TransformedLayer

AFFINE = st.Affine()


class LeNet5(nn.Module):
    """LeCun et al. (1998)."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)
        self.never_called = nn.Conv2d(1, 1, 1)

    def forward(self, image):
        image = F.avg_pool2d(torch.tanh(self.conv1(image)), 2)
        image = F.avg_pool2d(torch.tanh(self.conv2(image)), 2)
        hidden = torch.tanh(self.fc1(image.flatten(1)))
        return self.fc3(torch.tanh(self.fc2(hidden)))


class BasicBlock(nn.Module):
    """He et al. (2016), figure 2."""

    def __init__(self, before, after, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, image):
        hidden = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(image)))))
        return F.relu(hidden + self.shortcut(image))


class ResNet(nn.Module):
    """A ResNet with one block a stage."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2))
        self.layer1 = nn.Sequential(BasicBlock(8, 8, 1))
        self.layer2 = nn.Sequential(BasicBlock(8, 12, 2))
        self.fc = nn.Linear(12, 5)

    def forward(self, image):
        return self.fc(self.layer2(self.layer1(self.stem(image))).mean(dim=(2, 3)))


class VGG(nn.Module):
    """Simonyan and Zisserman (2015): all layers in one list, and a dropout."""

    def __init__(self):
        super().__init__()
        layers = []
        for before, after in ((3, 8), (8, 12)):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(12 * 64, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 5))

    def forward(self, image):
        return self.classifier(self.features(image))


class UNet(nn.Module):
    """Ronneberger et al. (2015), two levels; its layers stand in module lists, one takes two arguments."""

    class Up(nn.Module):
        def __init__(self, before, after):
            super().__init__()
            self.up = nn.ConvTranspose2d(before, after, 2, 2)
            self.conv = nn.Conv2d(2 * after, after, 3, padding=1)

        def forward(self, image, skip):
            return F.relu(self.conv(torch.cat([self.up(image), skip], dim=1)))

    def __init__(self):
        super().__init__()
        self.down = nn.ModuleList(nn.Conv2d(*channels, 3, padding=1) for channels in ((3, 6), (6, 8), (8, 10)))
        self.up = nn.ModuleDict({"coarse": self.Up(10, 8), "fine": self.Up(8, 6)})

    def forward(self, image):
        skips = []
        for level, layer in enumerate(self.down):
            image = F.relu(layer(F.max_pool2d(image, 2) if level else image))
            skips.append(image)
        return self.up["fine"](self.up["coarse"](skips[2], skips[1]), skips[0])


PLACES = [
    (LeNet5, "conv1", 1),
    (LeNet5, "conv2", 6),
    (ResNet, "layer1", 8),
    (ResNet, "layer2.0", 8),
    (ResNet, "layer2.0.conv2", 12),
    (ResNet, "stem.1", 8),
    (VGG, "features", 3),
    (VGG, "features.4", 8),
    (UNet, "down.1", 6),
    (UNet, "up.coarse", 10),
]


def built(network):
    torch.manual_seed(0)
    return network().eval()


def image_for(network):
    torch.manual_seed(1)
    return torch.rand(2, 1, 28, 28) if network is LeNet5 else torch.rand(2, 3, 32, 32)


@pytest.fixture(params=PLACES, ids=lambda place: f"{place[0].__name__}.{place[1]}")
def place(request):
    return request.param


def transformers(model):
    return [module for module in model.modules() if isinstance(module, st.SpatialTransformer)]


@pytest.mark.parametrize("with_example", [False, True], ids=["from weights", "from example"])
def test_outputs_stay_the_same(place, with_example):
    network, name, channels = place
    model, image = built(network), image_for(network)
    before = model(image)
    assert st.insert(model, name, family=AFFINE, example=image if with_example else None) is model
    torch.testing.assert_close(model(image), before, rtol=0, atol=1e-6)
    (transformer,) = transformers(model)
    assert transformer.localiser[0].in_channels == channels


def test_training_moves_theta(place):
    network, name, _ = place
    model, image = st.insert(built(network), name, family=AFFINE).train(), image_for(network)
    (transformer,) = transformers(model)
    optimiser = torch.optim.SGD(st.parameter_groups(model, lr=0.1))
    before = transformer.regression.bias.detach().clone()
    model(image).square().sum().backward()
    optimiser.step()
    assert (transformer.regression.bias != before).all()
    assert transformer.regression.bias.isfinite().all()


def test_the_transformer_warps_what_the_layer_receives():
    model, image = st.insert(built(LeNet5), "conv2", family=st.Translation()), image_for(LeNet5)
    (transformer,) = transformers(model)
    with torch.no_grad():
        transformer.regression.bias.copy_(torch.tensor([0.3, -0.2]))
    seen = F.avg_pool2d(torch.tanh(model.conv1(image)), 2)
    expected = model.conv2.layer(st.warp(seen, st.Translation(), torch.tensor([[0.3, -0.2]])))
    assert torch.equal(model.conv2(seen), expected)


def test_removing_it_restores_the_model(place):
    network, name, _ = place
    model, image = built(network), image_for(network)
    before, keys = model(image), list(model.state_dict())
    st.remove(st.insert(model, name, family=AFFINE), name)
    assert list(model.state_dict()) == keys
    assert torch.equal(model(image), before)


def test_several_transformers_in_one_network():
    model, image = built(ResNet), image_for(ResNet)
    before = model(image)
    for name, family in (("stem", AFFINE), ("layer1", st.ThinPlateSpline((3, 3))), ("layer1", st.Attention())):
        st.insert(model, name, family=family)
    torch.testing.assert_close(model(image), before, rtol=0, atol=1e-6)
    assert len(transformers(model)) == 3
    st.remove(model, "layer1")
    assert [type(t.family).__name__ for t in transformers(model)] == ["Affine", "ThinPlateSpline"]


def test_a_layer_inside_of_one_that_has_a_transformer():
    model, image = st.insert(built(ResNet), "layer1", family=AFFINE), image_for(ResNet)
    before = model(image)
    st.insert(model, "layer1.layer.0.conv2", family=AFFINE)
    torch.testing.assert_close(model(image), before, rtol=0, atol=1e-6)
    assert len(transformers(model)) == 2


def test_attributes_of_the_layer_can_still_be_read():
    model = st.insert(built(LeNet5), "conv1", family=AFFINE)
    assert model.conv1.out_channels == 6
    assert model.conv1.weight is model.conv1.layer.weight
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = model.conv1.no_such_thing


def test_further_arguments_go_to_the_layer():
    class Scaled(nn.Conv2d):
        def forward(self, image, factor, *, shift):
            return factor * super().forward(image) + shift

    layer = Scaled(3, 4, 1)
    model = nn.ModuleDict({"layer": layer})
    image = torch.rand(1, 3, 4, 4)
    st.insert(model, "layer", family=AFFINE)
    torch.testing.assert_close(model["layer"](image, 2.0, shift=1.0), layer(image, 2.0, shift=1.0))


def test_copies_and_saved_models_have_transformers_of_their_own():
    original = built(LeNet5)
    model = st.insert(copy.deepcopy(original), "conv1", family=AFFINE)
    assert transformers(original) == []
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    for again in (copy.deepcopy(model), torch.load(file, weights_only=False)):
        with torch.no_grad():
            transformers(again)[0].regression.bias.add_(0.3)
        assert not torch.allclose(again(image_for(LeNet5)), model(image_for(LeNet5)))


def test_a_localiser_and_options_of_ones_own():
    localiser = st.PaperFCNLocaliser(1, (28, 28))
    model = st.insert(
        built(LeNet5), "conv1", family=st.Similarity(), localiser=localiser, padding="border", mode="bicubic", steps=2
    )
    (transformer,) = transformers(model)
    assert transformer.localiser is localiser
    assert (transformer.padding, transformer.mode, transformer.steps) == ("border", "bicubic", 2)


def test_dtype_and_mode_are_those_of_the_network():
    model = st.insert(built(LeNet5).double().eval(), "conv2", family=st.ThinPlateSpline((4, 4)))
    (transformer,) = transformers(model)
    assert transformer.regression.weight.dtype == torch.float64
    assert not transformer.training
    image = torch.rand(1, 6, 14, 14, dtype=torch.float64)
    torch.testing.assert_close(transformer(image), image, rtol=0, atol=1e-12)


def test_looking_at_an_example_leaves_no_trace():
    model = built(VGG).train()
    model.classifier.eval()
    state, modes = copy.deepcopy(model.state_dict()), [module.training for module in model.modules()]
    st.insert(model, "features.4", family=AFFINE, example=image_for(VGG))
    st.remove(model, "features.4")
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert all(not module._forward_pre_hooks for module in model.modules())


def test_layers_without_channels_need_an_example():
    model, image = built(VGG), image_for(VGG)
    before = model(image)
    with pytest.raises(ValueError, match=r"the weights of 'features.2' \(ReLU\) do not say how many channels"):
        st.insert(model, "features.2", family=AFFINE)
    st.insert(model, "features.2", family=AFFINE, example=image)
    torch.testing.assert_close(model(image), before, rtol=0, atol=1e-6)


def test_an_example_can_be_several_arguments():
    model = st.insert(UNet.Up(10, 8), "conv", family=AFFINE, example=(torch.rand(1, 10, 4, 4), torch.rand(1, 8, 8, 8)))
    assert transformers(model)[0].localiser[0].in_channels == 16


def test_volumes():
    model = nn.Sequential(nn.Conv3d(2, 4, 3, padding=1), nn.BatchNorm3d(4), nn.ReLU()).eval()
    volume = torch.rand(1, 2, 6, 6, 6)
    before = model(volume)
    st.insert(model, "1", family=st.Affine(3))
    torch.testing.assert_close(model(volume), before, rtol=0, atol=1e-6)


BAD = {
    "unknown name": (
        lambda: st.insert(built(ResNet), "layer3", family=AFFINE),
        "'layer3' is not. Near to it: 'layer[12]', 'layer[12]'",
    ),
    "nothing near": (lambda: st.insert(built(LeNet5), "qqq", family=AFFINE), "Near to it: 'conv1', 'conv2'"),
    "the model itself": (lambda: st.insert(built(LeNet5), "", family=AFFINE), "`name` must be that of a layer"),
    "module list": (
        lambda: st.insert(built(UNet), "down", family=AFFINE),
        "'down' is a ModuleList, which is never called itself. Name one of its entries: 'down.0', 'down.1', 'down.2'",
    ),
    "no image there": (
        lambda: st.insert(built(LeNet5), "fc1", family=AFFINE, example=image_for(LeNet5)),
        r"'fc1' must receive an image \(N, C, H, W\), as .* warps one; it receives a tensor \(2, 400\)",
    ),
    "no image in the weights": (
        lambda: st.insert(built(LeNet5), "fc1", family=AFFINE),
        r"the weights of 'fc1' \(Linear\) do not say how many channels .* Pass `example=`",
    ),
    "never called": (
        lambda: st.insert(built(LeNet5), "never_called", family=AFFINE, example=image_for(LeNet5)),
        "'never_called' is never called when the model runs on `example`",
    ),
    "another dimension": (
        lambda: st.insert(built(LeNet5), "conv1", family=st.Affine(3)),
        r"'conv1' works on 2 spatial axes \(Conv2d\), `Affine\(dims=3\)` on 3",
    ),
    "nothing to remove": (
        lambda: st.remove(built(LeNet5), "conv1"),
        "there is no transformer before 'conv1'; it is a Conv2d",
    ),
    "class for family": (lambda: st.insert(built(LeNet5), "conv1", family=st.Affine), r"Write `Affine\(\)`"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    call, message = BAD[case]
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_a_failed_insertion_changes_nothing():
    model = built(LeNet5)
    with pytest.raises(ValueError, match="never called"):
        st.insert(model, "never_called", family=AFFINE, example=image_for(LeNet5))
    assert not any(isinstance(module, TransformedLayer) for module in model.modules())
    assert not model.never_called._forward_pre_hooks


def test_a_sequence_is_indexed_counted_and_walked_through_its_transformer():
    model = built(VGG)
    layers, image = list(model.features), image_for(VGG)
    st.insert(model, "features", family=AFFINE)
    assert [model.features[0], model.features[-1]] == [layers[0], layers[-1]]
    assert list(model.features[2:5]) == layers[2:5]
    assert list(model.features) == layers
    assert (len(model.features), layers[3] in model.features, bool(model.features)) == (8, True, True)
    model.features[1] = nn.Identity()
    del model.features[2]
    assert [type(layer).__name__ for layer in model.features.layer][:3] == ["Conv2d", "Identity", "MaxPool2d"]
    assert model(image).shape == (2, 5)


def test_a_layer_without_entries_says_so_and_is_true():
    model = st.insert(built(LeNet5), "conv1", family=AFFINE)
    assert bool(model.conv1)
    for call in (lambda: model.conv1[0], lambda: len(model.conv1), lambda: iter(model.conv1)):
        with pytest.raises(TypeError, match="Conv2d"):
            call()


def test_names_from_before_go_on_leading_into_the_layer():
    model, image = st.insert(built(ResNet), "layer2", family=AFFINE), image_for(ResNet)
    block, before = model.layer2.layer[0], model(image)
    assert model.get_submodule("layer2.0.conv2") is block.conv2
    st.insert(model, "layer2.0.conv2", family=AFFINE)
    st.insert(model, "layer2.0", family=AFFINE)
    torch.testing.assert_close(model(image), before, rtol=0, atol=1e-6)
    assert len(transformers(model)) == 3
    st.remove(st.remove(model, "layer2.0"), "layer2.0.conv2")
    assert model.layer2[0] is block
    assert len(transformers(model)) == 1


def test_attributes_are_set_on_the_layer():
    model = st.insert(built(ResNet), "layer1.0", family=AFFINE)
    model.layer1[0].conv1 = replacement = nn.Conv2d(8, 8, 1)
    assert model.layer1[0].layer.conv1 is replacement
    model.layer1[0].note = "of the module itself, as the layer has none"
    assert not hasattr(model.layer1[0].layer, "note")
    model.eval()
    assert (model.layer1[0].training, model.layer1[0].layer.training) == (False, False)


def test_a_list_of_modules_that_is_called_can_have_a_transformer():
    class Stack(nn.ModuleList):
        def forward(self, image):
            for layer in self:
                image = layer(image)
            return image

    model, image = nn.Sequential(Stack([nn.Conv2d(1, 2, 3), nn.ReLU()])), torch.rand(1, 1, 6, 6)
    before = model(image)
    torch.testing.assert_close(st.insert(model, "0", family=AFFINE)(image), before, rtol=0, atol=1e-6)
