import json
import os
import signal
from multiprocessing import get_context

import pytest

from stn_lab.applied.job import Job
from stn_lab.applied.ranks import Rank, this_rank
from stn_lab.errors import UserError

ONLY = Rank()
ITEMS = [f"{number}\n\udcff" for number in range(10)]


def begin(folder, items=ITEMS, rank=ONLY, **settings):
    return Job.begin(folder / "job", folder / "result", settings, lambda: iter(items), chunk_size=3, rank=rank)


def do(job, rank=ONLY, most=99):
    """The items that a process does."""
    done = []
    for chunk in list(job.chunks(job.share(rank)))[:most]:
        assert chunk.first == 3 * chunk.number
        job.done(chunk, [{"item": item} for item in chunk.items])
        done += chunk.items
    return done


def finish(job):
    def merge():
        job.result.write_text(json.dumps([record["item"] for record in job.records()]))

    return job.finish(merge)


def result(folder):
    return json.loads((folder / "result").read_text())


def test_all_is_done_once_and_in_order(tmp_path):
    job = begin(tmp_path)
    assert (job.count, job.items_in(job.todo)) == (10, 10)
    assert do(job) == ITEMS
    assert finish(job)
    assert result(tmp_path) == ITEMS
    assert not finish(job)
    assert sorted(path.name for path in (tmp_path / "job").iterdir()) == ["job.json", "lock"]
    again = begin(tmp_path)
    assert again.is_complete
    assert not again.todo


@pytest.mark.parametrize("before", [1, 2, 3, 7])
def test_what_some_processes_left_others_finish(tmp_path, before):
    done = []
    for number in range(before):
        rank = Rank(number, before)
        done += do(begin(tmp_path, rank=rank), rank, most=1)
    finished = []
    for number in range(2):
        rank = Rank(number, 2)
        job = begin(tmp_path, rank=rank)
        rest = do(job, rank)
        assert job.items_in(job.share(rank)) == len(rest)
        done += rest
        finished.append(finish(job))
    assert finished.count(True) == 1  # the first to find all of it done
    assert sorted(done) == sorted(ITEMS)
    assert result(tmp_path) == ITEMS


def test_a_process_that_comes_when_all_is_done_has_nothing_to_do(tmp_path):
    early, late = begin(tmp_path), begin(tmp_path, rank=Rank(5, 6))
    do(early)
    finish(early)
    assert do(late, Rank(5, 6)) == []
    assert not finish(late)
    assert begin(tmp_path, rank=Rank(5, 6)).is_complete


def test_a_process_that_is_killed_loses_nothing_and_leaves_no_half_part(tmp_path):
    def killed(folder):
        def record(item):
            if item == ITEMS[7]:
                os.kill(os.getpid(), signal.SIGKILL)
            return {"item": item}

        job = begin(folder)
        for chunk in job.chunks(job.share(Rank())):
            job.done(chunk, (record(item) for item in chunk.items))

    process = get_context("fork").Process(target=killed, args=(tmp_path,))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    job = begin(tmp_path)
    assert do(job) == ITEMS[6:]
    assert finish(job)
    assert result(tmp_path) == ITEMS


def test_a_merge_that_is_killed_is_done_again(tmp_path):
    job = begin(tmp_path)
    do(job)
    with pytest.raises(ZeroDivisionError):
        job.finish(lambda: 1 / 0)
    assert finish(begin(tmp_path))
    assert result(tmp_path) == ITEMS


def test_it_is_not_gone_on_with_under_other_settings(tmp_path):
    begin(tmp_path, model="a", size=(1, 2))
    begin(tmp_path, model="a", size=(1, 2))
    with pytest.raises(UserError, match="model: a then, b now"):
        begin(tmp_path, model="b", size=(1, 2))


def test_other_items_are_noticed(tmp_path):
    assert begin(tmp_path).changed is None
    assert begin(tmp_path).changed is None
    job = begin(tmp_path, items=[*ITEMS, "one more"])
    assert job.changed == 11
    assert do(job) == ITEMS
    finish(job)
    with pytest.raises(UserError, match="is of 10 items, and now there are 11"):
        begin(tmp_path, items=[*ITEMS, "one more"])


def test_a_result_of_something_else_is_left_alone_and_one_that_was_removed_is_made_anew(tmp_path):
    (tmp_path / "result").write_text("mine")
    with pytest.raises(UserError, match="exists already"):
        begin(tmp_path)
    assert (tmp_path / "result").read_text() == "mine"
    (tmp_path / "result").unlink()
    for _ in range(2):
        job = begin(tmp_path)
        assert do(job) == ITEMS
        assert finish(job)
        (tmp_path / "result").unlink()


def test_nothing_is_left_where_there_is_nothing_to_begin_with(tmp_path):
    def items():
        yield "first"
        raise UserError("may not be read")

    with pytest.raises(UserError, match="may not be read"):
        Job.begin(tmp_path / "job", tmp_path / "result", {}, items, chunk_size=3, rank=Rank())
    job = begin(tmp_path)
    do(job)

    def refuse():
        raise UserError("none of them will do")

    with pytest.raises(UserError, match="none of them"):
        job.finish(refuse)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, Rank(0, 1, 0)),
        ({"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}, Rank(5, 8, 1)),
        ({"RANK": "0", "WORLD_SIZE": "2"}, Rank(0, 2, 0)),
    ],
)
def test_ranks_are_torchrun_s(variables, expected, monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert this_rank() == expected


@pytest.mark.parametrize(("rank", "count"), [("2", "2"), ("-1", "2"), ("a", "2"), ("0", ""), ("0", "0")])
def test_what_is_no_rank_is_refused(rank, count, monkeypatch):
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", count)
    with pytest.raises(UserError, match="torchrun"):
        this_rank()
