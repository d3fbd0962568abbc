from datetime import date
from pathlib import Path

import pytest

from estimator.cluster.files import EXAMPLE, read_cluster
from estimator.errors import InputError
from estimator.table.load_points import Resources

GOOD = """
currency: EUR
priced_on: 2026-11-01
price_source: contract
zones: 2
pools:
  - {name: a, capacity: {cpu: 4, memory: 16Gi}, provider: gke, labels: {pool: a}, price_per_hour: 0.2}
  - {name: b, capacity: {cpu: 4, memory: 16Gi}, allocatable: {cpu: 3900m, memory: 13Gi}, max_pods: 30}
daemon_sets:
  - {name: ship, requests: {cpu: 100m, memory: 64Mi}, node_selector: {pool: a}}
node_selectors: {api: {pool: a}}
"""  # noqa: E501 - a pool is a line, as people write it


def problems(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "nodes.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_cluster(path)
    return [str(problem).removeprefix(str(path)) for problem in caught.value.problems]


def test_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "nodes.yaml").write_text(GOOD)
    cluster = read_cluster(tmp_path / "nodes.yaml")
    first, second = cluster.pools
    assert first.allocatable.cpu_millicores == 3920
    assert first.allocatable_reason == "3920m and 13622Mi, by the formula of gke for 110 pods"
    assert second.allocatable == Resources(3900, 13 * 2**30)
    assert (second.max_pods, second.price_per_hour) == (30, None)
    assert cluster.daemon_sets[0].node_selector == {"pool": "a"}
    assert cluster.node_selectors == {"api": {"pool": "a"}}
    assert (cluster.zones, cluster.currency, cluster.priced_on) == (2, "EUR", date(2026, 11, 1))


def test_bundled_example_says_that_it_is_one() -> None:
    cluster = read_cluster(EXAMPLE)
    assert cluster.is_example
    assert "made up" in cluster.price_source
    assert cluster.priced_on is not None


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    text = (
        GOOD.replace("zones: 2", "zones: 0")
        .replace("provider: gke", "provider: ibm")
        .replace("cpu: 100m", "cpu: fast")
        .replace("max_pods: 30", "max_pod: 30")
    )
    messages = problems(tmp_path, text)
    assert [message.split(": ")[0] for message in messages] == [":5", ":7", ":8", ":10"]
    assert "zones: expected a whole number from 1 to 20, got 0" in messages[0]
    assert "pools[1].provider: expected one of gke, eks, aks, got 'ibm'" in messages[1]
    assert "pools[2].max_pod: unknown key" in messages[2]
    assert "daemon_sets[1].requests.cpu: expected cpu such as 500m" in messages[3]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("provider: gke, ", "", "expected either allocatable or provider"),
        ("cpu: 3900m", "cpu: 5", "expected at most the capacity"),
        ("name: b", "name: a", "expected each name once, got a twice"),
        ("priced_on: 2026-11-01\n", "", "priced_on: missing; prices need their date"),
        ("price_source: contract\n", "", "price_source: missing; prices need their date"),
        ("{api: {pool: a}}", "{api: {pool: z}}", "node_selectors.api: expected labels of a pool"),
        ("{api: {pool: a}}", "{api: 3}", "node_selectors.api: expected a mapping of labels"),
        ("name: ship, ", "", "daemon_sets[1].name: missing; expected a name"),
    ],
)
def test_each_problem_has_its_message(
    tmp_path: Path, before: str, after: str, message: str
) -> None:
    assert before in GOOD
    assert any(message in line for line in problems(tmp_path, GOOD.replace(before, after)))


def test_no_pools_and_no_file_are_bad_input(tmp_path: Path) -> None:
    assert any("at least one node pool" in line for line in problems(tmp_path, "pools: []\n"))
    with pytest.raises(InputError, match="no such file"):
        read_cluster(tmp_path / "none.yaml")


def test_pods_of_an_eks_node_follow_from_its_type(tmp_path: Path) -> None:
    eks = GOOD.replace("provider: gke", "provider: eks, instance_type: m5.large")
    (tmp_path / "nodes.yaml").write_text(eks)
    assert read_cluster(tmp_path / "nodes.yaml").pools[0].max_pods == 29
    (tmp_path / "nodes.yaml").write_text(eks.replace("m5.large", "m5.large, max_pods: 110"))
    assert read_cluster(tmp_path / "nodes.yaml").pools[0].max_pods == 110


@pytest.mark.parametrize("words", ["provider: eks", "provider: eks, instance_type: m9.large"])
def test_an_eks_node_of_an_unknown_type_is_asked_for(tmp_path: Path, words: str) -> None:
    message, *_ = problems(tmp_path, GOOD.replace("provider: gke", words))
    assert "pools[1].max_pods: expected max_pods, or a known instance_type" in message
