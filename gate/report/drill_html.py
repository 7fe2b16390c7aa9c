"""The drills as one HTML page, with the templates' surroundings, rules and looks of the report of a run."""

from typing import Any, Final

from gate.model import BaselineState, DrillMatrix, DrillResult, DrillState
from gate.report import drill_rows, html, numbers

_MOST_ALSO: Final = 10
_MOST_ROWS: Final = 1000


def render(matrix: DrillMatrix) -> str:
    """The whole page: one file without network, script or foreign markup."""
    rows = drill_rows.rows(matrix)
    columns = drill_rows.suites(matrix)
    context = {
        "matrix": matrix,
        "outcome": drill_rows.outcome(matrix),
        "headline": drill_rows.headline(matrix),
        "caught": sum(drill.state is DrillState.CAUGHT for drill in matrix.drills),
        "false_alarms": len(drill_rows.false_alarms(matrix)),
        "key_facts": drill_rows.key_facts(matrix),
        "facts": drill_rows.facts(matrix),
        "columns": columns,
        "baselines": [drill_rows.baseline_mark(matrix, suite) for suite in columns],
        "rows": rows[:_MOST_ROWS],
        "left_out": max(len(rows) - _MOST_ROWS, 0),
        "alarms": [one for one in matrix.baselines if one.state is not BaselineState.GO],
        "drills": [_drill(drill) for drill in matrix.drills[:_MOST_ROWS]],
        "not_drilled": drill_rows.not_drilled(matrix)[:_MOST_ROWS],
        "undrilled_blocking": sum(one.severity == "blocker" for one in matrix.undrilled),
    }
    return html.environment().get_template("drill.html.j2").render(context)


def _drill(drill: DrillResult) -> dict[str, Any]:
    return {
        "result": drill,
        "mark": drill_rows.state_mark(drill),
        "missed": [(one.finding, drill_rows.instead(one)) for one in drill_rows.missed(drill)],
        "caught": [(one.finding, drill_rows.seen(one)) for one in drill.sightings if one.caught],
        "also": drill.also[:_MOST_ALSO],
        "counted": drill_rows.also(drill),
        "more": len(drill.also) - _MOST_ALSO,
        "took": numbers.duration(drill.duration_s) if drill.run_id else "not run",
    }
