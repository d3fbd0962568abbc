"""`--explain`: the model's arithmetic for a reader with a pocket calculator.

Each line is a formula in symbols, the same with its numbers, the result, where each number is from.
The model wrote the lines; here they are laid out. Computes nothing.
"""

from estimator.model.projection import ComponentProjection, ExplanationLine, Projection
from estimator.report import wording


def explanation_lines(component: ComponentProjection) -> tuple[str, ...]:
    """Return the component's arithmetic, topic by topic, as lines of text."""
    lines: list[str] = []
    topic = None
    for number, one in enumerate(component.explanation, 1):
        if one.topic != topic:
            topic = one.topic
            lines += [*([""] if lines else []), one.topic.upper()]
        lines += _lines(number, one)
    return tuple(lines)


def explained(projection: Projection, component: ComponentProjection) -> str:
    """Return the whole text of `--explain`, with what was assumed; ends in a newline."""
    series = projection.series
    head = [
        f"{component.name}: {component.replicas.value:g} replicas,"
        f" decided by {component.decided_by}",
        f"series  {series.source}",
        f"table   {projection.table}, {wording.rows(component.rows_used)} used",
        *(f"        row {row} not used: {rule}" for row, rule in component.rows_excluded.items()),
        "",
    ]
    tail = ["", "ASSUMED", *(f"  {wording.assumption(one)}" for one in projection.assumptions)]
    if component.warnings:
        tail += ["", "WARNINGS", *(f"  {one}" for one in component.warnings)]
    return "\n".join([*head, *explanation_lines(component), *tail]) + "\n"


def _lines(number: int, one: ExplanationLine) -> list[str]:
    lines = [f"{number:3}. {one.formula}"]
    if one.substituted != one.formula:
        lines.append(f"     {one.substituted}")
    result = wording.shown(one.result)
    rests_on = f" [{wording.rows(one.result.rows)}]" if one.result.rows else ""
    lines.append(f"     -> {result}{rests_on}  {one.result.reason}".rstrip())
    lines += [
        f"        {symbol} = {wording.shown(figure)}"
        + (f" [{wording.rows(figure.rows)}]" if figure.rows else "")
        + (f"  {figure.reason}" if figure.reason else "")
        for symbol, figure in one.inputs
    ]
    return lines
