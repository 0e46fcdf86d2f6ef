"""The loop and the one way to train anything, on a task that takes no time."""

import csv
import itertools
import resource
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from stn_lab.errors import UnusableCheckpoint
from stn_lab.tasks.task import Task
from stn_lab.training import checkpoint
from stn_lab.training.config import Budget, Machine
from stn_lab.training.learn import learn
from stn_lab.training.loop import Loop

MACHINE = Machine(accelerator="cpu")
BUDGET = Budget(steps=12, batch_size=8, validations=3, lr=0.05)


class Doubling(Task):
    """Learn to double; noise in the loss shrinks as training goes on."""

    monitored = "loss"
    test = ()

    def __init__(self):
        self.asked = []  # shares of the training that were over

    def batch(self, seed, count=8):
        inputs = torch.rand(count, 4, generator=torch.Generator().manual_seed(seed))
        return inputs, 2 * inputs

    def batches(self, draw, start):
        return (self.batch(1000 * draw.seed + step, draw.batch_size) for step in itertools.count(start))

    @property
    def validation(self):
        return [self.batch(-1), self.batch(-2, 3)]

    def figures(self, network, batch, done=1.0):
        self.asked.append(done)
        inputs, answers = batch
        return {"loss": F.mse_loss(network(inputs), answers), "largest": answers.max()}

    def measure(self, network):
        return {}


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 4))


def weights(folder, name=checkpoint.LAST):
    return checkpoint.read(folder / name)["state_dict"]


