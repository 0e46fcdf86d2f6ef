"""Co-localisation: what is drawn, what is learnt from it, what is counted."""

import itertools
import json

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import spatial_transformer as st
from stn_lab.cli import main
from stn_lab.colocalisation import beyond, hinge, overlap
from stn_lab.digits.sets import Digits, load
from stn_lab.models.classifier import cnn
from stn_paper import page
from stn_paper.colocalisation.data import PATCHES, Windows, hide
from stn_paper.colocalisation.network import colocaliser
from stn_paper.colocalisation.task import DigitColocalisation, rim
from stn_paper.results import Results
from stn_paper.table import Estimate
from stn_paper.tables import TABLES

TABLE = TABLES["table5"]
PUBLISHED = {"T": (100,) * 10, "TC": (81, 82, 88, 75, 94, 84, 93, 85, 89, 87)}


@pytest.fixture(scope="module")
def digits():
    return load("digits").train


@pytest.fixture(scope="module", params=[False, True], ids=["T", "TC"])
def hidden(request, digits):
    return hide(digits, 3, cluttered=request.param, seed=1)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return colocaliser(cnn(1, 28, 4, 10))


def windows(boxes):
    """The attention windows that are the same as boxes."""
    return torch.cat([(boxes[:, 2:3] - boxes[:, :1]) / 2, (boxes[:, :2] + boxes[:, 2:]) / 2], dim=1)


def draw(hidden, count=4000, seed=0):
    index = torch.arange(count) % len(hidden)
    return index, *PATCHES.compose(hidden, index, torch.Generator().manual_seed(seed))


# the images


def test_a_hundred_digits_of_one_kind_lie_within_their_boxes(digits):
    hidden = hide(digits, 3, cluttered=False, seed=1)
    assert hidden.images.shape == (100, 1, 84, 84)
    crops = st.warp(hidden.images, st.Attention(), windows(hidden.boxes), (28, 28))
    assert crops.sum() == pytest.approx(hidden.images.sum().item(), rel=1e-4)
    threes = digits.as_input(digits.labels == 3).flatten(1)
    nearest = torch.cdist(crops.flatten(1), threes, p=1).min(dim=1)
    assert nearest.values.max() < 0.01
    assert len(nearest.indices.unique()) == 100
    assert len(hidden.boxes.unique(dim=0)) > 90


def test_clutter_is_sixteen_pieces(digits):
    plain, cluttered = (hide(digits, 3, cluttered=cluttered, seed=1) for cluttered in (False, True))
    assert torch.equal(plain.boxes, cluttered.boxes)
    assert (cluttered.images >= plain.images).all()
    changed = (cluttered.images > plain.images + 1e-6).sum(dim=(1, 2, 3))
    assert 6 * 36 < changed.max() <= 16 * 36


def test_a_seed_is_a_choice_of_digits_and_places(digits):
    first, again, other = (hide(digits, 3, cluttered=True, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.boxes, other.boxes)


def test_images_move_by_whole_pixels_up_to_the_rim_of_a_digit(hidden):
    index, images, _ = draw(hidden, 500)
    bordered = F.pad(hidden.images[index], (4, 4, 4, 4))
    corners = itertools.product(range(9), range(9))
    moved = (bordered[..., y : y + 84, x : x + 84] for y, x in corners)
    places = torch.stack([(there == images).flatten(1).all(dim=1) for there in moved])  # (81, N)
    assert places.any(dim=0).all()
    assert places.any(dim=1).all()


def test_random_patches_are_as_large_as_a_digit_and_lie_anywhere_within_the_image(hidden):
    _, _, theta = draw(hidden)
    scale, shift = theta[:, :1], theta[:, 1:]
    assert scale.unique().item() == pytest.approx(28 / 84)
    assert (shift.abs() + scale).max() <= 1 + 1e-6
    assert shift.amin(dim=0).tolist() == pytest.approx([-2 / 3, -2 / 3], abs=0.01)
    assert shift.amax(dim=0).tolist() == pytest.approx([2 / 3, 2 / 3], abs=0.01)


# what is learnt


def test_hinge_is_that_of_the_paper():
    found, chance = torch.rand(2, 6, 5, generator=torch.Generator().manual_seed(0))
    losses = []
    for n, m in itertools.permutations(range(6), 2):
        near, far = (float((found[n] - other).square().sum()) for other in (found[m], chance[n]))
        losses.append(max(0.0, near - far + 1.0))
    assert 0 < sum(loss > 0 for loss in losses) <= 30
    assert hinge(found, chance).item() == pytest.approx(sum(losses) / 30, rel=1e-5)
    same = found[:1].expand(6, 5)
    assert hinge(same, same + 1) == 0
    assert hinge(same, same).item() == pytest.approx(1.0)


def test_hinge_has_a_gradient_where_two_crops_are_the_same():
    found = torch.ones(3, 4, requires_grad=True)
    hinge(found, torch.full((3, 4), 0.9)).backward()
    assert found.grad.isfinite().all()
    assert found.grad.abs().sum() > 0


def test_an_encoding_is_all_layers_side_by_side(network):
    crops = torch.rand(3, 1, 28, 28)
    conv1, _, _, conv2, *_, linear = network.encode.classifier
    first = F.relu(F.max_pool2d(conv1(crops), 2, ceil_mode=True))
    second = F.relu(F.max_pool2d(conv2(first), 2, ceil_mode=True))
    parts = [first.flatten(1), second.flatten(1), linear(second.flatten(1))]
    expected = torch.cat([part / part.norm(dim=1, keepdim=True) for part in parts], dim=1) / 6**0.5
    torch.testing.assert_close(network.encode(crops), expected)


def test_the_loss_compares_windows_with_each_other_and_with_patches(network, hidden):
    nn.init.normal_(network.transformer.regression.weight, std=5.0)
    _, images, theta = draw(hidden, 5)
    crops, windows = network(images)
    expected = hinge(network.encode(crops), network.encode(st.warp(images, st.Attention(), theta, (28, 28))))
    outside = beyond(windows).mean()
    assert expected > 0
    assert outside > 0
    expected = expected + 3 * outside + 1.5 * rim(crops).mean()
    loss = DigitColocalisation(hidden).figures(network, (images, theta))["loss"]
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)


