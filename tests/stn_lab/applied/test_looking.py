"""Many pictures, some at a time, on all cores."""

import numpy as np
import pytest
import torch

import stn_lab
from stn_lab.applied import looking
from stn_lab.applied.looking import Looker
from stn_lab.applied.reading import Pictures

CPU = torch.device("cpu")


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def noise(count):
    pixels = np.random.default_rng(0).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    size = np.full((count, 2), 32)
    return Pictures(pixels, size, size, [None] * count)


@pytest.mark.usefixtures("two_threads")
def test_answers_come_in_order_whatever_the_number_of_threads(run, monkeypatch):
    monkeypatch.setattr(looking, "PIXELS_AT_ONCE", {"cpu": 2 * 32 * 32})
    model, pictures = stn_lab.load(run, "st-resnet"), noise(9)
    several = Looker(model, CPU, crops=True)
    assert several.batch_size == 2
    torch.set_num_threads(1)
    alone = Looker(model, CPU, crops=True)
    for one, other in zip(vars(several.look(pictures)).values(), vars(alone.look(pictures)).values(), strict=True):
        assert len(one) == 9
        assert np.array_equal(one, other)
