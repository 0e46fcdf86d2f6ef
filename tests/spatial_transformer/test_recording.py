"""Thetas of a network that does not return them."""

import pytest
import torch
from torch import nn

import spatial_transformer as st
from spatial_transformer import testing

IMAGE = testing.random_image((9, 8), channels=2)


def moved(transformer):
    """Its theta depends on the image."""
    torch.manual_seed(0)
    with torch.no_grad():
        for regression in transformer.modules():
            if hasattr(regression, "reset_to_start"):
                regression.weight.normal_(std=0.1)
    return transformer


def transformer(**options):
    return moved(st.SpatialTransformer(st.ConvLocaliser(2, width=2), st.Affine(), **options))


def parallel():
    family = st.Attention()
    return moved(st.ParallelTransformers(st.ConvLocaliser(2, width=2), family, st.tile_starts(family, (1, 2))))


def network():
    model = nn.Sequential(nn.Conv2d(2, 2, 3), nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU()))
    for name in ("0", "1"):
        moved(st.insert(model, name, family=st.Affine()))
    return model


def hooks(model):
    return [hook for part in model.modules() for hook in (*part._forward_hooks, *part._forward_pre_hooks)]


@pytest.mark.parametrize("build", [transformer, lambda: transformer(steps=3), parallel], ids=["one", "steps", "two"])
@pytest.mark.parametrize("nested", [False, True])
def test_theta_is_that_which_is_returned(build, nested):
    module = build()
    expected = module(IMAGE, return_theta=True)
    with st.record_thetas(module) as outer, st.record_thetas(module if nested else nn.Identity()) as inner:
        calls = [
            module(IMAGE),
            module(image=IMAGE),
            module(IMAGE, False),
            module(IMAGE, True),
            module(IMAGE, return_theta=True),
        ]
    assert all(torch.equal(warped, expected[0]) for warped in calls[:3])
    assert all(torch.equal(got, wanted) for pair in calls[3:] for got, wanted in zip(pair, expected, strict=True))
    for thetas in [outer, inner] if nested else [outer]:
        assert [torch.equal(theta, expected[1]) for theta in thetas[""]] == [True] * 5


def test_a_network_returns_what_it_returned_and_every_transformer_is_recorded():
    model = network()
    expected = model(IMAGE)
    with st.record_thetas(model) as thetas:
        assert torch.equal(model(IMAGE), expected)
    assert {name: [theta.shape for theta in calls] for name, calls in thetas.items()} == {
        "0.transformer": [(2, 6)],
        "1.transformer": [(2, 6)],
    }
    assert torch.equal(thetas["0.transformer"][0], model[0].transformer.theta(IMAGE))


def test_gradients_flow_through_them():
    model = network()
    with st.record_thetas(model) as thetas:
        model(IMAGE)
    thetas["1.transformer"][0].square().sum().backward()
    assert model[1].transformer.regression.weight.grad.abs().sum() > 0
    assert model[0].weight.grad.abs().sum() > 0


def test_nothing_is_left_behind_even_by_a_call_that_fails():
    model = network()
    expected = model(IMAGE)
    with pytest.raises(ValueError, match="image"), st.record_thetas(model) as thetas:
        model[0](IMAGE[0, 0, 0])
    assert hooks(model) == []
    assert torch.equal(model(IMAGE), expected)
    assert thetas == {"0.transformer": [], "1.transformer": []}


def test_hooks_of_ones_own_see_the_call_as_it_was_made():
    module, seen = transformer(), []
    module.register_forward_pre_hook(lambda _, args, options: seen.append((len(args), options)), with_kwargs=True)
    module.register_forward_hook(lambda _, args, output: seen.append(type(output)))
    with st.record_thetas(module):
        module(IMAGE)
    assert seen == [(1, {}), torch.Tensor]
