"""Who may import whom: paper and benchmark build on the lab, the lab on the library, and never the other way."""

import ast
from importlib.util import resolve_name
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent.parent / "src"
# What each package may import of the four.
BELOW = {
    "spatial_transformer": set(),
    "stn_lab": {"spatial_transformer"},
    "stn_bench": {"spatial_transformer", "stn_lab"},
    "stn_paper": {"spatial_transformer", "stn_lab"},
}


def modules(package):
    for path in sorted((SOURCES / package).rglob("*.py")):
        parts = path.relative_to(SOURCES).with_suffix("").parts
        yield path, ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path, name):
    """Absolute names of all modules that a file imports, also within functions."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package) if node.level else node.module
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("package", BELOW)
def test_imports_go_one_way(package):
    for path, name in modules(package):
        others = {module.partition(".")[0] for module in imports(path, name)} & set(BELOW) - {package}
        assert others <= BELOW[package], f"{name} imports {', '.join(sorted(others - BELOW[package]))}"


def test_nobody_imports_the_command_line():
    for package in BELOW:
        for path, name in modules(package):
            assert "stn_lab.cli" not in set(imports(path, name)), name


@pytest.mark.parametrize("package", ["stn_lab", "stn_paper", "stn_bench"])
def test_no_module_is_reached_from_itself(package):
    """Imports that are made when a module is imported; within functions they may come back."""
    known = {name: path for path, name in modules(package)}
    graph = {name: {m for m in _at_once(path, name) if m in known and m != name} for name, path in known.items()}
    done = set()

    def visit(name, way):
        assert name not in way, " -> ".join([*way[way.index(name) :], name])
        if name not in done:
            for below in sorted(graph[name]):
                visit(below, [*way, name])
            done.add(name)

    for name in graph:
        visit(name, [])


def _at_once(path, name):
    tree = ast.parse(path.read_text())
    tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.level:
            base = resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{base}.{alias.name}" for alias in node.names)
            if base != package:
                yield base
