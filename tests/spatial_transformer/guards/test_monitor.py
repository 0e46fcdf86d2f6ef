"""The monitor: silent while all is well, and the name of the cure when it is not."""

import warnings

import pytest
import torch

import spatial_transformer as st
from spatial_transformer.guards import CollapseMonitor, CollapseWarning

ATTENTION = st.Attention()
NAN = float("nan")


def attention(scale, shift=0.0, count=8):
    """Thetas that differ a little."""
    theta = torch.tensor([[scale, shift, 0.0]]).repeat(count, 1)
    theta[:, 2] += torch.linspace(-0.05, 0.05, count)
    return theta


def feed(monitor, theta, times=1):
    """Every warning of some calls."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(times):
            monitor(theta)
    assert all(issubclass(warning.category, CollapseWarning) for warning in caught)
    return [str(warning.message) for warning in caught]


SIGNS = {
    "not finite": (torch.full((8, 3), NAN), "Lower `localiser_lr_scale`"),
    "blank": (attention(1, 4.0), "`guards.outside_penalty`"),
    "vanishing area": (attention(0.05), "`guards.area_penalty`"),
    "zoom-out": (attention(2.5), "normalised_padding(mean, std)"),
    "constant theta": (attention(0.8)[:1].repeat(8, 1), "Raise `localiser_lr_scale`"),
}


@pytest.mark.parametrize("sign", SIGNS)
def test_a_sign_is_seen_and_its_cure_named(sign):
    theta, cure = SIGNS[sign]
    monitor = CollapseMonitor(ATTENTION, patience=1, constant_patience=1)
    with pytest.warns(CollapseWarning, match=f"^{sign}: ") as caught:
        assert monitor(theta) == (sign,)
    assert cure in str(caught[0].message)


def test_the_message_gives_the_numbers():
    (message,) = feed(CollapseMonitor(ATTENTION, patience=1), attention(0.05))
    assert "the sampled area is below 1.00% of the image for 100% of the batch" in message


def test_healthy_thetas_are_passed_in_silence():
    monitor = CollapseMonitor(ATTENTION, patience=1, constant_patience=1)
    assert feed(monitor, attention(0.7, 0.2), 5) == []
    assert monitor(attention(1.2, -0.2)) == ()


def test_a_part_of_the_batch_may_stray():
    theta = attention(1.0)
    theta[:3, 0] = 0.01
    assert CollapseMonitor(ATTENTION, patience=1)(theta) == ()
    assert feed(CollapseMonitor(ATTENTION, patience=1, share=0.3), theta) != []


def test_one_nan_in_the_batch_is_enough():
    theta = attention(1.0)
    theta[5, 1] = NAN
    (message,) = feed(CollapseMonitor(ATTENTION), theta)
    assert message.startswith("not finite: theta holds NaN or infinity for 12%")


def test_a_sign_must_last_and_is_reported_once():
    monitor = CollapseMonitor(ATTENTION, patience=3)
    small, fine = attention(0.05), attention(1.0)
    assert feed(monitor, small, 2) == []
    assert len(feed(monitor, small, 1)) == 1
    assert feed(monitor, small, 20) == []
    assert feed(monitor, fine) == []
    assert feed(monitor, small, 2) == []
    assert len(feed(monitor, small, 1)) == 1


def test_an_untrained_transformer_is_given_time():
    monitor = CollapseMonitor(ATTENTION, patience=1, constant_patience=30)
    assert feed(monitor, ATTENTION.identity(8), 29) == []
    assert len(feed(monitor, ATTENTION.identity(8))) == 1


def test_a_batch_of_one_is_never_constant_and_an_empty_one_never_anything():
    monitor = CollapseMonitor(ATTENTION, patience=1, constant_patience=1)
    assert monitor(ATTENTION.identity(1)) == ()
    assert monitor(ATTENTION.identity(0)) == ()


def test_every_family_can_be_watched(family):
    monitor = CollapseMonitor(family, patience=1, constant_patience=1)
    with pytest.warns(CollapseWarning, match="constant theta"):
        assert monitor(family.identity(2)) == ("constant theta",)


def test_a_collapsing_run_is_caught():
    """A learning rate far too high throws theta off the image within a few steps."""
    torch.manual_seed(0)
    transformer = st.SpatialTransformer(st.ConvLocaliser(1, width=2), ATTENTION)
    images = torch.rand(8, 1, 12, 12)
    optimiser = torch.optim.SGD(transformer.parameters(), lr=100.0)
    monitor = CollapseMonitor(ATTENTION, patience=2)
    messages = []
    for _ in range(10):
        optimiser.zero_grad()
        warped, theta = transformer(images, return_theta=True)
        messages += feed(monitor, theta)
        warped.square().mean().backward()
        optimiser.step()
    assert messages
    assert messages[0].split(":")[0] in ("blank", "vanishing area", "zoom-out", "not finite")


def test_bad_input():
    with pytest.raises(ValueError, match=r"`theta` must have shape \(N, 3\)"):
        CollapseMonitor(ATTENTION)(torch.zeros(2, 2, 3))
    with pytest.raises(ValueError, match="`patience` must be a whole number, 1 or more; got 0"):
        CollapseMonitor(ATTENTION, patience=0)
    with pytest.raises(ValueError, match="`smallest_area`"):
        CollapseMonitor(ATTENTION, smallest_area=-1)
