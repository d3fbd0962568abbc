"""A curve and its rows in characters, for a terminal or a log. Knows values only."""

from collections.abc import Sequence

WIDTH, HEIGHT = 64, 14
LINE, USED, UNUSED = "·", "●", "○"

Points = Sequence[tuple[float, float]]


def draw(curve: Points, used: Points, unused: Points, unit: str) -> str:
    """Return lines of text: y upwards from 0 in `unit`, x in rps per replica from 0.

    At least one point with a positive x and one with a positive y, or everything lies in the
    corner.
    """
    everything = [*curve, *used, *unused]
    widest = max((x for x, _ in everything), default=0.0) or 1.0
    highest = max((y for _, y in everything), default=0.0) or 1.0
    grid = [[" "] * WIDTH for _ in range(HEIGHT)]
    # Rows over the curve, used ones on top: a circle must not hide behind a dot.
    for points, mark in ((curve, LINE), (unused, UNUSED), (used, USED)):
        for x, y in points:
            column = round(x / widest * (WIDTH - 1))
            grid[HEIGHT - 1 - round(y / highest * (HEIGHT - 1))][column] = mark
    left = max(len(f"{highest:.4g}"), 6)
    lines = [
        f"{_label(number, highest):>{left}} ┤{''.join(row).rstrip()}"
        for number, row in enumerate(grid)
    ]
    last = f"{widest:.4g} rps per replica"
    lines.append(f"{'':>{left}} └{'─' * WIDTH}")
    lines.append(f"{unit:>{left}}  0{last:>{WIDTH - 1}}")
    return "\n".join(lines)


def _label(number: int, highest: float) -> str:
    if number == 0:
        return f"{highest:.4g}"
    return "0" if number == HEIGHT - 1 else ""
