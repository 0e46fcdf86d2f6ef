"""Transformers side by side: each with a theta and a start of its own."""

import copy

import pytest
import torch
from torch import nn

import spatial_transformer as st
from spatial_transformer import testing
from spatial_transformer.guards import Bound

ATTENTION = st.Attention()


def localiser(dims=2):
    torch.manual_seed(0)
    return st.ConvLocaliser(2, dims=dims, width=2)


def starts_for(family, count=3):
    return testing.random_theta(family, batch=count, dtype=torch.float32)


def parallel_for(family, *, own=False, **options):
    starts = starts_for(family)
    localisers = [localiser(family.dims) for _ in starts] if own else localiser(family.dims)
    return st.ParallelTransformers(localisers, family, starts, **options)


def image_for(family, **options):
    return testing.random_image((9, 7, 6)[: family.dims], channels=2, **options)


def trained(parallel):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for regression in parallel.regressions:
            regression.weight.normal_(std=0.05, generator=generator)
    return parallel


@pytest.mark.parametrize("own", [False, True], ids=["shared localiser", "one each"])
def test_each_transformer_begins_at_its_start(family, own):
    warped, theta = parallel_for(family, own=own)(image_for(family), return_theta=True)
    assert torch.equal(theta, starts_for(family).expand(2, -1, -1))
    assert warped.shape == (2, 3, 2, *image_for(family).shape[2:])


@pytest.mark.parametrize("own", [False, True], ids=["shared localiser", "one each"])
def test_forward_is_a_warp_by_each_theta(own):
    family = st.Affine()
    parallel = trained(parallel_for(family, own=own, size=(4, 5), mode="bicubic", padding="border"))
    image = image_for(family)
    warped, theta = parallel(image, return_theta=True)
    assert len({tuple(row) for row in theta.flatten(0, 1).tolist()}) == 6  # all differ
    for k in range(3):
        expected = st.warp(image, family, theta[:, k], (4, 5), mode="bicubic", padding="border")
        torch.testing.assert_close(warped[:, k], expected, rtol=0, atol=1e-6)
    assert torch.equal(parallel(image), warped)


def test_own_localisers_are_used_one_each():
    family, image = st.Affine(), image_for(st.Affine())
    parallel = trained(parallel_for(family, own=True))
    before = parallel.theta(image)
    with torch.no_grad():
        parallel.localisers[1][0].weight.add_(0.1)
    changed = (parallel.theta(image) != before).any(dim=2)
    assert changed.tolist() == [[False, True, False]] * 2


def test_the_warps_can_be_put_into_channels_in_a_sequence():
    parallel = trained(parallel_for(ATTENTION, size=(4, 4)))
    network = nn.Sequential(parallel, nn.Flatten(1, 2), nn.Conv2d(6, 5, 3))
    image = image_for(ATTENTION)
    assert network(image).shape == (2, 5, 2, 2)
    joined = torch.cat(list(parallel(image).unbind(1)), dim=1)
    assert torch.equal(network[1](network[0](image)), joined)


def test_training_moves_every_transformer_and_keeps_them_apart():
    parallel, image = parallel_for(ATTENTION), image_for(ATTENTION)
    optimiser = torch.optim.SGD(st.parameter_groups(parallel, lr=1.0), lr=1.0)
    parallel(image).square().mean().backward()
    optimiser.step()
    theta = parallel.theta(image)
    assert (theta != starts_for(ATTENTION)).any(dim=2).all()
    assert (theta[:, 0] != theta[:, 1]).any()


def test_the_papers_windows_move_and_keep_their_scale():
    starts = st.tile_starts(ATTENTION, (1, 2))
    parallel = st.ParallelTransformers(localiser(), ATTENTION, starts, bound=Bound((0.5, -1, -1), (0.5, 1, 1)))
    assert torch.equal(parallel.theta(image_for(ATTENTION))[0], starts)
    with torch.no_grad():
        for parameter in parallel.regressions.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    theta = parallel.theta(image_for(ATTENTION))
    assert (theta[..., 0] == 0.5).all()
    assert (theta[..., 1:] != starts[:, 1:]).all()
    assert (theta[..., 1:].abs() < 1).all()


