"""What the pages of the site say in code is true: it runs, from top to bottom, as a reader would type it."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import torch
import yaml

import spatial_transformer as st
from spatial_transformer import testing

ROOT = Path(__file__).parent.parent
PAGES = ("quick-start", "your-network", "which-family", "faq", "migration", "index")
TUTORIAL = (ROOT / "docs" / "from-the-tutorial.md").read_text()
EXAMPLE = (ROOT / "examples" / "from_the_tutorial.py").read_text()


def blocks(name):
    """The pieces of Python of a page, each where it stands, so that an error names the line of the page."""
    text = (ROOT / "docs" / f"{name}.md").read_text()
    for found in re.finditer(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield "\n" * text.count("\n", 0, found.start(1)) + found[1]


@pytest.mark.parametrize("name", [*PAGES, "conventions", "drop-in"])
def test_the_code_of_a_page_runs(name):
    torch.manual_seed(0)
    names = {"__name__": name} | ({"torch": torch, "st": st, "cv2": cv2} if name == "conventions" else {})
    code = list(blocks(name))
    assert code
    for block in code:
        exec(compile(block, f"docs/{name}.md", "exec"), names)


def moved_pair(size, family, theta):
    """A smooth random picture, channels first, and the same seen through a warp."""
    moving = testing.random_image(tuple(-(-side // 4) for side in size), batch=1, channels=1)
    moving = torch.nn.functional.interpolate(moving, size, mode="bilinear" if len(size) == 2 else "trilinear")
    return moving, st.warp(moving, family, torch.tensor([theta]), mode="bilinear")


def test_the_code_of_registration_lays_images_on_one_another():
    """Its blocks speak of a pair of images, and the last one of volumes."""
    pair, far, volumes = blocks("registration")
    moving, fixed = moved_pair((40, 48), st.Translation(), [0.1, -0.05])
    names = {"st": st, "moving": moving, "fixed": fixed}
    for block in (pair, far):
        exec(compile(block, "docs/registration.md", "exec"), names)
        assert names["found"].success.all()
        assert (names["found"].warped - fixed).abs()[..., 8:-8, 8:-8].max() < 0.05
    moving, fixed = moved_pair((12, 10, 11), st.Translation(3), [0.1, 0.0, -0.1])
    names |= {"moving": moving, "fixed": fixed, "labels": (moving > 0.5).float()}
    exec(compile(volumes, "docs/registration.md", "exec"), names)
    assert names["found"].success.all()
    assert names["found"].verdict.folds.shape == (1,)


@pytest.mark.parametrize("name", [name for name in PAGES if name != "index"])
def test_a_page_shows_what_it_says_of_results(name):
    assert any("assert " in block for block in blocks(name))


@pytest.mark.parametrize("name", PAGES[:-1])
def test_code_is_as_wide_as_the_site_shows(name):
    assert [line for block in blocks(name) for line in block.splitlines() if len(line) > 78] == []


def test_what_a_page_shows_of_an_example_is_in_it():
    written = [line.strip() for line in EXAMPLE.splitlines()]
    shown = [line for block in re.findall(r"```python\n(.*?)```", TUTORIAL, re.DOTALL) for line in block.splitlines()]
    assert [line for line in shown if line.strip() not in (*written, "...")] == []
    before, after, _ = re.findall(r"```python\n(.*?)```", TUTORIAL, re.DOTALL)
    assert len([line for line in before.splitlines() if line.strip() != "..."]) == 9
    assert len(after.splitlines()) == 3


def test_the_tutorials_network_and_ours_say_the_same():
    done = subprocess.run([sys.executable, ROOT / "examples" / "from_the_tutorial.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    chances, warped = map(float, re.findall(r"by (\S+)$", done.stdout, re.MULTILINE))
    assert chances <= 2e-7
    assert warped <= 1e-12
    for line in done.stdout.splitlines():
        assert line.rpartition(" ")[0] in TUTORIAL


def pages_in(nav):
    """The files of a site's list, groups within groups."""
    for entry in nav:
        (inner,) = entry.values()
        yield from [inner] if isinstance(inner, str) else pages_in(inner)


def test_every_page_of_the_site_is_in_its_list():
    listed = sorted(pages_in(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    assert listed == sorted(path.name for path in (ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_links_and_pictures_of_a_page_are_there(path):
    prose = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)", prose):
        if not target.startswith(("https://", "http://")):
            assert (path.parent / target).exists(), target


def test_examples_are_python():
    for path in (ROOT / "examples").glob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text())), path.name
