"""Provides a folder of manifests without drift."""

from pathlib import Path

import pytest

from estimator.model.projection import Projection
from estimator.report.manifests import manifests
from estimator.text_files import write_set


@pytest.fixture
def existing(applicable: Projection, tmp_path: Path) -> Path:
    """Return a folder with the manifests that --manifests writes."""
    directory = tmp_path / "k8s"
    write_set(directory, manifests(applicable))
    return directory