def train(folder, **options):
    net = network()
    return net, learn(Doubling(), net, folder, BUDGET, MACHINE, **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    train(folder)
    return folder


@pytest.mark.parametrize("step", [1, 4, 7, 11])  # a checkpoint is left after 4 and 8
def test_a_run_that_is_killed_anywhere_ends_in_the_same_bits(whole, tmp_path, monkeypatch, step):
    """Weights, running means, dropout, the best checkpoint and what was measured on the way."""

    class Killed(Exception):
        """Nothing is saved by it, as nothing is by a kill."""

    def killing(loop, batches, learn_=Loop._learn):
        if loop.step == step:
            raise Killed
        learn_(loop, batches)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_learn", killing)
        with pytest.raises(Killed):
            train(tmp_path)
    torch.manual_seed(step)  # whatever was drawn in between
    train(tmp_path)
    for name in (checkpoint.LAST, checkpoint.BEST):
        resumed, expected = weights(tmp_path, name), weights(whole, name)
        assert all(torch.equal(resumed[key], expected[key]) for key in expected)
    assert (tmp_path / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()


def test_a_checkpoint_that_is_half_written_leaves_the_one_before(tmp_path):
    checkpoint.save(tmp_path / checkpoint.LAST, {"state_dict": {}, "global_step": 1})

    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (4096, allowed[1])
    )  # the system refuses larger files, as a full disk does
    try:
        with pytest.raises(OSError, match="File too large"):
            checkpoint.save(tmp_path / checkpoint.LAST, {"state_dict": {"w": torch.zeros(4096)}, "global_step": 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, allowed)
    assert checkpoint.read(tmp_path / checkpoint.LAST)["global_step"] == 1
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.LAST]


def validated(monkeypatch, *losses):
    """Have the validations find these losses, whatever the network does."""
    left, figures = iter(losses), Doubling.figures

    def made_up(task, network, batch, done=1.0):
        if network.training:
            return figures(task, network, batch, done)
        return {"loss": torch.tensor(next(left))}

    monkeypatch.setattr(Doubling, "figures", made_up)
    monkeypatch.setattr(Doubling, "validation", [Doubling().batch(-1)])


def test_the_network_is_left_with_its_best_weights(tmp_path, monkeypatch):
    validated(monkeypatch, 0.5, 0.25, 0.75)
    net, how = train(tmp_path)
    assert how["best_step"] == 8
    best = weights(tmp_path, checkpoint.BEST)
    assert all(torch.equal(value, best[name]) for name, value in net.state_dict().items())
    assert not torch.equal(best["0.weight"], weights(tmp_path)["0.weight"])


def test_it_is_left_with_its_last_weights_where_these_are_to_be_kept(tmp_path, monkeypatch):
    validated(monkeypatch, 0.5, 0.25, 0.75)
    net, budget = network(), replace(BUDGET, keep="last")
    assert learn(Doubling(), net, tmp_path, budget, MACHINE)["best_step"] == 12
    assert all(torch.equal(value, weights(tmp_path)[name]) for name, value in net.state_dict().items())


def test_a_loss_that_is_not_a_number_is_never_the_best(tmp_path, monkeypatch):
    validated(monkeypatch, float("nan"), 0.5, float("nan"))
    assert train(tmp_path)[1]["best_step"] == 8


@pytest.mark.parametrize(("patience", "steps"), [(0, 12), (1, 8), (2, 12)])
def test_training_stops_when_it_has_been_in_vain_for_long_enough(tmp_path, monkeypatch, patience, steps):
    budget = replace(BUDGET, patience=patience)
    validated(monkeypatch, 0.5, 0.6, 0.4)
    how = learn(Doubling(), network(), tmp_path, budget, MACHINE)
    assert how["steps"] == steps
    assert how["best_step"] == (12 if steps == 12 else 4)
    again = learn(Doubling(), network(), tmp_path, budget, MACHINE)  # there is nothing left to do
    assert (again["steps"], again["best_step"]) == (how["steps"], how["best_step"])


def test_a_run_that_is_lengthened_ends_in_the_same_bits_wherever_it_is_killed(tmp_path, monkeypatch):
    longer = replace(BUDGET, steps=24)
    ends = []
    for name, killed_at in (("at once", None), ("killed", 17)):
        train(tmp_path / name)

        def killing(loop, batches, learn_=Loop._learn, step=killed_at):
            if loop.step == step:
                raise MemoryError
            learn_(loop, batches)

        with monkeypatch.context() as patch:
            patch.setattr(Loop, "_learn", killing)
            if killed_at:
                with pytest.raises(MemoryError):
                    learn(Doubling(), network(), tmp_path / name, longer, MACHINE)
        how = learn(Doubling(), network(), tmp_path / name, longer, MACHINE)
        assert (how["steps"], how["planned_steps"]) == (24, 24)
        ends.append(weights(tmp_path / name))
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_a_run_that_was_stopped_early_goes_on_when_it_is_lengthened(tmp_path, monkeypatch):
    budget = replace(BUDGET, patience=1)
    validated(monkeypatch, 0.5, 0.6, *[0.4, 0.3, 0.2])
    assert learn(Doubling(), network(), tmp_path, budget, MACHINE)["steps"] == 8
    how = learn(Doubling(), network(), tmp_path, replace(budget, steps=15), MACHINE)
    assert (how["steps"], how["best_step"]) == (15, 15)


def test_a_training_that_has_gone_astray_is_in_vain(tmp_path, monkeypatch):
    validated(monkeypatch, float("nan"), float("nan"), 0.5)
    assert learn(Doubling(), network(), tmp_path, replace(BUDGET, patience=2), MACHINE)["steps"] == 8


def test_a_task_hears_how_much_of_the_training_is_over(tmp_path):
    task = Doubling()
    learn(task, network(), tmp_path, BUDGET, MACHINE)
    training = [done for done in task.asked if done < 1]
    assert training == pytest.approx([step / 12 for step in range(12)])
    assert task.asked.count(1.0) == 6  # two batches at each of three validations


def test_what_was_measured_stands_at_the_number_of_updates(whole):
    with (whole / "metrics.csv").open() as file:
        lines = list(csv.DictReader(file))
    validated = [int(line["step"]) for line in lines if line["validation/loss"]]
    assert validated == [4, 8, 12]
    assert [int(line["step"]) for line in lines if line["train/loss"]] == list(range(1, 13))
    batches = Doubling().validation
    largest = sum(answers.max().item() * len(answers) for _, answers in batches) / 11
    assert float(lines[-1]["validation/largest"]) == pytest.approx(largest)


def test_watchers_see_the_first_network_and_every_later_one_once(tmp_path, monkeypatch):
    class Steps:
        def __init__(self):
            self.seen = []

        def look(self, step, network):
            self.seen.append(step)

        def state_dict(self):
            return {"seen": self.seen}

        def load_state_dict(self, state):
            self.seen = list(state["seen"])

    steps = Steps()
    train(tmp_path, watchers=[steps])
    assert steps.seen == list(range(13))
    again = Steps()
    train(tmp_path, watchers=[again])
    assert again.seen[:13] == list(range(13))


def test_a_checkpoint_of_an_earlier_version_is_named(tmp_path):
    state = {f"network.{name}": value for name, value in network().state_dict().items()}
    torch.save({"state_dict": state, "global_step": 3}, tmp_path / checkpoint.LAST)
    with pytest.raises(UnusableCheckpoint, match="earlier version"):
        train(tmp_path)
    assert checkpoint.load_weights(network(), tmp_path / checkpoint.LAST)["global_step"] == 3


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_half_precision_is_for_the_network_alone(tmp_path, precision):
    net = network()
    how = learn(Doubling(), net, tmp_path, BUDGET, Machine(accelerator="cpu", precision=precision))
    assert how["precision"] == precision
    assert all(weight.dtype == torch.float32 for weight in net.parameters())
