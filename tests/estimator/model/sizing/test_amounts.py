from estimator.model.figure import Figure, Flag
from estimator.model.sizing.amounts import Amounts, add, name_rows, times


def amounts(cpu: float, *, limit: float | None = None, is_exact: bool = False) -> Amounts:
    bounds = {} if is_exact else {"low": cpu * 0.9, "high": cpu * 1.1, "flags": (Flag.ASSUMED,)}
    figure = Figure(cpu, "millicores", "test", **bounds)
    memory = Figure(cpu * 10, "bytes", "test")
    ceiling = None if limit is None else Figure(limit, "millicores", "test")
    return Amounts(figure, memory, figure, memory, ceiling, memory)


def test_sum_has_bounds_where_a_part_has() -> None:
    total = add([amounts(100), amounts(50, is_exact=True)], "both").cpu_request
    assert (total.value, total.low, total.high) == (150, 140, 160)
    assert (total.reason, total.flags) == ("both", (Flag.ASSUMED,))


def test_sum_of_exact_parts_is_exact() -> None:
    total = add([amounts(100, is_exact=True)] * 2, "both")
    assert total.cpu_used.low is None
    assert total.memory_request.value == 2000


def test_sum_has_a_limit_where_every_part_has() -> None:
    assert add([amounts(1, limit=5), amounts(1)], "both").cpu_limit is None
    both = add([amounts(1, limit=5), amounts(1, limit=6)], "both").cpu_limit
    assert both is not None and both.value == 11


def test_replicas_multiply_everything() -> None:
    total = times(amounts(100, limit=200), 3)
    assert (total.cpu_request.value, total.cpu_request.low) == (300, 270)
    assert total.cpu_limit is not None and total.cpu_limit.value == 600
    assert total.memory_limit is not None and total.memory_limit.value == 3000


def test_more_replicas_at_worst_request_more_and_use_the_same() -> None:
    total = times(amounts(100, is_exact=True), 3, most=5)
    assert (total.cpu_request.value, total.cpu_request.high) == (300, 500)
    assert total.cpu_used.high is None


def test_rows_are_named_in_words() -> None:
    assert (name_rows((3,)), name_rows((1, 2))) == ("row 3", "rows 1, 2")
