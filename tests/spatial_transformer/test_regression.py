"""The layer that gives theta: begins where it is told, in every precision."""

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import spatial_transformer as st
from spatial_transformer import testing
from spatial_transformer.guards import Bound
from spatial_transformer.regression import Regression

START = torch.tensor([0.0, 1.0, -0.5], dtype=torch.float64)
BOUND = Bound(low=(-1.0, 0.2, -2.0), high=(0.5, 4.0, 0.0))


def test_it_begins_at_its_start_and_is_linear_from_there():
    regression = Regression(4, START)
    features = torch.rand(2, 4)
    assert torch.equal(regression(features), START.float().expand(2, -1))
    with torch.no_grad():
        regression.weight.normal_()
    torch.testing.assert_close(regression(features), START.float() + features @ regression.weight[:, :-1].T)
    regression.reset_to_start()
    assert torch.equal(regression(features), START.float().expand(2, -1))


def test_several_starts_give_a_theta_each():
    starts = testing.random_theta(st.Affine(), batch=3, dtype=torch.float32)
    assert torch.equal(Regression(4, starts)(torch.rand(2, 4)), starts.expand(2, -1, -1))


def test_the_start_is_its_own():
    start = START.clone()
    regression = Regression(4, start)
    start.zero_()
    regression.reset_to_start()
    assert torch.equal(regression(torch.zeros(1, 4))[0], START.float())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_a_bounded_regression_begins_at_its_start_in_every_precision(dtype):
    family = st.ThinPlateSpline((4, 4))  # a lattice of thirds, which no precision holds
    start = family.identity(1, dtype=torch.float64)[0]
    free, bounded = (Regression(4, start, bound).to(dtype) for bound in (None, Bound.around(start, 0.2)))
    for regression in (free, bounded):
        regression.reset_to_start()
    features = torch.rand(2, 4, dtype=dtype)
    assert torch.equal(bounded(features), free(features))
    assert bounded(features).dtype == torch.promote_types(dtype, torch.float32)


def test_limits_are_not_in_the_state_dict_and_survive_a_cast():
    regression = Regression(4, START, BOUND)
    assert set(regression.state_dict()) == {"weight", "bias"}
    with torch.no_grad():
        regression.half().float().bias.fill_(99)
    torch.testing.assert_close(regression(torch.zeros(1, 4))[0], BOUND.high.float())
    thirds = Regression(4, START / 3).half().double()
    assert torch.equal(thirds(torch.rand(1, 4).double())[0], START / 3)


def spectral(layer):
    return nn.utils.parametrizations.spectral_norm(layer)


def weight(layer):
    return nn.utils.parametrizations.weight_norm(layer)


def weight_of_all(layer):
    return nn.utils.parametrizations.weight_norm(layer, dim=None)


def old_spectral(layer):
    return nn.utils.spectral_norm(layer)


def old_weight(layer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return nn.utils.weight_norm(layer)


NORMS = [spectral, weight, weight_of_all, old_spectral, old_weight]


STARTS = [st.Translation().identity()[0], st.ThinPlateSpline().identity()[0], testing.random_theta(st.Affine()).float()]


@pytest.mark.parametrize("norm", NORMS, ids=lambda norm: norm.__name__)
def test_with_a_norm_a_transformer_begins_at_the_identity(family, norm):
    localiser = st.ConvLocaliser(1, dims=family.dims, width=2)
    transformer = st.SpatialTransformer(localiser, family, bound=Bound.around(family.identity(), 0.3))
    norm(transformer.regression)
    image = testing.random_image((5, 4, 3)[: family.dims], channels=1)
    assert torch.equal(transformer.theta(image), family.identity(2))


@pytest.mark.parametrize("start", STARTS, ids=["shift", "spline", "several"])
@pytest.mark.parametrize("bound", [None, Bound(-9.0, 9.0)], ids=["free", "bounded"])
@pytest.mark.parametrize("norm", NORMS, ids=lambda norm: norm.__name__)
def test_with_a_norm_it_begins_at_its_start_and_learns(start, norm, bound):
    plain, regression = Regression(4, start, bound), norm(Regression(4, start, bound))
    features = torch.rand(2, 4)
    for layer in (plain, regression):
        assert torch.equal(layer(features), start.expand(2, *start.shape))
        optimiser = torch.optim.SGD(layer.parameters(), lr=1e-3)
        (layer(features) - start - 1).square().sum().backward()
        optimiser.step()
    torch.testing.assert_close(regression(features), plain(features), rtol=1e-2, atol=1e-3)  # the slope is one
    for _ in range(3):
        regression(features).sum().backward()
        optimiser.step()
    assert (regression(features) != start).all()
    regression.reset_to_start()
    assert torch.equal(regression(features), start.expand(2, *start.shape))


PARAMETRISED = {
    **{f"spectral {n}": (nn.utils.parametrizations.spectral_norm, {"n_power_iterations": n}) for n in (1, 2, 5, 20)},
    "spectral of columns": (nn.utils.parametrizations.spectral_norm, {"dim": 1}),
    **{f"old spectral {n}": (nn.utils.spectral_norm, {"n_power_iterations": n}) for n in (1, 3)},
    **{
        f"orthogonal {way}": (nn.utils.parametrizations.orthogonal, {"orthogonal_map": way})
        for way in ("matrix_exp", "cayley", "householder")
    },
    "least weights pruned": (prune.l1_unstructured, {"name": "weight", "amount": 0.5}),
    "any weights pruned": (prune.random_unstructured, {"name": "weight", "amount": 0.5}),
    "columns pruned": (prune.ln_structured, {"name": "weight", "amount": 0.5, "n": 2, "dim": 1}),
}


@pytest.mark.parametrize("start", STARTS, ids=["shift", "spline", "several"])
@pytest.mark.parametrize("parametrised", PARAMETRISED)
def test_parametrised_or_pruned_it_begins_at_its_start_and_learns(start, parametrised):
    torch.manual_seed(0)
    apply, options = PARAMETRISED[parametrised]
    regression, features = Regression(8, start), torch.rand(2, 8)
    apply(regression, **options)
    assert torch.equal(regression(features), start.expand(2, *start.shape))
    optimiser = torch.optim.SGD(regression.parameters(), lr=0.1)
    (regression(features) - start - 1).square().mean().backward()
    optimiser.step()
    theta = regression(features)
    assert theta.isfinite().all()
    assert (theta != start).any()


@pytest.mark.parametrize("start", [START, START[:1]], ids=["three parameters", "one"])
@pytest.mark.parametrize("norm", [nn.utils.parametrizations.weight_norm, nn.utils.weight_norm], ids=["new", "old"])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_weight_norm_of_columns_is_refused_and_told_the_dim(start, norm):
    regression = norm(Regression(4, start), dim=1)
    with pytest.raises(ValueError, match=r"`weight_norm` .* got `dim=1`.* 5 columns.* Pass `dim=0`"):
        regression(torch.rand(2, 4))
    assert norm(Regression(4, start), dim=0)(torch.rand(2, 4)).isfinite().all()


def test_a_spectral_norm_holds_what_multiplies_the_features():
    regression, features = spectral(Regression(4, START)), torch.eye(4)
    optimiser = torch.optim.Adam(regression.parameters(), lr=0.1)
    for _ in range(100):
        optimiser.zero_grad()
        (-regression(features).sum()).backward()
        optimiser.step()
    learnt = (regression(features) - regression(torch.zeros(1, 4))).detach()
    assert torch.linalg.matrix_norm(learnt, 2) == pytest.approx(1, abs=0.02)


DECAYING = [
    lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.1),
    lambda parameters: torch.optim.Adam(parameters, lr=0.1, weight_decay=0.1),
    lambda parameters: torch.optim.AdamW(parameters, lr=0.1, weight_decay=0.5),
]


