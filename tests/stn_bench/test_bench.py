"""The command `stn bench`, on a few small rows. How long anything takes is not looked at here."""

import json

import pytest
import torch

from stn_bench import command, memory, passes, peers, plan, rows, run, timing
from stn_bench.cold_start import FirstCall
from stn_bench.memory import _use
from stn_bench.result import Result
from stn_bench.rows import MATRIX, SECOND_ORDER, SHORT
from stn_bench.timing import Spread, interleave
from stn_lab.cli import main

CPU = torch.device("cpu")
QUICK = ("--repeats", "2", "--seconds", "0.001")
pytestmark = pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")


def stn(*arguments):
    """Run the command in this process; returns its exit code."""
    try:
        main(["bench", *map(str, arguments)])
    except SystemExit as stop:
        return stop.code
    return 0


def refusal(capfd, *arguments):
    """The one line that a refused command prints."""
    assert stn(*arguments) == 2
    (line,) = capfd.readouterr().err.splitlines()
    return line


@pytest.fixture(autouse=True)
def small_rows_and_as_many_threads_as_before(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr(command, "MATRIX", tuple(row.small() for row in (MATRIX[0], MATRIX[5], MATRIX[6])))
    monkeypatch.setattr(command, "SHORT", tuple(row.small() for row in SHORT if row.warp == "tps")[:1])
    monkeypatch.setattr(plan, "SECOND_ORDER", tuple(row.small() for row in SECOND_ORDER[:1]))
    monkeypatch.setattr(plan, "curves", lambda most: (MATRIX[0].small(),))
    yield
    peers.set_threads(before)


def measured_once(measure):
    """What a process of its own, which takes seconds to start, says of the first row is said of the others as well."""
    said = []

    def measure_first(*given):
        said[:] = said or [measure(*given)]
        return said[0]

    return measure_first


def test_a_benchmark_leaves_a_file_with_everything(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(command, "MATRIX", (MATRIX[0].small(), MATRIX[6].small()))  # what every library can, but one
    monkeypatch.setattr(run.memory, "MEASURED_PEERS", ("ours",))
    monkeypatch.setattr(run.memory, "measure", measured_once(run.memory.measure))
    monkeypatch.setattr(run.cold_start, "measure", lambda: {"warm": FirstCall(1.0, 0.1, 0.2)})
    monkeypatch.setattr(timing, "PAUSE", 0)
    monkeypatch.setattr(timing, "SHORTEST_SAMPLE", 1e-6)
    path = tmp_path / "result.json"
    assert stn(*QUICK, "--skip-tests", "--threads", "1,2", "--output", path) == 0
    result = Result.read(path)
    first = result.part("matrix")[0]
    assert {(c.pass_, c.threads) for c in result.cells if c.row == first.name} == {
        (name, threads) for name in ("forward", "theta", "both") for threads in (1, 2)
    }
    measured = {cell.peer for cell in result.cells if cell.row == first.name}
    assert {"ours", "torch", "Kornia", "OpenCV", "SciPy", "memcpy", "clone"} <= measured
    assert any(cell.peer == "SimpleITK" for cell in result.cells)
    assert {cell.peer for cell in result.cells if cell.part == "short"} == {"ours", "torch", "torch, our points"}
    assert {cell.pass_ for cell in result.cells if cell.part == "second order"} == {"forward", "both", "double"}
    for cell in result.cells:
        low, high = cell.quartiles_ms
        assert 0 < low <= cell.median_ms <= high
        assert cell.samples == 2
    assert {(cell.row, cell.pass_) for cell in result.memory} == {
        (row.name, name) for row in result.part("matrix") for name in ("forward", "both")
    }
    origin = result.origin
    assert origin["threads"] == 2
    assert origin["tests"] == "skipped"
    assert origin["versions"]["torch"] == torch.__version__
    assert {"device", "date", "commit", "load", "settings", "warp"} <= set(origin)
    assert result.absent["torch.compile"] == "not asked for"
    out = capfd.readouterr().out
    assert "met" in out
    assert str(path) in out


def test_rows_passes_and_parts_are_chosen(tmp_path):
    path = tmp_path / "result.json"
    flags = ("--rows", "channels_last", "--passes", "theta", "--parts", "matrix", "--threads", 1)
    assert stn(*QUICK, "--skip-tests", *flags, "--output", path) == 0
    cells = json.loads(path.read_text())["cells"]
    assert {(cell["row"], cell["pass_"], cell["threads"]) for cell in cells} == {
        ("2x9x17x17 channels_last", "theta", 1)
    }


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--rows", "7x7"), "--rows: '7x7' is in the name of none of"),
        (("--passes", "backward"), "--passes must be some of forward,theta,both,double"),
        (("--parts", "all"), "--parts must be some of matrix,"),
        (("--threads", "two"), "--threads must be whole numbers"),
        (("--threads", "0"), "--threads must be 1 or more; got 0"),
        (("--repeats", "1"), "--repeats must be 2 or more"),
        (("--seconds", "0"), "--seconds above 0"),
        (("--device", "tpu"), "--device must be cpu or cuda"),
        (("--device", "meta"), "--device must be cpu or cuda"),
        (("--output", "/dev/null/result.json", "--parts", "matrix", *QUICK), "cannot write /dev/null/result.json"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(capfd, flags, words):
    assert words in refusal(capfd, "--skip-tests", *flags)


def test_passes_are_named_where_nothing_is_imported_for_it():
    assert tuple(passes.PASSES) == rows.PASS_NAMES


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused(capfd):
    assert "finds no GPU" in refusal(capfd, "--skip-tests", "--device", "cuda")


def test_outside_of_a_checkout_it_says_what_is_missing(capfd, monkeypatch, tmp_path):
    monkeypatch.setattr(run, "ROOT", tmp_path)
    line = refusal(capfd, *QUICK, "--output", tmp_path / "result.json")
    assert "is not here: measure in a checkout" in line
    assert not (tmp_path / "result.json").exists()


@pytest.mark.parametrize("outcome", [True, False])
def test_nothing_is_measured_when_a_test_fails(capfd, monkeypatch, tmp_path, outcome):
    monkeypatch.setattr(run, "ROOT", tmp_path)
    (tmp_path / run.TESTS).mkdir(parents=True)
    (tmp_path / run.TESTS / "test_it.py").write_text(f"def test_it():\n    assert {outcome}\n")
    path = tmp_path / "result.json"
    flags = (*QUICK, "--parts", "second-order", "--passes", "forward", "--threads", 1, "--output", path)
    if outcome:
        assert stn(*flags) == 0
        assert "1 passed" in Result.read(path).origin["tests"]
    else:
        assert "there is nothing to measure: 1 failed" in refusal(capfd, *flags).replace("= ", "")
        assert not path.exists()


def test_a_library_that_computes_something_else_is_not_timed(capfd, monkeypatch, tmp_path):
    def wrong(problem):
        return peers.Opaque(lambda: problem.image + 1, lambda image: image)

    monkeypatch.setattr(plan, "PEERS", (*peers.PEERS[:3], peers.Peer("wrong", wrong)))
    line = refusal(capfd, *QUICK, "--skip-tests", "--parts", "matrix", "--output", tmp_path / "result.json")
    assert "wrong and torch differ by" in line


def test_a_library_that_is_not_installed_is_left_out(monkeypatch, tmp_path):
    gone = peers.Peer("gone", lambda problem: None, "no_such_module")
    monkeypatch.setattr(plan, "PEERS", (*peers.PEERS[:3], gone))
    path = tmp_path / "result.json"
    assert (
        stn(*QUICK, "--skip-tests", "--parts", "matrix", "--passes", "forward", "--threads", 1, "--output", path) == 0
    )
    assert Result.read(path).absent["gone"] == "no_such_module is not installed"


def test_functions_take_turns_until_their_time_is_up():
    calls = []
    functions = {name: lambda name=name: calls.append(name) or sum(range(200_000)) for name in ("a", "b")}
    spreads = interleave(functions, CPU, repeats=7, seconds=1e-9)
    assert [spread.samples for spread in spreads.values()] == [5, 5]
    turns = [name for name, previous in zip(calls[4:], calls[3:], strict=False) if name != previous]
    assert turns[-4:] == ["a", "b", "a", "b"]


def test_a_spread_is_the_median_and_the_quartiles():
    assert Spread.of([0.001, 0.002, 0.003, 0.004, 0.009]) == Spread(3.0, (2.0, 4.0), 5)


@pytest.mark.skipif(memory.unavailable(CPU) is not None, reason="the system does not tell")
def test_memory_of_a_call_is_seen_whether_it_is_kept_or_not():
    def run_():
        # Larger than what glibc, at most, takes from memory that it has already: 32 MB.
        scratch = torch.ones(160, 2**20 // 4)  # 160 MB
        return (scratch[:80] + 1,)

    use = _use(run_, CPU)
    assert use.returned_mb == 80
    assert use.extra_mb == pytest.approx(160, abs=4)
