"""docs/reference.md says of all that is public what its docstring says; what the other pages speak of is there.

The page is plain Markdown: no code host knows the directives of a site's plugins.
"""

import importlib.util
import operator
import re
from pathlib import Path

import pytest

import spatial_transformer as st
from spatial_transformer import families

ROOT = Path(__file__).parent.parent
SPEC = importlib.util.spec_from_file_location("reference_tool", ROOT / "tools" / "reference.py")
TOOL = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(TOOL)
REFERENCE = (ROOT / "docs" / "reference.md").read_text()
LISTED = [name for names in TOOL.SECTIONS.values() for name in names]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
# st.warp, st.converters.from_opencv: in prose and in examples
MENTIONED = {name for page in PAGES for name in re.findall(r"\bst\.(\w+(?:\.\w+)*)", page.read_text())}


def is_listed(name):
    """Whether it has an entry, or its module has one, which holds all of its names."""
    return name in LISTED or name.rpartition(".")[0] in LISTED


@pytest.mark.parametrize("name", [*st.__all__, "testing", *(f"families.{name}" for name in families.__all__)])
def test_every_public_name_is_listed(name):
    short = name.removeprefix("families.")
    assert is_listed(short if short in st.__all__ else name)


@pytest.mark.parametrize("name", LISTED)
def test_what_is_listed_exists_and_is_listed_once(name):
    assert name == "testing" or operator.attrgetter(name)(st) is not None
    assert LISTED.count(name) == 1


@pytest.mark.parametrize("name", sorted(MENTIONED))
def test_what_other_pages_speak_of_exists_and_is_listed(name):
    first, *_ = name.split(".")
    assert operator.attrgetter(name)(st) is not None
    assert is_listed(name) or is_listed(first)


def test_the_page_is_the_one_of_the_docstrings():
    assert TOOL.page() == REFERENCE  # `make reference` writes it


@pytest.mark.parametrize("name", LISTED)
def test_what_is_listed_has_a_heading(name):
    assert re.search(rf"^### {re.escape(name)}$", REFERENCE, re.MULTILINE)


def test_methods_and_the_names_of_modules_have_headings_too():
    for name in ("Family.region", "guards.CollapseMonitor", "converters.from_opencv", "kernels.Gaussian"):
        assert re.search(rf"^####+ {re.escape(name)}$", REFERENCE, re.MULTILINE)


def test_no_page_shows_a_directive_where_it_is_not_built():
    assert [page.name for page in PAGES if re.search(r"^:::", page.read_text(), re.MULTILINE)] == []


class Documented:
    """What it is.

    Args:
        length: in pixels,
            of something.
        *names: others.

    Example:
        >>> 1 + 1
        2

    More.
    """

    def __init__(self, length: "int | None" = None, *names: str, wide: bool = False) -> None: ...

    @property
    def half(self) -> float:
        """Of the length."""


def test_a_docstring_becomes_markdown():
    blocks = list(TOOL._docstring(Documented))
    assert blocks[:3] == ["What it is.", "**Arguments**", "- `length`: in pixels, of something.\n- `*names`: others."]
    assert blocks[3:] == ["```pycon\n>>> 1 + 1\n2\n```", "More."]
    written = "\n".join(TOOL._described(st.Kernel, "Kernel", 3))
    assert "#### Kernel.weight\n```python\nweight(" in written
    signature = TOOL._signature(TOOL._function(Documented.__init__), "Documented", skip=1)
    assert signature == "Documented(length: 'int | None' = None, *names: str, wide: bool = False)"


def test_tables_of_pages_hold_no_escaped_line_breaks():
    for page in PAGES:
        rows = [line for line in page.read_text().splitlines() if line.startswith("|")]
        assert not [row for row in rows if r"\n" in row], page.name
