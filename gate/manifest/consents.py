"""Waivers and drills: the parts of a manifest that name findings.

Owns the check that a named threshold is declared, in the base or in some profile, and that a waiver's bound is written
in a unit that fits it. Findings of other kinds are known only once a suite has run; of these the form is checked.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from gate.errors import clip, did_you_mean
from gate.manifest.checks import check_argv, check_date, check_env, check_names
from gate.manifest.problems import Problems
from gate.manifest.shape import DrillKeys, WaiverKeys
from gate.manifest.source import Path
from gate.manifest.suites import RUN
from gate.model import Drill, Service, Suite, Threshold, Waiver
from gate.thresholds import unit_problem
from gate.units import parse_limit

_ID: Final = re.compile(r"[a-z0-9_]+(/[^\s/]+)+")
# The keys of which a drill has at least one.
_FAULTS: Final = ("env", "before", "services")
_FORM: Final = "allowed is <suite>/<kind>/<name>, e.g. soak/threshold/rss.max"


class Declared:
    """The findings that the declared suites can have; `suites` holds those of the base and of every profile."""

    def __init__(self, names: Iterable[str], suites: Iterable[Suite]) -> None:
        self.names = tuple(names)
        self._thresholds: dict[str, dict[str, Threshold]] = {}
        self.foreign: set[str] = set()  # suites that are not run by pytest
        for suite in suites:
            if suite.command:
                self.foreign.add(suite.name)
            known = self._thresholds.setdefault(suite.name, {})
            known.update({threshold.key: threshold for threshold in suite.thresholds})

    def check(self, path: Path, finding: str, problems: Problems, *more: str) -> Threshold | None:
        """The threshold that `finding` names, or None. A suite that is not declared and none of `more` is a problem."""
        if not _ID.fullmatch(finding):
            problems.add(path, f"{clip(finding)} is no id of a finding", _FORM)
            return None
        suite, kind, *rest = finding.split("/")
        allowed = (*self.names, *more)
        if suite not in allowed:
            message = f"finding {clip(finding)} names the unknown suite {clip(suite)}{did_you_mean(suite, allowed)}"
            problems.add(path, message, f"allowed are {' '.join(allowed)}")
        elif kind == "threshold" and suite in self._thresholds:
            return self._threshold(path, suite, "/".join(rest), problems)
        return None

    def _threshold(self, path: Path, suite: str, key: str, problems: Problems) -> Threshold | None:
        known: Mapping[str, Threshold] = self._thresholds[suite]
        if key not in known:
            message = f"suite {suite} has no threshold {clip(key)}{did_you_mean(key, known)}"
            problems.add(path, message, f"allowed are {' '.join(known) or 'none: it declares no thresholds'}")
        return known.get(key)


def build_waivers(keys: Sequence[WaiverKeys], declared: Declared, problems: Problems) -> tuple[Waiver, ...]:
    """All waivers; what is wrong goes to `problems`."""
    seen: set[str] = set()
    waivers = []
    for index, waiver in enumerate(keys):
        path: Path = ("waivers", index)
        same = unicodedata.normalize("NFC", waiver.id).casefold()
        if same in seen:
            problems.add((*path, "id"), f"waiver id {clip(waiver.id)} is here twice", "each id is used once")
        seen.add(same)
        check_date((*path, "expires"), waiver.expires, problems)
        threshold = declared.check((*path, "finding"), waiver.finding, problems, RUN)
        waivers.append(_waiver(path, waiver, threshold, problems))
    return tuple(waivers)


def _waiver(path: Path, keys: WaiverKeys, threshold: Threshold | None, problems: Problems) -> Waiver:
    return Waiver(
        id=keys.id,
        finding=keys.finding,
        owner=keys.owner,
        reason=keys.reason,
        ticket=keys.ticket,
        expires=keys.expires,
        bound=_bound((*path, "bound"), keys.bound, threshold, problems) if keys.bound is not None else None,
        bound_text=keys.bound or "",
        place=problems.declared_at(path),
    )


def _bound(path: Path, text: str, threshold: Threshold | None, problems: Problems) -> float | None:
    try:
        bound, unit = parse_limit(text)
    except ValueError as error:
        problems.add(path, f"bound {clip(text)}: {error}")
        return None
    problem = unit_problem(threshold.metric, threshold.stat, unit.name) if threshold else None
    if problem:
        problems.add(path, f"bound {clip(text)}: {problem}")
    return bound


def build_drill(
    name: str,
    keys: DrillKeys,
    declared: Declared,
    *,
    known: Sequence[str],
    services: Iterable[Service],
    problems: Problems,
) -> Drill:
    """The drill `name`. `known` are the names of the declared services, `services` those that it overrides, whole.

    What is wrong goes to `problems`.
    """
    path = ("drills", name)
    if not any(problems.is_written(*path, key) for key in _FAULTS):
        problems.add(path, "injects no fault", f"give it {', '.join(f'`{key}`' for key in _FAULTS)}", key=True)
    check_env((*path, "env"), keys.env or {}, known, problems)
    check_argv((*path, "before"), keys.before or (), problems)
    check_argv((*path, "after"), keys.after or (), problems)
    check_names((*path, "expect"), keys.expect, problems)
    for index, finding in enumerate(keys.expect):
        declared.check((*path, "expect", index), finding, problems)
    drill = Drill(
        name=name,
        expect=tuple(keys.expect),
        env=dict(keys.env or {}),
        before=tuple(keys.before or ()),
        after=tuple(keys.after or ()),
        services=tuple(services),
        only=keys.only,
        place=problems.declared_at(path),
    )
    foreign = [suite for suite in drill.suites if suite in declared.foreign]
    if keys.only is not None and foreign:
        message = f"`only` goes with suites of pytest: {', '.join(foreign)} runs a command of its own"
        problems.add((*path, "only"), message, "leave it out", key=True)
    return drill
