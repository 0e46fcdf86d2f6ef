"""Write docs/reference.md from the docstrings: plain Markdown, which reads the same on a code host and on the site."""

import ast
import dataclasses
import inspect
import operator
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import spatial_transformer as st

PAGE = Path(__file__).parent.parent / "docs" / "reference.md"
HEAD = """# Library reference

Everything here is imported from `spatial_transformer`. `make reference` writes this page from the docstrings.
"""

SECTIONS: dict[str, tuple[str, ...]] = {
    "The module": (
        "SpatialTransformer",
        "parameter_groups",
        "ParallelTransformers",
        "tile_starts",
        "insert",
        "remove",
        "record_thetas",
    ),
    "Localisation networks": ("ConvLocaliser", "KeypointLocaliser", "PaperCNNLocaliser", "PaperFCNLocaliser"),
    "Warping and sampling": ("warp", "sample", "Linearised", "Kernel", "kernels"),
    "Registration": (
        "register",
        "Registration",
        "Verdict",
        "Smoothness",
        "registration.Staged",
        "Descent",
        "feature_start",
        "register_chain",
        "inconsistency",
        "fit_points",
        "measures",
    ),
    "Guards": ("guards",),
    "Families of transformations": (
        "Family",
        "Region",
        "Translation",
        "Attention",
        "Rigid",
        "Similarity",
        "Affine",
        "Projective",
        "PiecewiseAffine",
        "ThinPlateSpline",
        "BSpline",
        "Velocity",
        "Displacement",
        "Structured",
        "families.MatrixFamily",
        "families.LinearFamily",
    ),
    "Matrices": ("rotation_matrix", "scale_matrix", "translation_matrix", "perspective_matrix"),
    "Coordinates": (
        "target_points",
        "normalised_to_pixel",
        "pixel_to_normalised",
        "from_align_corners",
        "to_align_corners",
    ),
    "Matrices of other software": ("converters",),
    "In the place of PyTorch's and Kornia's functions": ("compat",),
    "Backends": ("backends",),
    "Testing your own family": ("testing",),
}

LISTED = {name for names in SECTIONS.values() for name in names}

# How the sections of a docstring are headed on the page.
PARTS = {
    "Args:": "Arguments",
    "Returns:": "Returns",
    "Yields:": "Yields",
    "Raises:": "Raises",
    "Attributes:": "Attributes",
    "Example:": "Example",
}
WIDE = 100  # characters of a signature; a longer one has a line for each argument


def page() -> str:
    """The whole page."""
    blocks = [HEAD.rstrip()]
    for section, names in SECTIONS.items():
        blocks.append(f"## {section}")
        for name in names:
            blocks.extend(entry(name))
    return "\n\n".join(blocks) + "\n"


def entry(name: str) -> Iterator[str]:
    """What there is to say of a public name: a function, a class with its methods, or all names of a module."""
    value = operator.attrgetter(name)(st) if name != "testing" else _testing()
    if not isinstance(value, ModuleType):
        yield from _described(value, name, 3)
        return
    yield f"### {name}"
    yield from _docstring(value)
    for inner in names_of(value):
        if isinstance(getattr(value, inner), ModuleType):
            yield from entry(f"{name}.{inner}")
        elif inner not in LISTED:
            yield from _described(getattr(value, inner), f"{name}.{inner}", 4)


