"""The layer: predicts theta, warps, starts at the identity, trains, is saved and loaded."""

import copy
import io

import pytest
import torch
from torch import nn

import spatial_transformer as st
from spatial_transformer import testing


def transformer_for(family, channels=1, **options):
    torch.manual_seed(0)
    return st.SpatialTransformer(st.ConvLocaliser(channels, dims=family.dims, width=2), family, **options)


def image_for(family, channels=1, **options):
    # Thinner volumes meet the fault of PyTorch that ConvLocaliser tells of.
    return testing.random_image((17, 11, 9)[: family.dims], channels=channels, **options)


def trained(transformer):
    """The same transformer with weights that predict another theta for every image."""
    with torch.no_grad():
        transformer.regression.weight.normal_(std=0.05, generator=torch.Generator().manual_seed(0))
    return transformer


def test_a_new_transformer_predicts_the_identity(family):
    warped, theta = transformer_for(family)(image_for(family), return_theta=True)
    assert torch.equal(theta, family.identity(2))
    assert torch.equal(warped, image_for(family))


@pytest.mark.pairwise
def test_forward_is_warp_by_the_predicted_theta(family, mode, padding):
    size = (5, 6, 4)[-family.dims :]
    transformer = trained(transformer_for(family, size=size, mode=mode, padding=padding))
    image = image_for(family)
    warped, theta = transformer(image, return_theta=True)
    assert not torch.equal(theta[0], theta[1])
    assert torch.equal(theta, transformer.theta(image))
    assert torch.equal(warped, st.warp(image, family, theta, size, mode=mode, padding=padding))
    assert torch.equal(warped, transformer(image))


def test_theta_is_the_regression_of_the_features():
    transformer = trained(transformer_for(st.Affine()))
    image = image_for(st.Affine())
    torch.testing.assert_close(transformer.theta(image), transformer.regression(transformer.localiser(image)))


def test_reset_to_identity_forgets_what_was_learnt(family):
    transformer = trained(transformer_for(family))
    with torch.no_grad():
        transformer.regression.bias.add_(1)
    transformer.reset_to_identity()
    assert torch.equal(transformer(image_for(family)), image_for(family))


def test_state_dict_holds_the_two_networks_and_nothing_else(family):
    keys = transformer_for(family, size=(5, 6, 4)[-family.dims :]).state_dict().keys()
    assert {key.split(".")[0] for key in keys} == {"localiser", "regression"}


def test_state_dict_loads_into_a_transformer_of_another_size(family):
    large = trained(transformer_for(family, size=(9, 8, 7)[-family.dims :], mode="bicubic", padding="wrap"))
    small = transformer_for(family, size=(2, 1, 3)[-family.dims :])
    small.load_state_dict(large.state_dict())
    for image in (image_for(family), testing.random_image((1, 7, 5)[: family.dims], channels=1)):
        assert torch.equal(small.theta(image), large.theta(image))
        assert small(image).shape[2:] == (2, 1, 3)[-family.dims :]


def test_a_copy_and_a_saved_transformer_do_the_same(family):
    transformer = trained(transformer_for(family, padding="border"))
    file = io.BytesIO()
    torch.save(transformer, file)
    file.seek(0)
    image = image_for(family)
    for again in (copy.deepcopy(transformer), torch.load(file, weights_only=False)):
        assert torch.equal(again(image), transformer(image))
        assert str(again) == str(transformer)


def test_a_step_of_gradient_descent_changes_theta(family):
    transformer, image = transformer_for(family), image_for(family)
    optimiser = torch.optim.SGD(transformer.parameters(), lr=0.1)
    transformer(image).square().mean().backward()
    optimiser.step()
    theta = transformer.theta(image)
    assert (theta != family.identity(2)).all()
    assert theta.isfinite().all()


def test_gradients_reach_the_localiser_once_the_regression_layer_has_weights():
    transformer, image = transformer_for(st.Affine()), image_for(st.Affine())
    first_layer = transformer.localiser[0].weight
    transformer(image).square().mean().backward()
    assert (first_layer.grad == 0).all()  # behind weights that are still zero
    trained(transformer)(image).square().mean().backward()
    assert first_layer.grad.abs().sum() > 0


