"""What `stn rectify` and `stn predict` take: time, memory, and the same from several processes: docs/own-images.md.

    python tools/many_files.py [speed] [memory] [processes]

writes results/many-files/NAME.json, and what the page says of them; without names all that have no file. The networks
have weights at random, which take as long as trained ones. `speed` is of pictures of 224 x 224 pixels, crops of 64 and
of 224: milliseconds of processor time on one thread, stage by stage, and what the command says, which has all cores,
the better of two calls. `memory` is the peak of a process that predicts 2,000 small files, and 20,000. `processes` has
the colour set rectified and predicted by one process and by two of torchrun, and compares all files that they write.
"""

import argparse
import csv
import filecmp
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from spatial_transformer import warp
from stn_lab.applied.applied import apply, load_looking
from stn_lab.applied.png import write_png
from stn_lab.applied.ranks import Rank
from stn_lab.files import write_json
from stn_lab.images.preprocessing import Preprocessing
from stn_lab.images.sets import as_input
from stn_lab.models import saved
from stn_lab.models.build import build
from stn_lab.models.spec import ModelSpec
from stn_lab.tasks.own_images import ImageCanvas
from stn_lab.training.provenance import provenance

sys.path.insert(0, str(Path(__file__).parent))
from colour_set import CLASSES, example
from colour_set import write as write_colour_set

ROOT = Path(__file__).parent.parent
RESULTS, PAGE = ROOT / "results" / "many-files", ROOT / "docs" / "own-images.md"
BEGIN, END = "<!-- speed: written by `python tools/many_files.py` -->\n", "<!-- end of speed -->\n"
STN = (sys.executable, "-m", "stn_lab.cli")
RANKS = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "stn_lab.cli")
COUNTS = (2_000, 20_000)  # files, for memory
PICTURES, TIMES = 64, 6  # of 224 x 224, each under so many names


def make_run(path: Path, side: int, view: int) -> None:
    """The folder of a run whose st-resnet nobody has trained; it looks at a part of the picture, upright."""
    canvas, spec = ImageCanvas(3, (side, side), len(CLASSES)), ModelSpec.parse("st-resnet", "attention", view=view)
    torch.manual_seed(0)
    network = build(spec, canvas, filters=64)
    assert network.transformer is not None
    with torch.no_grad():
        network.transformer.regression.bias.copy_(torch.tensor([-0.4, 0.1, -0.2]))
        network.transformer.regression.weight.normal_(std=0.02)
    folder = path / "st-resnet"
    folder.mkdir(parents=True)
    saved.save(
        folder, network, spec, canvas, filters=64, classes=tuple(CLASSES), preprocessing=Preprocessing((side, side), 3)
    )
    write_json(path / "config.json", {})
    write_json(path / "results.json", {"st-resnet": {"validation_error_percent": 0.0, "steps": 1}})


def pictures(folder: Path, count: int, side: int, times: int) -> None:
    """Digits on plates on photographs, PNG, each under several names."""
    folder.mkdir()
    for number in range(count):
        image, _ = example(side, CLASSES[number % len(CLASSES)], np.random.default_rng((0, number)))
        image.save(folder / f"{number:05}.png")
        for copy in range(1, times):
            (folder / f"{number:05}-{copy}.png").hardlink_to(folder / f"{number:05}.png")


def speed() -> dict[str, Any]:
    """Processor time of each stage for a picture of 224 x 224 pixels, and what the command says."""
    found: dict[str, Any] = {"side": 224, "pictures": PICTURES * TIMES}
    found |= {"processors": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}  # of other work, a moment before
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures(folder / "in", PICTURES, 224, TIMES)
        for view in (64, 224):
            make_run(folder / f"run{view}", 224, view)
            run, ms = folder / f"run{view}", stages(folder / f"run{view}", folder / "in")
            said = max((rectified(run, folder / "in", folder / f"out{view}-{turn}") for turn in (0, 1)), key=per_second)
            found[f"view_{view}"] = {"ms": ms, "command": said}
    return found


