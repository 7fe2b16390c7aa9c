"""Manifest + Selection → Plan: which suites run, how narrowed, in which order, with which services.

Owns the meaning of `--suite`, `--category` and `--duration` and the order of starts. A plan is `full` only
when every suite of the manifest runs whole; a selection which selects nothing is refused. The planned starts
and lanes are a simulation with expected durations; what really starts when is up to the scheduler in `gate.execute`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from gate.errors import UsageError, clip, did_you_mean
from gate.model import Isolation, Manifest, Plan, PlannedSuite, Scope, Selection, Service, Suite

# A suite that ends before its timeout does so, on average, long before.
_TIMEOUT_SHARE = 10


def all_categories(manifest: Manifest) -> tuple[str, ...]:
    """Every category that a suite has or contains, in alphabetical order."""
    return tuple(sorted({name for suite in manifest.suites for name in (*suite.categories, *suite.contains)}))


def make_plan(manifest: Manifest, selection: Selection, durations: Mapping[str, float]) -> Plan:
    """What `selection` runs of `manifest`; `durations` are known run times by suite, in seconds.

    Raises UsageError for a suite or category that is not declared, and when nothing is selected.
    """
    _check_names(manifest, selection)
    jobs = max(1, selection.jobs)
    chosen = [step for suite in manifest.suites if (step := _chosen(suite, selection)) is not None]
    if not chosen:
        raise UsageError("nothing is selected", hint=f"suites are {_listed(suite.name for suite in manifest.suites)}")
    expected = [replace(step, expected_s=_expected_s(step.suite, durations)) for step in chosen]
    steps = _scheduled(expected, jobs)
    names = {step.suite.name for step in steps}
    return Plan(
        manifest=manifest,
        selection=selection,
        scope=Scope.PARTIAL if _partial_because(manifest, steps) else Scope.FULL,
        jobs=jobs,
        steps=steps,
        services=_needed_services(manifest, steps),
        omitted=tuple(suite.name for suite in manifest.suites if suite.name not in names),
    )


def describe(plan: Plan) -> str:
    """The text of `--dry-run`: what would run, in which order, beside what, and what is left out and why."""
    manifest = plan.manifest
    profile = f", profile {manifest.profile}" if manifest.profile else ""
    lines = [f"{manifest.project}: {_count(len(plan.steps), 'suite')}, {_count(plan.jobs, 'job')}{profile}"]
    lines += ["", f"Scope: {plan.scope.value}"]
    lines += [f"  {reason}" for reason in _partial_because(manifest, plan.steps)]
    lines += ["", "Services, in order of start:"]
    lines += [f"  {_service_line(service)}" for service in plan.services] or ["  none"]
    lines += ["", "Suites, in order of start:"]
    for step in plan.steps:
        lines += [f"  {line}" for line in _step_lines(step, plan.steps)]
    end_s = max(step.start_s + (step.expected_s or 0) for step in plan.steps)
    lines += ["", f"Expected end after {_time(end_s)}. Nothing has been run."]
    return "\n".join(lines) + "\n"


# ---- selection --------------------------------------------------------------------------------------------------


def _check_names(manifest: Manifest, selection: Selection) -> None:
    for what, asked, known in (
        ("suite", selection.suites, tuple(suite.name for suite in manifest.suites)),
        ("category", selection.categories, all_categories(manifest)),
    ):
        for name in asked:
            if name not in known:
                plural = "suites" if what == "suite" else "categories"
                hint = f"{plural} are {_listed(known)}" if known else f"the manifest declares no {plural}"
                raise UsageError(f"unknown {what} {clip(name)}{did_you_mean(name, known)}", hint=hint)


def _chosen(suite: Suite, selection: Selection) -> PlannedSuite | None:
    """The suite as `selection` runs it, or None. Whole wins over narrowed."""
    everything = not selection.suites and not selection.categories
    whole = everything or suite.name in selection.suites or not set(suite.categories).isdisjoint(selection.categories)
    contained = [name for name in suite.contains if name in selection.categories]
    if not whole and not contained:
        return None
    return PlannedSuite(
        suite=_with_duration(suite, selection.duration_s),
        marker=None if whole else " or ".join(contained),
        keyword=selection.keyword,
    )


def _with_duration(suite: Suite, duration_s: float | None) -> Suite:
    if duration_s is None or suite.duration_s is None:
        return suite
    # A timeout never cuts the asked duration short.
    return replace(suite, duration_s=duration_s, timeout_s=max(suite.timeout_s, duration_s * 1.1 + 60))


def _partial_because(manifest: Manifest, steps: Iterable[PlannedSuite]) -> tuple[str, ...]:
    """Why this is less than every suite of the manifest, whole; empty when it is not."""
    planned = {step.suite.name: step for step in steps}
    reasons = []
    for declared in manifest.suites:
        step = planned.get(declared.name)
        if step is None:
            reasons.append(f"{declared.name} is left out: not selected")
        elif step.narrowed:
            reasons.append(f"{declared.name} is narrowed{_narrowing(step)}")
        elif declared.duration_s and (step.suite.duration_s or 0) < declared.duration_s:
            short, long = _time(step.suite.duration_s or 0), _time(declared.duration_s)
            reasons.append(f"{declared.name} is shortened: {short} of the declared {long}")
    return tuple(reasons)


def _needed_services(manifest: Manifest, steps: Iterable[PlannedSuite]) -> tuple[Service, ...]:
    """What the steps need, directly or through other services; each after what it needs itself."""
    declared = {service.name: service for service in manifest.services}
    wanted: dict[str, None] = {}
    open_ends = [name for step in steps for name in step.suite.needs]
    while open_ends:
        name = open_ends.pop()
        if name not in wanted:
            wanted[name] = None
            # Somebody else's service is up already, whatever it needs.
            open_ends += declared[name].needs if declared[name].url is None else ()
    ordered: dict[str, Service] = {}
    waiting = [service for service in manifest.services if service.name in wanted]
    while waiting:
        names = {service.name for service in waiting}
        startable = [service for service in waiting if names.isdisjoint(service.needs)] or waiting
        ordered.update((service.name, service) for service in startable)
        waiting = [service for service in waiting if service.name not in ordered]
    return tuple(ordered.values())


# ---- order ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Lane:
    index: int
    free_s: float = 0.0


def _expected_s(suite: Suite, durations: Mapping[str, float]) -> float:
    known = durations.get(suite.name)
    if known is not None and suite.duration_s is None:
        return known
    # A declared duration says more than an earlier run, which may have had another one.
    least = suite.duration_s or 0.0
    return max(least, known or suite.estimate_s or suite.duration_s or suite.timeout_s / _TIMEOUT_SHARE)


def _scheduled(steps: Iterable[PlannedSuite], jobs: int) -> tuple[PlannedSuite, ...]:
    """The steps in order of start: shared ones longest first over `jobs` lanes, then exclusive ones, each alone."""
    longest_first = sorted(steps, key=lambda step: -(step.expected_s or 0))
    lanes = [_Lane(index) for index in range(jobs)]
    placed = []
    for step in longest_first:
        if step.suite.isolation is Isolation.SHARED:
            lane = min(lanes, key=lambda lane: lane.free_s)
            placed.append(replace(step, lane=lane.index, start_s=lane.free_s))
            lane.free_s += step.expected_s or 0
    alone_s = max(lane.free_s for lane in lanes)
    for step in longest_first:
        if step.suite.isolation is Isolation.EXCLUSIVE:
            placed.append(replace(step, lane=0, start_s=alone_s))
            alone_s += step.expected_s or 0
    return tuple(placed)


# ---- text -------------------------------------------------------------------------------------------------------


def _step_lines(step: PlannedSuite, steps: Iterable[PlannedSuite]) -> list[str]:
    suite = step.suite
    head = f"{suite.name}{_narrowing(step)}: at {_time(step.start_s)}, about {_time(step.expected_s or 0)}"
    if suite.isolation is Isolation.EXCLUSIVE:
        head += ", alone"
    else:
        beside = [other.suite.name for other in steps if other is not step and _overlap(step, other)]
        head += f", lane {step.lane + 1}" + (f", beside {_listed(beside)}" if beside else "")
    what = f"paths {' '.join(suite.paths)}" if suite.paths else f"command {' '.join(suite.command)}"
    details = [what, f"timeout {_time(suite.timeout_s)}"]
    details += [f"{suite.workers} workers"] if suite.workers else []
    details += [f"duration {_time(suite.duration_s)}"] if suite.duration_s else []
    details += [f"needs {_listed(suite.needs)}"] if suite.needs else []
    return [head, f"  {'; '.join(details)}"]


def _overlap(one: PlannedSuite, other: PlannedSuite) -> bool:
    if other.suite.isolation is Isolation.EXCLUSIVE:
        return False
    one_end, other_end = (step.start_s + (step.expected_s or 0) for step in (one, other))
    return one.start_s < other_end and other.start_s < one_end


def _narrowing(step: PlannedSuite) -> str:
    marker = f" -m {step.marker!r}" if step.marker else ""
    keyword = f" -k {step.keyword!r}" if step.keyword else ""
    return marker + keyword


def _service_line(service: Service) -> str:
    if service.url is not None:
        return f"{service.name}: somebody else's, given by its address; nothing is started"
    needs = f", after {_listed(service.needs)}" if service.needs else ""
    what = f"command {' '.join(service.command)}" if service.provider == "command" else service.provider
    return f"{service.name}: {what}{needs}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _time(seconds: float) -> str:
    """`0s`, `800ms`, `45s`, `2m05s`, `4h00m`."""
    if 0 < seconds < 1:
        return f"{round(seconds * 1000)}ms"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m{rest:02}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}m"
