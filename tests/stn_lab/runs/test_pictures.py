"""What a report draws from."""

from types import SimpleNamespace

import torch
from torch import nn

from stn_lab.runs.pictures import HARDEST, as_picture, mean_per_class, survey


class Reads(nn.Module):
    """Answers with the class that stands in the first pixel, as certain as the second says."""

    transformer = None

    def forward(self, images):
        answers = nn.functional.one_hot(images[:, 0, 0, 0].long(), 3)
        return answers * images[:, 0, 0, 1:2]


def task(*batches, classes=3):
    return SimpleNamespace(test=batches, class_names=tuple(map(str, range(classes))))


def batch(*rows):
    """Rows of true class, answer, and certainty."""
    images = torch.zeros(len(rows), 1, 2, 2)
    for k, (_, answer, certainty) in enumerate(rows):
        images[k, 0, 0, :] = torch.tensor([answer, certainty])
    return images, torch.tensor([label for label, *_ in rows])


def test_confusions_are_counted_and_the_surest_mistakes_come_first():
    first, second = batch((0, 0, 9), (0, 1, 2), (2, 1, 5)), batch((1, 2, 7), (2, 2, 1))
    confusion, (images, labels) = survey(Reads(), task(first, second))
    assert confusion.tolist() == [[1, 1, 0], [0, 0, 1], [0, 1, 1]]
    assert labels.tolist() == [1, 2, 0]
    assert images[:, 0, 0, 1].tolist() == [7, 5, 2]


def test_no_more_mistakes_are_kept_than_are_shown_and_there_may_be_none():
    many = batch(*((0, 1, 1 + k / 100) for k in range(3 * HARDEST)))
    _, (images, _) = survey(Reads(), task(many, many))
    assert len(images) == HARDEST
    assert images[0, 0, 0, 1] == many[0][-1, 0, 0, 1]
    _, (images, labels) = survey(Reads(), task(batch((1, 1, 3))))
    assert len(images) == len(labels) == 0


def test_means_are_of_each_class_over_all_batches_in_grey_and_in_colours():
    for channels, shape in ((1, (3, 2, 2)), (3, (3, 2, 2, 3))):
        network = SimpleNamespace(transformer=lambda images: 2 * images)
        images = torch.rand(5, channels, 2, 2)
        labels = torch.tensor([0, 1, 0, 1, 0])
        means = mean_per_class(network, task((images[:2], labels[:2]), (images[2:], labels[2:])))
        assert means.shape == shape
        assert torch.allclose(means[0].float(), 2 * as_picture(images[labels == 0]).mean(dim=0))
        assert means[2].isnan().all()  # of a class without an image
