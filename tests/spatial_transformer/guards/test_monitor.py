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


def hardly(spread, count=8):
    """Thetas that move a pixel of 32 by so much from image to image, as a standard deviation."""
    theta = torch.tensor([[0.7, 0.2, 0.1]]).repeat(count, 1)
    theta[:, 1] += torch.tensor([-1.0, 1.0]).repeat(count // 2) * spread / 16
    return theta


@pytest.mark.parametrize(("spread", "says"), [(0.2, True), (0.3, False)])
def test_a_theta_that_hardly_tells_images_apart_ignores_them(spread, says):
    monitor = CollapseMonitor(ATTENTION, constant_patience=20)
    assert feed(monitor, hardly(spread), 19) == []
    messages = feed(monitor, hardly(spread), 30)
    assert len(messages) == says  # and once
    if says:
        assert messages[0].startswith("ignores the image: for 20 looks")
        assert "differs by 0.2 pixels over the batch" in messages[0]
        assert "`localiser_lr_scale=1` in `parameter_groups`" in messages[0]


def test_what_a_pixel_is_depends_on_the_size():
    monitor = CollapseMonitor(ATTENTION, constant_patience=1, size=(64, 64))
    assert monitor(hardly(0.2)) == ()  # twice as many pixels
    assert CollapseMonitor(ATTENTION, smallest_spread=0.1)(hardly(0.2)) == ()


def test_a_batch_of_one_ignores_nothing():
    assert CollapseMonitor(ATTENTION, constant_patience=1)(hardly(0.2)[:1]) == ()


INITIALISERS = {
    "parameters": lambda net: [torch.nn.init.xavier_uniform_(p) for p in net.parameters() if p.dim() > 1],
    "layers": lambda net: [
        torch.nn.init.kaiming_normal_(m.weight) for m in net.modules() if getattr(m, "in_features", None)
    ],
    "all": lambda net: [torch.nn.init.normal_(p, std=0.05) for p in net.parameters()],
}


@pytest.mark.parametrize("initialise", INITIALISERS.values(), ids=INITIALISERS)
@pytest.mark.parametrize("several", [False, True], ids=["one", "several"])
def test_an_initialised_regression_layer_is_seen_at_the_first_step(initialise, several):
    torch.manual_seed(0)
    localiser = st.ConvLocaliser(1, width=4)
    start = st.tile_starts(ATTENTION, (1, 2))[:1] if several else ATTENTION.identity()
    if several:
        network = st.ParallelTransformers(localiser, ATTENTION, st.tile_starts(ATTENTION, (1, 2)))
    else:
        network = st.SpatialTransformer(localiser, ATTENTION)
    images, reset = squares(16)[0], network.reset_to_starts if several else network.reset_to_identity

    def told():
        theta = network.theta(images).view(16, -1, 3)[:, 0]
        assert feed(CollapseMonitor(ATTENTION), theta) == []  # which may as well go on from somewhere
        return feed(CollapseMonitor(ATTENTION, start=start), theta, 3)

    assert told() == []
    initialise(network)
    (message,) = told()
    assert message.startswith("not the start: the first theta")
    assert f"`{reset.__name__}()`" in message
    reset()
    assert told() == []


def squares(count, seed=0):
    """(N, 1, 16, 16) images of a square in one of many places, and the places, in half-widths."""
    generator = torch.Generator().manual_seed(seed)
    corner = torch.randint(2, 9, (count, 2), generator=generator)  # x, y
    at = torch.arange(16)
    inside = [(at >= corner[:, axis, None]) & (at < corner[:, axis, None] + 5) for axis in (1, 0)]  # (N, 16) each
    image = (inside[0][:, :, None] & inside[1][:, None, :]).float()[:, None]
    return image, (corner + 2 - 7.5) / 8


def train(localiser_lr_scale, steps=120):
    """What a monitor says while a transformer learns to bring squares to the middle, and the spread in pixels."""
    torch.manual_seed(0)
    family = st.Translation()
    transformer = st.SpatialTransformer(st.ConvLocaliser(1, width=8), family, padding="border")
    groups = st.parameter_groups(transformer, lr=3e-3, localiser_lr_scale=localiser_lr_scale)
    optimiser = torch.optim.Adam(groups)
    monitor = CollapseMonitor(family, size=(16, 16), constant_patience=80, start=family.identity())
    goal = squares(1)[0] * 0
    goal[..., 6:11, 6:11] = 1
    messages = []
    for step in range(steps):
        warped, theta = transformer(squares(32, seed=step)[0], return_theta=True)
        messages += feed(monitor, theta.detach())
        optimiser.zero_grad()
        (warped - goal).square().mean().backward()
        optimiser.step()
    return messages, 8 * theta.std(dim=0).mean().item()


def test_a_healthy_run_is_passed_in_silence_and_one_that_ignores_its_images_is_told_the_cure():
    messages, spread = train(localiser_lr_scale=1)
    assert messages == []
    assert spread > 1
    (message,), spread = train(localiser_lr_scale=0.02)
    assert spread < 0.2
    assert message.startswith("ignores the image")


def test_bad_input():
    with pytest.raises(ValueError, match=r"`theta` must have shape \(N, 3\)"):
        CollapseMonitor(ATTENTION)(torch.zeros(2, 2, 3))
    with pytest.raises(ValueError, match="`patience` must be a whole number, 1 or more; got 0"):
        CollapseMonitor(ATTENTION, patience=0)
    with pytest.raises(ValueError, match="`smallest_area`"):
        CollapseMonitor(ATTENTION, smallest_area=-1)
