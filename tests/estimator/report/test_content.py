from dataclasses import replace

from estimator.model.projection import Flag, Projection
from estimator.report.blocks import Banner, Block, Cell, Document, Fold, Grid, Level, Listing, Tiles
from estimator.report.content import all_warnings, document_of, hpa_range


def blocks_of(document: Document) -> list[Block]:
    found: list[Block] = list(document.head)
    for section in document.sections:
        found += section.blocks
    found += [inner for block in found if isinstance(block, Fold) for inner in block.blocks]
    return found


def grids(document: Document) -> dict[str, Grid]:
    return {block.title: block for block in blocks_of(document) if isinstance(block, Grid)}


def texts(cells: tuple[Cell, ...]) -> list[str]:
    return [str(cell) for cell in cells]


def test_a_range_names_the_container_that_its_target_is_of(complete: Projection) -> None:
    first = complete.components[0]
    assert first.hpa is not None
    by_app = replace(first, hpa=replace(first.hpa, container="app"))
    shown = [str(hpa_range(component)) for component in (first, by_app)]
    assert shown == ["3 to 12 at 55%, too slow", "3 to 12 at 55% of app, too slow"]


def test_the_answer_comes_before_its_evidence(complete: Projection) -> None:
    titles = [section.title for section in document_of(complete, "1").sections]
    assert titles == [
        *("Needed at the peak", "Traffic", "api", "gateway", "Nodes and cost"),
        *("Phases of the migration", "Assumed", "What is not covered", "How to read this"),
    ]


def test_low_confidence_is_said_first(projection: Projection) -> None:
    (banner,) = [block for block in document_of(projection, "1").head if isinstance(block, Banner)]
    assert banner.level is Level.WARN
    assert banner.title.startswith("Confidence: low")
    assert banner.lines == projection.low_confidence


def test_an_answer_with_evidence_says_so(complete: Projection) -> None:
    banner = document_of(complete, "1").head[0]
    assert isinstance(banner, Banner)
    assert (banner.level, banner.title) == (Level.OK, "Confidence: ok")


def test_an_example_table_is_said_before_all_else(projection: Projection) -> None:
    banner = document_of(replace(projection, is_example_table=True), "1").head[0]
    assert isinstance(banner, Banner)
    assert banner.level is Level.BAD and "EXAMPLE TABLE" in banner.title


def test_overview_has_a_row_for_each_component(complete: Projection) -> None:
    overview = grids(document_of(complete, "1"))["Requests of all replicas together"]
    assert [row[0].text for row in overview.rows] == ["api", "gateway"]
    assert texts(overview.rows[0]) == [
        *("api", "1,000", "2 (8 to 10; scaled linearly)", "3 to 12 at 55%, too slow"),
        *("1.2 cores", "640Mi", "cpu of app"),
    ]


def test_tiles_carry_their_bounds(complete: Projection) -> None:
    (tiles,) = [
        block for block in blocks_of(document_of(complete, "1")) if isinstance(block, Tiles)
    ]
    assert ("nodes", "6", "(6 to 7)") in tiles.tiles
    assert ("cost, USD per month", "841", "(841 to 982)") in tiles.tiles
    assert ("cpu requested", "1.2 cores", "1.2 cores") in tiles.tiles


def test_every_assumption_is_listed_with_who_set_it(complete: Projection) -> None:
    (grid,) = [g for title, g in grids(document_of(complete, "1")).items() if "chosen" in title]
    assert texts(grid.rows[0]) == [
        "target utilisation",
        "0.6",
        "default",
        "an HPA acts only above it",
    ]
    assert [row[2].text for row in grid.rows] == ["default", "you"]


def test_what_is_not_covered_names_the_components(complete: Projection) -> None:
    listings = [
        block for block in blocks_of(document_of(complete, "1")) if isinstance(block, Listing)
    ]
    (missing,) = [listing for listing in listings if "does not cover" in listing.title]
    assert missing.items == ("latency (api, gateway)", "memory leaks (api, gateway)")


def test_a_refused_component_of_a_phase_is_told(complete: Projection) -> None:
    document = document_of(complete, "1")
    together = grids(document)["Moved together: /api/_"]
    assert together.rows[0][3].text == "9 api, gateway refused"
    refused = [b for b in blocks_of(document) if isinstance(b, Listing) and b.title == "Refused"]
    assert "phase 2, /api/_: gateway: no row" in refused[0].items


def test_example_nodes_are_said_to_be_no_prices(complete: Projection) -> None:
    assert complete.nodes is not None
    example = replace(complete, nodes=replace(complete.nodes, is_example=True))
    first = document_of(example, "1").head[0]
    assert isinstance(first, Banner) and "EXAMPLE NODES" in first.title


def test_absent_parts_leave_no_empty_section(projection: Projection) -> None:
    document = document_of(projection, "1")
    assert {section.key for section in document.sections} == {
        *("needed", "traffic", "component-1", "assumed", "limits", "reading")
    }
    for block in blocks_of(document):
        if isinstance(block, Listing):
            assert block.items
        if isinstance(block, Grid):
            assert all(len(row) == len(block.columns) for row in block.rows)


def test_every_flag_is_explained(projection: Projection) -> None:
    section = document_of(projection, "1").sections[-1]
    (listing,) = section.blocks
    assert isinstance(listing, Listing)
    for flag in Flag:
        assert any(item.startswith(f"{flag}: ") for item in listing.items)


def test_overview_leaves_out_bounds_and_no_flag(complete: Projection) -> None:
    first = complete.components[0]
    request = replace(first.total.cpu_request, low=1, high=2, flags=(Flag.EXTRAPOLATED,))
    flagged = replace(first, total=replace(first.total, cpu_request=request))
    document = document_of(replace(complete, components=(flagged,)), "1")
    overview = grids(document)["Requests of all replicas together"]
    assert str(overview.rows[0][4]) == "1.2 cores (extrapolated)"


def test_todays_replicas_stand_beside_the_proposed_ones(complete: Projection) -> None:
    document = document_of(complete, "1", today={"api": "2 to 8"})
    overview = grids(document)["Requests of all replicas together"]
    assert [column.title for column in overview.columns[1:4]] == ["peak rps", "today", "replicas"]
    assert [row[2].text for row in overview.rows] == ["2 to 8", "unknown"]
    assert len(overview.footer) == len(overview.columns)


def test_a_warning_of_several_components_stands_once(complete: Projection) -> None:
    first = complete.components[0]
    parts = tuple(
        replace(first, name=name, warnings=("a doubt", f"of {name}"))
        for name in ("b", "a", "c", "d")
    )
    warnings = all_warnings(replace(complete, components=parts[:2], warnings=("first",)))
    assert warnings == ("first", "b, a: a doubt", "b: of b", "a: of a")
    assert "b, a, c and 1 more: a doubt" in all_warnings(replace(complete, components=parts))


def test_warnings_stand_beside_the_confidence(complete: Projection) -> None:
    first = complete.components[0]
    warned = replace(first, warnings=tuple(f"doubt {number}" for number in range(9)))
    head = document_of(replace(complete, components=(warned,)), "1").head
    (listing,) = [block for block in head if isinstance(block, Listing)]
    assert listing.items[1] == "api: doubt 0"
    assert listing.items[-1] == "and 4 more, in the sections below"
