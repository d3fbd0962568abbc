import io
from dataclasses import replace

import pytest

from estimator.model.figure import Flag
from estimator.model.projection import Projection
from estimator.report.summary import MOST_LINES, summary_of
from estimator.report.text import print_text


def lines(projection: Projection) -> list[str]:
    stream = io.StringIO()
    print_text(summary_of(projection), stream)
    return stream.getvalue().splitlines()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines_on_terminal(projection: Projection, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what a terminal of 80 columns shows; it breaks a line that is longer."""
    # rich takes it to have 80 columns and no colours.
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    print_text(summary_of(projection), stream)
    shown: list[str] = []
    for line in stream.getvalue().splitlines():
        shown += [line[n : n + 80] for n in range(0, max(1, len(line)), 80)]
    return shown


def row(projection: Projection, name: str) -> str:
    (found,) = [line for line in lines(projection) if line.startswith(f"{name} ")]
    return " ".join(found.split())


def of_many(projection: Projection, count: int) -> Projection:
    """Return a projection with so many components, the later the larger."""
    first = projection.components[0]
    request = first.total.cpu_request
    components = tuple(
        replace(
            first,
            name=f"part-{number:02}",
            total=replace(first.total, cpu_request=replace(request, value=1000.0 + number)),
            warnings=("one", "two", "three"),
        )
        for number in range(count)
    )
    return replace(projection, components=components)


def test_it_answers_in_the_order_of_the_questions(complete: Projection) -> None:
    text = "\n".join(lines(complete))
    parts = ("Peak ", "Needed at the peak", "\nall ", "Nodes ", "Cost ", "Confidence: ok")
    parts += ("The assumptions that move the answer most", "What to run next")
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_a_row_says_what_decided_with_its_flags(complete: Projection) -> None:
    assert row(complete, "api") == ("api 2* 3-12 at 55% 1.2 640Mi cpu of app")
    assert "  *      scaled linearly: api, gateway; HPA too slow: api, gateway" in "\n".join(
        lines(complete)
    )


def test_a_row_names_the_failure_that_adds_replicas(complete: Projection) -> None:
    component = complete.components[0]
    zone = replace(component.constraints[0], name="loss of a zone", replicas=2)
    constraints = (*component.constraints, zone)
    reserved = replace(component, constraints=constraints)
    assert "cpu of app + zone" in row(replace(complete, components=(reserved,)), "api")


def test_cost_has_no_cents(complete: Projection) -> None:
    assert "  Cost   841 USD per month (841 to 982)" in lines(complete)


def test_reasons_of_low_confidence_stand_in_it(projection: Projection) -> None:
    text = "\n".join(lines(projection))
    assert "Confidence: low. Do not rely on these numbers alone\n  only 10m were observed" in text
    assert "route other (peak 100 rps) is not covered by any pod" in text


@pytest.mark.parametrize("count", [1, 8, 50])
def test_it_is_never_longer_than_a_screen(complete: Projection, count: int) -> None:
    many = replace(
        of_many(complete, count),
        is_example_table=True,
        low_confidence=tuple(f"reason {number}" for number in range(30)),
    )
    printed = lines(many)
    assert len(printed) <= MOST_LINES
    assert "  and 27 more: --full lists them" in printed
    assert any("more: --full lists them" in line for line in printed[printed.index("  Warnings") :])


@pytest.mark.parametrize("count", [1, 8, 50])
@pytest.mark.parametrize("length", [1, 60, 1000])
def test_it_fits_a_terminal_of_80_columns(
    complete: Projection, count: int, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = of_many(complete, count)
    parts = tuple(replace(part, name=f"{part.name}{'x' * length}") for part in many.components)
    many = replace(
        many,
        components=parts,
        is_example_table=True,
        series=replace(many.series, source="s" * length),
        low_confidence=tuple(f"reason {number} {'r' * length}" for number in range(30)),
        warnings=("w" * length,) * 9,
    )
    printed = lines_on_terminal(many, monkeypatch)
    assert len(printed) <= MOST_LINES
    assert max(map(len, printed)) <= 80
    assert any(line.startswith("  reason 0 ") for line in printed)
    assert any(line.startswith("  - w") for line in printed)
    assert sum(line.startswith("part-") for line in printed) >= min(count, 2)
    assert any(line.startswith("  --html report.html") for line in printed[-2:])


def test_a_row_on_80_columns_is_one_line(
    complete: Projection, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = replace(complete.components[0], name="x" * 60, decided_by="cpu of istio-proxy")
    printed = lines_on_terminal(replace(complete, components=(named,)), monkeypatch)
    (found,) = [line for line in printed if line.startswith("xxx") and "cpu" in line]
    assert "x… " in found and found.rstrip().endswith("cpu of istio-proxy")


def test_less_than_a_core_is_in_cores_too(complete: Projection) -> None:
    first = complete.components[0]
    request = replace(first.total.cpu_request, value=620.0)
    small = replace(first, name="small", total=replace(first.total, cpu_request=request))
    assert " 0.62 " in row(replace(complete, components=(small,)), "small")


def test_what_fits_is_not_cut(complete: Projection) -> None:
    reasons = tuple(f"reason {number} {'r' * 100}" for number in range(3))
    printed = lines(replace(complete, low_confidence=reasons))
    assert all(f"  {reason}" in printed for reason in reasons)


def test_of_many_components_the_largest_are_named(complete: Projection) -> None:
    text = "\n".join(lines(of_many(complete, 50)))
    assert "\npart-49 " in text and "\npart-00 " not in text
    named = sum(line.startswith("part-") for line in lines(of_many(complete, 50)))
    assert f"and {50 - named} smaller ones" in text
    assert named >= 5


def test_a_row_is_one_line_whatever_the_name(complete: Projection) -> None:
    named = replace(complete.components[0], name="x" * 400)
    short = replace(complete, components=(named,))
    assert any(line.startswith(f"{'x' * 62}… ") for line in lines(short))


def test_assumptions_say_what_they_do_and_who_chose_them(complete: Projection) -> None:
    printed = lines(complete)
    first = next(n for n, line in enumerate(printed) if line.startswith("The assumptions"))
    assert [line.strip() for line in printed[first + 1 : first + 3]] == [
        "linear scaling          api: assumed",
        "target utilisation 0.6  cpu requested x 1.667 (default)",
    ]


def test_flags_of_replicas_and_cpu_stand_once(complete: Projection) -> None:
    component = complete.components[0]
    request = replace(component.total.cpu_request, flags=(Flag.SCALED_LINEARLY,))
    flagged = replace(component, total=replace(component.total, cpu_request=request))
    printed = "\n".join(lines(replace(complete, components=(flagged,))))
    assert printed.count("scaled linearly: api") == 1
