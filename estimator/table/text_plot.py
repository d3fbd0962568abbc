"""Draws a curve and its rows in characters, for a terminal or a log."""

from collections.abc import Sequence

WIDTH, HEIGHT = 64, 14
LINE, USED, UNUSED = "·", "●", "○"

Points = Sequence[tuple[float, float]]


def draw(curve: Points, used: Points, unused: Points, unit: str) -> str:
    """Return the drawing: y upwards from 0 in `unit`, x to the right from 0 in rps per replica.

    Coordinates are at least 0. The largest x and y of all points set the scale.
    """
    points = [*curve, *used, *unused]
    widest = max((x for x, _ in points), default=0.0) or 1.0
    highest = max((y for _, y in points), default=0.0) or 1.0
    grid = [[" "] * WIDTH for _ in range(HEIGHT)]
    # Drawn in this order so that no row hides behind the curve, and no used row behind another.
    for layer, mark in ((curve, LINE), (unused, UNUSED), (used, USED)):
        for x, y in layer:
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
