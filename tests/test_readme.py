"""Checks that the README's table of configuration keys matches the configuration."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

from mirror import config_sections as sections
from mirror.config import Config, parse
from mirror.demo.processes import find_program

ROOT = Path(__file__).parents[1]
SECTIONS = {
    "shadow": sections.ShadowSection,
    "shadow.tls": sections.TlsSection,
    "shadow.breaker": sections.BreakerSection,
    "shadow.ramp": sections.RampSection,
    "primary_tls": sections.TlsSection,
    "timeouts": sections.TimeoutsSection,
    "datadog": sections.DatadogSection,
    "series": sections.SeriesSection,
    "capture": sections.CaptureSection,
    "uris": sections.UrisSection,
    "comparison": sections.ComparisonSection,
}


def meanings() -> dict[tuple[str, str], str]:
    """Return the docstring below each field of each section and of Config."""
    found = {}
    sources = ("mirror/config_sections.py", "mirror/config.py")
    for section in (
        node for source in sources for node in ast.parse((ROOT / source).read_text()).body
    ):
        if isinstance(section, ast.ClassDef):
            for field, doc in zip(section.body, section.body[1:], strict=False):
                if isinstance(field, ast.AnnAssign) and isinstance(doc, ast.Expr):
                    assert isinstance(field.target, ast.Name) and isinstance(
                        doc.value, ast.Constant
                    )
                    text = " ".join(str(doc.value.value).split())
                    found[section.name, field.target.id] = text
    return found


def shown(default: Any) -> str:
    if default is None:
        return ""
    if isinstance(default, tuple):
        return f"`[{', '.join(default)}]`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`"


def table(section: type[Any] = Config, prefix: str = "") -> Iterator[str]:
    docs = meanings()
    for key in fields(section):
        inner = SECTIONS.get(prefix + key.name)
        if inner is not None:
            yield from table(inner, f"{prefix}{key.name}.")
        else:
            default = "required" if key.default is MISSING else shown(key.default)
            meaning = docs[section.__name__, key.name]
            yield f"| `{prefix}{key.name}` | {default} | {meaning} |"


def test_the_readme_lists_every_key_with_its_default_and_meaning() -> None:
    expected = "\n".join(["| key | default | meaning |", "|---|---|---|", *table(), ""])
    assert expected in (ROOT / "README.md").read_text(), expected


def test_the_readme_shows_both_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "make demo" in readme and "make test" in readme


def snippet(language: str) -> str:
    return (ROOT / "README.md").read_text().partition(f"```{language}\n")[2].partition("```")[0]


def test_the_first_configuration_is_a_valid_one() -> None:
    parsed = parse(snippet("yaml"))
    assert parsed.mode == "sink"
    assert len(parsed.routes) == 2


def test_the_first_nginx_configuration_is_a_valid_one(tmp_path: Path) -> None:
    nginx = find_program("nginx")
    if nginx is None:
        pytest.skip("no nginx here: apt-get install nginx-light")
    path = tmp_path / "nginx.conf"
    site = snippet("nginx").replace("http://app;", "http://127.0.0.1:3000;")
    path.write_text(f"pid {tmp_path}/pid; events {{}} http {{ access_log off; {site} }}")
    checked = subprocess.run(
        [nginx, "-t", "-p", tmp_path, "-e", "stderr", "-c", path], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stderr