@pytest.mark.parametrize("start", STARTS, ids=["shift", "spline", "several"])
@pytest.mark.parametrize("optimiser", DECAYING, ids=["SGD", "Adam", "AdamW"])
def test_weight_decay_leaves_the_start_and_pulls_back_to_it(start, optimiser):
    still, moved = Regression(4, start), Regression(4, start)
    with torch.no_grad():
        moved.bias.add_(1)
        moved.weight[:, :-1] = 1
    for regression in (still, moved):
        steps = optimiser(regression.parameters())
        for _ in range(30):
            (0 * regression(torch.rand(2, 4))).sum().backward()
            steps.step()
    features = torch.ones(1, 4)
    assert torch.equal(still(features)[0], start)
    assert (moved(features)[0] - start).abs().max() < 2.5  # from 5


def test_initialisers_of_linear_layers_leave_the_start():
    transformer = st.SpatialTransformer(st.ConvLocaliser(1, width=2), st.Affine())
    for module in transformer.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
        if hasattr(module, "reset_parameters"):  # how layers that were made on the meta device are initialised
            module.reset_parameters()
    image = testing.random_image((9, 7), channels=1)
    assert torch.equal(transformer(image), image)


def of_the_first_version(regression, generator):
    """The weight and the bias as that version wrote them: no last column, the start in the bias."""
    shape = (regression.out_features, regression.in_features)
    weight, learnt = (0.05 * torch.randn(size, generator=generator) for size in (shape, shape[:1]))
    return {"weight": weight, "bias": regression(torch.zeros(1, shape[1])).detach().flatten() + learnt}


@pytest.mark.parametrize("limits", [None, 0.2], ids=["free", "bounded"])
def test_state_dicts_of_the_first_version_load(family, limits):
    localiser = st.ConvLocaliser(1, dims=family.dims, width=2)
    starts = family.identity(2) + torch.tensor([[0.0], [0.1]])
    one = st.SpatialTransformer(localiser, family, bound=limits and Bound.around(family.identity(), limits))
    several = st.ParallelTransformers(localiser, family, starts, bound=limits and Bound(-limits - 1, limits + 1.2))
    image, generator = testing.random_image((9, 7, 6)[: family.dims], channels=1), torch.Generator().manual_seed(0)
    features = localiser(image)
    for transformer, regression, start in (
        (one, one.regression, family.identity(1)[0]),
        (several, several.regressions[0], starts),
    ):
        model = nn.Sequential(nn.Identity(), transformer)
        (name,) = (name for name, module in model.named_modules() if module is regression)
        old = of_the_first_version(regression, generator)
        theta = nn.functional.linear(features, old["weight"], old["bias"]).unflatten(1, start.shape)
        model.load_state_dict(model.state_dict() | {f"{name}.{key}": value for key, value in old.items()}, strict=True)
        expected = theta if regression.bound is None else regression.bound(theta, start)
        torch.testing.assert_close(transformer.theta(image), expected, rtol=0, atol=1e-5)
        again = copy.deepcopy(model)
        again.load_state_dict(model.state_dict(), strict=True)
        assert torch.equal(again[1].theta(image), transformer.theta(image))
