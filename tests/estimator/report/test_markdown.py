from dataclasses import replace

from estimator.model.projection import Projection
from estimator.report.blocks import Code, Document
from estimator.report.content import document_of
from estimator.report.markdown import to_markdown


def shown(projection: Projection) -> str:
    return to_markdown(document_of(projection, "1.2.3"))


def test_a_table_is_a_table(projection: Projection) -> None:
    text = shown(projection)
    assert "| component | peak rps | replicas | HPA | cpu | memory | decided by |\n" in text
    assert "|---|---:|---:|---:|---:|---:|---|\n" in text
    assert "| api | 1,000 | 2 | none | 1.2 cores | 640Mi | cpu of app |\n" in text


def test_every_row_has_the_cells_of_its_heading(complete: Projection) -> None:
    width = 0
    for line in shown(complete).replace("\\|", "").splitlines():
        if line.startswith("|"):
            assert width in (0, line.count("|"))
            width = line.count("|")
        else:
            width = 0


def test_the_constraint_that_decided_is_bold(projection: Projection) -> None:
    assert "| **cpu of app** | 2 |" in shown(projection)


def test_names_are_not_read_as_markup(projection: Projection) -> None:
    hostile = replace(projection, warnings=("<script>|`x`\n# y",), table="a_b*c[d](e)")
    text = shown(hostile)
    assert "- \\<script\\>\\|\\`x\\` \\# y\n" in text
    assert "a\\_b\\*c\\[d\\](e)" in text
    assert "\\[red\\]" in text


def test_it_ends_with_one_newline(projection: Projection) -> None:
    text = shown(projection)
    assert text.endswith("\n") and not text.endswith("\n\n")


def test_characters_that_nobody_sees_are_shown(projection: Projection) -> None:
    text = shown(replace(projection, table="a\u202eb\x1bc"))
    assert "a\\\\u202eb\\\\x1bc" in text or "a\\u202eb\\x1bc" in text


def test_lines_to_copy_stay_within_their_fence() -> None:
    code = Code("Add *this*:", ("a: `b`", "```", "c: \x1b"))
    document = Document("t", (code,), (), "")
    assert to_markdown(document) == (
        "# t\n\nAdd \\*this\\*:\n\n````\na: `b`\n```\nc: \\x1b\n````\n"
    )
