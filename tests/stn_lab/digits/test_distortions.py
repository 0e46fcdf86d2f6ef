import math

import pytest
import torch

import spatial_transformer as st
from stn_lab.digits.distortions import DISTORTIONS, place
from stn_lab.digits.sets import load
from stn_lab.tasks.stream import TEST_SEED, TrainingStream, frozen
from stn_lab.tasks.task import Draw

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def digits():
    return load("digits").test[:64]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", DISTORTIONS)
def test_images_have_the_size_and_range_of_the_column(name, digits):
    distortion = DISTORTIONS[name]
    images = distortion.draw(digits.as_input(slice(None)), seeded())
    assert images.shape == (64, 1, distortion.side, distortion.side)
    assert images.min() >= 0
    assert images.max() <= 1 + 1e-6  # weights that sum to 1 up to rounding
    assert (images.amax(dim=(1, 2, 3)) > 0.3).all(), "a digit has been lost"


@pytest.mark.parametrize("name", DISTORTIONS)
def test_the_same_seed_gives_the_same_images_and_another_one_others(name, digits):
    draw = DISTORTIONS[name].draw
    images = digits.as_input(slice(None))
    assert torch.equal(draw(images, seeded(1)), draw(images, seeded(1)))
    assert not torch.equal(draw(images, seeded(1)), draw(images, seeded(2)))


@pytest.mark.parametrize("name", DISTORTIONS)
def test_a_batch_is_one_warp_not_one_per_image(name, digits, monkeypatch):
    from stn_lab.digits import distortions

    calls = []
    monkeypatch.setattr(distortions, "warp", lambda *a, **k: calls.append(1) or st.warp(*a, **k))
    DISTORTIONS[name].draw(digits.as_input(slice(None)), seeded())
    assert len(calls) == (2 if name == "TC" else 1)


def test_place_upright_in_the_middle_is_a_copy(digits):
    images = digits.as_input(slice(None))
    placed = place(images, 42)
    torch.testing.assert_close(placed[:, :, 7:35, 7:35], images, atol=1e-5, rtol=0)
    assert placed.sum() == pytest.approx(images.sum().item(), rel=1e-4)


def test_place_moves_by_whole_pixels(digits):
    images = digits.as_input(slice(None))
    moved = place(images, 42, shift=(3.0, -5.0))
    torch.testing.assert_close(moved, place(images, 42).roll((-5, 3), dims=(2, 3)), atol=1e-5, rtol=0)


def test_place_turns_clockwise(digits):
    images = digits.as_input(slice(None))
    torch.testing.assert_close(place(images, 28, degrees=90.0), images.rot90(-1, dims=(2, 3)), atol=1e-4, rtol=0)


def test_place_scales_area_by_the_square(digits):
    images = digits.as_input(slice(None))
    assert place(images, 60, scale=2.0).sum() == pytest.approx(4 * images.sum().item(), rel=0.01)


def test_rotation_covers_its_range():
    spot = torch.zeros(2000, 1, 28, 28)
    spot[:, :, 4:6, 13:15] = 1  # above the centre
    turned = DISTORTIONS["R"].draw(spot, seeded())
    at = st.target_points((28, 28))
    mass = turned[:, 0, ..., None]
    x, y = ((mass * at).sum(dim=(1, 2)) / mass.sum(dim=(1, 2))).unbind(1)
    degrees = torch.rad2deg(torch.atan2(x, -y))
    assert degrees.min() == pytest.approx(-90, abs=2)
    assert degrees.max() == pytest.approx(90, abs=2)
    assert degrees.mean().abs() < 4


def test_translation_covers_the_canvas():
    digits = torch.zeros(2000, 1, 28, 28)
    digits[:, :, 0, 0] = 1  # the corner of the frame
    where = DISTORTIONS["T"].draw(digits, seeded())[:, 0].flatten(1).argmax(dim=1)
    rows, columns = where // 60, where % 60
    for position in (rows, columns):
        assert position.min() == 0
        assert position.max() == 32
        assert len(position.unique()) == 33


def test_clutter_adds_pieces_of_other_digits_and_keeps_the_digit(digits):
    images = digits.as_input(slice(None))
    plain = DISTORTIONS["T"].draw(images, seeded(3))
    cluttered = DISTORTIONS["TC"].draw(images, seeded(3))
    assert (cluttered >= plain).all()
    changed = (cluttered > plain + 1e-6).sum(dim=(1, 2, 3))
    assert changed.max() <= 6 * 36
    assert changed.float().mean() > 20


def test_elastic_and_projective_draws_differ_from_a_mere_scaling(digits):
    images = digits.as_input(slice(None))
    for name in ("P", "E"):
        assert (DISTORTIONS[name].draw(images, seeded()) - images).abs().mean() > 0.02


def test_corners_read_where_the_law_of_the_projective_column_says(monkeypatch):
    from stn_lab.digits import distortions

    seen = []
    monkeypatch.setattr(distortions, "warp", lambda *a, **k: seen.append(a[1:3]) or st.warp(*a, **k))
    DISTORTIONS["P"].draw(torch.zeros(20_000, 1, 28, 28), seeded())
    ((family, theta),) = seen
    upright = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    read = family.points(theta, upright)  # (N, 4, 2): (corner + noise) / scale
    first, second = 4 * math.log(4 / 3), 4 / 3  # moments of 1 / scale
    torch.testing.assert_close(read.mean(dim=0), upright * first, atol=0.02, rtol=0)
    noise = 5**2 / 2 * (2 / 28) ** 2
    expected = (noise * second + second - first**2) ** 0.5
    torch.testing.assert_close(read.std(dim=0), torch.full((4, 2), expected), atol=0.01, rtol=0)
    assert not family.folds(theta, st.target_points((5, 5))).any()


def test_frozen_sets_are_the_same_every_time_and_cover_every_digit(digits):
    distortion = DISTORTIONS["RTS"]
    first, second = (frozen(digits, distortion, TEST_SEED) for _ in range(2))
    assert sum(len(labels) for _, labels in first) == len(digits)
    for (a, _), (b, _) in zip(first, second, strict=True):
        assert torch.equal(a, b)


def test_a_training_batch_depends_on_seed_rank_and_step_alone(digits):
    def stream(seed=0, rank=0):
        return TrainingStream(digits, DISTORTIONS["R"], Draw(CPU, 8, seed, rank))

    batches = [images for (images, _), _ in zip(stream().batches(0), range(4), strict=False)]
    later = next(stream().batches(3))[0]
    assert torch.equal(batches[3], later)
    assert not torch.equal(batches[0], batches[1])
    assert not torch.equal(batches[0], stream(seed=1).batch(0)[0])
    assert not torch.equal(batches[0], stream(rank=1).batch(0)[0])


def test_corners_are_moved_by_homography_noise_each_and_all_together(monkeypatch):
    from stn_lab.digits import distortions

    seen = []
    monkeypatch.setattr(distortions, "warp", lambda *a, **k: seen.append(a[1:3]) or st.warp(*a, **k))
    DISTORTIONS["H"].draw(torch.zeros(20_000, 1, 28, 28), seeded())
    ((family, theta),) = seen
    upright = torch.tensor(distortions.CORNERS)
    moves = family.points(theta, upright) - upright  # (N, 4, 2)
    assert moves.std(dim=0).mean() == pytest.approx(0.25 * 2**0.5, rel=0.03)
    assert moves.mean(dim=1).std(dim=0).mean() == pytest.approx((0.25**2 * 1.25) ** 0.5, rel=0.03)
    assert not family.folds(theta, st.target_points((5, 5))).any()
