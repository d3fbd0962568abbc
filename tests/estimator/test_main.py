"""`estimate` without its extra prints one line and exits with code 2.

tests/topology/test_installation.py tests the same in an environment that really lacks the extra.
"""

from importlib.util import find_spec

import pytest

from estimator import __main__ as entry


@pytest.mark.parametrize("missing", [["pandas"], list(entry.EXTRA)], ids=["one", "all"])
def test_missing_packages_are_named(
    missing: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def spec_of(name: str) -> object:
        return None if name in [entry.EXTRA[each] for each in missing] else find_spec(name)

    monkeypatch.setattr(entry, "find_spec", spec_of)
    with pytest.raises(SystemExit) as ending:
        entry.main()
    assert ending.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"estimate: not installed: {', '.join(missing)}; in the source folder")
    assert line.endswith("run: pip install '.[estimate]'")
