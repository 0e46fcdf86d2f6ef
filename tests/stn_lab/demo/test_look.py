"""What the page computes, without the page: against the network, asked by hand."""

import threading

import pytest
import torch
from torch import nn

import spatial_transformer as st
import stn_lab
from stn_lab.demo.changes import Change, clutter
from stn_lab.demo.held import held
from stn_lab.demo.look import Subject, look
from stn_lab.demo.view import COLOURS, scene, windows

COUNTS = {"digits": 1, "plain": 0, "looks": 1, "colour": 1, "grey": 1, "two": 2}


def subject_of(path):
    model = stn_lab.load(path)
    channels, size = model.preprocessing.channels, model.preprocessing.size
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(5, channels, *size, generator=generator)
    return Subject.of(model.network, channels, size, clutter(images)), images


@pytest.mark.parametrize("name", COUNTS)
def test_what_is_seen_is_what_the_network_does(run, name):
    subject, images = subject_of(run(name))
    seen = look(subject, images[0], Change(turn=20, scale=1.2, right=0.1, down=-0.1, clutter=3))
    network = subject.network
    with torch.inference_mode():
        torch.testing.assert_close(seen.answer.chances, network(seen.image[None]).softmax(dim=1)[0])
        if network.transformer is not None:
            crops, theta = network.transformer(seen.image[None], return_theta=True)
            crops, theta = (
                value.flatten(0, -4) if value is crops else value.flatten(0, -2) for value in (crops, theta)
            )
            torch.testing.assert_close(torch.stack(seen.crops), crops)
            outline = network.transformer.family.region(theta, subject.size).outline
            torch.testing.assert_close(torch.stack(seen.outlines), outline)
    assert len(seen.crops) == len(seen.outlines) == COUNTS[name]
    assert not torch.equal(seen.image, images[0])
    assert seen.answer.milliseconds > 0


@pytest.mark.parametrize("name", [name for name, count in COUNTS.items() if count])
def test_without_the_transformer_the_classifier_gets_the_image_itself(run, name):
    subject, images = subject_of(run(name))
    seen = look(subject, images[0], Change())
    network = subject.network
    size = network.transformer.size or subject.size
    family = network.transformer.family
    with torch.inference_mode():
        whole = st.warp(images[:1], family, family.identity(1), size)
        if tuple(size) == subject.size:
            torch.testing.assert_close(whole, images[:1], atol=1e-5, rtol=0)
        expected = network.classifier(network.pool(whole.repeat(1, COUNTS[name], 1, 1))).softmax(dim=1)[0]
    torch.testing.assert_close(seen.still.chances, expected)
    assert not torch.allclose(seen.still.chances, seen.answer.chances, atol=1e-6)


def test_a_network_without_a_transformer_has_nothing_to_do_without(run):
    subject, images = subject_of(run("plain"))
    assert subject.still is None
    assert look(subject, images[0], Change()).still is None


def test_holding_leaves_the_network_alone_and_asks_no_localiser(run):
    network = stn_lab.load(run("digits")).network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    still = held(network)
    assert {name.split(".")[0] for name in still.state_dict()} == {"classifier"}
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert isinstance(network.transformer, st.SpatialTransformer)


def test_a_transformer_before_a_layer_is_found_and_held():
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 64, 2)).eval()
    image = torch.rand(3, 8, 8)
    before = plain(image[None]).softmax(dim=1)[0]
    network = st.insert(plain, "1", family=st.Affine(), example=image[None])
    transformer = network[1].transformer
    with torch.no_grad():
        transformer.regression.bias.add_(torch.tensor([-0.5, 0, 0.2, 0, -0.5, 0.1]))
    seen = look(Subject.of(network, 3, (8, 8), torch.empty(0, 3, 1, 1)), image, Change())
    torch.testing.assert_close(seen.still.chances, before)
    (outline,), (crop,) = seen.outlines, seen.crops
    assert outline.amin(dim=0).tolist() == pytest.approx([8 * 0.35, 8 * 0.3], abs=1e-5)  # (-0.5 + 0.2 + 1) / 2
    assert outline.amax(dim=0).tolist() == pytest.approx([8 * 0.85, 8 * 0.8], abs=1e-5)
    assert crop.shape == (3, 8, 8)


@pytest.mark.parametrize(("shape", "said"), [((3, 42, 42), "3 channels and 42 x 42"), ((1, 28, 42), "28 x 42 pixels")])
def test_an_image_of_other_channels_or_size_is_refused_with_both(run, shape, said):
    subject, _ = subject_of(run("digits"))
    with pytest.raises(ValueError, match=said) as refusal:
        look(subject, torch.rand(shape), Change())
    assert "the model takes 1 channels and 42 x 42 pixels" in str(refusal.value)


def test_many_at_a_time_get_each_their_own(run):
    subject, images = subject_of(run("two"))
    alone = [look(subject, image, Change()) for image in images]
    found = {}
    threads = [
        threading.Thread(target=lambda k=k: found.update({k: look(subject, images[k % 5], Change())}))
        for k in range(15)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, seen in found.items():
        torch.testing.assert_close(seen.answer.chances, alone[number % 5].answer.chances)
        torch.testing.assert_close(torch.stack(seen.outlines), torch.stack(alone[number % 5].outlines))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_drawing_holds_pictures_and_outlines(channels):
    image = torch.rand(channels, 6, 8)
    square = torch.tensor([[1.0, 1.0], [5.0, 1.0], [5.0, 5.0], [1.0, 5.0]])
    drawing = scene(image, (square, square + 1))
    assert drawing.count("data:image/png;base64,") == 1
    assert "M1.00 1.00 L5.00 1.00" in drawing
    assert all(f'stroke="{colour}"' in drawing for colour in COLOURS[:2])
    assert windows((image, image)).count("<svg") == 2
    assert windows(()).count("<svg") == 0


def test_a_region_without_end_is_drawn_as_far_as_it_goes():
    nowhere = torch.full((4, 2), torch.nan)
    far = torch.tensor([[0.0, 0.0], [1e30, 0.0], [torch.inf, 3.0], [0.0, 4.0]])
    assert "<path" not in scene(torch.rand(1, 4, 4), (nowhere,))
    assert "L40.00 0.00" in scene(torch.rand(1, 4, 4), (far,))
