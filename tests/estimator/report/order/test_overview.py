from estimator.migration.order.plan import Plan
from estimator.report.blocks import Banner, Grid, Headline, Listing
from estimator.report.order.overview import overview


def test_answer_comes_first(planned: Plan) -> None:
    banner, headline, notes = overview(planned).head
    assert isinstance(banner, Banner) and banner.lines == ("a doubt",)
    assert isinstance(headline, Headline)
    assert headline.answer == ("4 paths: 1 can switch now, 1 should be mirrored first, 2 need work")
    assert headline.because.startswith("Begin with /cart (switch now): it has 2 rps")
    assert isinstance(notes, Listing) and notes.items == ("a note",)


def test_every_path_is_in_the_table_of_its_group(planned: Plan) -> None:
    (section,) = overview(planned).sections
    grids = [block for block in section.blocks if isinstance(block, Grid)]
    assert [grid.title for grid in grids] == ["Switch now", "Mirror first", "Needs work"]
    cells = [[str(cell) for cell in row] for grid in grids for row in grid.rows]
    assert [row[:5] for row in cells] == [
        ["/cart", "2", "0.17%", "10%", "0%"],
        ["/api/*", "900", "99.7%", "0%", "0%"],
        ["/a%20b", "1", "0.11%", "?", "?"],
        ["other", "1", "0.055%", "?", "100%"],
    ]
    assert cells[0][5].endswith(
        "both sides have to accept. 1,000 copies of its requests met no new errors beyond noise"
    )
    assert ". For 2.5% of its requests the new routes decide by what" in cells[1][5]
