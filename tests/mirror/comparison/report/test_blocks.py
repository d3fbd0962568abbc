from mirror.comparison.report.blocks import Cell, Section


def test_what_is_not_given_is_empty() -> None:
    assert Cell("9").tone == ""
    assert Section("key", "Title") == Section("key", "Title", (), None, ())
