from dataclasses import replace

import pytest

from estimator.migration.order.moves import Routing
from estimator.report.switch_plan.commands import (
    how_fast,
    pin_command,
    release_lines,
    rollback_lines,
    shift_lines,
    warm_up_lines,
    watch_lines,
)
from tests.estimator.migration.switch_plan.cases import moves, planned

FILE = "api-720be2c7.virtual-service.yaml"


def test_warm_up_pins_then_waits_then_mirrors() -> None:
    plan = planned()
    assert list(warm_up_lines(plan.steps[1], plan)) == [
        "# Leave a minimum that is higher already:",
        "kubectl get hpa api",
        """kubectl patch hpa api --type merge --patch '{"spec":{"minReplicas":3}}'""",
        "# Go on when READY is at least this, in about 1m15s:",
        "kubectl get deployment api  # at least 3",
        "# Copies up to 25% of the requests, at least 5m:",
        "mirror set ratio 0.2424",
        "mirror status --follow  # outcomes and latency of the copies",
    ]


def test_minimum_that_does_not_change_is_not_touched() -> None:
    # Somebody may have given the gateway a higher one for other paths.
    plan = planned()
    lines = list(warm_up_lines(plan.steps[0], plan))
    assert lines[0].startswith("# Go on when READY") and "patch" not in "".join(lines)


def test_release_leaves_a_higher_minimum_to_the_reader() -> None:
    comment, command = release_lines(planned().releases)
    assert comment == "# Or to the minimum of before the switch, where that was higher:"
    assert command.endswith("""'{"spec":{"minReplicas":2}}'""")


def test_count_without_an_hpa_is_scaled() -> None:
    assert pin_command("api", 4, has_hpa=False) == "kubectl scale deployment api --replicas=4"
    plan = planned(is_flat=True)
    assert next(warm_up_lines(plan.steps[2], plan)).endswith("--replicas=6")
    # The count of the last step is the count afterwards: nothing is to be done.
    assert list(release_lines(plan.releases)) == []
    higher = replace(plan.releases[0], pinned=8)
    assert list(release_lines([higher])) == ["kubectl scale deployment api --replicas=6"]


def test_mirror_stops_before_the_step() -> None:
    step = planned().steps[1]
    assert list(shift_lines(1, step, moves())) == [
        "mirror set ratio 0",
        f"kubectl apply -f step-2/{FILE}",
    ]
    assert list(rollback_lines(1, step, moves())) == [
        f"kubectl apply -f step-2/rollback/{FILE}",
        "mirror set ratio 0",
    ]


def test_program_that_reloads_needs_its_file_first() -> None:
    assert list(shift_lines(0, planned().steps[0], moves(None))) == [
        "mirror set ratio 0",
        "# Copy step-1/api-720be2c7.balancer.conf to where the configuration includes it.",
        "apachectl configtest && apachectl graceful",
    ]


def test_several_paths_are_reloaded_once() -> None:
    lines = list(shift_lines(0, planned().steps[0], moves(None) * 2))
    assert lines.count("apachectl configtest && apachectl graceful") == 1


def test_without_a_program_the_share_is_named() -> None:
    step = planned().steps[1]
    assert "# Send 25% of the requests to the new side" in list(shift_lines(1, step, ()))[1]
    assert "# Send 1% of the requests to the new side" in next(rollback_lines(1, step, ()))


def test_replicas_and_cpu_are_watched() -> None:
    assert list(watch_lines(planned().steps[0])) == [
        "kubectl get hpa api",
        "kubectl top pods --containers -l app=api",
    ]


@pytest.mark.parametrize(
    ("routing", "words"), [(Routing.HTTP_ROUTE, "istiod waits 0.1 s"), (None, "graceful")]
)
def test_rollback_is_as_fast_as_its_program(routing: Routing | None, words: str) -> None:
    # An HTTPRoute needs a Service on both sides.
    known = moves() if routing else moves(None)
    assert words in how_fast(known)


def test_rollback_by_hand_says_so() -> None:
    assert how_fast(()).startswith("It takes as long as your router needs")


def test_ratio_of_everything_is_one() -> None:
    plan = planned()
    full = replace(plan.steps[2], warm_up=replace(plan.steps[2].warm_up, ratio=1.0))
    assert list(warm_up_lines(full, plan))[-2] == "mirror set ratio 1"
