"""What is measured of transformers, on transformers of which one knows what they do."""

from types import SimpleNamespace

import pytest
import torch

import spatial_transformer as st
from stn_lab.digits.distortions import DISTORTIONS
from stn_lab.digits.task import DistortedDigits
from stn_lab.tasks.looking import measure_transformer

COUNT = 30


class Knowing:
    """K transformers that undo the shares that they are made for, of poses that they are told in the first pixels."""

    family = st.Similarity()

    def __init__(self, *shares):
        self.shares = shares

    def theta(self, images):
        turn, scale, *shift = images[:, 0, 0, :4].double().unbind(1)
        shift = torch.stack(shift, dim=1)
        matrices = [
            st.translation_matrix(share * shift)
            @ st.scale_matrix((share * scale).exp()[:, None].expand(-1, 2))
            @ st.rotation_matrix(share * turn)
            for share in self.shares
        ]
        theta = torch.stack([self.family.from_matrix(matrix) for matrix in matrices], dim=1)  # (N, K, P)
        return theta if len(self.shares) > 1 else theta[:, 0]


@pytest.fixture(scope="module")
def task():
    """RTS, with the pose of each digit in its first pixels."""
    task = DistortedDigits(SimpleNamespace(test=range(COUNT)), DISTORTIONS["RTS"])  # no digit is looked at
    _, poses = task.test_poses()
    images = torch.zeros(COUNT, 1, 42, 42)
    images[:, 0, 0, :4] = torch.cat(poses, dim=1)
    task.test = [(images[:20], None), (images[20:], None)]
    return task


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_what_is_undone_of_a_known_distortion(task, share):
    measured = measure_transformer(Knowing(share), task)
    assert list(measured) == ["undone"]
    assert list(measured["undone"]) == ["rotation", "scale", "shift"]
    for one in measured["undone"].values():
        assert one["share_percent"] == pytest.approx(100 * share, abs=1e-3)
        assert one["source"] == "distortion"


def test_several_transformers_are_measured_each(task):
    undone = measure_transformer(Knowing(1.0, 0.25), task)["undone"]
    assert list(undone) == ["1", "2"]
    assert [one["rotation"]["share_percent"] for one in undone.values()] == pytest.approx([100, 25], abs=1e-3)


def test_boxes_are_framed_by_the_transformer_that_does_it_best():
    boxes = torch.tensor([[-0.5, -0.5, 0.5, 0.5], [0.0, 0.0, 1.0, 1.0], [torch.nan] * 4])
    thetas = torch.tensor([[[1.0, 0, 0], [0.5, 0, 0]], [[1.0, 0, 0], [0.5, 0, 0.5]], [[1.0, 0, 0], [0.5, 0, 0]]])
    eyes = SimpleNamespace(family=st.Attention(), theta=lambda images: thetas[: len(images)])
    task = SimpleNamespace(
        test=[(torch.zeros(3, 3, 20, 40), torch.zeros(3))],
        canvas=SimpleNamespace(size=(20, 40)),
        test_boxes=lambda: boxes,
        test_poses=lambda: None,
    )
    measured = measure_transformer(eyes, task)
    assert measured["box_overlap_mean"] == pytest.approx((1 + 1 / 3) / 2)
    assert measured["boxes_found_percent"] == 50
    assert {one["source"] for one in measured["undone"]["2"].values()} == {"trial"}
