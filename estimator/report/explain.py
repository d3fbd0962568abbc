"""`--explain`: the model's arithmetic for a reader with a pocket calculator.

Each line has a formula in symbols, the same with its numbers, the result, and the origin of each
number. The model writes the lines; this module lays them out and computes nothing.
"""

from estimator.model.projection import ComponentProjection, ExplanationLine, Projection
from estimator.report import wording


def explanation_lines(component: ComponentProjection) -> tuple[str, ...]:
    """Return the component's arithmetic, topic by topic, as lines of text."""
    lines: list[str] = []
    topic = None
    for number, line in enumerate(component.explanation, 1):
        if line.topic != topic:
            topic = line.topic
            lines += [*([""] if lines else []), topic.upper()]
        lines += _lines(number, line)
    return tuple(lines)


def explained(projection: Projection, component: ComponentProjection) -> str:
    """Return the whole text of `--explain`, with the assumptions; it ends in a newline."""
    series = projection.series
    head = [
        f"{component.name}: {component.replicas.value:g} replicas,"
        f" decided by {component.decided_by}",
        f"series  {series.source}",
        f"table   {projection.table}, {wording.rows(component.rows_used)} used",
        *(f"        row {row} not used: {rule}" for row, rule in component.rows_excluded.items()),
        "",
    ]
    tail = [
        "",
        "ASSUMED",
        *(f"  {wording.assumption(assumed)}" for assumed in projection.assumptions),
    ]
    if component.warnings:
        tail += ["", "WARNINGS", *(f"  {warning}" for warning in component.warnings)]
    return "\n".join([*head, *explanation_lines(component), *tail]) + "\n"


def _lines(number: int, line: ExplanationLine) -> list[str]:
    lines = [f"{number:3}. {line.formula}"]
    if line.substituted != line.formula:
        lines.append(f"     {line.substituted}")
    result = wording.shown(line.result)
    rests_on = f" [{wording.rows(line.result.rows)}]" if line.result.rows else ""
    lines.append(f"     -> {result}{rests_on}  {line.result.reason}".rstrip())
    lines += [
        f"        {symbol} = {wording.shown(figure)}"
        + (f" [{wording.rows(figure.rows)}]" if figure.rows else "")
        + (f"  {figure.reason}" if figure.reason else "")
        for symbol, figure in line.inputs
    ]
    return lines
