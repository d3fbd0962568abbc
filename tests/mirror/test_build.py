"""Checks that the build is known from the imported file; `make test` runs this for both builds."""

from pathlib import Path

from mirror import build, errors


def test_build_is_that_of_the_imported_files() -> None:
    suffix = Path(errors.__file__).suffix
    expected = {".py": (False, "plain Python"), ".so": (True, "compiled")}
    assert expected[suffix] == (build.IS_COMPILED, build.BUILD)
