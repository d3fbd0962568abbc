from pathlib import Path

import pytest

from estimator.errors import InputError
from estimator.table.csv_file import COLUMNS, MOST_LINES, dump, parse
from estimator.table.fields import Place
from estimator.table.files import read_table
from estimator.table.load_points import Resources

HEAD = "component,kind,routes,container,cpu_request,memory_request,row,replicas,rps,cpu,memory"
GOOD = f"""{HEAD},cpu_limit,workers,tool
gateway,gateway,*,istio-proxy,500m,256Mi,1,2,1000,410m,180Mi,2,2,7
gateway,gateway,*,nginx,100m,64Mi,1,2,1000,60m,30Mi,,,7
gateway,gateway,*,istio-proxy,500m,256Mi,2,2,1200,430m,180Mi,2,2,
gateway,gateway,*,nginx,100m,64Mi,2,2,1200,62m,30Mi,,,
api,pod,/api/* other,app,1,1Gi,,,,,,,,
"""


@pytest.fixture
def write(tmp_path: Path):
    def write_table(text: str) -> Path:
        path = tmp_path / "table.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write_table


def problems(path: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        read_table(path)
    return [str(problem).removeprefix(f"{path}:").lstrip() for problem in caught.value.problems]


def test_lines_become_rows_of_components(write) -> None:
    gateway, api = read_table(write(GOOD)).components
    assert gateway.requests["nginx"] == Resources(100, 64 * 2**20)
    assert [point.rps for point in gateway.points] == [1000, 1200]
    assert gateway.points[0].usage["istio-proxy"] == Resources(410, 180 * 2**20)
    assert gateway.points[1].workers == {"istio-proxy": 2}
    # Text stays text, even if it looks like a number.
    assert [point.tool for point in gateway.points] == ["7", None]
    assert (api.points, api.templates) == ((), ("/api/*", "other"))


def test_byte_order_mark_and_blank_lines_are_no_data(write) -> None:
    assert read_table(write("\ufeff" + GOOD + "\n\n")) == read_table(write(GOOD))


def test_every_problem_has_line_and_column(write) -> None:
    path = write(f"""{HEAD}
api,pod,/api,app,1,1Gi,1,1,100,200m,1Mi
api,gateway,/api,log,10m,1Mi,1,1,101,2m,1Mi
api,pod,/api,app,2,1Gi,2,none,200,fast,64m
api,pod,/api,app,1,1Gi,2,none,200,1,1Mi
api,pod,/api,log,10m,1Mi,,1,,,
api,pod
""")
    assert sorted(problems(path)) == [
        "3: kind: expected 'pod' as in line 2 of the same component api, got 'gateway'",
        "3: rps: expected '100' as in line 2 of the same row api 1, got '101'",
        "4: component api, row 2, replicas: expected a whole number of at least 1, got 'none'",
        "4: component api, row 2, usage.app.cpu: expected cpu such as 500m, 1 or 0.5, got 'fast'",
        "4: component api, row 2, usage.app.memory: "
        "expected memory such as 256Mi; '64m' would be milli-bytes",
        "4: component api, row 2, usage.log: missing;"
        " expected the usage of every container that has requests",
        "4: cpu_request: expected '1' as in line 2 of the same container api app, got '2'",
        "5: container: expected each container once in row 2, got 'app' again",
        "6: replicas: expected an empty cell, because `row` is empty: number the row there",
        "7: expected 11 cells as in the first line, got 2",
    ]


def test_columns_are_checked_before_the_rows(write) -> None:
    assert problems(write(HEAD.replace("rps,", "") + ",colour,memory\n1,2\n")) == [
        "1: rps: missing; expected this column in the first line",
        f"1: colour: unknown column; expected one of {', '.join(COLUMNS)}",
        "1: memory: expected this column once, got it twice",
    ]


def test_empty_file_names_its_columns(write) -> None:
    assert len(problems(write(""))) == 11


def test_file_without_rows_holds_no_component(write) -> None:
    assert problems(write(HEAD + "\n")) == [
        "components: expected a list of at least one component, got []"
    ]


def test_broken_quotes_are_no_csv(write) -> None:
    (message,) = problems(write(f'{HEAD}\n"api"x,pod\n'))
    assert message.startswith("2: is not CSV: ")


def test_line_numbers_survive_quoted_line_ends(write) -> None:
    text = GOOD.replace("api,pod", '"ap\ni",cow')
    assert problems(write(text)) == ["6: component ap\ni, kind: expected pod or gateway, got 'cow'"]


def test_route_with_white_space_is_refused() -> None:
    component = {"name": "api", "kind": "pod", "routes": ["/a b"], "requests": {}, "points": []}
    with pytest.raises(InputError, match="x.csv: component api: '/a b' has white space"):
        dump({"components": [component]}, "x.csv")


def test_lines_are_limited() -> None:
    place = Place([], "x.csv")
    header = ",".join(COLUMNS)
    parse(header + "\n" + "," * (len(COLUMNS) - 1) + "\n" + "\n" * MOST_LINES + "a\n", place)
    assert "has more than 100,000 lines, which is the limit" in str(place.problems[-1])
