from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from estimator.commands.switching.plan_options import check_already, read_moves, read_wanted
from estimator.errors import InputError
from estimator.migration.order.moves import Sites
from estimator.migration.snippets.step import Attachment, Backend
from estimator.migration.switch_plan.plan import Wanted
from estimator.model.policy import Policy
from tests.estimator.migration.switch_plan.cases import recorded

STEPS = (1, 5, 25, 50, 100)
NOTHING: dict[str, Any] = {"at": None, "zone": None, "hold": "30m", "already": ()}
TEMPLATES = ("/watch/{id}", "/api/*", "*", "other")
AT = int(datetime(2026, 12, 1, 10, tzinfo=UTC).timestamp())


def read(policy: Policy | None = None, **texts: Any) -> Wanted:
    return read_wanted({**NOTHING, **texts}, STEPS, policy or Policy())


def problems(policy: Policy | None = None, **texts: Any) -> list[str]:
    with pytest.raises(InputError) as error:
        read(policy, **texts)
    return [str(problem) for problem in error.value.problems]


def test_time_is_ours_to_choose_by_default() -> None:
    assert read() == Wanted(STEPS, 1800, UTC, None)


@pytest.mark.parametrize(
    ("at", "zone", "second"),
    [
        ("2026-12-01T10:00Z", None, AT),
        ("2026-12-01T10:00+09:00", None, AT - 9 * 3600),
        ("2026-12-01T10:00", "Europe/Berlin", AT - 3600),
        ("2026-12-01T10:00+09:00", "UTC", AT - 9 * 3600),
        (f"{AT}", None, AT),
        (f"{AT}", "Asia/Tokyo", AT),
    ],
)
def test_time_is_one_instant(at: str, zone: str | None, second: int) -> None:
    assert read(at=at, zone=zone).at == second


def test_unknown_zone_is_shown() -> None:
    with pytest.raises(InputError, match="--zone: expected UTC, .* got 'Mars/Olympus'"):
        read(zone="Mars/Olympus")


def test_zone_is_that_of_the_time_unless_it_is_given() -> None:
    assert read(at="2026-12-01T10:00+09:00").zone == timezone(timedelta(hours=9))
    assert read(at="2026-12-01T10:00+09:00", zone="UTC").zone == UTC
    assert read(zone="Europe/Berlin").zone == ZoneInfo("Europe/Berlin")


def test_time_without_a_zone_is_refused() -> None:
    (problem,) = problems(at="2026-12-01T10:00")
    assert problem == (
        "--at: expected an offset from UTC, as in 2026-12-01T10:00+09:00, or --zone beside"
        " '2026-12-01T10:00'"
    )


@pytest.mark.parametrize("at", ["tomorrow", "2026-13-01T10:00Z", "nan", "99999999999999"])
def test_no_time_is_refused(at: str) -> None:
    (problem,) = problems(at=at)
    assert problem.startswith("--at: expected Unix seconds or a time such as")


def test_hold_is_at_least_the_warm_up() -> None:
    (problem,) = problems(hold="6m")
    assert problem == (
        "--hold: expected at least 7m, got 6m: the warm-up of a step passes while the step before"
        " it is held"
    )
    assert read(hold="7m").hold_s == 420
    # Pods that start slowly have a longer warm-up, and one step has no other before it.
    assert "at least 16m" in problems(Policy(pod_start_s=600), hold="15m")[0]
    alone = read_wanted({**NOTHING, "hold": "1m"}, (100,), Policy())
    assert alone.hold_s == 60


@pytest.mark.parametrize("hold", ["8d", "0m", "soon"])
def test_hold_that_is_none_is_refused(hold: str) -> None:
    (problem,) = problems(hold=hold)
    assert problem.startswith("--hold: expected")


def test_everything_wrong_is_told_at_once() -> None:
    found = problems(at="x", zone="Nowhere/At-all", hold="x")
    assert [problem.split(":")[0] for problem in found] == ["--zone", "--at", "--hold"]


def test_routes_of_the_new_side_are_tags() -> None:
    moving = Policy(paths=("/api/_",))
    assert read(moving, already=("/watch/{id},other", "other")).served == ("/watch/_id_", "other")


def test_routes_of_the_new_side_do_not_move() -> None:
    (problem,) = problems(Policy(paths=("/api/_",)), already=("/api/*,other",))
    assert problem == "--already: expected no route of --paths, got /api/_"
    (problem,) = problems(already=("other",))
    assert problem == "--already: expected --paths beside it: all routes move"


def test_unknown_route_of_the_new_side_is_named() -> None:
    wanted = Wanted(STEPS, 1800, UTC, AT, ("/watch", "/api/_"))
    with pytest.raises(InputError, match="route /watch is not in the series; it has /api/_"):
        check_already(wanted, recorded())


def sites() -> Sites:
    backends = [Backend(name, 80) for name in ("swarm", "ingress", "app-on-swarm", "app")]
    return Sites(*backends, Attachment(), percents=STEPS)


def test_all_paths_are_one_prefix() -> None:
    (move,) = read_moves((), TEMPLATES, sites(), 2)
    assert (move.phases, move.program) == ("1 to 2", "apache")
    assert [percent for percent, _ in move.steps] == list(STEPS)
    assert "1% of /* to ingress:80" in move.steps[0][1].text


def test_phase_decides_the_program() -> None:
    (move,) = read_moves(("/api/*",), TEMPLATES, sites(), 3)
    assert (move.phases, move.program) == ("2 to 3", "virtual-service")
    assert "1% of /api/* to app:80" in move.steps[0][1].text


def test_paths_are_templates_or_their_tags() -> None:
    named = ("/watch/_id_,/api/*", "/watch/{id}", "/new/{name}")
    moves = read_moves(named, TEMPLATES, sites(), 3)
    assert [move.steps[0][1].text.split()[3] for move in moves] == [
        *("/watch/{id}", "/api/*", "/new/{name}")
    ]


def test_path_without_a_template_is_named() -> None:
    with pytest.raises(InputError) as error:
        read_moves(("other", "/a//b"), TEMPLATES, sites(), 3)
    assert [str(problem).split(": expected")[0] for problem in error.value.problems] == [
        "--paths: --output can write no snippet of other",
        "--paths: --output can write no snippet of /a//b",
    ]
