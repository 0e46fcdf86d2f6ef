"""A folder of images laid on the first one: each by way of the one before, or then to the mean of all."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

import spatial_transformer as st

from ..errors import UserError
from ..files import write_json
from ..images import decoding, volumes
from .align import Alignment, align
from .page import write_page
from .reading import Scan, read
from .record import write_record
from .settings import Settings

ROUNDS = 2  # to the mean, which is sharper after the first


@dataclass(frozen=True)
class Step:
    """An image of the stack.

    Attributes:
        scan: the image.
        found: how it was laid on its neighbour, or the mean; None for the first.
        total: (D+1, D+1) from normalised points of the first image to those of this one.
        trusted: whether this step and all before succeeded.
    """

    scan: Scan
    found: Alignment | None
    total: Tensor
    trusted: bool


def run(folder: Path, output: Path, settings: Settings, *, to: Literal["previous", "mean"]) -> None:
    """Align a folder of images, and write a folder for each of them, `stack.json` and a page.

    Raises:
        UserError: fewer than two images, or images that cannot be read or compared.
    """
    scans = [read(path, grey=settings.grey) for path in _files(folder)]
    steps = _chain(scans, settings)
    for number in range(ROUNDS if to == "mean" else 0):
        sys.stderr.write(f"to the mean, round {number + 1} of {ROUNDS}\n")
        steps = _to_mean(steps, settings)
    records = []
    for number, step in enumerate(steps):
        name = f"{number + 1:04d}-{step.scan.path.name.partition('.')[0]}"
        records.append((name, _write(step, steps, number, output / name, settings, to)))
    entries = {
        "success": all(step.trusted for step in steps),
        "to": to,
        "first": str(scans[0].path),
        "images": [{"folder": name, **record} for name, record in records],
    }
    write_json(output / "stack.json", entries)
    page = write_page(output, records, folder.name)
    trusted = sum(step.trusted for step in steps)
    sys.stdout.write(f"{trusted} of {len(steps)} images aligned: {page}\n")


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UserError(f"--stack: {folder} is no folder")
    known = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    files = [path for path in known if path.suffix.lower() in decoding.SUFFIXES or volumes.is_volume(path)]
    if len(files) < 2:
        raise UserError(f"--stack: {folder} holds {len(files)} image{'s' * (len(files) != 1)}; a stack has two or more")
    return files


def _chain(scans: list[Scan], settings: Settings) -> list[Step]:
    """Each on the one before."""
    dims = len(scans[0].size)
    steps = [Step(scans[0], None, torch.eye(dims + 1, dtype=torch.float64), True)]
    for number, scan in enumerate(scans[1:]):
        found = align(scan, scans[number], settings)
        step = _normalised(found)
        trusted = steps[-1].trusted and found.success
        steps.append(Step(scan, found, step @ steps[-1].total, trusted))
        sys.stderr.write(f"{number + 2}/{len(scans)} {scan.path.name}: {found.why}\n")
    return steps


def _to_mean(steps: list[Step], settings: Settings) -> list[Step]:
    """Every image on the mean of all, in the frame of the first."""
    first = steps[0].scan
    shown = [_warped(step, first, settings) for step in steps]
    total = torch.stack([torch.where(valid, warped, 0) for warped, valid in shown]).sum(dim=0)
    count = torch.stack([valid.float() for _, valid in shown]).sum(dim=0)
    mean = replace(first, values=total / count.clamp_min(1), mask=count > 0)
    found = [align(step.scan, mean, settings, start=step.total) for step in steps]
    return [Step(step.scan, own, _normalised(own), own.success) for step, own in zip(steps, found, strict=True)]


def _normalised(found: Alignment) -> Tensor:
    assert isinstance(found.family, st.families.MatrixFamily)
    return found.family.matrix(found.theta.double())[0]


def _warped(step: Step, first: Scan, settings: Settings) -> tuple[Tensor, Tensor]:
    family = st.Projective(len(first.size))
    theta = family.from_matrix(step.total[None]).float()
    points = family.grid(theta, first.size)
    warped = st.warp(step.scan.values, family, theta, first.size, mode=settings.mode, padding="border")
    return warped, (points.abs() <= 1).all(dim=-1)[:, None] & warped.isfinite().all(dim=1, keepdim=True)


def _write(
    step: Step, steps: list[Step], number: int, folder: Path, settings: Settings, to: Literal["previous", "mean"]
) -> dict[str, Any]:
    """The record of an image in the frame of the first; its steps' verdict, and whether one before it failed."""
    first = steps[0].scan
    warped, valid = _warped(step, first, settings)
    family = st.Projective(len(first.size))
    why = "it is the first" if step.found is None else step.found.why
    if not step.trusted and (step.found is None or step.found.success):
        failed = next(place for place, other in enumerate(steps) if other.found is not None and not other.found.success)
        why = f"it rests upon {steps[failed].scan.path.name}, which is not aligned"
    found = Alignment(
        family=family,
        theta=family.from_matrix(step.total[None]),
        warped=torch.where(valid, warped, settings.outside),
        valid=valid,
        success=step.trusted,
        why=why,
        start="" if step.found is None else step.found.start,
        facts={} if step.found is None else step.found.facts,
    )
    return write_record(folder, step.scan, first, found, settings, {"laid_on": _goal(steps, number, to)})


def _goal(steps: list[Step], number: int, to: str) -> str:
    if to == "mean":
        return "the mean"
    return str(steps[max(0, number - 1)].scan.path)
