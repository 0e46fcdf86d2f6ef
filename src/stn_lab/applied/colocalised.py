"""What the pictures of a folder share: learnt from them, looked for in each, as a COCO file and a contact sheet."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..colocalisation import CANVAS, Alike, Colocalisation, Colocaliser, Patches
from ..encoders import Gradients
from ..errors import UserError
from ..finding import Sought, find, sought
from ..images.catalogue import printable
from ..images.decoding import Unreadable
from ..images.preprocessing import Preprocessing
from ..images.sets import as_input
from ..regions import regions
from ..training.config import Budget, Machine
from .coco import Found, Picture, write_coco
from .job import Chunk, Job
from .listing import images_below, in_order, some
from .looking import device_of
from .out import REGIONS, SHEET, SKIPPED, STATE, Record, new_folder, spread, whole
from .predictions import quadrilateral, valid, write_skipped
from .ranks import Rank
from .reading import Pictures, Reader, read_upright
from .sheet import Cell, write_sheet
from .stream import Stages, work
from .tally import Tally

CHUNK = 32  # pictures that are looked at together
LEARNT_FROM = 400  # pictures at most, evenly spread; the others are looked at only
FEWEST = 8  # to learn from
MOVE = 4  # pixels, of 84, by which pictures are moved while it is learnt
LEARNING = "colocalise"  # the folder of checkpoints, and what the progress of learning is called
# Squeezed to a square: bars beside a picture would be something that all share.
SEEN = Preprocessing((CANVAS, CANVAS), channels=3, fit="squeeze")


@dataclass(frozen=True)
class CoLocalisation:
    """What is to be found, and where it is written; the options of `stn colocalise`."""

    folder: Path
    out: Path
    side: float
    steps: int
    seed: int
    device: str

    def run(self) -> None:
        """Do all of it, or go on with it.

        Raises:
            UserError: there are too few pictures; see `Job.begin`.
        """
        with new_folder(self.out):
            self._run()

    def _run(self) -> None:
        reader = Reader(SEEN, grey=True)
        device = device_of(self.device, 0)
        settings = {"folder": str(self.folder.resolve()), "side": self.side, "steps": self.steps, "seed": self.seed}
        state = self.out / STATE
        job = Job.begin(state, self.out / REGIONS, settings, self._items, chunk_size=CHUNK, rank=Rank())
        try:
            network, thing = (None, None) if job.is_complete else self._learn(job, reader, device)
        except UserError:
            shutil.rmtree(state)
            raise

        def look(pictures: Pictures) -> tuple[np.ndarray, np.ndarray] | None:
            assert network is not None
            assert thing is not None
            return _look(network, thing, pictures, device) if len(pictures.sizes) else None

        def keep(chunk: Chunk, pictures: Pictures, found: tuple[np.ndarray, np.ndarray] | None) -> None:
            job.done(chunk, _records(chunk.items, pictures, found))

        def read(items: list[str]) -> Pictures:
            return reader.read([self._path(item) for item in items])

        work(job, Rank(), "colocalise", "images", Stages(read, look, keep), lambda: self._merge(job))

    def _items(self) -> Iterator[str]:
        found = in_order(images_below(self.folder, self.out))
        return some((os.path.relpath(path, self.folder) for path in found), str(self.folder))

    def _path(self, item: str) -> str:
        return os.path.join(self.folder, item)  # noqa: PTH118  (as it is listed)

    def _learn(self, job: Job, reader: Reader, device: torch.device) -> tuple[Colocaliser, Sought]:
        """A network that finds the thing in most pictures, and what it shows there; gone on with if it was stopped."""
        from ..training.interruption import Interrupted
        from ..training.learn import learn

        pictures = reader.read([self._path(item) for item in _some_of(job)])
        if len(pictures.pixels) < FEWEST:
            raise UserError(
                f"{self.folder} has {len(pictures.pixels)} pictures that can be read; what they share can be learnt "
                f"from {FEWEST} or more"
            )
        images = as_input(torch.from_numpy(pictures.pixels), "cpu")  # (N, 3, 84, 84)
        task = Colocalisation(Alike(images, images.new_full((len(images), 4), torch.nan)), patches(self.side))
        torch.manual_seed(self.seed)
        network = Colocaliser(Gradients(), SEEN.channels, self.side)
        budget = Budget(steps=self.steps, batch_size=64, lr=3e-3, validations=10, seed=self.seed)
        machine = Machine(accelerator="gpu" if device.type == "cuda" else "cpu")
        try:
            learn(task, network, job.folder / LEARNING, budget, machine)
        except Interrupted as stop:
            sys.stderr.write(f"stopped after {stop.step} steps; the same command goes on from there\n")
            sys.exit(130)
        network = network.eval().to(device)
        return network, sought(network, images.to(device))

    def _merge(self, job: Job) -> None:
        tally = Tally.of(job.records())
        tally.check()
        if tally.skipped:
            write_skipped(self.out / SKIPPED, job.records())
        write_sheet(self.out / SHEET, self._cells(spread(whole(job.records()), tally.whole)))
        settings = {name: value for name, value in asdict(self).items() if name in ("side", "steps", "seed")}
        about = {"description": "what the pictures share, found without labels", "images": tally.whole, **settings}
        name = valid(printable(self.folder.resolve().name))
        write_coco(self.out / REGIONS, about, [name], lambda: map(_picture, whole(job.records())))
        shutil.rmtree(job.folder / LEARNING, ignore_errors=True)
        sys.stdout.write(f"{tally.lines(str(self.out / SKIPPED))}{self.out / REGIONS}: {tally.whole:,} images\n")

    def _cells(self, records: Iterable[Record]) -> Iterator[Cell]:
        for record in records:
            with suppress(Unreadable):  # it could be read a moment ago
                picture = read_upright(self._path(record["path"]))
                (outline,) = record["outlines"]
                (left, top), _, (right, bottom), _ = ((round(x), round(y)) for x, y in quadrilateral(outline))
                crop = picture.crop((left, top, max(right, left + 1), max(bottom, top + 1)))
                text = f"{100 * record['probability']:.0f} %  {printable(record['path'])}"
                yield Cell(picture, record["outlines"], [crop], text)


def patches(side: float) -> Patches:
    """How batches are made of photographs: what comes in from outside is like what is at the edge."""
    return Patches(side, MOVE, padding="border")


def _some_of(job: Job) -> list[str]:
    """Evenly spread items, as many as it is learnt from."""
    count = min(LEARNT_FROM, job.count)
    wanted = {k * job.count // count for k in range(count)}
    chunks = job.chunks(frozenset(number // job.chunk_size for number in wanted))
    return [item for chunk in chunks for k, item in enumerate(chunk.items, start=chunk.first) if k in wanted]


def _look(
    network: Colocaliser, thing: Sought, pictures: Pictures, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """(n, 4, 2) corners in pixels of the upright pictures, and (n,) how sure each is."""
    images: Tensor = as_input(torch.from_numpy(pictures.pixels), device)
    theta, sure = find(network, thing, images)
    outlines = regions(network.family, theta[:, None], SEEN.size).outline[:, 0].cpu().numpy()  # (n, 4, 2)
    return SEEN.source_points(outlines, pictures.decoded, pictures.sizes), sure.cpu().numpy()


def _records(items: list[str], pictures: Pictures, found: tuple[np.ndarray, np.ndarray] | None) -> list[dict[str, Any]]:
    places = iter(range(len(pictures.sizes)))
    records: list[dict[str, Any]] = []
    for item, reason in zip(items, pictures.reasons, strict=True):
        if reason is not None or found is None:
            records.append({"path": item, "skipped": reason})
            continue
        i = next(places)
        outline, sure = np.round(found[0][i], 3).tolist(), round(float(found[1][i]), 4)
        records.append({"path": item, "size": pictures.sizes[i].tolist(), "probability": sure, "outlines": [outline]})
    return records


def _picture(record: Record) -> Picture:
    (outline,) = record["outlines"]
    width, height = record["size"]
    return Picture(valid(record["path"]), width, height, [Found(0, record["probability"], outline, {})])
