from dataclasses import replace

from estimator.model.projection import ComponentProjection, Projection
from estimator.model.sizing.replicas import Constraint
from estimator.report.blocks import Chart, FactList, Fold, Grid, Headline, Listing, Section
from estimator.report.charts.content import PageDetail, PointBudget
from estimator.report.component_content import component_section


def section_of(component: ComponentProjection) -> Section:
    return component_section(component, "component-1", PointBudget(100, 24), PageDetail.FULL)


def grid_of(section: Section, title: str) -> Grid:
    (grid,) = [
        block for block in section.blocks if isinstance(block, Grid) and title in block.title
    ]
    return grid


def test_the_decision_is_first_with_its_reason(complete: Projection) -> None:
    decision = section_of(complete.components[0]).blocks[0]
    assert isinstance(decision, Headline)
    assert decision.answer == "2 replicas (8 to 10; scaled linearly) at a peak of 1,000 rps"
    assert decision.because == "cpu of app: 0.6 of the 500m request of app is not reached"


def test_one_replica_is_not_two(projection: Projection) -> None:
    component = projection.components[0]
    single = replace(component, replicas=replace(component.replicas, value=1))
    decision = section_of(single).blocks[0]
    assert isinstance(decision, Headline)
    assert decision.answer.startswith("1 replica at")


def test_the_constraint_that_decided_is_highlighted(complete: Projection) -> None:
    grid = grid_of(section_of(complete.components[0]), "must satisfy")
    assert [grid.rows[index][0].text for index in grid.decisive] == ["cpu of app"]
    assert [row[0].text for row in grid.rows] == ["range", "cpu of app"]


def test_a_loss_that_was_added_is_highlighted_too(projection: Projection) -> None:
    component = projection.components[0]
    loss = Constraint("loss of a pod", 3, "2 serve the peak while 1 is lost")
    more = replace(
        component,
        constraints=(*component.constraints, loss),
        replicas=replace(component.replicas, value=3),
    )
    grid = grid_of(section_of(more), "must satisfy")
    assert [grid.rows[index][0].text for index in sorted(grid.decisive)] == [
        *("cpu of app", "loss of a pod")
    ]


def test_excluded_rows_are_told_with_their_rule(projection: Projection) -> None:
    (facts,) = [b for b in section_of(projection.components[0]).blocks if isinstance(b, FactList)]
    assert ("row 4 not used", "error_ratio 0.2 is above 0.01") in facts.pairs
    assert ("evidence", "rests on rows 1, 2, 3") in facts.pairs


def test_each_factor_of_the_demand_stands_by_itself(complete: Projection) -> None:
    grid = grid_of(section_of(complete.components[0]), "From the observed peak")
    assert [(row[0].text, row[1].text) for row in grid.rows] == [
        ("observed peak", "2,345.6 rps"),
        ("averaging window", "x 1.02"),
        ("growth", "x 1.43"),
        ("event", "x 1"),
        ("return level", "2,600 rps (2,400 to 2,900)"),
    ]
    assert grid.footer[1].text == "1,000 rps"


def test_every_amount_has_its_reason(complete: Projection) -> None:
    grid = grid_of(section_of(complete.components[0]), "Why these requests")
    assert grid.rows[0][0].text == "app: cpu request"
    assert str(grid.rows[0][1]) == "350m (310m to 360m)"
    assert len(grid.rows) == 12


def test_a_target_names_the_container_that_it_is_of(complete: Projection) -> None:
    first = complete.components[0]
    assert first.hpa is not None
    by_app = replace(first, hpa=replace(first.hpa, container="app"))
    for component, name in (
        (first, "averageUtilization"),
        (by_app, "averageUtilization of app"),
    ):
        grid = grid_of(section_of(component), "HorizontalPodAutoscaler")
        assert name in [row[0].text for row in grid.rows]


def test_time_at_saturation_is_told(complete: Projection) -> None:
    section = section_of(complete.components[0])
    simulated = {row[0].text: row[1].text for row in grid_of(section, "simulated over").rows}
    assert simulated["time at saturation"] == "8m"
    assert simulated["saved"] == "28%"
    assert [cell.text for cell in grid_of(section, "too late").rows[0][1:]] == ["480", "5", "8"]


def test_rate_limits_are_told_in_both_languages(complete: Projection) -> None:
    names = [row[0].text for row in grid_of(section_of(complete.components[0]), "Rate limits").rows]
    assert names == [
        *("per replica", "Envoy max_tokens", "Envoy tokens_per_fill", "Envoy fill_interval"),
        *("nginx rate", "nginx burst", "over all replicas"),
    ]


def test_charts_and_arithmetic_are_there(complete: Projection) -> None:
    blocks = section_of(complete.components[0]).blocks
    assert len([block for block in blocks if isinstance(block, Chart)]) == 4
    assert isinstance(blocks[-1], Fold)


def test_absent_parts_are_left_out(projection: Projection) -> None:
    blocks = section_of(projection.components[0]).blocks
    assert not [block for block in blocks if isinstance(block, Chart | Fold)]
    assert isinstance(blocks[-1], Listing) and blocks[-1].items == ("latency", "memory leaks")


def test_least_detail_leaves_out_single_reasons(complete: Projection) -> None:
    section = component_section(
        complete.components[0], "component-1", PointBudget(40, 0), PageDetail.LEAST
    )
    titles = [block.title for block in section.blocks if isinstance(block, Grid)]
    assert "Why these requests and limits" not in titles
    assert "Containers of one replica; use at the peak" in titles
    assert not [block for block in section.blocks if isinstance(block, Fold | Chart)]