def rectified(run: Path, folder: Path, out: Path) -> str:
    """What the command says of how long it took, on all cores."""
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    command = [*STN, "rectify", str(run), str(folder), str(out)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    (line,) = re.findall(r"images: (decoding .*)", said)
    return str(line)


def per_second(line: str) -> int:
    """The images that it says it did in a second, without decoding."""
    (count,) = re.findall(r"([\d,]+) images/s", line)
    return int(count.replace(",", ""))


def stages(run: Path, folder: Path) -> dict[str, float]:
    """Milliseconds of processor time for a picture: decoding, the network, of that its parts, and writing."""
    torch.set_num_threads(1)
    applied = apply(run, load_looking(run, None), Rank(), device="cpu", grey=False, crops=True)
    front = applied.model.network.transformer
    assert front is not None
    paths = [str(path) for path in sorted(folder.iterdir())[:64]]
    read = applied.reader.read(paths)
    answers = applied.looker.look(read)
    parts = [as_input(part, "cpu") for part in torch.from_numpy(read.pixels).split(applied.looker.batch_size)]
    with torch.inference_mode(), tempfile.TemporaryDirectory() as name:
        thetas = [front.theta(part) for part in parts]
        seen = [
            warp(part, front.family, theta, answers.crops.shape[3:]) for part, theta in zip(parts, thetas, strict=True)
        ]
        calls: dict[str, Callable[[], Any]] = {
            "decode": lambda: applied.reader.read(paths),
            "network": lambda: applied.looker.look(read),
            "localise": lambda: [front.theta(part) for part in parts],
            "warp": lambda: [
                warp(part, front.family, theta, answers.crops.shape[3:])
                for part, theta in zip(parts, thetas, strict=True)
            ],
            "classify": lambda: [applied.model.network.classify(part) for part in seen],
            "write": lambda: [write_png(Path(name, f"{k}.png"), crop) for k, (crop,) in enumerate(answers.crops)],
        }
        return {stage: round(least(call) / len(paths), 3) for stage, call in calls.items()}


def least(call: Callable[[], Any], turns: int = 8) -> float:
    """Milliseconds of the processor: the least of several turns, as other programs take a processor's cache."""
    taken = []
    for _ in range(turns):
        begin = time.process_time()
        call()
        taken.append(1000 * (time.process_time() - begin))
    return min(taken)


def memory() -> dict[str, Any]:
    """Megabytes at most of a process that predicts so many files of 32 x 32 pixels."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_run(folder / "run", 32, 16)
        random = np.random.default_rng(0)
        for count in COUNTS:
            (folder / f"in{count}").mkdir()
            for number in range(count):
                pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"in{count}" / f"{number:06}.png")
            output = str(folder / f"{count}.csv")
            command = [*STN, "predict", str(folder / "run"), str(folder / f"in{count}"), "--output", output]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            assert status == 0
            with Path(output).open() as file:
                assert len(list(csv.reader(file))) == count + 1
            found[f"{count}_files_mb"] = round(usage.ru_maxrss / 1024, 1)
    return found


def processes() -> dict[str, Any]:
    """How many files one process and two write of the colour set, and how many of these differ."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_colour_set(folder / "in", {"train": 0, "validation": 0, "test": 100}, 64, 0)
        make_run(folder / "run", 64, 16)
        run, source = str(folder / "run"), str(folder / "in")
        for who, program in (("one", STN), ("two", RANKS)):
            (folder / who).mkdir()
            for command in (
                ("rectify", run, source, str(folder / who / "rectified")),
                ("predict", run, source, "--output", str(folder / who / "predictions.csv")),
            ):
                subprocess.run([*program, *command], check=True, stdout=subprocess.DEVNULL)
        return {"pictures": 1000, **compared(folder / "one", folder / "two")}


def compared(one: Path, two: Path) -> dict[str, int]:
    """Files of two folders by their paths below them, without what jobs keep: how many, and how many differ."""
    of = [
        {path.relative_to(root) for path in root.rglob("*") if path.is_file() and ".job" not in path.as_posix()}
        for root in (one, two)
    ]
    different = sum(not filecmp.cmp(one / path, two / path, shallow=False) for path in of[0] & of[1])
    return {"files": len(of[0] | of[1]), "different": different + len(of[0] ^ of[1])}


def words() -> str:
    """What the page says, of what there is."""
    of = {name: json.loads(path.read_text()) for name in MEASURED if (path := RESULTS / f"{name}.json").exists()}
    parts = [text(of[name]) for name, text in TEXTS.items() if name in of]
    return "\n" + "\n\n".join(parts) + "\n\n"


def speed_text(found: dict[str, Any]) -> str:
    lines = [
        "Milliseconds of processor time for a picture of 224 x 224, with weights at random; how many images a second",
        "that makes on two cores, decoding left out; and how many the command says, which decodes at the same time, on",
        f"{found['processors']} cores that had a load of {found['load']} just before:",
        "",
        "| `st-resnet` | decode | localise | warp | classify | all of the network | write | images/s | the command |",
        "|" + " --- |" * 9,
    ]
    for view in (64, 224):
        ms, said = found[f"view_{view}"]["ms"], per_second(found[f"view_{view}"]["command"])
        cells = [f"{ms[stage]:.1f}" for stage in ("decode", "localise", "warp", "classify", "network", "write")]
        lines.append(f"| `--view {view}` | {' | '.join(cells)} | {2000 / (ms['network'] + ms['write']):.0f} | {said} |")
    return "\n".join(lines)


def memory_text(found: dict[str, Any]) -> str:
    few, many = (found[f"{count}_files_mb"] for count in COUNTS)
    return (
        f"`stn predict` takes {few:.0f} MB at most for {COUNTS[0]:,} small files, and {many:.0f} MB for {COUNTS[1]:,}."
    )


def processes_text(found: dict[str, Any]) -> str:
    return (
        f"One process and two of torchrun write {found['files']:,} files of {found['pictures']:,} pictures, of which "
        f"{found['different'] or 'none'} differ{'s' * (found['different'] == 0)}."
    )


TEXTS = {"speed": speed_text, "memory": memory_text, "processes": processes_text}
MEASURED = {"speed": speed, "memory": memory, "processes": processes}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASURED))
    parser.add_argument("--page-only", action="store_true")
    options = parser.parse_args(arguments)
    RESULTS.mkdir(exist_ok=True)
    for name in (
        []
        if options.page_only
        else options.names or [name for name in MEASURED if not (RESULTS / f"{name}.json").exists()]
    ):
        write_json(RESULTS / f"{name}.json", MEASURED[name]() | provenance(torch.device("cpu")))
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + words() + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
