"""A synthetic run folder, small and quick to write."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

CARDS, SIDE, TEST = 6, (11, 17), 40
SQUARE = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], dtype=np.float32)  # (L, 2)
METRICS = """\
epoch,learning_rate,step,train/error,train/loss,validation/error,validation/loss
0,,9,0.8,2.2,,
0,,10,,,0.5,1.7
,0.004,10,,,,
0,,19,0.4,1.1,,
0,,20,,,0.123,0.6
"""

WriteRun = Callable[..., Path]


@pytest.fixture
def write_run(tmp_path: Path) -> WriteRun:
    """Call it with an error for each model; models whose name starts with "st-" get a transformer."""

    def write(**errors: float) -> Path:
        labels = {label.replace("_", "-"): error for label, error in (errors or {"cnn": 12.34, "st_cnn": 3.08}).items()}
        return write_folder(tmp_path / "demo run", labels)

    return write


def write_folder(folder: Path, errors: dict[str, float]) -> Path:
    folder.mkdir()
    config = {"data": "digits", "distortion": "RTS", "models": list(errors), "family": "affine", "seed": 7}
    config["nested"] = {"deep": [1, None]}
    write_json(folder / "config.json", config)
    write_json(folder / "results.json", {label: result(label, error) for label, error in errors.items()})
    for label in errors:
        place = folder / label.replace(":", "-")
        place.mkdir()
        (place / "metrics.csv").write_text(METRICS)
        for name in ("spec.json", "weights.safetensors"):
            (place / name).touch()
        np.savez(place / "pictures.npz", **pictures(label.startswith("st-")))
    return folder


def result(label: str, error: float) -> dict[str, object]:
    return {
        "error_percent": error,
        "standard_error": 0.5,
        "test_images": 1800,
        "parameters": 61234,
        "localiser_parameters": 17050 if label.startswith("st-") else 0,
        "steps": 1200,
        "ms_per_step": 55.1,
        "seconds": 44.0,
        "seed": 7,
        "best_step": 20,
        "device": "some processor",
        "date": "2026-01-05T12:00:00",
        "versions": {"torch": "2.13.0"},
        "commit": "abc1234",
    }


def pictures(transformer: bool, looks: int = 1) -> dict[str, np.ndarray]:
    """The arrays of `pictures.npz`, with odd and unequal sizes; the last card of the sheet is a mistake."""
    random = np.random.default_rng(0)
    labels = np.arange(CARDS, dtype=np.float32)
    answers = {"labels": labels, "predictions": labels.copy(), "confidence": np.full(CARDS, 0.87)}
    answers["predictions"][-1] = 9
    arrays = {"images": random.random((CARDS, *SIDE)), **answers, "layout": np.array(2)}
    if not transformer:
        return arrays
    outlines = (SQUARE * np.linspace(0.5, 1.4, CARDS)[:, None, None] + 1) / 2 * np.array([17, 11])  # (CARDS, L, 2)
    return arrays | {
        "warped": random.random((CARDS, looks, 5, 7)),
        "outline": np.repeat(outlines[:, None], looks, axis=1),
        "theta": random.normal(size=(TEST, looks, 3)),
        "theta_names": np.array(["scale", "tx", "ty"]),
        "identity": np.tile([1.0, 0.0, 0.0], (looks, 1)),
        "mean_before": random.random((10, looks, 5, 7)),
        "mean_after": random.random((10, looks, 5, 7)),
        "film": random.random((3, 4, looks, 5, 7)),
        "film_steps": np.array([0, 300, 1200]),
        "film_images": random.random((4, *SIDE)),
    }


def as_before(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same as the first runs left them: with no axis for several transformers, and normalised outlines."""
    before = {name: array for name, array in arrays.items() if name != "layout"}
    before |= {name: before[name][:, 0] for name in ("warped", "theta", "mean_before", "mean_after")}
    before |= {"identity": before["identity"][0], "film": before["film"][:, :, 0]}
    return before | {"outline": SQUARE * np.linspace(0.5, 1.4, CARDS)[:, None, None]}


def write_json(path: Path, values: dict[str, object]) -> None:
    path.write_text(json.dumps(values))
