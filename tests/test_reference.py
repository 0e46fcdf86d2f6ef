"""docs/reference.md lists everything public, and nothing else; what the other pages speak of is there."""

import inspect
import operator
import re
from pathlib import Path

import pytest

import spatial_transformer as st
from spatial_transformer import families, testing

ROOT = Path(__file__).parent.parent
LISTED = re.findall(r"^::: spatial_transformer\.(\S+)$", (ROOT / "docs" / "reference.md").read_text(), re.MULTILINE)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
# st.warp, st.converters.from_opencv: in prose and in examples
MENTIONED = {name for page in PAGES for name in re.findall(r"\bst\.(\w+(?:\.\w+)*)", page.read_text())}


def is_listed(name):
    """Whether it has an entry, or its module has one, or it is a module whose every name has one."""
    if name in LISTED or name.rpartition(".")[0] in LISTED:
        return True
    value = operator.attrgetter(name)(st)
    return inspect.ismodule(value) and all(is_listed(f"{name}.{inner}") for inner in value.__all__)


@pytest.mark.parametrize("name", [*st.__all__, "testing", *(f"families.{name}" for name in families.__all__)])
def test_every_public_name_is_listed(name):
    short = name.removeprefix("families.")
    assert is_listed(short if short in st.__all__ else name)


@pytest.mark.parametrize("name", LISTED)
def test_what_is_listed_exists_and_is_listed_once(name):
    assert operator.attrgetter(name)(st) is not None
    assert LISTED.count(name) == 1


@pytest.mark.parametrize("name", sorted(MENTIONED))
def test_what_other_pages_speak_of_exists_and_is_listed(name):
    first, *_ = name.split(".")
    assert operator.attrgetter(name)(st) is not None
    assert is_listed(name) or is_listed(first)


def test_a_module_counts_as_listed_with_all_its_names_only(monkeypatch):
    assert testing.__name__ == "spatial_transformer.testing"
    assert is_listed("converters")
    monkeypatch.setattr(st.converters, "__all__", [*st.converters.__all__, "from_elsewhere"])
    monkeypatch.setattr(st.converters, "from_elsewhere", st.warp, raising=False)
    assert not is_listed("converters")


def test_tables_of_pages_hold_no_escaped_line_breaks():
    for page in PAGES:
        rows = [line for line in page.read_text().splitlines() if line.startswith("|")]
        assert not [row for row in rows if r"\n" in row], page.name
