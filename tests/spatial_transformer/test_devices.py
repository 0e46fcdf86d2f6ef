"""What PyTorch's own layers do with devices, transformers do as well. The meta device plays the second one."""

import copy
import importlib
import io
import pickle

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import spatial_transformer as st
from spatial_transformer import testing
from spatial_transformer.guards import Bound


def made(family, bounded):
    """A transformer of a family that is made anew, in the mode that the caller is in."""
    family = again(family)
    bound = Bound(-9.0, 9.0) if bounded else None
    return st.SpatialTransformer(st.ConvLocaliser(1, dims=family.dims, width=2), family, bound=bound).eval()


def again(family):
    """The same family, from its own arguments."""
    if isinstance(family, st.Structured):
        basis = family._constants["basis"] if family.basis is None else family.basis
        return st.Structured(basis, dims=family.dims)
    if isinstance(family, st.ThinPlateSpline):
        control = family.control if isinstance(family.control, tuple) else family._constants["control"]
        return st.ThinPlateSpline(control, stiffness=family.stiffness)
    names = {"dims", "extent", "control", "steps", "resolution", "size"} & set(
        type(family).__init__.__code__.co_varnames
    )
    names -= {"dims"} if hasattr(family, "control") or hasattr(family, "size") else set()
    return type(family)(**{name: getattr(family, name) for name in names})


def trained(family, bounded):
    transformer = made(family, bounded)
    with torch.no_grad():
        transformer.regression.weight.normal_(std=0.05, generator=torch.Generator().manual_seed(0))
    return transformer


def image_for(family, **options):
    return testing.random_image((5, 4, 3)[: family.dims], channels=1, **options)


@pytest.fixture
def bounded(family, tested_families):
    """With a bound and without by turns, so that every kind of family is tested both ways."""
    return tested_families.index(family) % 2 == 1


def test_every_kind_of_family_is_tested_both_ways(tested_families):
    assert {type(family) for family in tested_families[::2]} == {type(family) for family in tested_families[1::2]}


def test_it_is_made_on_the_meta_device_and_gets_its_weights_later(family, bounded):
    source, image = trained(family, bounded), image_for(family)
    with torch.device("meta"):
        emptied, assigned = made(family, bounded), made(family, bounded)
    assert assigned(image.to("meta")).shape == image.shape
    emptied.to_empty(device="cpu").load_state_dict(source.state_dict())
    assigned.load_state_dict(source.state_dict(), assign=True)
    for loaded in (emptied, assigned, copy.deepcopy(assigned), pickle.loads(pickle.dumps(assigned))):
        assert torch.equal(loaded(image), source(image))
    emptied.reset_to_identity()
    assert torch.equal(emptied.theta(image), assigned.family.identity(2))


def test_it_goes_to_a_device_and_weights_come_back(family, bounded):
    source, image = trained(family, bounded), image_for(family)
    elsewhere = copy.deepcopy(source).to("meta")
    assert elsewhere(image.to("meta")).device.type == "meta"
    weights = dict(source.named_parameters())
    assert torch.equal(torch.func.functional_call(elsewhere, weights, (image,)), source(image))
    there = {name: weight.to("meta") for name, weight in weights.items()}
    assert torch.func.functional_call(source, there, (image.to("meta"),)).device.type == "meta"


def test_models_are_stacked_over_a_base_without_memory(family, bounded):
    models, image = [trained(family, bounded) for _ in range(2)], image_for(family)
    stacked = torch.func.stack_module_state(models)
    base = copy.deepcopy(models[0]).to("meta")
    together = torch.vmap(lambda state: torch.func.functional_call(base, state, (image,)))(stacked[0])
    torch.testing.assert_close(together, torch.stack([model(image) for model in models]), rtol=0, atol=1e-5)


def test_fake_tensors_pass_and_leave_nothing_behind(family, bounded):
    image = image_for(family)
    with FakeTensorMode() as mode:
        faked = made(family, bounded)
        assert faked(mode.from_tensor(image)).shape == image.shape
    again_real = pickle.loads(pickle.dumps(faked.family))
    theta = testing.random_theta(family)
    for one in (faked.family, again_real):
        grids = [each.grid(theta, (5, 4, 3)[: family.dims]) for each in (one, family)]
        torch.testing.assert_close(*grids, rtol=0, atol=1e-12)  # solving for a spline rounds as memory is aligned
    with torch.inference_mode():
        inferred = made(family, bounded)
        inferred(image)
    trainable = copy.deepcopy(trained(family, bounded))
    trainable.family = inferred.family
    trainable(image).sum().backward()
    assert trainable.regression.bias.grad.isfinite().all()


def test_casts_keep_the_identity(family, bounded):
    for dtype in (torch.float64, torch.float16):
        transformer = made(family, bounded).to(dtype)
        theta = transformer.theta(image_for(family, dtype=dtype))
        assert torch.equal(theta, family.identity(2, dtype=torch.promote_types(dtype, torch.float32)))
        file = io.BytesIO()
        torch.save(transformer.state_dict(), file)
        file.seek(0)
        made(family, bounded).load_state_dict(torch.load(file))


def test_replicas_of_data_parallel_predict_and_learn_as_the_module_does(family, bounded, monkeypatch):
    def broadcast(tensors, devices, detach=False):  # PyTorch's own copies to CUDA alone
        return [[tensor.to(("cpu", "meta")[device], copy=True) for tensor in tensors] for device in devices]

    module = importlib.import_module("torch.nn.parallel.replicate")
    monkeypatch.setattr(module, "_broadcast_coalesced_reshape", broadcast)
    source, image = trained(family, bounded), image_for(family)
    here, there = torch.nn.parallel.replicate(torch.nn.Sequential(source), [0, 1])
    assert not list(here.parameters())  # a replica's weights are plain attributes
    assert torch.equal(here(image), source(image))
    assert there(image.to("meta")).device.type == "meta"
    weights = list(source.parameters())
    for slope, wanted in zip(
        torch.autograd.grad(here[0].theta(image).square().sum(), weights),
        torch.autograd.grad(source.theta(image).square().sum(), weights),
        strict=True,
    ):
        assert torch.equal(slope, wanted)


def test_side_by_side_made_on_the_meta_device():
    def build():
        family = st.Attention()
        return st.ParallelTransformers(st.ConvLocaliser(1, width=2), family, st.tile_starts(family, (1, 2)))

    with torch.device("meta"):
        parallel = build()
    parallel.load_state_dict(build().state_dict(), assign=True)
    image = testing.random_image((5, 4), channels=1)
    assert torch.equal(parallel.theta(image)[0], st.tile_starts(st.Attention(), (1, 2)))
