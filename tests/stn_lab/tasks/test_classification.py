import pytest
import torch
from torch import nn
from torch.nn import functional as F

from stn_lab.tasks.classification import cross_entropy
from stn_lab.tasks.scene import Splits
from stn_lab.tasks.scene_task import SceneTask


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(6, 4, generator=generator), torch.randint(4, (6,), generator=generator)


def task(label_smoothing):
    made = SceneTask(Splits(None, None, None), None)
    made.label_smoothing = label_smoothing
    return made


def test_labels_are_smoothed_while_learning_and_only_then(batch):
    smoothed = task(0.1)
    logits, labels = batch
    network = nn.Identity()
    learning = smoothed.figures(network.train(), batch)
    looking = smoothed.figures(network.eval(), batch)
    assert learning["loss"].item() == pytest.approx(F.cross_entropy(logits, labels, label_smoothing=0.1).item())
    assert looking["loss"].item() == pytest.approx(F.cross_entropy(logits, labels).item())
    assert learning["error"] == looking["error"]


def test_classes_weigh_what_they_are_told_with_smoothed_labels_too(batch):
    logits, labels = batch
    weights = torch.tensor([1.0, 2.0, 0.5, 3.0])
    answer = torch.full((6, 4), 0.05).scatter_(1, labels[:, None], 0.85)  # a fifth spread over four classes
    by_hand = -(answer * weights * logits.log_softmax(dim=1)).sum() / 6
    assert cross_entropy(logits, labels, weights, 0.2).item() == pytest.approx(by_hand.item())


def test_several_answers_are_summed(batch):
    logits, labels = batch
    places = cross_entropy(logits.view(2, 3, 4), labels.view(2, 3))
    assert places.item() == pytest.approx(3 * cross_entropy(logits, labels).item())
