"""Draw the pictures of docs/gallery.md with the library itself: every family, every kernel, antialiasing."""

import math
from pathlib import Path

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

import spatial_transformer as st
from spatial_transformer import kernels

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"


def card(side: int = 192) -> Tensor:
    """(1, 3, side, side) a test card: a grid, four colours, and an F that shows turns and mirrors."""
    at = st.target_points((side, side))[0]  # (side, side, 2)
    x, y = at.unbind(-1)
    colours = torch.tensor([[0.86, 0.90, 0.97], [0.97, 0.90, 0.84], [0.88, 0.95, 0.86], [0.96, 0.88, 0.94]])
    image = colours[(x > 0).long() + 2 * (y > 0).long()].movedim(-1, 0)  # (3, side, side)
    lines = ((x * 5).remainder(1) < 0.08) | ((y * 5).remainder(1) < 0.08)
    letter = (x.abs() < 0.45) & (y.abs() < 0.65)
    letter &= (x < -0.2) | (y < -0.4) | ((y.abs() < 0.12) & (x < 0.25))
    image = torch.where(lines, image * 0.72, image)
    image = torch.where(letter, torch.tensor([0.16, 0.27, 0.55])[:, None, None], image)
    return image[None]


def bump(control: tuple[int, ...], amount: float, seed: int = 3) -> Tensor:
    """Random displacements of a lattice, flat: (1, P)."""
    noise = torch.randn(1, math.prod(control) * len(control), generator=torch.Generator().manual_seed(seed))
    return amount * noise


def swirl(points: Tensor) -> Tensor:
    """A basis of two functions for `Structured`: turning about the centre, fading outwards."""
    fade = torch.exp(-2 * points.square().sum(dim=-1, keepdim=True))
    return fade * points


def examples() -> dict[str, tuple[st.Family, Tensor]]:
    """A telling theta for each family."""
    tps, mesh = st.ThinPlateSpline((4, 4)), st.PiecewiseAffine((4, 4))
    flow = 0.12 * torch.sin(3 * st.target_points((24, 24))[0].flip(-1))  # (24, 24, 2)
    return {
        "Translation": (st.Translation(), torch.tensor([[0.4, 0.2]])),
        "Attention": (st.Attention(), torch.tensor([[0.55, -0.2, -0.25]])),
        "Rigid": (st.Rigid(), torch.tensor([[0.5, 0.1, 0.0]])),
        "Similarity": (st.Similarity(), torch.tensor([[1.5, -0.4, 0.0, 0.0]])),
        "Affine": (st.Affine(), torch.tensor([[1.1, 0.5, 0.0, -0.1, 1.2, 0.0]])),
        "Projective": (st.Projective(), torch.tensor([[1.1, 0.1, 0.0, 0.0, 1.2, 0.0, 0.1, 0.5]])),
        "PiecewiseAffine": (mesh, mesh.identity(1) + bump((4, 4), 0.12)),
        "ThinPlateSpline": (tps, tps.identity(1) + bump((4, 4), 0.12)),
        "BSpline": (st.BSpline((6, 6)), bump((6, 6), 0.16)),
        "Velocity": (st.Velocity((5, 5)), bump((5, 5), 0.35)),
        "Displacement": (st.Displacement((24, 24)), flow.movedim(-1, 0).flatten()[None]),
        "Structured": (st.Structured(swirl), torch.tensor([[0.0, 0.9, -0.9, 0.0]])),
    }


def families() -> Figure:
    panels = {"input": card()}
    for name, (family, theta) in examples().items():
        panels[name] = st.warp(card(), family, theta, antialias=True, padding=1.0)
    return panel(panels, columns=5)


