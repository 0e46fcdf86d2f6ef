"""How fast a folder of images is trained on, beside a plain loop of Pillow and DataLoader; and the memory.

    python tools/image_throughput.py FOLDER [--size 96] [--batch-size 64] [--rounds 9]

prints images per second: of the plain loop without and with worker processes, of `TrainingBatches` while it decodes,
and once its cache is full; first as batches alone, then with the small residual network that learns from them. Then the
memory that training takes at most with 1,000 and with 20,000 files, which are links to those of the folder: a few steps
of the network, and the rest of an epoch as batches alone; each is measured in a process of its own (Linux).
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count, islice
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from stn_lab.images import ImageData, ReadOptions, TrainingBatches, read
from stn_lab.models.residual import residual
from stn_lab.tasks.task import Batch

COUNTS = (1_000, 20_000)  # of files, for the memory
WIDTH = 16  # of the network: that of `stn train --model resnet`
STEPS = 10  # of the network, for the memory
PAUSE = 0.5  # seconds, in which other loops make what they keep ahead
DRAINED, TIMED = 5, 8  # batches: those that were made while other loops ran, and those that are timed


class Plain(Dataset):
    """What people write: open, convert, resize, divide."""

    def __init__(self, paths: list[str], labels: list[int], size: int) -> None:
        self.paths, self.labels, self.size = paths, labels, size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        with Image.open(self.paths[index]) as file:
            image = file.convert("RGB").resize((self.size, self.size), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255, self.labels[index]


def plain(data: ImageData, size: int, batch_size: int, workers: int) -> Iterator[Batch]:
    """Batches without end of a DataLoader."""
    images = data.train
    paths = [images.name(index) for index in range(len(images))]
    set_ = Plain(paths, images.labels.tolist(), size)
    loader = DataLoader(set_, batch_size, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    for _ in count():
        yield from loader


def ours(folder: Path, size: int, batch_size: int, *, cached: bool) -> Iterator[Batch]:
    """Batches of `TrainingBatches`; without its cache, or when that is full."""
    images = read(folder, ReadOptions((size, size))).train
    if not cached:
        images.reader.cache.capacity = 0
    batches = TrainingBatches(images, batch_size, seed=0)
    if cached:
        for _ in islice(batches, len(images) // batch_size + 1):
            pass
    yield from batches


def trained_on(batches: Iterator[Batch], size: int, classes: int) -> Iterator[Batch]:
    """The same batches, after the small residual network has learnt from each."""
    torch.manual_seed(0)
    network = residual(3, (size, size), WIDTH, classes)
    optimiser = torch.optim.AdamW(network.parameters())
    for images, labels in batches:
        optimiser.zero_grad()
        F.cross_entropy(network(images), labels).backward()
        optimiser.step()
        yield images, labels


def loops(folder: Path, size: int, batch_size: int, workers: int) -> dict[str, Iterator[Batch]]:
    """What is compared, by name; a plain loop with workers only if there are any."""
    data = read(folder, ReadOptions((size, size)))
    found = {"Pillow + DataLoader, no workers": plain(data, size, batch_size, 0)}
    if workers:
        found[f"Pillow + DataLoader, {workers} workers"] = plain(data, size, batch_size, workers)
    found["TrainingBatches, every image decoded"] = ours(folder, size, batch_size, cached=False)
    found["TrainingBatches, later epochs"] = ours(folder, size, batch_size, cached=True)
    return found


def rates(found: Mapping[str, Iterator[Batch]], rounds: int, clock: Callable[[], float]) -> dict[str, float]:
    """Images per second of each, the median of rounds in turn: what else the machine does then hits all alike."""
    seen: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(rounds):
        for name, batches in found.items():
            time.sleep(PAUSE)
            for _ in islice(batches, DRAINED):
                pass
            begun = clock()
            images = sum(len(labels) for _, labels in islice(batches, TIMED))
            seen[name].append(images / (clock() - begun))
    return {name: median(found) for name, found in seen.items()}


def show(title: str, found: Mapping[str, float]) -> None:
    """Print images per second, and how many times as many as those of the faster plain loop that is."""
    best = max(rate for name, rate in found.items() if name.startswith("Pillow"))
    sys.stdout.write(f"{title}\n")
    for name, rate in found.items():
        sys.stdout.write(f"  {name:<38} {rate:>9,.0f} images/s {rate / best:>6.2f}x\n")
    sys.stdout.flush()


def peak() -> int:
    """The most memory that this process has had so far, in KB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def memory(folder: Path, total: int, size: int, batch_size: int) -> None:
    """Print how much memory training with `total` links takes at most, in MB beyond what the imports take."""
    before = peak()
    with tempfile.TemporaryDirectory() as made:
        files = [path for path in folder.rglob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg")]
        for number in range(total):
            path = Path(made, "train", str(number % 10), f"{number}{files[number % len(files)].suffix}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(files[number % len(files)].resolve())
        data = read(made, ReadOptions((size, size)))
        batches = iter(TrainingBatches(data.train, batch_size, seed=0))
        for _ in islice(trained_on(batches, size, len(data.classes)), STEPS):
            pass
        for _ in islice(batches, max(0, len(data.train) // batch_size - STEPS)):
            pass
    taken = peak() - before
    sys.stdout.write(f"{taken / 1024:.0f} MB beyond {before / 1024:.0f} MB, {total:,} files, cache included\n")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9, help="of each measurement, 13 batches each")
    parser.add_argument(
        "--processor",
        action="store_true",
        help="seconds are those that this process computes, for a machine that does other work too; without the plain "
        "loop with workers, which are other processes",
    )
    parser.add_argument("--memory", type=int, metavar="COUNT", help="measure nothing but the memory, with COUNT files")
    options = parser.parse_args()
    folder, size, batch_size = options.folder, options.size, options.batch_size
    if options.memory:
        return memory(folder, options.memory, size, batch_size)
    workers = 0 if options.processor else os.cpu_count() or 1
    clock = time.process_time if options.processor else time.perf_counter
    show("batches alone", rates(loops(folder, size, batch_size, workers), options.rounds, clock))
    classes = len(read(folder, ReadOptions((size, size))).classes)
    trained = {
        name: trained_on(batches, size, classes) for name, batches in loops(folder, size, batch_size, workers).items()
    }
    show("training the small residual network", rates(trained, options.rounds, clock))
    for total in COUNTS:
        subprocess.run([sys.executable, __file__, str(folder), "--memory", str(total)], check=True)
    return None


if __name__ == "__main__":
    main()
