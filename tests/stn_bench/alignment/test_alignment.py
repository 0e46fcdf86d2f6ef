"""The alignment benchmark: truths that are true, methods that answer, and a page that is that of its file."""

import importlib.util
import json
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import spatial_transformer as st
from stn_bench.alignment import head, methods, page, photographs, problem, run, tasks
from stn_bench.command import Bench
from stn_lab.errors import UserError


def small(name):
    """A pair of a task, small enough for a test."""
    return {
        "15 %": partial(tasks.homography, displacement=0.05, side=96),
        "affine": partial(tasks.affine, change="light", side=64),
        "heads": partial(tasks.heads, size=(20, 20, 20)),
        "bent": partial(tasks.bent, size=(40, 40)),
        "bent heads": partial(tasks.bent, size=(22, 20, 24)),
        "inverted": partial(tasks.affine, change="inverted", side=64),
    }[name](0)


@pytest.mark.parametrize("name", ["15 %", "affine", "heads", "bent", "bent heads"])
def test_the_truth_lays_the_images_on_one_another(name):
    """Read where the truth says, the moving image is the fixed one, but for light and noise; more so than as is."""
    pair = small(name)
    at = np.stack(np.meshgrid(*map(np.arange, pair.fixed.shape), indexing="ij")[::-1], axis=-1).reshape(
        -1, pair.fixed.ndim
    )
    there = pair.truth(at.astype(np.float64))
    inside = ((there >= 0) & (there <= np.array(pair.moving.shape[::-1]) - 1)).all(axis=1)
    points = st.pixel_to_normalised(torch.from_numpy(there[inside])[None], pair.moving.shape).float()
    read = st.sample(torch.from_numpy(pair.moving)[None, None], points, mode="bicubic", padding="border")[0, 0].numpy()
    as_is, fixed = pair.moving.reshape(-1)[inside], pair.fixed.reshape(-1)[inside]
    correlations = [np.corrcoef(values, fixed)[0, 1] for values in (as_is, read)]
    assert correlations[1] > max(0.8, correlations[0] + 0.05)
    assert problem.error(pair.truth, pair) == 0
    assert problem.error(problem.identity, pair) > 0.5
    if pair.labels is not None:
        assert problem.dice(pair.truth, pair) > problem.dice(problem.identity, pair) + 0.02


def test_a_view_and_its_photograph_change_places():
    for seed in (0, 17):  # a view that moves, and one that is fixed
        pair = photographs.related(seed, 0.1, 64)
        warped = cv2.warpPerspective(pair.moving, pair.matrix, (64, 64), flags=cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR)
        seen = cv2.warpPerspective(np.ones_like(pair.moving), pair.matrix, (64, 64), flags=cv2.WARP_INVERSE_MAP) > 0.99
        assert np.corrcoef(warped[seen], pair.fixed[seen])[0, 1] > 0.9
        assert photographs.corner_error(pair.matrix, pair) == 0


FINDS = {
    **{"15 %": ("register", "features, register", "ecc", "sift", "kornia")},
    **{"affine": ("register, affine", "itk affine"), "heads": ("register, rigid", "itk rigid")},
    **{"bent": ("register, affine and bspline", "register, affine and displacement", "itk bspline")},
    **{"inverted": ("register, mi", "itk mattes")},
}


@pytest.mark.parametrize(("task", "name"), [(task, name) for task, names in FINDS.items() for name in names])
def test_every_method_answers_and_comes_nearer(task, name):
    pair = small(task)
    answer = methods.method(name)(pair)
    assert problem.error(answer.mapping, pair) < 0.6 * problem.error(problem.identity, pair)


def test_a_method_whose_library_is_missing_is_left_out(monkeypatch):
    monkeypatch.setattr(methods, "find_spec", lambda name: None)
    assert methods.method("kornia") is None


def test_all_methods_of_all_tasks_are_known():
    assert {name for task in tasks.TASKS.values() for name in task.methods} == set(methods.METHODS)


def test_a_head_is_its_seed_s():
    at = head.field((6, 5, 4))
    assert torch.equal(head.Head(1).at(at), head.Head(1).at(at))
    assert not torch.equal(head.Head(1).at(at), head.Head(2).at(at))
    motion = head.rigid_motion(3, 0.2)[:3]
    torch.testing.assert_close(motion[:, :3] @ motion[:, :3].T, torch.eye(3))
    assert 0.2 <= motion[:, 3].norm() <= 0.4  # half-widths


def test_the_command_measures_and_prints(tmp_path, monkeypatch, capfd):
    task = tasks.Task("Small ones", lambda seed: small("affine"), ("register, affine",), 0.5, 1)
    for module in (run, page, tasks):
        monkeypatch.setattr(module, "TASKS", {"small": task})
    Bench(parts="alignment", pairs=2, output=tmp_path / "a.json")()
    result = json.loads((tmp_path / "a.json").read_text())
    assert [row["task"] for row in result["rows"]] == ["small", "small"]
    out = capfd.readouterr().out
    assert "| `register` |" in out
    assert "### Small ones" in out
    fewer = json.loads((tmp_path / "a.json").read_text())
    del fewer["rows"][0]
    fewer["rows"][0]["pair"] = "measured before"
    (tmp_path / "a.json").write_text(json.dumps(fewer))
    Bench(parts="alignment", pairs=2, output=tmp_path / "a.json")()
    result = json.loads((tmp_path / "a.json").read_text())
    assert {row["seed"]: row["pair"] for row in result["rows"]} == {0: result["rows"][1]["pair"], 1: "measured before"}
    with pytest.raises(UserError, match="--rows must be some of small"):
        Bench(parts="alignment", rows="large", output=tmp_path / "a.json")()
    with pytest.raises(UserError, match="goes alone"):
        Bench(parts="alignment,matrix", output=tmp_path / "a.json")()
    with pytest.raises(UserError, match="--pairs must be 1 or more"):
        Bench(parts="alignment", pairs=0, output=tmp_path / "a.json")()


def test_the_page_is_that_of_its_file():
    path = Path(__file__).parents[3] / "tools" / "alignment_benchmark.py"
    spec = importlib.util.spec_from_file_location("alignment_benchmark", path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    tables = page.tables(*map(tool.read, (tool.RESULTS, tool.TIMED)))
    assert tool.PAGE.read_text().split(tool.BEGIN)[1].split(tool.END)[0] == tables
