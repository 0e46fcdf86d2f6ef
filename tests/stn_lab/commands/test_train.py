"""The command as a person types it. Small networks and few steps; what they learn is not looked at here."""

import json
import os
import shutil
import signal
import time

import pytest
import torch

from spatial_transformer import __version__
from stn_lab.cli import main
from stn_lab.training.loop import Loop
from stn_lab.views.read import read_run

SMALL = ["--steps", "12", "--batch-size", "16", "--filters", "16", "--validations", "3", "--distortion", "R"]


def stn(*arguments):
    """Run the command in this process; returns its exit code."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return stop.code
    return 0


def refusal(capfd, *arguments):
    """The one line that a refused command prints."""
    assert stn(*arguments) == 2
    error = capfd.readouterr().err
    assert "Traceback" not in error
    (line,) = error.splitlines()
    return line


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run of two models; tests that change it copy it first."""
    runs = tmp_path_factory.mktemp("runs")
    assert stn("train", *SMALL, "--compare", "cnn,st-cnn", "--runs", runs, "--name", "two", "--profile") == 0
    return runs / "two"


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def test_version(capfd):
    assert stn("--version") == 0
    assert capfd.readouterr().out == f"stn {__version__}\n"


def test_help_names_the_commands_and_explains_the_flags(capfd):
    assert stn("--help") == 0
    text = capfd.readouterr().out
    assert all(word in text for word in ("train", "evaluate", "backends", "--version"))
    assert stn("train", "--help") == 0
    text = " ".join(capfd.readouterr().out.split())
    assert all(flag in text for flag in ("--distortion {R,RTS,P,E,T,TC,H}", "--compare", "--resume", "--devices"))


def test_backends_lists_the_reference(capfd):
    assert stn("backends") == 0
    assert "reference" in capfd.readouterr().out


def test_a_run_leaves_everything_in_its_folder(trained):
    assert {path.name for path in trained.iterdir()} == {
        "config.json", "results.json", "report.html", "picture.png", "cnn", "st-cnn"
    }  # fmt: skip
    for model in ("cnn", "st-cnn"):
        files = {path.name for path in (trained / model).iterdir()}
        assert files == {
            "best.ckpt", "last.ckpt", "metrics.csv", "pictures.npz", "spec.json", "tensorboard", "weights.safetensors"
        }  # fmt: skip


def test_results_hold_what_a_reader_needs_to_trust_them(trained):
    results = json.loads((trained / "results.json").read_text())
    assert list(results) == ["cnn", "st-cnn"]
    for result in results.values():
        assert 0 <= result["error_percent"] <= 100
        assert result["test_images"] == 500
        assert result["steps"] == 12
        assert result["seed"] == 0
        assert result["ms_per_step"] > result["data_ms_per_step"] > 0
        assert result["versions"]["torch"] == torch.__version__
        assert result["device"]
    assert results["cnn"]["parameters"] == pytest.approx(results["st-cnn"]["parameters"], rel=0.05)


def test_the_same_seed_repeats_bit_for_bit_and_another_does_not(trained, tmp_path):
    for seed in (0, 1):
        name = f"seed{seed}"
        assert stn("train", *SMALL, "--model", "st-cnn", "--runs", tmp_path, "--name", name, "--seed", seed) == 0
    first, same, other = (
        torch.load(path / "st-cnn" / "last.ckpt", weights_only=True)["state_dict"]
        for path in (trained, tmp_path / "seed0", tmp_path / "seed1")
    )
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_evaluate_finds_what_training_found(run, capfd):
    results = json.loads((run / "results.json").read_text())
    assert stn("evaluate", run) == 0
    text = capfd.readouterr().out
    assert all(f"{result['error_percent']:.2f}" in text for result in results.values())


@pytest.mark.parametrize("kind", ["rotation", "scale", "translation"])
def test_sweep_writes_a_curve_for_each_model(run, kind, monkeypatch):
    from stn_lab.digits import invariance

    unit, amounts = invariance.SWEEPS[kind]
    monkeypatch.setitem(invariance.SWEEPS, kind, (unit, amounts[::6]))
    assert stn("evaluate", run, "--sweep", kind) == 0
    curve = json.loads((run / f"sweep-{kind}.json").read_text())
    assert curve["amounts"] == amounts[::6]
    assert set(curve["error_percent"]) == {"cnn", "st-cnn"}
    assert all(len(errors) == len(curve["amounts"]) for errors in curve["error_percent"].values())
    assert kind in (run / "report.html").read_text().lower()


def test_an_existing_run_is_not_touched_without_being_told(run, capfd):
    before = (run / "results.json").read_bytes()
    assert "exists already" in refusal(capfd, "train", *SMALL, "--runs", run.parent, "--name", run.name)
    assert (run / "results.json").read_bytes() == before


