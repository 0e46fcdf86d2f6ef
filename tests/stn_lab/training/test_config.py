"""What follows from the settings of a run."""

import itertools

import pytest

from stn_lab.training.config import Budget


@pytest.mark.parametrize(
    ("steps", "validations", "expected"),
    [(12, 3, [4, 8, 12]), (10, 3, [4, 7, 10]), (5, 4, [2, 3, 4, 5]), (7, 1, [7]), (3, 20, [1, 2, 3]), (1, 1, [1])],
)
def test_validations_are_as_many_as_asked_and_the_last_ends_the_training(steps, validations, expected):
    assert Budget(steps=steps, validations=validations).validation_steps == expected


@pytest.mark.parametrize(("steps", "validations"), [(3000, 20), (3001, 20), (999, 998), (150_000, 7)])
def test_validations_are_spread_evenly(steps, validations):
    at = [0, *Budget(steps=steps, validations=validations).validation_steps]
    gaps = {later - earlier for earlier, later in itertools.pairwise(at)}
    assert len(at) == validations + 1
    assert max(gaps) - min(gaps) <= 1