def test_a_shift_is_learnt_from_the_loss_of_the_task_alone():
    blob = torch.exp(-8 * st.target_points((16, 16)).square().sum(dim=-1))[None]  # (1, 1, 16, 16)
    shifted = st.warp(blob, st.Translation(), torch.tensor([[0.2, -0.3]]))
    torch.manual_seed(0)
    transformer = st.SpatialTransformer(st.ConvLocaliser(1, width=2), st.Translation())
    optimiser = torch.optim.Adam(transformer.parameters(), lr=0.01)
    losses = []
    for _ in range(60):
        loss = (transformer(shifted) - blob).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.02 * losses[0]
    torch.testing.assert_close(transformer.theta(shifted), torch.tensor([[-0.2, 0.3]]), rtol=0, atol=0.02)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_networks_predict_theta_in_float32(family, dtype):
    transformer, image = transformer_for(family).to(dtype), image_for(family, dtype=dtype)
    warped, theta = transformer(image, return_theta=True)
    assert warped.dtype == dtype
    assert theta.dtype == torch.float32
    assert torch.equal(theta, family.identity(2))
    assert torch.equal(warped, st.warp(image, family, theta))


def test_half_precision_networks_keep_an_exact_identity():
    family = st.Affine()
    for dtype in (torch.float16, torch.bfloat16):
        image = image_for(family, dtype=dtype)
        assert torch.equal(transformer_for(family).to(dtype)(image), image)


def test_autocast_leaves_theta_and_the_grid_in_float32(family):
    transformer, image = trained(transformer_for(family)), image_for(family)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert transformer.localiser(image).dtype == torch.bfloat16
        warped, theta = transformer(image, return_theta=True)
        assert theta.dtype == warped.dtype == torch.float32
        features = transformer.localiser(image).float()
    expected = nn.functional.linear(features, transformer.regression.weight[:, :-1], transformer.regression.bias)
    assert torch.equal(theta, family.identity(2) + expected)
    assert torch.equal(warped, st.warp(image, family, theta))


def test_double_precision_stays_double(family):
    transformer = trained(transformer_for(family)).double()
    warped, theta = transformer(image_for(family, dtype=torch.float64), return_theta=True)
    assert warped.dtype == theta.dtype == torch.float64


def test_memory_format_is_kept():
    transformer = trained(transformer_for(st.Affine(), channels=2))
    image = image_for(st.Affine(), channels=2).contiguous(memory_format=torch.channels_last)
    warped = transformer.to(memory_format=torch.channels_last)(image)
    assert warped.is_contiguous(memory_format=torch.channels_last)
    assert not warped.is_contiguous()


def test_an_empty_batch_passes_through(family):
    warped, theta = transformer_for(family)(image_for(family, batch=0), return_theta=True)
    assert warped.shape == image_for(family, batch=0).shape
    assert theta.shape == (0, family.parameter_count)


def test_any_module_with_out_features_is_a_localiser():
    localiser = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
    localiser.out_features = 5
    image = testing.random_image((3, 4), channels=1)
    assert torch.equal(st.SpatialTransformer(localiser, st.Rigid())(image), image)


def test_a_transformer_prints_its_arguments():
    text = str(transformer_for(st.Affine(), size=(5, 6), mode="nearest", padding=0.5))
    assert "size=(5, 6), mode='nearest', padding=0.5" in text
    assert "(family): Affine(dims=2)" in text


def test_transformers_in_sequence_warp_one_after_the_other():
    first, second = trained(transformer_for(st.Affine())), trained(transformer_for(st.ThinPlateSpline((3, 3))))
    image = image_for(st.Affine())
    middle = st.warp(image, st.Affine(), first.theta(image))
    expected = st.warp(middle, st.ThinPlateSpline((3, 3)), second.theta(middle))
    assert torch.equal(nn.Sequential(first, second)(image), expected)


def test_theta_can_be_joined_to_the_features_of_later_layers():
    class PoseNetwork(nn.Module):
        def __init__(self):
            super().__init__()
            self.transformer = trained(transformer_for(st.Similarity()))
            self.features = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
            self.head = nn.Linear(4 + st.Similarity().parameter_count, 5)

        def forward(self, image):
            warped, theta = self.transformer(image, return_theta=True)
            return self.head(torch.cat([self.features(warped), theta], dim=1))

    network = PoseNetwork()
    with torch.no_grad():
        network.head.weight[:, :4] = 0  # listens to the pose alone
    network(image_for(st.Similarity())).square().sum().backward()
    assert network.transformer.regression.weight.grad.abs().sum() > 0


def by_hand(transformer, image, steps):
    """Every step written out: look at the input warped so far, predict, compose; the update acts on the target."""
    family, theta = transformer.family, transformer.family.identity(len(image), dtype=image.dtype)
    for _ in range(steps):
        seen = st.warp(image, family, theta)
        features = transformer.localiser(seen)
        update = nn.functional.linear(features, transformer.regression.weight[:, :-1], transformer.regression.bias)
        update = update + family.identity(len(image), dtype=image.dtype)
        theta = family.from_matrix(family.matrix(theta) @ family.matrix(update))
    return theta