def test_overwrite_replaces_a_run(run):
    assert stn("train", *SMALL, "--model", "cnn", "--runs", run.parent, "--name", run.name, "--overwrite") == 0
    assert list(json.loads((run / "results.json").read_text())) == ["cnn"]
    assert not (run / "st-cnn").exists()


def test_overwrite_spares_a_folder_that_is_no_run(tmp_path, capfd):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"cat")
    line = refusal(capfd, "train", *SMALL, "--runs", tmp_path, "--name", "photos", "--overwrite")
    assert "not the folder of a run" in line
    assert (tmp_path / "photos" / "cat.png").read_bytes() == b"cat"


def test_overwriting_a_link_replaces_the_run_it_leads_to(run):
    link = run.parent / "link"
    link.symlink_to(run)
    assert stn("train", *SMALL, "--model", "cnn", "--runs", run.parent, "--name", "link", "--overwrite") == 0
    assert link.is_symlink()
    assert list(json.loads((run / "results.json").read_text())) == ["cnn"]


@pytest.mark.parametrize("flags", [[], ["--overwrite"], ["--resume"]])
def test_a_name_that_is_too_long_is_refused(tmp_path, capfd, flags):
    line = refusal(capfd, "train", *SMALL, "--runs", tmp_path, "--name", "x" * 300, *flags)
    assert "File name too long" in line


def test_an_unwritable_folder_is_named(tmp_path, capfd):
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refusal(capfd, "train", *SMALL, "--runs", tmp_path / "file")


def test_resume_under_other_settings_names_the_difference(run, capfd):
    line = refusal(
        capfd, "train", *SMALL, "--compare", "cnn,st-cnn", "--runs", run.parent, "--name", run.name, "--resume",
        "--lr", "0.1",
    )  # fmt: skip
    assert "lr: 0.004 then, 0.1 now" in line


def test_a_run_can_be_lengthened_and_not_shortened(run, capfd):
    resume = ["train", *SMALL, "--compare", "cnn,st-cnn", "--runs", run.parent, "--name", run.name, "--resume"]
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    line = refusal(capfd, *resume, "--steps", 8)
    assert "was started with --steps 12, now it is 8; a run can be lengthened, not shortened" in line
    assert {path: path.read_bytes() for path in before} == before
    assert stn(*resume, "--steps", 16) == 0
    assert "Lengthened from 12 to 16 steps." in capfd.readouterr().out
    results = json.loads((run / "results.json").read_text())
    assert {label: result["steps"] for label, result in results.items()} == {"cnn": 16, "st-cnn": 16}
    for label in results:
        assert torch.load(run / label / "last.ckpt", weights_only=True)["global_step"] == 16


def test_a_run_is_resumed_with_its_own_steps_where_none_are_typed(run, capfd):
    config = (run / "config.json").read_bytes()
    (run / "results.json").unlink()  # as if it had been killed at the very end
    flags = [*SMALL[2:], "--compare", "cnn,st-cnn", "--runs", run.parent, "--name", run.name]
    assert stn("train", *flags, "--resume") == 0
    assert "Lengthened" not in capfd.readouterr().out
    assert (run / "config.json").read_bytes() == config
    results = json.loads((run / "results.json").read_text())
    assert {result["steps"] for result in results.values()} == {12}


