"""Text about what is declared and what would run: `gate list` and `gate run --dry-run`.

Pure: a manifest or a plan in, lines out; nothing has been run yet when these are shown.
"""

from gate.model import Manifest, Plan, PlannedSuite, Scope, Suite
from gate.terminal.screen import Line
from gate.terminal.text import count, duration


def list_suites(manifest: Manifest) -> list[Line]:
    """Every declared suite in two lines: name and title, then what it belongs to, promises and needs."""
    profile = f", profile {manifest.profile}" if manifest.profile else ""
    lines: list[Line] = [
        ((manifest.project, "strong"), (f": {count(len(manifest.suites), 'suite')} in {manifest.file}{profile}", ""))
    ]
    for suite in manifest.suites:
        lines += [((suite.name, "strong"), (f"  {suite.title}", "")), (("    ", ""), (_promises(suite), "faint"))]
    if manifest.profiles:
        lines.append(((f"profiles: {', '.join(manifest.profiles)}", "faint"),))
    return lines


def _promises(suite: Suite) -> str:
    parts = [
        ", ".join(suite.categories) or "no category",
        f"at least {count(suite.min_tests, 'test')}",
        count(len(suite.thresholds), "threshold"),
        f"needs {', '.join(suite.needs)}" if suite.needs else "needs nothing",
    ]
    return " · ".join(parts)


def list_plan(plan: Plan) -> list[Line]:
    """What would run, in start order, with the expected start and time of each suite."""
    partial = " (partial: no release decision)" if plan.scope is Scope.PARTIAL else ""
    lines: list[Line] = [
        (
            (plan.manifest.project, "strong"),
            (f": {count(len(plan.steps), 'suite')}, {plan.jobs} at a time{partial}; nothing is run", ""),
        )
    ]
    if plan.services:
        lines.append(((f"services: {', '.join(service.name for service in plan.services)}", ""),))
    lines += [_step(step) for step in plan.steps]
    if plan.omitted:
        lines.append(((f"not selected: {', '.join(plan.omitted)}", "warn"),))
    return lines


def _step(step: PlannedSuite) -> Line:
    narrowed = [f"-m {step.marker}"] * bool(step.marker) + [f"-k {step.keyword}"] * bool(step.keyword)
    expected = f"expected {duration(step.expected_s)}" if step.expected_s is not None else "duration not known yet"
    facts = [f"lane {step.lane + 1}", f"starts at {duration(step.start_s)}", expected, step.suite.isolation, *narrowed]
    return (f"  {step.suite.name}", "strong"), (f"  {' · '.join(facts)}", "")
