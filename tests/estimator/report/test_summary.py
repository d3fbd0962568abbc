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


def row(projection: Projection, name: str) -> str:
    (found,) = [line for line in lines(projection) if line.startswith(f"  {name} ")]
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
    parts = ("Peak ", "Needed at the peak", "  all ", "Nodes ", "Cost ", "Confidence: ok")
    parts += ("The assumptions that move the answer most", "What to run next")
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_a_row_says_what_decided_with_its_flags(complete: Projection) -> None:
    assert row(complete, "api") == (
        "api 2 3 to 12 at 55%, too slow 1.2 cores 640Mi cpu of app (scaled linearly)"
    )


def test_a_row_names_the_failure_that_adds_replicas(complete: Projection) -> None:
    component = complete.components[0]
    zone = replace(component.constraints[0], name="loss of a zone", replicas=2)
    constraints = (*component.constraints, zone)
    reserved = replace(component, constraints=constraints)
    assert "cpu of app, with loss of a zone" in row(
        replace(complete, components=(reserved,)), "api"
    )


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


def test_of_many_components_the_largest_are_named(complete: Projection) -> None:
    text = "\n".join(lines(of_many(complete, 50)))
    assert "  part-49 " in text and "  part-00 " not in text
    named = sum(line.startswith("  part-") for line in lines(of_many(complete, 50)))
    assert f"and {50 - named} more, none with more cpu" in text
    assert named >= 5


def test_a_row_is_one_line_whatever_the_name(complete: Projection) -> None:
    named = replace(complete.components[0], name="x" * 400)
    short = replace(complete, components=(named,))
    assert any(line.startswith(f"  {'x' * 62}… ") for line in lines(short))


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
    assert row(replace(complete, components=(flagged,)), "api").count("scaled linearly") == 1
