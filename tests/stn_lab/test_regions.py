"""Where several transformers look, and how well that fits boxes."""

import math

import torch

import spatial_transformer as st
from stn_lab.regions import overlap, overlaps, pixel_boxes, regions

SIZE = (20, 40)


def test_overlap_is_that_of_areas():
    boxes = torch.tensor([[0.0, 0, 4, 2], [0, 0, 1, 1], [0, 0, 2, 2]])
    others = torch.tensor([[2.0, 0, 6, 2], [5, 5, 6, 6], [0, 0, 2, 2]])
    torch.testing.assert_close(overlap(boxes, others), torch.tensor([1 / 3, 0.0, 1.0]))


def test_regions_of_several_transformers_and_boxes_are_in_pixels():
    theta = torch.tensor([[[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]])  # (1, 2, 3)
    found = regions(st.Attention(), theta, SIZE)
    assert found.outline.shape == (1, 2, 4, 2)
    assert found.box.tolist() == [[[20, 5, 40, 15], [0, 0, 40, 20]]]
    assert pixel_boxes(torch.tensor([[0.0, -0.5, 1.0, 0.5]]), SIZE).tolist() == [[20, 5, 40, 15]]


def test_what_lies_outside_of_the_image_does_not_count():
    seen = torch.tensor([[[-10.0, -10, 20, 20], [0, 0, 40, 20]], [[0, 0, 1, 1]] * 2])
    true = torch.tensor([[0.0, 0, 20, 20], [math.nan] * 4])
    found = overlaps(seen, true, SIZE)
    assert found[0].tolist() == [1.0, 0.5]
    assert found[1].isnan().all()
    assert overlaps(seen * math.nan, true, SIZE)[0].tolist() == [0, 0]
