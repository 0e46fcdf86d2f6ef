"""A trained model as a folder to hand on: its description, its weights, and a card made of the run's results.

    config.json            what the network is made of, its classes, its preprocessing: `spec.json` of a run
    model.safetensors      weights
    README.md              the card

Nothing in such a folder is ever executed: numbers and words are read, and the network is built by this package. Of a
module that a person has written there are weights alone, read into one that the person builds: own_module.py.
"""

import html
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, overload

from torch import nn

from .errors import UserError
from .files import replacing, write_json
from .models.saved import WEIGHTS, SavedModel, load, read_json
from .own_module import Module, load_module, save_module
from .runs.folder import RunFolder
from .runs.saved import load_model

CONFIG, PRETRAINED_WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"


def save_pretrained(source: str | Path | nn.Module, folder: str | Path, model: str | None = None) -> None:
    """Write a model of a run, or a module, as a folder that `from_pretrained` reads.

    Args:
        source: the folder of a run: the folder gets a card of its results too; or a module of your own.
        folder: where to; made if it is not there. What else is in it stays.
        model: of a run, its label, "st-cnn"; by default, of several the one with the lowest validation error.

    Raises:
        UserError: this is no run, it has no such model that is trained, a part of the module has no values, or the
            folder cannot be written.
    """
    target = Path(folder)
    try:
        if isinstance(source, nn.Module):
            save_module(source, target / CONFIG, target / PRETRAINED_WEIGHTS)
        else:
            _save_model(RunFolder.open(Path(source)), target, model)
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror or error}") from error


def _save_model(source: RunFolder, target: Path, model: str | None) -> None:
    found = load_model(source.path, model)
    label = found.spec["model"]["label"]
    card = model_card(found, source.results()[label], source.path.name)
    target.mkdir(parents=True, exist_ok=True)
    with replacing(target / PRETRAINED_WEIGHTS) as unfinished:
        shutil.copyfile(source.model(label) / WEIGHTS, unfinished)
    write_json(target / CONFIG, found.spec)
    with replacing(target / CARD) as unfinished:
        unfinished.write_text(card, encoding="utf-8")


@overload
def from_pretrained(folder: str | Path) -> SavedModel: ...
@overload
def from_pretrained(folder: str | Path, module: Module) -> Module: ...
def from_pretrained(folder: str | Path, module: Module | None = None) -> SavedModel | Module:
    """What `save_pretrained` wrote into a folder. Nothing in it is executed.

    Args:
        folder: a local one.
        module: for the weights of a module of your own: one that is built as that was. It gets them in place, all of
            them or none, and is returned in evaluation mode.

    Raises:
        UserError: it is not there, damaged, of a later version, its two files do not belong together, or it is of a
            module and none, or another one, is given.
    """
    if not Path(folder).is_dir():
        raise UserError(f"{folder} is not a folder; give one that `save_pretrained` wrote, fetched before")
    config, weights = Path(folder) / CONFIG, Path(folder) / PRETRAINED_WEIGHTS
    if module is not None:
        return load_module(module, config, weights)
    if "module" in (said := read_json(config)):
        name = said["module"]
        raise UserError(
            f"{folder} has the weights of a module, {name}; build one and hand it over: from_pretrained(folder, module)"
        )
    return load(Path(folder), spec=CONFIG, weights=PRETRAINED_WEIGHTS)


def model_card(model: SavedModel, result: Mapping[str, Any], run: str) -> str:
    """A README with a front matter that hubs read; words of others cannot leave their place in it."""
    label = model.spec["model"]["label"]
    accuracy = 100 - float(result["error_percent"])
    metric = {"type": "accuracy", "value": round(accuracy / 100, 4), "name": "accuracy on the test images"}
    measured = {
        "task": {"type": "image-classification"},
        "dataset": {"type": "image-folder", "name": run},
        "metrics": [metric],
    }
    front = {  # JSON is YAML, and quotes what it has to
        "library_name": "spatial-transformer",
        "pipeline_tag": "image-classification",
        "tags": ["spatial-transformer", "image-classification"],
        "model-index": [{"name": label, "results": [measured]}],
    }
    seen, tested = model.preprocessing, f"{result['test_images']:,} test images"
    facts = {
        "network": label,
        "transformation": model.spec["model"]["family"] or "none",
        "parameters": f"{result['parameters']:,}" if "parameters" in result else None,
        "images": f"{seen.size[0]} x {seen.size[1]} pixels, {'grey' if seen.channels == 1 else 'colour'}, {seen.fit}",
        "error": f"{result['error_percent']:.2f} % ± {result['standard_error']:.2f} on {tested}",
        "training": _training(result),
        "classes": ", ".join(model.classes),
    }
    lines = [f"| {_plain(name)} | {_plain(value)} |" for name, value in facts.items() if value]
    yaml = "\n".join(f"{name}: {json.dumps(value)}" for name, value in front.items())
    return CARD_TEXT.format(front=yaml, title=_plain(f"{label}, {run}"), facts="\n".join(lines))


def _training(result: Mapping[str, Any]) -> str | None:
    if not {"steps", "batch_size", "seed", "date"} <= set(result):
        return None
    return f"{result['steps']:,} steps of {result['batch_size']} images, seed {result['seed']}, {result['date']}"


def _plain(text: Any) -> str:
    """Words that are shown as they are, whatever they hold: no markup, no new line, no cell of a table."""
    words = html.escape(" ".join(str(text).split()))
    return "".join(f"&#{ord(sign)};" if sign in "\\`*_[]|~" else sign for sign in words)


CARD_TEXT = """---
{front}
---

# {title}

An image classifier that looks where it was taught to, made and measured by `stn train` of spatial-transformer.

|  |  |
| --- | --- |
{facts}

```python
import stn_lab

model = stn_lab.from_pretrained("THIS FOLDER")
image = model.preprocessing.read("image.png")
answer = model.classes[model.network(image[None]).argmax()]
```
"""
