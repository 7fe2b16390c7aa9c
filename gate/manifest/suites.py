"""One suite's keys → `Suite`: everything that concerns more than one of its keys.

Owns the rules on paths, commands, arguments, environment, isolation and time of a suite. Leaves thresholds to
`gate.manifest.limits` and the services named in `needs` to `gate.manifest.services`.
"""

from collections.abc import Iterable
from typing import Final

from gate.errors import clip, did_you_mean
from gate.manifest.checks import check_argv, check_date, check_env, check_names
from gate.manifest.limits import build_thresholds
from gate.manifest.problems import Problems
from gate.manifest.rules import argument_problems, path_problem
from gate.manifest.shape import BudgetKeys, BudgetsKeys, SuiteKeys
from gate.manifest.source import Path
from gate.model import Budget, Budgets, Isolation, Severity, Suite

# The first word in the ids of findings that belong to no suite.
RUN: Final = "run"
_TIMEOUT_S: Final = 300.0


def build_suite(name: str, keys: SuiteKeys, services: Iterable[str], problems: Problems) -> Suite:
    """The suite `name`, which may need any of `services`; what is wrong goes to `problems`."""
    path = ("suites", name)
    if name == RUN:
        problems.add(path, f"suite name {clip(name)} is taken: findings of the run as a whole have it", key=True)
    services = tuple(services)
    _check_what_runs(path, keys, problems)
    _check_arguments(path, keys, problems)
    _check_lists(path, keys, services, problems)
    check_env((*path, "env"), keys.env or {}, services, problems)
    thresholds = build_thresholds(path, keys, problems)
    return Suite(
        name=name,
        title=keys.title or name,
        paths=tuple(keys.paths or ()),
        command=tuple(keys.command or ()),
        junit=keys.junit,
        categories=tuple(keys.categories or ()),
        contains=tuple(keys.contains or ()),
        needs=tuple(keys.needs or ()),
        isolation=Isolation(keys.isolation or "shared"),
        workers=keys.workers or 0,
        timeout_s=timeout_for(keys.timeout or _TIMEOUT_S, keys.duration),
        duration_s=keys.duration,
        estimate_s=keys.estimate,
        min_tests=keys.min_tests or 1,
        budgets=_budgets(path, keys.budgets, problems),
        severity=Severity(keys.severity or "blocker"),
        thresholds=thresholds,
        env=dict(keys.env or {}),
        pytest_args=tuple(keys.pytest_args or ()),
        place=problems.declared_at(path),
    )


def timeout_for(timeout_s: float, duration_s: float | None) -> float:
    """A timeout never cuts a declared duration short."""
    return timeout_s if duration_s is None else max(timeout_s, duration_s * 1.1 + 60)


def _check_what_runs(path: tuple[str, ...], keys: SuiteKeys, problems: Problems) -> None:
    if not problems.is_written(*path, "paths") and not problems.is_written(*path, "command"):
        problems.add(path, "has nothing to run", "give it `paths` for pytest, or `command` with `junit`", key=True)
    if keys.paths and keys.command:
        problems.add((*path, "command"), "`paths` and `command` exclude each other", "keep one of them", key=True)
    if keys.command and not problems.is_written(*path, "junit"):
        problems.add((*path, "command"), "`command` without `junit`", "say where it leaves its JUnit XML", key=True)
    if keys.junit is not None and not keys.command:
        problems.add((*path, "junit"), "`junit` goes with `command` only; gate knows where pytest writes", key=True)
    if keys.workers and keys.isolation == "exclusive":
        message = "`workers` and `isolation: exclusive` exclude each other: workers would disturb the measurement"
        problems.add((*path, "workers"), message, "allowed is `workers: 0`", key=True)
    _check_paths(path, keys, problems)
    check_argv((*path, "command"), keys.command or (), problems)


def _check_paths(path: Path, keys: SuiteKeys, problems: Problems) -> None:
    paths: list[tuple[Path, str]] = [((*path, "paths", index), text) for index, text in enumerate(keys.paths or ())]
    if keys.junit is not None:
        paths.append(((*path, "junit"), keys.junit))
    for at, text in paths:
        problem = path_problem(text)
        if problem:
            problems.add(at, f"path {clip(text)} {problem}")


def _check_arguments(path: Path, keys: SuiteKeys, problems: Problems) -> None:
    for index, problem in argument_problems(keys.pytest_args or ()):
        problems.add((*path, "pytest_args", index), problem)
    for key in ("workers", "pytest_args", "contains") if keys.command else ():
        if getattr(keys, key):
            problems.add((*path, key), f"`{key}` goes with `paths` only: `command` is not pytest", key=True)


def _check_lists(path: Path, keys: SuiteKeys, services: tuple[str, ...], problems: Problems) -> None:
    for key in ("categories", "contains", "needs"):
        check_names((*path, key), getattr(keys, key) or (), problems)
    for index, need in enumerate(keys.needs or ()):
        if need not in services:
            allowed = f"allowed are {' '.join(services)}" if services else "no services are declared"
            message = f"unknown service {clip(need)}{did_you_mean(need, services)}"
            problems.add((*path, "needs", index), message, allowed)


def _budgets(path: Path, keys: BudgetsKeys | None, problems: Problems) -> Budgets:
    declared = {name: getattr(keys, name) for name in BudgetsKeys.model_fields} if keys else {}
    for name, budget in declared.items():
        if budget and budget.expires:
            check_date((*path, "budgets", name, "expires"), budget.expires, problems)
    return Budgets(**{name: _budget(budget) for name, budget in declared.items() if budget})


def _budget(keys: BudgetKeys) -> Budget:
    return Budget(limit=keys.limit, reason=keys.reason or "", expires=keys.expires)
