"""Write docs/benchmarks.md, docs/scaling.md, their pictures and the README's part from results/benchmarks/.

cpu.json is what these pages are about; any other file there, such as cuda.json, has a page of its own,
docs/benchmarks-cuda.md.
"""

from pathlib import Path

from stn_bench import chart, page, scaling_page
from stn_bench.result import Result
from stn_lab.views.figures import save

HERE = Path(__file__).parent
README, DOCS = HERE.parent / "README.md", HERE.parent / "docs"
RESULTS = HERE.parent / "results" / "benchmarks"


def pages() -> dict[Path, str]:
    """Each file that is written, and what is in it."""
    result = Result.read(RESULTS / "cpu.json")
    before, rest = README.read_text().split(page.BEGIN)
    readme = before + page.BEGIN + page.readme_block(result) + page.END + rest.split(page.END)[1]
    scaling = scaling_page.page(result)
    written = {README: readme, DOCS / "benchmarks.md": page.page(result), DOCS / "scaling.md": scaling}
    for name, other in others().items():
        written[DOCS / f"benchmarks-{name}.md"] = page.page(other, picture(name))
    return written


def others() -> dict[str, Result]:
    """Results of devices other than the CPU, by the names of their files."""
    return {path.stem: Result.read(path) for path in sorted(RESULTS.glob("*.json")) if path.stem != "cpu"}


def picture(name: str) -> str:
    return f"pictures/benchmarks-{name}.svg"


def draw() -> None:
    result = Result.read(RESULTS / "cpu.json")
    save(chart.bars(result), DOCS / page.PICTURE)
    save(chart.curves(result, scaling_page.predicted(result)), DOCS / scaling_page.PICTURE)
    for name, other in others().items():
        save(chart.bars(other), DOCS / picture(name))


if __name__ == "__main__":
    for file, text in pages().items():
        file.write_text(text)
    draw()