def test_resume_of_nothing_says_so(tmp_path, capfd):
    assert "no config.json" in refusal(capfd, "train", *SMALL, "--runs", tmp_path, "--name", "new", "--resume")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model", "vgg"], "unknown model 'vgg'"),
        (["--family", "warp"], "unknown family"),
        (["--compare", "cnn,cnn"], "names a model twice"),
        (["--steps", "0"], "--steps must be above zero"),
        (["--lr", "inf"], "--lr must be above zero"),
        (["--seed", "-1"], "--seed must be from 0 to"),
        (["--compare", ","], "no model is named"),
        (["--name", "../x"], "--name must be a plain name"),
        (["--devices", "-3"], "cannot be used as asked"),
        (["--strategy", "magic"], "cannot be used as asked"),
        (["--accelerator", "cpu", "--devices", "3"], "--batch-size 16 cannot be shared evenly by 3 devices"),
    ],
)
def test_settings_that_cannot_be_used_are_named_and_leave_no_run(flags, message, tmp_path, capfd):
    assert message in refusal(capfd, "train", *SMALL, *flags, "--runs", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_unknown_distortions_exit_with_2_and_the_choices(capfd):
    assert stn("train", "--distortion", "Q") == 2
    text = "".join(capfd.readouterr())
    assert "Traceback" not in text
    assert "invalid choice" in text


def test_a_damaged_data_file_leaves_no_run(tmp_path, monkeypatch, capfd):
    from stn_lab.digits import mnist

    (tmp_path / "data" / "mnist").mkdir(parents=True)
    for name in mnist.SHA256:
        (tmp_path / "data" / "mnist" / name).write_bytes(b"damaged")
    monkeypatch.setenv("STN_DATA", str(tmp_path / "data"))
    line = refusal(capfd, "train", *SMALL, "--data", "mnist", "--runs", tmp_path / "runs")
    assert "is damaged" in line
    assert not (tmp_path / "runs").exists()


def test_a_checkpoint_of_another_model_is_refused(run, capfd):
    shutil.copy(run / "cnn" / "best.ckpt", run / "st-cnn" / "best.ckpt")
    assert "checkpoint of another model" in refusal(capfd, "evaluate", run)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_a_damaged_checkpoint_is_named(run, capfd, content):
    (run / "cnn" / "best.ckpt").write_bytes(content)
    assert "best.ckpt is damaged" in refusal(capfd, "evaluate", run)


@pytest.mark.parametrize(("other", "message"), [("cnn", "checkpoint of another model"), (None, "is damaged")])
def test_resume_refuses_a_checkpoint_that_does_not_fit(run, capfd, other, message):
    (run / "results.json").unlink()
    last = run / "st-cnn" / "last.ckpt"
    last.write_bytes((run / other / "last.ckpt").read_bytes() if other else b"junk")
    flags = ["train", *SMALL, "--compare", "cnn,st-cnn", "--runs", run.parent, "--name", run.name, "--resume"]
    assert stn(*flags) == 2
    error = capfd.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert (run / "st-cnn" / "metrics.csv").is_file()


def test_a_missing_checkpoint_and_a_missing_run_are_named(run, tmp_path, capfd):
    (run / "cnn" / "best.ckpt").unlink()
    assert "best.ckpt is missing" in refusal(capfd, "evaluate", run)
    assert "not the folder of a run" in refusal(capfd, "evaluate", tmp_path / "nothing")


def test_a_damaged_configuration_is_named(run, capfd):
    (run / "config.json").write_text("{")
    assert "config.json is damaged" in refusal(capfd, "evaluate", run)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("distortion", "Q", "unknown distortion 'Q'"),
        ("data", "letters", "unknown data 'letters'"),
        ("models", ["vgg"], "unknown model 'vgg'"),
        ("filters", "many", "is damaged"),
    ],
)
def test_a_configuration_that_asks_for_what_there_is_not_is_named(run, capfd, key, value, message):
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, key: value}))
    line = refusal(capfd, "evaluate", run)
    assert "config.json" in line
    assert message in line


@pytest.mark.parametrize("name", ["cnn/pictures.npz", "cnn/metrics.csv", "sweep-scale.json"])
def test_a_damaged_file_of_the_report_is_named_and_can_be_done_without(run, capfd, name):
    (run / name).write_bytes(b"\xff damaged")
    assert stn("evaluate", run) == 2
    error = capfd.readouterr().err
    assert f"{name} is damaged" in error
    assert len(error.splitlines()) == 1
    (run / name).unlink()
    assert stn("evaluate", run) == 0


def test_the_report_of_a_run_names_the_predicted_parameters(run):
    assert "<strong>θ11</strong>" in (run / "report.html").read_text()


def wait_for(path):
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} does not come"
        time.sleep(0.005)


def test_ctrl_c_leaves_a_checkpoint_and_resuming_ends_where_an_uninterrupted_run_does(tmp_path, stn_process):
    # Bits are the same on one number of threads only, and other tests set that of this process: all parts run in
    # processes of their own.
    flags = ["train", *SMALL, "--model", "st-cnn", "--runs", tmp_path, "--name"]
    process = stn_process(*flags, "stopped")
    last = tmp_path / "stopped" / "st-cnn" / "last.ckpt"
    wait_for(last)
    process.send_signal(signal.SIGINT)
    text, _ = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.fail(f"the run was over before it could be interrupted:\n{text}")
    assert process.returncode == 130
    assert "--resume" in text
    assert 0 < torch.load(last, weights_only=True)["global_step"] < 12

    for name, more in (("stopped", ["--resume"]), ("whole", [])):
        process = stn_process(*flags, name, *more)
        text, _ = process.communicate(timeout=120)
        assert process.returncode == 0, text
    resumed, whole = (
        torch.load(tmp_path / name / "st-cnn" / "last.ckpt", weights_only=True) for name in ("stopped", "whole")
    )
    assert resumed["global_step"] == whole["global_step"] == 12
    assert all(torch.equal(resumed["state_dict"][name], whole["state_dict"][name]) for name in whole["state_dict"])


