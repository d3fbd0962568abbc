"""Makes the pictures of the documents: each docs/pictures/NAME.txt becomes NAME.svg.

    .venv/bin/python -m tests.golden.pictures

The text is drawn with box-drawing characters. A rectangle becomes a box, `╌` and `╎` are the way of
a copy, and what stands between becomes text. A box that names one of our programs is emphasised.
The colours follow the reader's choice of light or dark.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
OURS = {"mirror", "estimate"}

WIDTH, HEIGHT = 9, 20
"""Pixels of a character."""

STYLE = """
text { font: 14px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328; }
rect { fill: #f6f8fa; stroke: #59636e; stroke-width: 1.5; }
path { fill: none; stroke: #59636e; stroke-width: 1.5; }
.ours rect { fill: #ddf4ff; stroke: #0969da; stroke-width: 2; }
.ours text { font-weight: 600; }
.copy { stroke: #0969da; stroke-width: 2; stroke-dasharray: 5 4; }
.head { fill: #59636e; stroke: none; }
.copy-head { fill: #0969da; stroke: none; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
rect { fill: #161b22; stroke: #9198a1; }
path { stroke: #9198a1; }
.ours rect { fill: #0c2d6b; stroke: #58a6ff; }
.copy { stroke: #58a6ff; }
.head { fill: #9198a1; }
.copy-head { fill: #58a6ff; }
}
"""

# The sides of its cell to which a character leads: left, right, up, down.
LEADS = {"─": "lr", "│": "ud", "├": "r", "┤": "l", "┬": "d", "┴": "u", "┼": "lr"}
COPY_LEADS = {"╌": "lr", "╎": "ud", "╯": "lu"}
HEADS = {"►": "l", "◄": "r", "▲": "d", "▼": "u"}
HORIZONTAL, VERTICAL = set("─├┤┬┴┼╎┌┐└┘"), set("│├┤┬┴┼╌┌┐└┘")
STEPS = {"l": (-1, 0), "r": (1, 0), "u": (0, -1), "d": (0, 1)}


@dataclass(frozen=True, slots=True)
class Box:
    left: int
    top: int
    right: int
    bottom: int

    def has_inside(self, x: int, y: int) -> bool:
        return self.left < x < self.right and self.top < y < self.bottom

    def has_on_edge(self, x: int, y: int) -> bool:
        inside = self.left <= x <= self.right and self.top <= y <= self.bottom
        return inside and not self.has_inside(x, y)


class Drawing:
    """The characters of a picture, by column and line."""

    def __init__(self, text: str) -> None:
        self.lines = text.splitlines()
        self.columns = max(map(len, self.lines))
        self.boxes = list(self._boxes())

    def at(self, x: int, y: int) -> str:
        return self.lines[y][x] if 0 <= y < len(self.lines) and x < len(self.lines[y]) else " "

    def cells(self) -> Iterator[tuple[int, int, str]]:
        for y, line in enumerate(self.lines):
            for x, character in enumerate(line):
                yield x, y, character

    def _boxes(self) -> Iterator[Box]:
        for x, y, character in self.cells():
            if character != "┌":
                continue
            right, bottom = x + 1, y + 1
            while self.at(right, y) in HORIZONTAL - {"┐"}:
                right += 1
            while self.at(x, bottom) in VERTICAL - {"└"}:
                bottom += 1
            corners = self.at(right, y) + self.at(x, bottom) + self.at(right, bottom)
            if corners != "┐└┘":
                raise ValueError(f"line {y + 1}, column {x + 1}: this box is not closed")
            yield Box(x, y, right, bottom)

    def words(self) -> Iterator[tuple[int, int, str]]:
        """Yield each text with its column and line; two spaces or a line end it."""
        drawn = {*LEADS, *COPY_LEADS, *HEADS, *HORIZONTAL}
        for y, line in enumerate(self.lines):
            text = "".join("\0" if each in drawn else each for each in line)
            x = 0
            for part in text.replace("  ", "\0\0").split("\0"):
                if part.strip():
                    yield x + len(part) - len(part.lstrip()), y, part.strip()
                x += len(part) + 1

    def ways(self, leads: dict[str, str]) -> str:
        """Return the path of all lines that these characters draw."""
        level: dict[float, list[tuple[float, float]]] = {}
        upright: dict[float, list[tuple[float, float]]] = {}
        for x, y, character in self.cells():
            sides = leads.get(character, "")
            middle_x, middle_y = _middle(x, WIDTH), _middle(y, HEIGHT)
            if leads is LEADS and character in "─│" and self._is_edge(x, y):
                continue
            if (side := HEADS.get(character)) and self._before_head(x, y) in leads:
                sides = side
            for side in sides:
                step_x, step_y = STEPS[side]
                end_x, end_y = middle_x + step_x * WIDTH / 2, middle_y + step_y * HEIGHT / 2
                if step_x:
                    level.setdefault(middle_y, []).append(
                        (min(middle_x, end_x), max(middle_x, end_x))
                    )
                else:
                    upright.setdefault(middle_x, []).append(
                        (min(middle_y, end_y), max(middle_y, end_y))
                    )
        path = [f"M{a:g} {y:g}H{b:g}" for y, ways in level.items() for a, b in _joined(ways)]
        path += [f"M{x:g} {a:g}V{b:g}" for x, ways in upright.items() for a, b in _joined(ways)]
        return "".join(path)

    def _before_head(self, x: int, y: int) -> str:
        step_x, step_y = STEPS[HEADS[self.at(x, y)]]
        return self.at(x + step_x, y + step_y)

    def heads(self) -> Iterator[tuple[bool, str]]:
        """Yield the triangle of each arrow, and whether it ends the way of a copy."""
        for x, y, character in self.cells():
            if (side := HEADS.get(character)) is None:
                continue
            step_x, step_y = STEPS[side]
            is_copy = self._before_head(x, y) in COPY_LEADS
            tip_x = _middle(x, WIDTH) - step_x * WIDTH / 2
            tip_y = _middle(y, HEIGHT) - step_y * HEIGHT / 2
            back_x, back_y = tip_x + step_x * WIDTH, tip_y + step_y * WIDTH
            path = (
                f"M{tip_x:g} {tip_y:g}L{back_x + step_y * 5:g} {back_y + step_x * 5:g}"
                f"L{back_x - step_y * 5:g} {back_y - step_x * 5:g}Z"
            )
            yield is_copy, path

    def _is_edge(self, x: int, y: int) -> bool:
        return any(box.has_on_edge(x, y) for box in self.boxes)


def _middle(cell: int, size: int) -> float:
    return cell * size + size / 2


def _joined(ways: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Join the ways that touch: a dashed line begins once."""
    joined: list[tuple[float, float]] = []
    for begin, end in sorted(ways):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined


def svg(text: str) -> str:
    """Return the picture of a text. Raises ValueError for a box that is not closed."""
    drawing = Drawing(text)
    width, height = drawing.columns * WIDTH + WIDTH, len(drawing.lines) * HEIGHT + HEIGHT // 2
    words = list(drawing.words())
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<style>{STYLE}</style>",
    ]
    for box in sorted(drawing.boxes, key=lambda box: (box.left - box.right, box.top)):
        inside = [word for x, y, word in words if box.has_inside(x, y)]
        rect = (
            f'<rect x="{_middle(box.left, WIDTH):g}" y="{_middle(box.top, HEIGHT):g}"'
            f' width="{(box.right - box.left) * WIDTH}"'
            f' height="{(box.bottom - box.top) * HEIGHT}" rx="6"/>'
        )
        parts.append(f'<g class="ours">{rect}</g>' if OURS & set(inside) else rect)
    parts.append(f'<path d="{drawing.ways(LEADS)}"/>')
    parts.append(f'<path class="copy" d="{drawing.ways(COPY_LEADS)}"/>')
    for is_copy, path in drawing.heads():
        parts.append(f'<path class="{"copy-head" if is_copy else "head"}" d="{path}"/>')
    for x, y, word in words:
        place = f'y="{_middle(y, HEIGHT) + 5:g}"'
        around = [box for box in drawing.boxes if box.has_inside(x, y)]
        innermost = min(around, key=lambda box: box.right - box.left, default=None)
        if innermost is not None and innermost.bottom - innermost.top == 2:
            middle = (_middle(innermost.left, WIDTH) + _middle(innermost.right, WIDTH)) / 2
            place += f' x="{middle:g}" text-anchor="middle"'
        else:
            place += f' x="{x * WIDTH}"'
        parts.append(f"<text {place}>{escape(word)}</text>")
    return "\n".join([*parts, "</svg>", ""])


def write() -> None:
    """Draw every picture anew."""
    for path in PICTURES.glob("*.txt"):
        path.with_suffix(".svg").write_text(svg(path.read_text()))


if __name__ == "__main__":
    write()
