"""How fast a folder of images becomes training batches, beside a plain loop of Pillow and DataLoader; and the memory.

    python tools/image_throughput.py FOLDER [--size 96] [--batch-size 64] [--rounds 9]

prints images per second: of the plain loop without and with worker processes, of `TrainingBatches` while it decodes,
and once its cache is full. Then the memory that one epoch takes at most with 1,000 and with 20,000 files, which are
links to those of the folder; each is measured in a process of its own (Linux).
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from itertools import count, islice
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from stn_lab.images import ImageSet, ReadOptions, TrainingBatches, read

COUNTS = (1_000, 20_000)  # of files, for the memory
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


def plain(images: ImageSet, size: int, batch_size: int, workers: int) -> Iterator[Tensor]:
    """Batches without end of a DataLoader."""
    paths = [images.name(index) for index in range(len(images))]
    set_ = Plain(paths, images.labels.tolist(), size)
    loader = DataLoader(set_, batch_size, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    for _ in count():
        for batch, _ in loader:
            yield batch


def rates(loops: Mapping[str, Iterator[Tensor]], rounds: int) -> dict[str, float]:
    """Images per second of each, the median of rounds in turn: what else the machine does then hits all alike."""
    seen: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(rounds):
        for name, batches in loops.items():
            time.sleep(PAUSE)
            for _ in islice(batches, DRAINED):
                pass
            begun = time.perf_counter()
            images = sum(len(batch) for batch in islice(batches, TIMED))
            seen[name].append(images / (time.perf_counter() - begun))
    return {name: median(found) for name, found in seen.items()}


def training(folder: Path, size: int, batch_size: int, *, cached: bool) -> Iterator[Tensor]:
    """Batches of `TrainingBatches`; without its cache, or when that is full."""
    images = read(folder, ReadOptions((size, size))).train
    if not cached:
        images.reader.cache.capacity = 0
    batches = TrainingBatches(images, batch_size, seed=0)
    if cached:
        for _ in islice(batches, len(images) // batch_size + 1):
            pass
    yield from (pixels for pixels, _ in batches)


def peak() -> int:
    """The most memory that this process has had so far, in KB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def memory(folder: Path, total: int, size: int, batch_size: int) -> None:
    """Print how much memory one epoch of `total` links takes at most, in MB beyond what the imports take."""
    before = peak()
    with tempfile.TemporaryDirectory() as made:
        files = [path for path in folder.rglob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg")]
        for number in range(total):
            path = Path(made, "train", str(number % 10), f"{number}{files[number % len(files)].suffix}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(files[number % len(files)].resolve())
        images = read(made, ReadOptions((size, size))).train
        batches = TrainingBatches(images, batch_size, seed=0)
        for _ in islice(batches, len(images) // batch_size):
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
    parser.add_argument("--memory", type=int, metavar="COUNT", help="measure nothing but the memory, with COUNT files")
    options = parser.parse_args()
    folder, size, batch_size = options.folder, options.size, options.batch_size
    if options.memory:
        return memory(folder, options.memory, size, batch_size)
    workers = os.cpu_count() or 1
    data = read(folder, ReadOptions((size, size)))
    rows = {
        "Pillow + DataLoader, no workers": plain(data.train, size, batch_size, 0),
        f"Pillow + DataLoader, {workers} workers": plain(data.train, size, batch_size, workers),
        "TrainingBatches, every image decoded": training(folder, size, batch_size, cached=False),
        "TrainingBatches, later epochs": training(folder, size, batch_size, cached=True),
    }
    for name, images in rates(rows, options.rounds).items():
        sys.stdout.write(f"{name:<40} {images:>9,.0f} images/s\n")
    sys.stdout.flush()
    for total in COUNTS:
        subprocess.run([sys.executable, __file__, str(folder), "--memory", str(total)], check=True)
    return None


if __name__ == "__main__":
    main()