def test_reset_returns_to_the_starts():
    parallel = trained(parallel_for(ATTENTION, own=True))
    parallel.reset_to_starts()
    assert torch.equal(parallel.theta(image_for(ATTENTION))[0], starts_for(ATTENTION))


def test_a_copy_and_a_loaded_state_do_the_same():
    parallel, image = trained(parallel_for(ATTENTION)), image_for(ATTENTION)
    fresh = parallel_for(ATTENTION)
    fresh.load_state_dict(parallel.state_dict())
    for again in (copy.deepcopy(parallel), fresh):
        assert torch.equal(again(image), parallel(image))


def test_half_precision_keeps_theta_in_float32():
    parallel = trained(parallel_for(ATTENTION)).to(torch.bfloat16)
    warped, theta = parallel(image_for(ATTENTION, dtype=torch.bfloat16), return_theta=True)
    assert (warped.dtype, theta.dtype) == (torch.bfloat16, torch.float32)


def test_empty_batches_pass_through(family):
    assert parallel_for(family)(image_for(family, batch=0)).shape == (0, 3, 2, *image_for(family).shape[2:])


TILING = [
    st.Attention(),
    st.Attention(3),
    st.Similarity(),
    st.Affine(3),
    st.Projective(),
    st.ThinPlateSpline((3, 4)),
    st.ThinPlateSpline((2, 2, 3)),
    st.PiecewiseAffine((3, 4)),
    st.BSpline((4, 4)),
    st.Displacement((6, 5)),
]


@pytest.mark.parametrize("tiling", TILING, ids=str)
def test_tiles_are_windows_spread_over_the_image(tiling):
    tiles = (1, 2, 2)[-tiling.dims :]
    at = 0.8 * st.target_points((5,) * tiling.dims)
    centres = st.target_points(tiles).reshape(-1, *[1] * tiling.dims, tiling.dims)
    starts = st.tile_starts(tiling, tiles)
    torch.testing.assert_close(tiling.points(starts, at), 0.5 * at + centres, rtol=0, atol=0.02)


def test_tiles_are_exact_for_families_of_matrices():
    assert st.tile_starts(st.Affine(), (2, 1), scale=0.25).tolist() == [
        [0.25, 0, 0, 0, 0.25, -0.5],
        [0.25, 0, 0, 0, 0.25, 0.5],
    ]


def test_windows_of_full_size_suit_families_without_a_scale():
    assert st.tile_starts(st.Translation(), (1, 2), scale=1).tolist() == [[-0.5, 0], [0.5, 0]]
    with pytest.raises(ValueError, match=r"`Rigid.* has no shifted windows of scale 0.5"):
        st.tile_starts(st.Rigid(), (1, 2))


BAD = {
    "equal starts": (lambda: {"starts": ATTENTION.identity(3)}, "`starts` must all differ: 0 and 1 are the same"),
    "starts of another family": (lambda: {"starts": torch.eye(2)}, r"`theta` must have shape \(N, 3\)"),
    "no starts": (lambda: {"starts": torch.zeros(0, 3)}, "`starts` must hold at least one theta"),
    "too few localisers": (lambda: {"localiser": [localiser()]}, "one module or 3, one for each start; got 1"),
    "no localiser": (lambda: {"localiser": nn.ReLU()}, "`localiser` must be a module with an attribute"),
    "start outside of the bound": (lambda: {"bound": Bound(2, 3)}, "the start must lie between the limits"),
    "another padding": (lambda: {"padding": "mirror"}, "`padding` must be one of"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    options, message = BAD[case]
    good = {"localiser": localiser(), "family": ATTENTION, "starts": starts_for(ATTENTION)}
    with pytest.raises((ValueError, TypeError), match=message):
        st.ParallelTransformers(**(good | options()))
