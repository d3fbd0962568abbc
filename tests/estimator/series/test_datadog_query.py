import pytest

from estimator.errors import InputError
from estimator.series.datadog_query import DatadogQuery

QUERY = DatadogQuery.of("mirror.rps", "watch", None, ())


def test_default_rollup_is_never_used() -> None:
    assert QUERY.text(60) == ("sum:mirror.rps{service:watch} by {route}.fill(null).rollup(max, 60)")


def test_every_filter_narrows_the_scope() -> None:
    query = DatadogQuery.of("x.rps", "S", "Prod", ("instance:0", "team:Video-1"))
    assert query.text(1).startswith("sum:x.rps{env:prod,instance:0,service:s,team:video-1} by")


@pytest.mark.parametrize(
    ("option", "arguments"),
    [
        ("--metric", ("a b", "s", None, ())),
        ("--metric", ("rps{*}", "s", None, ())),
        ("--metric", ("1rps", "s", None, ())),
        ("--service", ("rps", "a,env:b", None, ())),
        ("--service", ("rps", "a} by {host}", None, ())),
        ("--service", ("rps", "", None, ())),
        ("--env", ("rps", "s", "prod:", ())),
        ("--tag", ("rps", "s", None, ("novalue",))),
        ("--tag", ("rps", "s", None, ("a:b c",))),
    ],
)
def test_filter_cannot_end_the_scope(option: str, arguments: tuple) -> None:
    with pytest.raises(InputError, match=f"^{option}: expected"):
        DatadogQuery.of(*arguments)


def test_every_bad_filter_is_named_at_once() -> None:
    with pytest.raises(InputError) as caught:
        DatadogQuery.of("?", "?", "?", ("?",))
    assert len(caught.value.problems) == 4


@pytest.mark.parametrize(
    ("text", "rolled_up"),
    [
        ("sum:x{a:b, !c:d}.as_count()", "sum:x{a:b, !c:d}.as_count().rollup(sum, 10)"),
        ("sum:x{*} by {a, b}.as_rate()", "sum:x{*} by {a,b}.as_count().rollup(sum, 10)"),
        ("count:x{*} by {a}.as_count()", "count:x{*} by {a}.as_count().rollup(sum, 10)"),
        (" sum:x{*} by {a} ", "sum:x{*} by {a}.fill(null).rollup(max, 10)"),
    ],
)
def test_queries_of_others_get_our_rollup(text: str, rolled_up: str) -> None:
    assert DatadogQuery.parse(text).text(10) == rolled_up


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x", "expected such as 'sum:"),
        ("sum:x", "expected such as"),
        ("sum:x{}", "expected such as"),
        ("sum:x{*}.rollup(avg, 60)", "rollup and fill are added here"),
        ("sum:x{*}.as_count().rollup(avg)", "expected nothing but .as_count"),
        ("sum:x{*}.as_count() / sum:y{*}", "expected nothing but"),
        ("avg:x{*}.as_count()", "adds up instances; got avg:"),
        ("max:x{*}", "got max:, which is about one of them"),
        ("per_minute(sum:x{*})", "expected such as"),
    ],
)
def test_what_could_hide_a_peak_is_refused(text: str, why: str) -> None:
    with pytest.raises(InputError, match="^--query: ") as caught:
        DatadogQuery.parse(text)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("by", "tag_set", "route"),
    [
        (("route",), ["route:/watch/_id_"], "/watch/_id_"),
        (("route",), [], "other"),
        (("app", "version"), ["version:2", "app:api"], "api:2"),
        (("app",), ["app:A:B"], "a:b"),
    ],
)
def test_a_group_is_the_route_of_its_tags(
    by: tuple[str, ...], tag_set: list[str], route: str
) -> None:
    assert DatadogQuery("m", "*", by).route_of(tag_set) == route