@pytest.fixture
def stop_at(monkeypatch):
    """Call it with a step, and the next run gets a Ctrl-C in the middle of that."""

    def prepare(step):
        learn = Loop._learn

        def learn_and_press(loop, batches):
            if loop.step == step - 1:
                monkeypatch.setattr(Loop, "_learn", learn)
                os.kill(os.getpid(), signal.SIGINT)
            learn(loop, batches)

        monkeypatch.setattr(Loop, "_learn", learn_and_press)

    return prepare


@pytest.mark.parametrize("step", [1, 4, 5, 12])  # a validation is due after 4, 8 and 12
def test_wherever_a_run_is_stopped_its_result_is_that_of_an_uninterrupted_one(trained, tmp_path, stop_at, step):
    flags = ["train", *SMALL, "--model", "st-cnn", "--runs", tmp_path, "--name", "stopped"]
    last = tmp_path / "stopped" / "st-cnn" / "last.ckpt"
    stop_at(step)
    assert stn(*flags) == 130
    stopped = torch.load(last, weights_only=True)
    assert stopped["global_step"] == step
    assert stn(*flags, "--resume") == 0
    resumed, whole = (torch.load(path, weights_only=True) for path in (last, trained / "st-cnn" / "last.ckpt"))
    assert all(torch.equal(resumed["state_dict"][name], whole["state_dict"][name]) for name in whole["state_dict"])

    resumed, whole = (read_run(run).models[-1] for run in (tmp_path / "stopped", trained))
    assert resumed.metrics["validation/error"] == whole.metrics["validation/error"]
    for key in ("error_percent", "validation_error_percent", "best_step"):
        assert resumed.number(key) == whole.number(key)


def test_times_cover_the_parts_of_a_resumed_run(tmp_path, stop_at):
    flags = ["train", *SMALL, "--model", "cnn", "--runs", tmp_path, "--name", "stopped"]
    stop_at(6)
    assert stn(*flags) == 130
    last = tmp_path / "stopped" / "cnn" / "last.ckpt"
    saved = torch.load(last, weights_only=True)
    assert len(saved["timer"]["steps"]) == 6
    saved["timer"] |= {"seconds": 1000.0, "steps": [5.0] * 12, "data": [4.0] * 12}
    torch.save(saved, last)
    assert stn(*flags, "--resume") == 0
    result = json.loads((tmp_path / "stopped" / "results.json").read_text())["cnn"]
    assert 1000 <= result["seconds"] < 1100
    assert (result["ms_per_step"], result["data_ms_per_step"]) == (5000, 4000)


def test_the_bar_of_a_resumed_run_counts_from_its_first_step(tmp_path, stop_at, monkeypatch, capfd):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as in a terminal
    flags = ["train", *SMALL, "--model", "cnn", "--runs", tmp_path, "--name", "stopped"]
    stop_at(6)
    assert stn(*flags) == 130
    capfd.readouterr()
    assert stn(*flags, "--resume") == 0
    assert "12/12" in capfd.readouterr().out


def test_without_a_terminal_a_line_tells_each_validation(tmp_path, capfd):
    flags = ["train", *SMALL, "--steps", 10, "--model", "cnn", "--runs", tmp_path, "--name", "quiet"]
    assert stn(*flags) == 0
    lines = [line for line in capfd.readouterr().out.splitlines() if line.startswith("cnn: ")]
    assert [line.partition(",")[0] for line in lines] == [f"cnn: step {step} of 10" for step in (4, 7, 10)]
    (error,) = read_run(tmp_path / "quiet").models[0].metrics["validation/error"].values[-1:]
    assert lines[-1].endswith(f"validation error {100 * error:.1f} %")


def test_two_processes_train_together(tmp_path, stn_process):
    flags = ["--compare", "cnn,st-cnn", "--runs", tmp_path, "--name", "pair"]
    process = stn_process("train", *SMALL, *flags, "--accelerator", "cpu", "--devices", 2, "--strategy", "ddp")
    text, _ = process.communicate(timeout=240)
    assert process.returncode == 0, text
    assert "MEMBER: 2/2" in text
    assert set(json.loads((tmp_path / "pair" / "results.json").read_text())) == {"cnn", "st-cnn"}
    assert (tmp_path / "pair" / "report.html").is_file()


def test_ctrl_c_that_reaches_one_process_only_stops_both(tmp_path, stn_process):
    flags = ["--steps", 4000, "--validations", 2000, "--model", "cnn", "--runs", tmp_path, "--name", "pair"]
    process = stn_process("train", *SMALL, *flags, "--accelerator", "cpu", "--devices", 2, "--strategy", "ddp")
    last = tmp_path / "pair" / "cnn" / "last.ckpt"
    wait_for(last)
    process.send_signal(signal.SIGINT)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 130, text
    assert text.count("Stopped after") == 1
    assert 0 < torch.load(last, weights_only=True)["global_step"] < 4000