def volumes() -> Figure:
    """A 3D family each: the middle slice of a warped volume of balls."""
    at = st.target_points((64, 64, 64))[0]
    balls = ((at * 2.5).remainder(1) - 0.5).norm(dim=-1)[None, None]  # (1, 1, 64, 64, 64)
    shaded = (1 - balls).clamp(0, 1) * (0.6 + 0.4 * at[..., 2])
    spline, lattice = st.ThinPlateSpline((3, 3, 3)), (3, 3, 3)
    thetas: dict[str, tuple[st.Family, Tensor]] = {
        "Rigid(dims=3)": (st.Rigid(dims=3), torch.tensor([[0.3, 0.2, 0.5, 0.0, 0.0, 0.0]])),
        "Projective(dims=3)": (
            st.Projective(dims=3),
            torch.eye(4).flatten()[:-1][None] + torch.tensor([0.0] * 12 + [0.3, 0.2, 0.0]),
        ),
        "ThinPlateSpline((3, 3, 3))": (spline, spline.identity(1) + bump(lattice, 0.12)),
        "BSpline((3, 3, 3))": (st.BSpline(lattice), bump(lattice, 0.25)),
    }
    panels = {"input, middle slice": shaded[:, :, 32]}
    for name, (family, theta) in thetas.items():
        panels[name] = st.warp(shaded, family, theta, padding=0.0)[:, :, 32]
    return panel(panels, columns=5)


def kernel_pictures() -> Figure:
    small = st.warp(card(), st.Affine(), st.Affine().identity(1), (24, 24), antialias=True)
    crop = torch.tensor([[0.45, -0.25, -0.35]])
    modes: dict[str, str | kernels.Kernel] = {
        '"nearest"': "nearest",
        '"bilinear"': "bilinear",
        '"bicubic"': "bicubic",
        "Cubic(-0.5)": kernels.Cubic(-0.5),
        "BSpline(2)": kernels.BSpline(2),
        '"bspline3"': "bspline3",
        "BSpline(5)": kernels.BSpline(5),
        "Lanczos(3)": kernels.Lanczos(3),
        "Gaussian(0.7)": kernels.Gaussian(0.7),
    }
    panels = {"input, 24 x 24": small}
    for name, mode in modes.items():
        panels[name] = st.warp(small, st.Attention(), crop, (192, 192), mode=mode, padding="border")
    return panel(panels, columns=5)


def paddings() -> Figure:
    out = torch.tensor([[2.2, 0.15, 0.0]])
    rules = ("zeros", 0.8, "border", "reflection", "wrap")
    return panel(
        {repr(rule): st.warp(card(), st.Attention(), out, antialias=True, padding=rule) for rule in rules}, columns=5
    )


def antialiasing() -> Figure:
    side = 512
    radius = st.target_points((side, side)).square().sum(dim=-1)[:, None]  # (1, 1, side, side)
    zone = 0.5 + 0.5 * torch.cos(math.pi * side / 4 * radius)
    family = st.Affine()
    shrink = {"bilinear, 4 times smaller": False, "antialias=True": True}
    panels = {"a zone plate, 512 x 512": zone}
    for name, antialias in shrink.items():
        panels[name] = st.warp(zone, family, family.identity(1), (128, 128), antialias=antialias)
    return panel(panels, columns=3)


def panel(images: dict[str, Tensor], *, columns: int) -> Figure:
    """Images (1, C, H, W) side by side, each under its name."""
    rows = math.ceil(len(images) / columns)
    figure = Figure(figsize=(2.1 * columns, 2.35 * rows), layout="constrained", dpi=100)
    for position, (name, image) in enumerate(images.items(), start=1):
        axes = figure.add_subplot(rows, columns, position)
        pixels = image[0].movedim(0, -1).clamp(0, 1).numpy()
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=1, interpolation="antialiased")
        axes.set_title(name, fontsize=9, family="monospace")
        axes.set_axis_off()
    return figure


if __name__ == "__main__":
    for drawing in (families, volumes, kernel_pictures, paddings, antialiasing):
        FigureCanvasAgg(drawing()).print_png(PICTURES / f"{drawing.__name__}.png")