def test_the_rim_of_a_digit_s_frame_is_bare_and_that_of_a_part_of_it_is_not(hidden):
    assert rim(torch.ones(2, 1, 28, 28)).tolist() == [1.0, 1.0]
    inner = F.pad(torch.ones(1, 1, 20, 20), (4, 4, 4, 4))
    assert rim(inner) == 0
    whole = st.warp(hidden.images, st.Attention(), windows(hidden.boxes), (28, 28))
    part = st.warp(hidden.images, st.Attention(), windows(hidden.boxes) * torch.tensor([0.6, 1, 1]), (28, 28))
    assert rim(whole).mean() < rim(part).mean() - 0.1


def test_a_window_is_beyond_by_what_reaches_out():
    theta = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, -0.5], [0.5, 0.75, 0.0], [0.5, -0.75, 0.75], [-1.5, 0.0, 0.0]])
    assert beyond(theta).tolist() == [0.0, 0.0, 0.25, 0.5, 1.0]


def test_only_the_localiser_learns_and_it_begins_with_the_whole_image(network, hidden):
    assert network.transformer.theta(hidden.images).unique(dim=0).tolist() == [[1.0, 0.0, 0.0]]
    _, images, theta = draw(hidden, 8)
    DigitColocalisation(hidden).figures(network, (images, theta))["loss"].backward()
    assert all(weight.grad is None for weight in network.encode.classifier.parameters())
    assert network.transformer.regression.weight.grad.abs().max() > 0


@pytest.mark.parametrize("asked", [-100.0, 1.0, 100.0])
def test_windows_are_a_digit_s_frame_give_or_take_a_little(network, hidden, asked):
    with torch.no_grad():
        network.transformer.regression.bias[0] = asked - 1  # which is where it begins
    expected = {-100.0: 0.95, 1.0: 1.0, 100.0: 1.05}[asked]
    for side in (28 / 84, 1.0):
        assert network.theta(hidden.images[:1], side)[0, 0].item() == pytest.approx(expected * side, abs=1e-6)
    crops, theta = network(hidden.images[:1])
    assert theta[0, 0].item() == pytest.approx(expected / 3, abs=1e-6)
    assert torch.equal(crops, st.warp(hidden.images[:1], st.Attention(), theta, (28, 28)))


def test_windows_shrink_with_the_steps(network, hidden, monkeypatch):
    task, sides, theta_of = DigitColocalisation(hidden), [], network.theta
    monkeypatch.setattr(network, "theta", lambda images, side: sides.append(side) or theta_of(images, side))
    for done in (0.0, 0.35, 0.7, 0.99):
        task.figures(network, draw(hidden, 2)[1:], done)
    task.figures(network, draw(hidden, 2)[1:])  # as in validation
    assert sides == pytest.approx([1.0, 3**-0.5, 1 / 3, 1 / 3, 1 / 3])


@pytest.mark.parametrize("cluttered", [False, True], ids=["T", "TC"])
def test_windows_for_the_encoder_hold_the_digit(digits, cluttered):
    index = torch.arange(400)
    white = Digits(torch.full_like(digits.images[index], 255), digits.labels[index])  # frames, and pieces, all white
    crops, labels = Windows(False).compose(white, index, torch.Generator().manual_seed(0))
    assert torch.equal(labels, digits.labels[index])
    assert crops.shape == (400, 1, 28, 28)
    share = crops.mean(dim=(1, 2, 3))  # of the window that is frame
    assert 0.09 < share.min() < 0.13  # of a window as large as the image
    assert (share > 0.98).float().mean() > 0.05  # of one within the frame
    plain, seen = (Windows(c).compose(digits, index, torch.Generator().manual_seed(0))[0] for c in (False, cluttered))
    assert (seen >= plain - 1e-5).all()
    assert torch.equal(seen, plain) is not cluttered


