"""Write docs/benchmarks.md, docs/scaling.md, their pictures and the README's part from results/benchmarks/."""

from pathlib import Path

from stn_lab.benchmark import chart, page, scaling_page
from stn_lab.benchmark.result import Result

HERE = Path(__file__).parent
README, DOCS = HERE.parent / "README.md", HERE.parent / "docs"
RESULT = HERE / "benchmarks" / "cpu.json"


def pages(result: Result) -> dict[Path, str]:
    """Each file that is written, and what is in it."""
    before, rest = README.read_text().split(page.BEGIN)
    readme = before + page.BEGIN + page.readme_block(result) + page.END + rest.split(page.END)[1]
    return {README: readme, DOCS / "benchmarks.md": page.page(result), DOCS / "scaling.md": scaling_page.page(result)}


def write(result: Result) -> None:
    for path, text in pages(result).items():
        path.write_text(text)
    chart.save(chart.bars(result), DOCS / page.PICTURE)
    chart.save(chart.curves(result, scaling_page.predicted(result)), DOCS / scaling_page.PICTURE)


if __name__ == "__main__":
    write(Result.read(RESULT))
