from pathlib import Path

import pytest

from estimator.errors import InputError
from estimator.observed.usage_file import parse_time, read_usage

GOOD = """time,component,pod,container,cpu,memory
2026-01-01T00:00:00Z,api,api-0,app,250m,100Mi
1767225615,api,api-0,app,0.3,
1767225615.5,api,api-1,app,,101Mi
"""


@pytest.fixture
def write(tmp_path: Path):
    def write_usage(text: str) -> Path:
        path = tmp_path / "usage.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write_usage


def problems(path: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        read_usage(path)
    return [str(problem).removeprefix(f"{path}:").strip() for problem in caught.value.problems]


def test_samples_have_their_units(write) -> None:
    used = read_usage(write(GOOD)).of("api")["app"]
    assert used.pods == ("api-0", "api-1")
    assert used.seconds.tolist() == [1767225600, 1767225615, 1767225615.5]
    assert used.cpu_millicores.tolist()[:2] == [250, 300]
    assert used.memory_bytes.tolist()[::2] == [100 * 2**20, 101 * 2**20]


def test_columns_of_pod_and_component_may_be_absent(write) -> None:
    usage = read_usage(write("time,container,cpu,memory\n0,app,1m,1\n"))
    assert usage.of("api")["app"].pods == ("",)


def test_every_bad_cell_is_named(write) -> None:
    text = "time,container,cpu,memory\nnoon,app,fast,64m\n1,,1,1\n1,app,1\n"
    assert problems(write(text)) == [
        "2: time: expected Unix seconds or a time such as 2026-01-01T00:00:00Z, got 'noon'",
        "2: cpu: expected cpu such as 500m, 1 or 0.5, got 'fast'",
        "2: memory: expected memory such as 256Mi; '64m' would be milli-bytes",
        "3: container: expected the name of a container",
        "4: expected 4 cells as in the first line, got 3",
    ]


def test_columns_are_checked(write) -> None:
    assert problems(write("time,container,cpu,colour\n")) == [
        "1: memory: this column is missing",
        "1: colour: unknown column; the columns here are "
        "time, container, cpu, memory, component, pod",
    ]
    assert problems(write("time,container,cpu,memory\n")) == ["holds no sample"]


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    assert problems(tmp_path / "none") == ["no such file"]
    assert problems(tmp_path)[0].startswith("is no regular file")


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00", "1767225600000", "-1", "nan", ""])
def test_ambiguous_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected Unix seconds"):
        parse_time(text)


def test_what_is_no_csv_is_one_problem(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("time,container,cpu,memory\n" + "x" * 200_000)
    with pytest.raises(InputError, match="a.csv: is not CSV: field larger"):
        read_usage(path)
    path.write_text("time,container,cpu,memory\n" + "x\n" * 5000)
    with pytest.raises(InputError, match="more problems follow") as caught:
        read_usage(path)
    assert len(caught.value.problems) == 1001
