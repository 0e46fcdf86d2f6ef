"""The zoom-out bug of a well-known tutorial: inputs are normalised, the padding is not."""

import pytest
import torch
from torch import nn

import spatial_transformer as st
from spatial_transformer.guards import ChannelPadding, normalised_padding

MEAN, STD = 0.1307, 0.3081  # of MNIST
BLACK = normalised_padding(MEAN, STD)
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def digit(channels=1):
    """A thin ring on black, 28 pixels: darker on the whole than the mean of MNIST, as every second digit is."""
    distance = st.target_points((28, 28)).norm(dim=-1)  # (1, 28, 28)
    ring = 0.5 * torch.exp(-400 * (distance - 0.5).square())
    return torch.where(ring > 1e-3, ring, 0).expand(1, channels, 28, 28)


def normalised(image, mean=MEAN, std=STD):
    mean, std = (torch.tensor(value).reshape(-1, 1, 1) for value in (mean, std))
    return (image - mean) / std


def zoomed_out(image, padding, scale=1.5):
    return st.warp(image, st.Attention(), torch.tensor([[scale, 0.0, 0.0]]), padding=padding)


def test_zeros_draw_a_bright_frame_around_a_normalised_image():
    frame = zoomed_out(normalised(digit()), "zeros")[..., :4, :]
    assert (frame == 0).all()
    assert (frame - BLACK > 0.42).all()  # brighter than any background


def test_what_black_has_become_draws_none():
    shown = zoomed_out(normalised(digit()), BLACK)
    torch.testing.assert_close(shown, normalised(zoomed_out(digit(), "zeros")), rtol=0, atol=1e-5)
    torch.testing.assert_close(shown[..., :4, :], torch.full((1, 1, 4, 28), BLACK))


def slope(padding):
    """How the brightness that a layer sees changes with the scale, at the identity."""
    theta = torch.tensor([[1.0, 0.0, 0.0]], requires_grad=True)
    st.warp(normalised(digit()), st.Attention(), theta, padding=padding).mean().backward()
    return theta.grad[0, 0].item()


def test_zeros_reward_zooming_out_and_black_does_not():
    assert digit().mean() < MEAN
    assert slope("zeros") > 0.05
    assert slope(BLACK) < -0.05


def trained_scale(padding):
    """The scale that a transformer learns in front of a layer that likes light, as that of a digit."""
    torch.manual_seed(0)
    transformer = st.SpatialTransformer(st.ConvLocaliser(1, width=2), st.Attention(), padding=padding)
    optimiser = torch.optim.SGD(transformer.parameters(), lr=0.05)
    images = normalised(digit())
    for _ in range(20):
        optimiser.zero_grad()
        (-transformer(images).mean()).backward()
        optimiser.step()
    return transformer.theta(images)[0, 0].item()


def test_a_transformer_learns_to_zoom_out_with_zeros_and_in_with_black():
    assert trained_scale("zeros") > 1.1
    assert trained_scale(BLACK) < 0.9


def test_normalised_padding_is_black_normalised():
    assert normalised(torch.zeros(1, 1, 1)).item() == pytest.approx(BLACK)
    assert normalised_padding(0.5, 0.25, value=1.0) == 2
    assert normalised_padding(*IMAGENET) == pytest.approx(
        normalised(torch.zeros(3, 1, 1), *IMAGENET).flatten().tolist()
    )


def coloured(**options):
    torch.manual_seed(0)
    return st.SpatialTransformer(st.ConvLocaliser(3, width=2), st.Attention(), **options)


def test_every_channel_is_filled_with_its_own_black():
    layer = ChannelPadding(coloured(), normalised_padding(*IMAGENET))
    with torch.no_grad():
        layer.transformer.regression.bias[0] = 0.5  # from 1
    image = digit(3) * torch.tensor([1.0, 0.5, 0.2])[:, None, None]
    warped, theta = layer(normalised(image, *IMAGENET), return_theta=True)
    assert theta[0, 0] == 1.5
    torch.testing.assert_close(warped, normalised(zoomed_out(image, "zeros"), *IMAGENET), rtol=0, atol=1e-5)
    assert torch.equal(layer(normalised(image, *IMAGENET)), warped)


def test_channel_padding_begins_at_the_identity():
    image = normalised(torch.rand(2, 3, 9, 7), *IMAGENET)
    layer = ChannelPadding(coloured(), normalised_padding(*IMAGENET))
    torch.testing.assert_close(layer(image), image, rtol=0, atol=1e-6)
    assert set(dict(layer.named_parameters())) == {f"transformer.{name}" for name, _ in coloured().named_parameters()}


def test_channel_padding_works_in_parallel_and_in_volumes():
    family = st.Attention(3)
    parallel = st.ParallelTransformers(st.ConvLocaliser(2, dims=3, width=2), family, st.tile_starts(family, (1, 1, 2)))
    with torch.no_grad():
        parallel.regressions[0].bias[1::4] += 5  # far outside
    warped = ChannelPadding(parallel, (0.25, -0.5))(torch.rand(1, 2, 4, 4, 4))
    assert torch.equal(warped, torch.tensor([0.25, -0.5]).reshape(2, 1, 1, 1).expand(1, 2, 2, 4, 4, 4))


BAD = {
    "two lengths": (lambda: normalised_padding((0.1, 0.2), (0.3,)), "two numbers, or two lists of one length"),
    "number and list": (lambda: normalised_padding(0.1, (0.3,)), "two numbers, or two lists of one length"),
    "zero std": (lambda: normalised_padding(0.1, 0.0), "`std` must be a positive number"),
    "not zeros": (
        lambda: ChannelPadding(coloured(padding="border"), (0,)),
        "must have padding=\"zeros\"; got 'border'",
    ),
    "no transformer": (lambda: ChannelPadding(nn.ReLU(), (0,)), 'must have padding="zeros"; got None'),
    "channels": (lambda: ChannelPadding(coloured(), (0, 0))(torch.rand(1, 3, 4, 4)), "`image` must have 2 channels"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()
