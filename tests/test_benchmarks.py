"""The published tables are those of the result files, and the arithmetic behind them is right."""

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    path = BENCHMARKS / "macro/mirror_vs_nginx.py"
    spec = importlib.util.spec_from_file_location("mirror_vs_nginx", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # dataclass looks its module up by name.
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(__import__("sys").modules, "mirror_vs_nginx", module)
        spec.loader.exec_module(module)
    return module


def test_readme_shows_the_measured_table(bench: ModuleType) -> None:
    result = json.loads((BENCHMARKS / "results/mirror_vs_nginx.json").read_text())
    readme = (BENCHMARKS / "README.md").read_text()
    found = re.search(r"<!-- mirror_vs_nginx -->\n(.*?)\n<!-- end -->", readme, re.DOTALL)
    assert found is not None
    assert found[1] == bench.table(result["medians"])


def test_results_are_of_equal_work(bench: ModuleType) -> None:
    result = json.loads((BENCHMARKS / "results/mirror_vs_nginx.json").read_text())
    assert result["ledgers_balanced"]
    assert len(result["rounds"]) >= 5
    assert result["medians"] == bench.summarise(result["rounds"])
    for values in (way for found in result["rounds"] for way in found.items()):
        name, run = values
        assert run["errors"] == 0
        assert run["foreign_share"] < bench.FOREIGN_SHARE_LIMIT
        copies = 0 if name == "plain" else 1
        assert run["copies_per_request"] == pytest.approx(copies, abs=0.01)


def test_ratios_are_to_both_baselines(bench: ModuleType) -> None:
    def found(cpu_us: float) -> dict[str, float]:
        return {"cpu_us_per_request": cpu_us, "rps": 1.0}

    rounds = [
        {"plain": found(10), "nginx_mirror": found(70), "inline": found(30)},
        {"plain": found(10), "nginx_mirror": found(80), "inline": found(40)},
        {"plain": found(90), "nginx_mirror": found(90), "inline": found(50)},
    ]
    medians = bench.summarise(rounds)
    assert medians["inline"]["cpu_us_per_request"] == 40
    assert medians["inline"]["cpu_ratio_to_nginx_mirror"] == 0.5
    assert medians["inline"]["cpu_ratio_to_plain"] == 4


@pytest.mark.parametrize(
    ("said", "expected"), [("99%  1.50ms", 1.5), ("99%  350.00us", 0.35), ("99%  1.20s", 1200.0)]
)
def test_percentile_reads_every_unit(bench: ModuleType, said: str, expected: float) -> None:
    assert bench.percentile_ms(said, "99%") == expected
