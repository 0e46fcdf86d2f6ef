"""The schedule is a function of the budget and the step, so that a run can be gone on with, and lengthened."""

import pytest
import torch

from stn_lab.training.config import Budget
from stn_lab.training.optimiser import optimiser_of, schedule_of


@pytest.mark.parametrize("drops", [0, 2])
@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_a_schedule_goes_on_where_one_of_its_length_would_be(optimiser, drops):
    budget = Budget(steps=12, optimiser=optimiser, drops=drops)

    def rates(done):
        """Learning rate and momentum at each step that is left."""
        stepped = optimiser_of(torch.nn.Linear(2, 2), budget)
        schedule = schedule_of(stepped, budget, done)
        seen = []
        for _ in range(done, 12):
            stepped.step()
            (group,) = stepped.param_groups
            seen.append((group["lr"], group.get("betas", group.get("momentum"))))
            schedule.step()
        return seen

    whole = rates(0)
    assert len({rate for rate, _ in whole}) == (3 if drops else 12)
    assert all(rates(done) == whole[done:] for done in (1, 5, 11, 12))
