"""Checks that every relative link and every anchor in a Markdown file leads somewhere.

Anchors are those that GitHub and GitLab make of headings: lower case, without punctuation, with
hyphens for spaces, and a number behind a heading that occurs again.
"""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "deploy/**/*.md", "benchmarks/**/*.md", "tests/**/*.md")
    for path in ROOT.glob(pattern)
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+(?:\([^()]*\))?)(?:\s+\"[^\"]*\")?\)")
DEFINITION = re.compile(r"(?m)^\[[^\]]+\]:\s+(\S+)")
ATTRIBUTE = re.compile(r"<\w[^>]*?\s(?:href|src|srcset)=\"([^\"]+)\"")


def without_code(text: str) -> str:
    """Return a page without its fenced blocks and inline code, which hold no links."""
    text = re.sub(r"(?ms)^ *(```+).*?^ *\1 *$", "", text)
    return re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", text)


def links(text: str) -> list[str]:
    prose = without_code(text)
    return [target for found in (LINK, DEFINITION, ATTRIBUTE) for target in found.findall(prose)]


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, and those that it sets itself."""
    text = re.sub(r"(?ms)^ *(```+).*?^ *\1 *$", "", text)
    found = set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text))
    for heading in re.findall(r"(?m)^#{1,6} +(.*?) *#*$", text):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        again = 0
        while (name := f"{anchor}-{again}" if again else anchor) in found:
            again += 1
        found.add(name)
    return found


def broken(page: Path, root: Path = ROOT) -> list[str]:
    """Return what is wrong with the links of a page below a root."""
    problems = []
    for link in links(page.read_text()):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        if not target.exists():
            problems.append(f"{link}: no such file")
        elif not target.is_relative_to(root):
            problems.append(f"{link}: outside of the repository")
        elif parts.fragment and (
            target.suffix != ".md" or parts.fragment not in anchors(target.read_text())
        ):
            problems.append(f"{link}: no such heading")
    return problems


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_broken_links_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One\n## Two: `x` and (y)\n## One\n"
        "[a](#one) [b](#one-1) [c](#two-x-and-y) `[code](none.md)` [d](https://example.com/none)\n"
        '[e](none.md) [f](#three) [g]\n\n[g]: gone.md\n<img src="no.svg">\n'
        "```sh\n# no heading\n[h](none.md)\n```\n"
    )
    assert broken(page, tmp_path) == [
        "none.md: no such file",
        "#three: no such heading",
        "gone.md: no such file",
        "no.svg: no such file",
    ]
    page.write_text("[a](#no-heading)\n```sh\n# no heading\n```\n")
    assert broken(page, tmp_path) == ["#no-heading: no such heading"]


def test_every_page_of_docs_is_reached_from_the_readme() -> None:
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in reached:
            continue
        reached.add(page)
        paths = [urlsplit(link).path for link in links(page.read_text()) if "://" not in link]
        targets = [(page.parent / unquote(path)).resolve() for path in paths if path]
        ahead += [target for target in targets if target in PAGES]
    assert [path.name for path in (ROOT / "docs").glob("*.md") if path not in reached] == []
