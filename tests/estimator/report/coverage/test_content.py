"""Checks what the document says, as text and as a page."""

import io
import re
from dataclasses import replace

from estimator.migration.coverage.result import Allowed, Coverage
from estimator.report.blocks import Banner, Level
from estimator.report.coverage.content import (
    FULL,
    MOST_ROWS,
    PAGE,
    SHORT,
    Extent,
    document_of,
    doubts_of,
    verdict_line,
)
from estimator.report.html import to_html
from estimator.report.markdown import to_markdown
from estimator.report.text import print_text
from estimator.routing.decision import Decision, Outcome
from estimator.routing.rules import Destination

NOTHING = Allowed()


def shown(coverage: Coverage, extent: Extent = SHORT) -> str:
    stream = io.StringIO()
    print_text(document_of(coverage, NOTHING, "1.2.3", extent), stream)
    return stream.getvalue()


def level(coverage: Coverage, allowed: Allowed) -> Level:
    banner = document_of(coverage, allowed, "1.2.3").head[0]
    assert isinstance(banner, Banner)
    return banner.level


def test_the_answer_comes_first(complete: Coverage) -> None:
    lines = shown(complete).splitlines()
    assert lines[0] == (
        "170 of 1,203,675 requests that production served (0.014%) would be rejected or sent"
        " elsewhere"
    )
    assert lines[1:5] == [
        "  158 rejected, 12 sent elsewhere, 500 undecided",
        "  2 paths that production answers with 2xx or 3xx are unknown to the routes",
        "  nobody recorded the status of 7 requests: they count as if production had served them",
        "  production itself answered 40 requests with 4xx or 5xx: they do not count",
    ]


def test_every_part_is_there(complete: Coverage) -> None:
    text = shown(complete, FULL)
    for part in (
        "a.example/orders",
        "2026-02-02 02:40",
        "200 x 30, 304 x 1",
        "redirected to http://a.example/old/x/7 (301)",
        "behind it, routes.yaml:7: VirtualService shop/web, http[3].match[0] would serve them",
        "nearest rule: routes.yaml:7: VirtualService shop/web, http[1].match[0]: same path, but it"
        " asks for method GET",
        "Add to spec.http of VirtualService shop/web, before http[2]:",
        '              prefix: "/Cart/"',
        "header x-beta        500   a.example/beta/1",
        "--header 'x-beta: VALUE'",
        "a.example/.env         40   404 x 40",
        "2 of 6 rules took no request",
        "r.yaml:9: cors is not judged (5 requests)",
        "r.yaml:2: this is odd",
        "Left out    3: lines without a request",
        "Not routes  2 Deployment (apps/v1)",
        "one is odd",
        "kagami estimate 1.2.3",
    ):
        assert part in text, part


def test_the_short_report_says_how_many_more(complete: Coverage) -> None:
    text = shown(complete)
    assert "Why, and what to add (1 more with --full)" in text
    assert not re.search(r"\(-?\d+ more", shown(complete, FULL))
    group = complete.lost[0]
    many = replace(complete, lost=tuple(replace(group, shape=f"/{n}") for n in range(99)))
    assert f"no rule takes them ({99 - MOST_ROWS} more with --full)" in shown(many)
    assert "(98 more in the JSON)" not in shown(many, PAGE)
    cut = replace(PAGE, rows=1, mended=1)
    assert shown(many, cut).count("(98 more in the JSON)") == 2
    rows = [line for line in shown(many).splitlines() if re.match("  a.example/[0-9]+ ", line)]
    assert len(rows) == MOST_ROWS


def test_what_is_known_of_the_old_routes_is_said(complete: Coverage) -> None:
    group = replace(
        complete.lost[0],
        before=Decision(Outcome.FORWARDED, None, "it is so", (Destination("old.shop"),)),
        difference="the old regex ignores case",
        suggestion=None,
        no_suggestion="it is full",
    )
    text = shown(replace(complete, lost=(group,)))
    assert "  - today: forwarded to old.shop: it is so\n" in text
    assert "  - why they differ: the old regex ignores case\n" in text
    assert "  - no entry is suggested: it is full\n" in text


def test_only_what_is_not_known_is_left_out(complete: Coverage) -> None:
    assert "Period" in shown(complete) and "Period" not in shown(replace(complete, seconds=None))
    header, *rejected = re.findall(r"(?m)^  (?:path .*|a\.example/.*)$", shown(complete))[:3]
    assert "would be" not in header and "404)" not in rejected[0]
    assert shown(complete).count("would be  ") == 1


def test_nothing_lost_is_said_in_one_line(clean: Coverage) -> None:
    assert shown(clean).startswith("All 3 requests that production served would be routed\n")
    assert "What would be lost" not in shown(clean)
    assert level(clean, NOTHING) is Level.OK


def test_undecided_requests_are_not_called_routed(complete: Coverage) -> None:
    unsure = replace(complete, lost=())
    assert verdict_line(unsure) == (
        "None of 1,203,675 requests that production served is known to be lost; 500 (0.042%) are"
        " undecided"
    )
    assert level(unsure, Allowed(undecided=1.0)) is Level.WARN


def test_colours_follow_what_is_allowed(complete: Coverage) -> None:
    assert level(complete, NOTHING) is Level.BAD
    assert level(complete, Allowed(lost=0.01)) is Level.WARN
    sure = replace(complete, doubts=())
    assert level(sure, Allowed(lost=0.01, undecided=0.01)) is Level.OK


def test_doubts_say_how_to_decide(complete: Coverage) -> None:
    first, second = doubts_of(complete, NOTHING)
    assert first == "r.yaml:9: cors is not judged: 5 requests pass it, and it is not judged"
    assert second.endswith("does not record; decided by: --header 'x-beta: VALUE'")
    assert doubts_of(complete, Allowed(undecided=0.01)) == (first,)


def test_names_of_others_stay_text_everywhere(complete: Coverage) -> None:
    hostile = "/<script>alert(1)</script>\x1b]0;owned\x07\u202e"
    group = replace(complete.lost[0], shape=hostile, example=hostile)
    document = document_of(replace(complete, lost=(group,)), NOTHING, "1.2.3", PAGE)
    page = to_html(document)
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    stream = io.StringIO()
    print_text(document, stream)
    for text in (page, stream.getvalue(), to_markdown(document)):
        assert not set(text) & set("\x1b\x07\u202e")
        assert "owned" in text


def test_the_page_says_the_same_as_the_text(complete: Coverage) -> None:
    page = to_html(document_of(complete, NOTHING, "1.2.3", PAGE))
    for part in ("170 of 1,203,675", "same path, but it asks for method GET", "- match:"):
        assert part in page
    assert 'http-equiv="Content-Security-Policy" content="default-src \'none\'' in page