def names_of(module: ModuleType) -> list[str]:
    """Of a module: its `__all__`, or what is written in it."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    own = [(name, value) for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    return [name for name, value in own if not name.startswith("_") and (inspect.isclass(value) or callable(value))]


def _testing() -> ModuleType:
    from spatial_transformer import testing

    return testing


def _described(value: Any, name: str, level: int) -> Iterator[str]:
    yield f"{'#' * level} {name}"
    if not inspect.isclass(value):
        if callable(value):
            yield _code(_signature(_function(value), value.__name__))
        yield from _docstring(value)
        return
    initialiser = next((vars(base)["__init__"] for base in value.__mro__ if _is_written("__init__", base)), None)
    if initialiser is not None:
        yield _code(_signature(_function(initialiser), value.__name__, skip=1))
    elif fields := list(_fields(value)):
        yield _code(f"{value.__name__}({', '.join(fields)})")
    yield from _docstring(value)
    for member, raw in vars(value).items():
        if member.startswith("_") or member in ("forward", "extra_repr"):
            continue
        function = raw.fget if isinstance(raw, property) else getattr(raw, "__func__", raw)
        if inspect.isfunction(function) and function.__doc__:
            yield f"{'#' * (level + 1)} {name.rpartition('.')[2]}.{member}"
            if not isinstance(raw, property):
                yield _code(_signature(_function(function), member, skip=0 if isinstance(raw, staticmethod) else 1))
            yield from _docstring(function)


def _fields(value: type) -> Iterator[str]:
    """Of a dataclass or a named tuple, as its constructor takes them."""
    if not (dataclasses.is_dataclass(value) or issubclass(value, tuple)):
        return
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(value))).body
    assert isinstance(node, ast.ClassDef)
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and "ClassVar" not in ast.unparse(line.annotation):
            default = "" if line.value is None else f" = {ast.unparse(line.value)}"
            yield f"{ast.unparse(line.target)}: {ast.unparse(line.annotation)}{default}"


def _is_written(member: str, base: type) -> bool:
    """Whether a class of this library defines it itself, in a file."""
    value = vars(base).get(member)
    return (
        base.__module__.startswith("spatial_transformer")
        and inspect.isfunction(value)
        and hasattr(value, "__code__")
        and value.__code__.co_filename.endswith(".py")
    )


def _function(function: Any) -> ast.FunctionDef:
    """As it is written: annotations are the names that a reader of the source sees."""
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
    (node,) = ast.parse(source).body
    assert isinstance(node, ast.FunctionDef)
    return node


def _signature(node: ast.FunctionDef, name: str, skip: int = 0) -> str:
    arguments = list(_arguments(node.args))[skip:]
    returns = f" -> {ast.unparse(node.returns)}" if node.returns and name == node.name else ""
    line = f"{name}({', '.join(arguments)}){returns}"
    if len(line) <= WIDE:
        return line
    return "\n".join([f"{name}(", *(f"    {argument}," for argument in arguments), f"){returns}"]).replace("*,,", "*,")


def _arguments(arguments: ast.arguments) -> Iterator[str]:
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(plain) - len(arguments.defaults)) + list(arguments.defaults)
    for argument, default in zip(plain, defaults, strict=True):
        yield _argument(argument, default)
    if arguments.vararg:
        yield f"*{_argument(arguments.vararg, None)}"
    elif arguments.kwonlyargs:
        yield "*"
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield _argument(argument, default)
    if arguments.kwarg:
        yield f"**{_argument(arguments.kwarg, None)}"


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    text = argument.arg
    if argument.annotation:
        text += f": {ast.unparse(argument.annotation)}"
    if default is None:
        return text
    return f"{text}{' = ' if argument.annotation else '='}{ast.unparse(default)}"


def _code(text: str) -> str:
    return f"```python\n{text}\n```"


def _docstring(value: Any) -> Iterator[str]:
    """A docstring in Google's style, section by section."""
    text = inspect.cleandoc(value.__doc__ or "")
    for paragraph in _paragraphs(text):
        head, _, rest = paragraph.partition("\n")
        if head not in PARTS:
            yield paragraph
        elif head == "Example:":
            yield f"```pycon\n{textwrap.dedent(rest)}\n```"
        else:
            yield f"**{PARTS[head]}**"
            yield _items(textwrap.dedent(rest)) if head not in ("Returns:", "Yields:") else textwrap.dedent(rest)


def _paragraphs(text: str) -> Iterator[str]:
    """Blocks between blank lines; a section with the blocks that are indented below it is one."""
    blocks = text.split("\n\n")
    gathered = blocks[0]
    for block in blocks[1:]:
        if block.startswith(" ") and gathered.partition("\n")[0] in PARTS:
            gathered += f"\n\n{block}"
        else:
            yield gathered
            gathered = block
    yield gathered


def _items(text: str) -> str:
    """`name: what it is`, with lines that go on indented, as a list."""
    joined = re.sub(r"\n {2,}", " ", text)
    lines = [re.sub(r"^([\w*., ]+): ", r"- `\1`: ", line) for line in joined.splitlines()]
    return "\n".join(line if line.startswith("- ") or not line else f"- {line}" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page())
