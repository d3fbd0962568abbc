import pytest

from estimator.model.nodes.capacity import GIB, MIB, allocatable
from estimator.table.load_points import Resources


@pytest.mark.parametrize(("cores", "kept"), [(1, 60), (2, 70), (4, 80), (8, 90), (16, 110)])
@pytest.mark.parametrize("provider", ["gke", "eks"])
def test_published_cpu_that_is_kept(provider: str, cores: int, kept: float) -> None:
    left = allocatable(provider, Resources(cores * 1000, 64 * GIB), 110)
    assert cores * 1000 - left.cpu_millicores == pytest.approx(kept)


@pytest.mark.parametrize(("cores", "kept"), [(1, 60), (4, 140), (6, 180), (64, 740), (96, 740)])
def test_published_cpu_that_aks_keeps(cores: int, kept: float) -> None:
    left = allocatable("aks", Resources(cores * 1000, 64 * GIB), 110)
    assert cores * 1000 - left.cpu_millicores == kept


@pytest.mark.parametrize(
    ("memory_gib", "kept_mib"),
    [(0.5, 255), (4, 1024), (8, 1024 + 819.2), (16, 2662.4), (128, 2662.4 + 112 * 61.44)],
)
def test_published_memory_that_gke_keeps(memory_gib: float, kept_mib: float) -> None:
    capacity = Resources(4000, int(memory_gib * GIB))
    left = allocatable("gke", capacity, 110).memory_bytes
    assert (capacity.memory_bytes - left) / MIB == pytest.approx(kept_mib + 100, abs=0.01)


def test_published_memory_that_eks_keeps() -> None:
    # m5.large carries 29 pods, which reserves 11 * 29 + 255 MiB.
    left = allocatable("eks", Resources(2000, 8 * GIB), 29).memory_bytes
    assert (8 * GIB - left) / MIB == pytest.approx(574 + 100)


def test_memory_that_aks_keeps_is_the_lesser_of_two() -> None:
    small = allocatable("aks", Resources(2000, 4 * GIB), 250).memory_bytes
    assert (4 * GIB - small) / MIB == pytest.approx(1024 + 100)
    large = allocatable("aks", Resources(2000, 64 * GIB), 30).memory_bytes
    assert 64 * GIB - large == 650e6 + 100 * MIB


def test_worked_allocatable_of_the_docstring() -> None:
    left = allocatable("gke", Resources(4000, 16 * GIB), 110)
    assert left.cpu_millicores == 3920
    assert left.memory_bytes / MIB == pytest.approx(13621.6, abs=0.01)
