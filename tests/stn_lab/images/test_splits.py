from collections import Counter

import numpy as np
import pytest

from stn_lab.errors import UserError
from stn_lab.images.splits import assign


@pytest.mark.parametrize("count", range(3, 60))
def test_every_class_is_in_every_split_in_its_share(count):
    labels = ["a"] * count + ["b"] * 40
    found = Counter(zip(labels, assign(labels, [None] * len(labels), None, 0), strict=True))
    for split, share in (("train", 0.7), ("validation", 0.15), ("test", 0.15)):
        assert found["a", split] >= 1
        assert abs(found["a", split] - share * count) <= 1.2
        assert abs(found["b", split] - share * 40) <= 1


def test_the_seed_decides():
    labels = ["a", "b"] * 30
    first, again, other = (assign(labels, [None] * 60, None, seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_draw_of_one_class_does_not_depend_on_its_order_only():
    labels = ["a"] * 100
    places = [i for i, split in enumerate(assign(labels, [None] * 100, None, 0)) if split == "test"]
    assert len(places) == 15
    assert max(np.diff(places)) < 60
    assert places[0] < 50 < places[-1]


def test_groups_of_several_classes_are_balanced():
    rng = np.random.default_rng(0)
    groups = [f"g{number}" for number in rng.integers(40, size=600)]
    labels = [f"c{number}" for number in rng.integers(5, size=600)]
    splits = assign(labels, [None] * 600, groups, 0)
    assert all(
        len({split for split, other in zip(splits, groups, strict=True) if other == group}) == 1 for group in groups
    )
    found = Counter(zip(labels, splits, strict=True))
    for label, total in Counter(labels).items():
        for split, share in (("train", 0.7), ("validation", 0.15), ("test", 0.15)):
            assert abs(found[label, split] / total - share) < 0.08


def test_given_splits_stay_and_open_images_are_for_training():
    given = ["train", "test", "validation", None] * 5
    splits = assign(["a", "b"] * 10, given, None, 0)
    assert [split for split, own in zip(splits, given, strict=True) if own] == [own for own in given if own]
    assert {split for split, own in zip(splits, given, strict=True) if own is None} == {"train"}


@pytest.mark.parametrize(("count", "text"), [(1, "1 image,"), (2, "2 images,")])
def test_classes_that_are_too_small(count, text):
    with pytest.raises(UserError, match=f"class 'b' has {text} and 3 splits"):
        assign(["a"] * 9 + ["b"] * count, [None] * (9 + count), None, 0)


def test_one_group_that_holds_nearly_all():
    with pytest.raises(UserError, match="groups"):
        assign(["a"] * 9, [None] * 9, ["g"] * 8 + ["h"], 0)
