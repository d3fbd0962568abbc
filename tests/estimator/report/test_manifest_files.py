import os
from pathlib import Path

import pytest

from estimator.errors import InputError
from estimator.report.manifest_files import MOST_BYTES, MOST_FILES, read_manifests
from mirror.formats.yaml_documents import LIMIT


def write(directory: Path, **files: str) -> Path:
    for name, text in files.items():
        (directory / f"{name}.yaml").write_text(text)
    return directory


def refused(directory: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_manifests(directory)
    return str(caught.value)


def test_objects_of_every_document_and_list_are_found(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    write(tmp_path, b="kind: B\n---\nkind: List\nitems: [{kind: C}, {kind: DList, items: [7]}]\n")
    write(tmp_path / "deep", a="kind: A\n---\n- no object\n---\n")
    (tmp_path / "README.md").write_text("kind: [")
    found = read_manifests(tmp_path)
    assert [each.tree["kind"] for each in found] == ["B", "C", "A"]
    assert found[0].file == str(tmp_path / "b.yaml")


def test_items_that_are_no_list_are_no_objects(tmp_path: Path) -> None:
    assert read_manifests(write(tmp_path, a="{kind: List, items: 7}")) == []


def test_bombs_are_refused_with_their_file(tmp_path: Path) -> None:
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    write(tmp_path, laughs="\n".join(["kind: List", "a0: &a0 [x]", *levels, "items: *a8"]))
    write(tmp_path, nested="{kind: List, items: [" * 5000, size="#" * (LIMIT.most_bytes + 1))
    laughs, nested, size = refused(tmp_path).splitlines()
    assert "laughs.yaml: is not valid YAML: line 8: has more than 300,000 values" in laughs
    assert "nested.yaml: is not valid YAML: line 1: is nested more than 100 deep" in nested
    assert "size.yaml: has more than 4,194,304 bytes, which is the limit" in size


def test_nothing_but_regular_files_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("kind: Secret")
    directory = tmp_path / "k8s"
    directory.mkdir()
    os.mkfifo(directory / "fifo.yaml")
    (directory / "link.yaml").symlink_to(secret)
    (directory / "loop").symlink_to(directory)
    fifo, link, loop = refused(directory).splitlines()
    assert "fifo.yaml: is no regular file" in fifo
    assert "link.yaml: is a symbolic link" in link
    assert "loop: is a symbolic link" in loop


def test_all_files_together_are_bounded(tmp_path: Path) -> None:
    # YAML has no such character, so no time is spent on the rest.
    text = "\x01" * (LIMIT.most_bytes - 1)
    count = MOST_BYTES // len(text) + 1
    write(tmp_path, **{f"f{number}": text for number in range(count)})
    assert f"f{count - 1}.yaml: has more than" in refused(tmp_path).splitlines()[-1]


def test_files_are_counted(tmp_path: Path) -> None:
    for number in range(MOST_FILES + 1):
        os.mknod(tmp_path / f"{number}.yaml")
    assert "has more than 10,000 manifests, which is the limit" in refused(tmp_path)