def test_the_localiser_is_small():
    localiser = TABLE.rows[0].build("0", 64).transformer.localiser
    assert sum(weight.numel() for weight in localiser.parameters()) == 8 * 82 + 8 * 649 + 8 * 9


# what is counted


@pytest.mark.parametrize(
    ("theta", "expected"),
    [
        ((0.5, 0.0, 0.0), 1.0),
        ((0.5, 0.5, 0.0), 1 / 3),
        ((0.5, 0.5, 0.5), 1 / 7),
        ((0.25, 0.1, -0.2), 1 / 4),
        ((1.0, 0.0, 0.0), 1 / 4),
        ((0.5, 1.0, 0.0), 0.0),
        ((0.2, 0.9, 0.9), 0.0),
        ((-0.5, 0.0, 0.0), 1.0),  # mirrored: the same window
    ],
)
def test_overlap_is_shared_area_over_all_area(theta, expected):
    box = torch.tensor([[-0.5, -0.5, 0.5, 0.5]])
    assert overlap(torch.tensor([theta]), box).item() == pytest.approx(expected, abs=1e-6)


def test_overlap_agrees_with_counting_pixels(hidden):
    torch.manual_seed(0)
    theta = windows(hidden.boxes) * torch.tensor([1.2, 1.0, 1.0]) + 0.1 * torch.randn(len(hidden), 3)
    at = st.target_points((400, 400)).flatten(0, -2)
    low, high = theta[:, 1:] - theta[:, :1], theta[:, 1:] + theta[:, :1]

    def inside(low, high):
        return ((at > low[:, None]) & (at < high[:, None])).all(dim=-1)

    found, true = inside(low, high), inside(hidden.boxes[:, :2], hidden.boxes[:, 2:])
    counted = (found & true).sum(dim=1) / (found | true).sum(dim=1)
    within = (low.amin(dim=1) > -1) & (high.amax(dim=1) < 1)  # pixels see nothing beyond the image
    assert within.sum() > 30
    torch.testing.assert_close(overlap(theta, hidden.boxes)[within], counted[within], atol=0.02, rtol=0)


def test_the_true_boxes_are_found_and_the_whole_image_is_not(hidden):
    assert overlap(windows(hidden.boxes), hidden.boxes).min() > 0.999
    assert overlap(torch.tensor([[1.0, 0.0, 0.0]]), hidden.boxes).max() < 0.12


# the table


def test_table_5_is_the_paper_s():
    assert tuple(TABLE.columns) == tuple("0123456789")
    assert {row.name: tuple(row.published[c] for c in TABLE.columns) for row in TABLE.rows} == PUBLISHED
    assert TABLE.right


def test_the_paper_s_numbers_bear_out_the_claims():
    measured = {(row, str(d)): Estimate(v, 3.0) for row, values in PUBLISHED.items() for d, v in enumerate(values)}
    assert [claim.holds(measured) for claim in TABLE.claims] == [True, True]
    missed = measured | {("T", "4"): Estimate(99.0, 1.0), ("TC", "4"): Estimate(93.0, 3.0)}
    assert [claim.holds(missed) for claim in TABLE.claims] == [False, False]


def test_a_smoke_test_runs_end_to_end(tmp_path, capfd):
    where = ["--results", tmp_path / "results", "--page", tmp_path / "page.md", "--runs", tmp_path / "runs"]
    command = ["reproduce", "table5", "--budget", "smoke", "--columns", "8", "--accelerator", "cpu", *where]
    main([str(argument) for argument in command])
    assert "validation loss" in capfd.readouterr().out
    for row in ("T", "TC"):
        path = tmp_path / "results" / "table5" / f"{row}--8--smoke--seed0.json"
        result = json.loads(path.read_text())
        assert result["test_images"] == 100
        assert result["localiser_parameters"] == 5947
        assert 0 <= result["mean_overlap"] < 0.2  # four steps from the whole image
        assert (tmp_path / "runs" / "reproduce" / "table5" / path.stem / "picture.png").is_file()


def test_the_page_counts_what_is_found(tmp_path):
    row = tmp_path / "table5"
    row.mkdir()
    result = {
        "error_percent": 12.0, "standard_error": 3.2, "test_images": 100, "parameters": 5947,
        "localiser_parameters": 5947, "steps": 3000, "batch_size": 64, "seed": 0, "seconds": 60.0, "ms_per_step": 10.0,
        "data_ms_per_step": 1.0, "precision": "32-true", "device": "a processor", "threads": 1,
        "date": "2026-01-02T03:04:05+00:00", "versions": {"torch": "2.13.0"}, "commit": "1234567",
    }  # fmt: skip
    (row / "TC--2--quick--seed0.json").write_text(json.dumps(result))
    (row / "TC--3--quick--seed0.json").write_text(json.dumps(result | {"error_percent": 40.0}))
    text = page.render(Results(tmp_path, pytest.fail), tmp_path)
    assert "% of boxes that overlap the true one by more than half" in text
    assert "🟢 **88.0** ± 3.2 (88)" in text
    assert "🟠 **60.0** ± 3.2 (75)" in text
