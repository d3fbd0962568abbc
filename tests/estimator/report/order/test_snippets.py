from pathlib import PurePath

from estimator.migration.order.plan import Plan
from estimator.migration.snippets.path import MovedPath
from estimator.report.order.snippets import files_of


def test_each_step_is_a_file_beside_its_rollback(planned: Plan) -> None:
    folders = files_of(planned)
    (first, second) = planned.of(planned.paths[0].placed.group)[0].moves
    name = MovedPath.of("/cart").name
    for phase, move, suffix in (("1-to-2", first, ".conf"), ("2-to-3", second, ".yaml")):
        files = folders[PurePath(f"phase-{phase}") / name]
        assert files[f"000{suffix}"] == move.start.text
        for percent, snippet in move.steps:
            assert files[f"{percent:03}{suffix}"] == snippet.text
            assert files[f"{percent:03}-rollback{suffix}"] == snippet.rollback
        assert len(files) == 11


def test_preparation_has_the_specific_paths_first(planned: Plan) -> None:
    folders = files_of(planned)
    for phase, name in (("1-to-2", "preparation.conf"), ("2-to-3", "preparation.yaml")):
        (text,) = folders[PurePath(f"phase-{phase}")].values()
        assert name in folders[PurePath(f"phase-{phase}")]
        assert 0 < text.index("/cart") < text.index("/api/")
    assert len(folders) == 6