def test_steps_compose_updates_and_resample_the_original_once_each(matrix_family):
    size = (5, 6, 4)[-matrix_family.dims :]
    transformer = trained(transformer_for(matrix_family, steps=3, size=size)).double()
    image = image_for(matrix_family, dtype=torch.float64)
    warped, theta = transformer(image, return_theta=True)
    torch.testing.assert_close(theta, by_hand(transformer, image, steps=3), rtol=0, atol=1e-7)
    assert not torch.allclose(theta, by_hand(transformer, image, steps=2), rtol=0, atol=1e-4)
    assert torch.equal(warped, st.warp(image, matrix_family, theta, size))


def test_a_step_is_a_warp_of_what_the_localiser_saw():
    family = st.Affine()
    first = torch.tensor([[0.7, 0.0, 0.2, 0.0, 0.7, -0.1]], dtype=torch.float64)
    update = torch.tensor([[0.9, -0.3, 0.0, 0.3, 0.9, 0.1]], dtype=torch.float64)
    smooth = st.target_points((64, 64), dtype=torch.float64).sum(dim=-1)[None].sin()
    twice = st.warp(st.warp(smooth, family, first), family, update)[..., 16:-16, 16:-16]
    once = st.warp(smooth, family, family.compose(update, first))[..., 16:-16, 16:-16]
    torch.testing.assert_close(twice, once, rtol=0, atol=1e-3)
    other_order = st.warp(smooth, family, family.compose(first, update))[..., 16:-16, 16:-16]
    assert (twice - other_order).abs().max() > 0.02


def test_steps_start_at_the_identity(matrix_family):
    image = image_for(matrix_family)
    warped, theta = transformer_for(matrix_family, steps=4)(image, return_theta=True)
    assert torch.equal(theta, matrix_family.identity(2))
    assert torch.equal(warped, image)


def test_gradients_flow_through_all_steps():
    transformer, image = trained(transformer_for(st.Projective(), steps=3)), image_for(st.Projective())
    image.requires_grad_()
    transformer(image).square().mean().backward()
    gradients = [image.grad, *(parameter.grad for parameter in transformer.parameters())]
    assert all(gradient.isfinite().all() and gradient.abs().sum() > 0 for gradient in gradients)


def test_more_steps_go_further_with_the_same_weights():
    transformer = transformer_for(st.Translation())
    with torch.no_grad():
        transformer.regression.bias.add_(0.1)
    transformer.steps = 3
    theta = transformer.theta(image_for(st.Translation()))
    torch.testing.assert_close(theta, torch.full((2, 2), 0.3))


def test_steps_need_a_family_that_composes():
    with pytest.raises(ValueError, match=r"`steps` must be 1 for `ThinPlateSpline.*has no `compose`"):
        transformer_for(st.ThinPlateSpline(), steps=2)
    with pytest.raises(ValueError, match="`steps` must be a whole number, 1 or more; got 0"):
        transformer_for(st.Affine(), steps=0)


def test_a_bound_keeps_the_identity_and_the_limits():
    bound = st.guards.Bound(low=(0.5, -0.2, -0.2), high=(2.0, 0.2, 0.2))
    transformer, image = transformer_for(st.Attention(), bound=bound), image_for(st.Attention())
    assert torch.equal(transformer(image), image)
    with torch.no_grad():
        transformer.regression.bias.copy_(torch.tensor([-30.0, 30.0, -30.0]))
    torch.testing.assert_close(transformer.theta(image)[0], torch.tensor([0.5, 0.2, -0.2]))


def test_a_step_down_the_slope_is_the_same_with_a_wide_bound():
    image = image_for(st.Affine())
    free, bounded = transformer_for(st.Affine()), transformer_for(st.Affine(), bound=st.guards.Bound(-9, 9))
    for transformer in (free, bounded):
        transformer(image).square().mean().backward()
    torch.testing.assert_close(bounded.regression.weight.grad, free.regression.weight.grad)


def test_antialias_is_passed_on():
    transformer = trained(transformer_for(st.Affine(), size=(5, 4), antialias=True))
    image = image_for(st.Affine())
    expected = st.warp(image, st.Affine(), transformer.theta(image), (5, 4), antialias=True)
    assert torch.equal(transformer(image), expected)
    assert not torch.equal(transformer(image), st.warp(image, st.Affine(), transformer.theta(image), (5, 4)))
