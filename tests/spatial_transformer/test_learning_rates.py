"""Groups for the optimiser: what predicts theta learns more slowly."""

import torch
from torch import nn

import spatial_transformer as st
from spatial_transformer import testing


def transformer_for(family):
    return st.SpatialTransformer(st.ConvLocaliser(1, dims=family.dims, width=2), family)


def image_for(family):
    return testing.random_image((17, 11, 9)[: family.dims], channels=1)


def rates(groups):
    """The learning rate of every parameter; fails if one is listed twice."""
    listed = [(parameter, group["lr"]) for group in groups for parameter in group["params"]]
    assert len({id(parameter) for parameter, _ in listed}) == len(listed)
    return {id(parameter): rate for parameter, rate in listed}


def test_parameter_groups_scale_the_rate_of_what_predicts_theta():
    one, two, head = transformer_for(st.Affine()), transformer_for(st.ThinPlateSpline()), nn.Linear(4, 2)
    model = nn.Sequential(one, nn.Sequential(head, two))
    rate = rates(st.parameter_groups(model, lr=0.5, localiser_lr_scale=0.1))
    assert set(rate) == {id(parameter) for parameter in model.parameters()}
    assert {rate[id(parameter)] for part in (one, two) for parameter in part.parameters()} == {0.05}
    assert {rate[id(parameter)] for parameter in head.parameters()} == {0.5}


def test_parameter_groups_list_a_shared_localiser_once():
    localiser = st.ConvLocaliser(1, width=2)
    left, right = st.SpatialTransformer(localiser, st.Affine()), st.SpatialTransformer(localiser, st.Attention())
    model = nn.ModuleList([left, right, nn.Linear(2, 2), localiser])
    rate = rates(st.parameter_groups(model, lr=1.0, localiser_lr_scale=1e-4))
    assert set(rate) == {id(parameter) for parameter in model.parameters()}
    assert {rate[id(parameter)] for parameter in localiser.parameters()} == {1e-4}


def test_parameter_groups_list_a_tied_weight_once():
    model = nn.Sequential(transformer_for(st.Affine()), nn.Linear(4, 4), nn.Linear(4, 4))
    model[2].weight = model[1].weight
    rate = rates(st.parameter_groups(model, lr=1.0))
    assert set(rate) == {id(parameter) for parameter in model.parameters()}


def test_parameter_groups_of_a_model_without_a_transformer_are_one():
    model = nn.Linear(3, 2)
    (group,) = st.parameter_groups(model, lr=0.3)
    assert group["lr"] == 0.3
    assert len(group["params"]) == 2


def test_parameter_groups_of_a_transformer_alone_are_one():
    (group,) = st.parameter_groups(transformer_for(st.Affine()), lr=0.3, localiser_lr_scale=0.5)
    assert group["lr"] == 0.15


def test_parameter_groups_go_into_an_optimiser():
    model = nn.Sequential(transformer_for(st.Affine()), nn.Flatten(), nn.Linear(17 * 11, 2))
    optimiser = torch.optim.SGD(st.parameter_groups(model, lr=0.1), momentum=0.9)
    before = [parameter.clone() for parameter in model.parameters()]
    for _ in range(2):
        optimiser.zero_grad()
        model(image_for(st.Affine())).square().mean().backward()
        optimiser.step()
    assert not any(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))


def test_parameter_groups_know_parallel_transformers():
    starts = st.tile_starts(st.Attention(), (1, 2))
    parallel = st.ParallelTransformers(st.ConvLocaliser(1, width=2), st.Attention(), starts)
    head = nn.Linear(2, 2)
    rate = rates(st.parameter_groups(nn.ModuleList([parallel, head]), lr=1.0, localiser_lr_scale=0.1))
    assert {rate[id(parameter)] for parameter in parallel.parameters()} == {0.1}
    assert {rate[id(parameter)] for parameter in head.parameters()} == {1.0}


def test_a_basis_that_a_family_learns_has_the_rate_of_the_network():
    family = st.Affine()
    family.basis = nn.Parameter(torch.zeros(2))
    rate = rates(st.parameter_groups(transformer_for(family), lr=1.0, localiser_lr_scale=0.1))
    assert sorted(set(rate.values())) == [0.1, 1.0]
