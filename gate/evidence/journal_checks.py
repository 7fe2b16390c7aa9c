"""The rules about journals (R08, R09, R17 of the rule book), each a check that says PASS or what broke it.

Owns the names in `CHECKS` and what makes each of them fail. Proven contradictions are FAIL, absences MISSING,
unreadable things ERROR; none of them lets a suite pass.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from gate.evidence.journal_cases import Executions, Journals, result_of
from gate.evidence.records import RAISED, RETURNED, SKIPPED, SWALLOWED, UNSEEN, Execution, JournalFile
from gate.model import Case, CaseResult, Check, Status

# Options that make pytest run less than it says, and the values with which they are off.
_FORBIDDEN: Final = (
    *("collectonly", "setupplan", "setuponly", "trace", "usepdb", "lf", "stepwise", "stepwise_skip"),
    *("showfixtures", "show_fixtures_per_test", "cacheshow", "runxfail", "noconftest", "help", "version", "markers"),
)
# Without these plugins of pytest tests are left out, or go wrong unheard.
_WATCHING: Final = ("unittest", "skipping", "warnings", "threadexception", "unraisableexception")
_SHOWN: Final = 5

Trouble = tuple[Status, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the invocation was: its nonce, and the options that narrow or spread it."""

    nonce: str
    marker: str = ""
    keyword: str = ""
    workers: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    main: JournalFile
    journals: Journals
    expected: Expected
    executions: Executions
    cases: tuple[Case, ...]


def judge(
    journals: Journals, expected: Expected, executions: Executions, cases: tuple[Case, ...], trouble: str
) -> tuple[Check, ...]:
    """One check per name, in order. `trouble` says why there is no main journal."""
    main = journals.main
    if main is None:
        status = Status.MISSING if trouble.startswith("there is no") else Status.ERROR
        return tuple(Check(name=name, rule=rule, status=status, reason=trouble) for name, (rule, _) in _RULES.items())
    seen = _Seen(main=main, journals=journals, expected=expected, executions=executions, cases=cases)
    return tuple(_check(name, rule, list(find(seen))) for name, (rule, find) in _RULES.items())


def _check(name: str, rule: str, troubles: list[Trouble]) -> Check:
    if not troubles:
        return Check(name=name, rule=rule, status=Status.PASS, reason="")
    status = next((Status.FAIL for status, _ in troubles if status is Status.FAIL), troubles[0][0])
    return Check(name=name, rule=rule, status=status, reason=_some(reason for _, reason in troubles))


def _some(reasons: Iterable[str], joint: str = "; ") -> str:
    reasons = list(reasons)
    more = f" and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
    return joint.join(reasons[:_SHOWN]) + more


# ---- the rules ----------------------------------------------------------------------------------------------------


def _present(seen: _Seen) -> Iterator[Trouble]:
    if not seen.main.kinds:
        yield Status.MISSING, "journal.jsonl holds no record"


def _nonce(seen: _Seen) -> Iterator[Trouble]:
    for file in (*seen.journals.all, *seen.journals.forks):
        if file.start is None:
            yield Status.MISSING, f"{file.name} does not say which invocation it belongs to"
        elif file.start["nonce"] != seen.expected.nonce:
            yield Status.FAIL, f"{file.name} belongs to another invocation"


def _process(seen: _Seen) -> Iterator[Trouble]:
    for file in seen.journals.all:
        if file.starts != 1:
            yield Status.FAIL, f"{file.name} has {file.starts} starts; a process starts once"
        elif file.end is not None and file.start is not None and file.end["pid"] != file.start["pid"]:
            yield Status.FAIL, f"{file.name} was started by one process and ended by another"
    for file in seen.journals.forks:
        if file.kinds - {"fork", "alarm"}:
            yield Status.FAIL, f"{file.name}: a forked child went on running tests"
        yield from ((Status.ERROR, problem) for problem in file.problems)


def _options(seen: _Seen) -> Iterator[Trouble]:
    for file in seen.journals.all:
        if file.start is None:
            yield Status.MISSING, f"{file.name} does not tell the options in effect"
            continue
        changed = (file.finish or {}).get("changed", {})
        own = _project_wide(file.start.get("addopts"))
        for options in (file.start.get("options", {}), changed):
            yield from _unwanted(seen.expected, file.name, options, own)
        if not {"keyword", "markexpr", "collectonly"} <= file.start.get("options", {}).keys():
            yield Status.MISSING, f"{file.name} does not tell the options in effect"
        if file.start.get("optimize") != 0:
            yield Status.FAIL, f"{file.name}: python ran with optimisation, which removes assertions"
    if seen.main.start is not None:
        yield from _distribution(seen.expected, seen.main.start.get("options", {}))


def _project_wide(addopts: object) -> Mapping[str, str]:
    """The last `-k` and `-m` of the project's own `addopts`.

    Where nothing else was planned they may stand: what they leave out is deselected, which has a budget.
    """
    found = {"keyword": "", "markexpr": ""}
    words = [str(word) for word in addopts] if isinstance(addopts, list) else []
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        for option, switch in (("keyword", "-k"), ("markexpr", "-m")):
            if word == switch:
                found[option] = following
            elif word.startswith(switch):
                found[option] = word.removeprefix(switch).removeprefix("=")
    return found


def _unwanted(expected: Expected, name: str, options: Mapping[str, Any], own: Mapping[str, str]) -> Iterator[Trouble]:
    for option in _FORBIDDEN:
        if options.get(option):
            yield Status.FAIL, f"{name}: option {option} is in effect"
    plugins = options.get("plugins")
    for plugin in _WATCHING:
        if isinstance(plugins, list) and f"no:{plugin}" in plugins:
            yield Status.FAIL, f"{name}: pytest's plugin {plugin} is switched off"
    for option, planned in (("keyword", expected.keyword), ("markexpr", expected.marker)):
        if option in options and options[option] not in ((planned,) if planned else ("", own[option])):
            yield Status.FAIL, f"{name}: {option} is {options[option]!r} where {planned!r} was planned"


def _distribution(expected: Expected, options: Mapping[str, Any]) -> Iterator[Trouble]:
    workers = options.get("numprocesses") or 0
    spread = options.get("dist", "no") != "no"
    if workers != expected.workers or spread != (expected.workers > 0):
        remedy = f" (addopts may ask for them; `workers: {workers}` in the manifest plans them)" if workers else ""
        yield Status.FAIL, f"{workers} workers were wanted where {expected.workers} were planned{remedy}"


def _complete(seen: _Seen) -> Iterator[Trouble]:
    yield from _whole(seen.main)


def _whole(file: JournalFile) -> Iterator[Trouble]:
    for problem in file.problems:
        yield Status.ERROR, problem
    for what, found in (("start", file.start), ("finish", file.finish), ("end", file.end)):
        if found is None:
            yield Status.MISSING, f"{file.name} has no {what}" + (f"; running: {file.running}" if file.running else "")
    if file.collected is None:
        yield Status.MISSING, f"{file.name} does not say what was collected"


def _items(seen: _Seen) -> Iterator[Trouble]:
    for test in dict.fromkeys(test for file in seen.journals.all for test in file.vanished):
        yield Status.FAIL, f"{test} was collected and then dropped"
    for path in dict.fromkeys(path for file in seen.journals.all for path in file.empty):
        yield Status.MISSING, f"{path} holds no test"
    if seen.main.collected is None:
        yield Status.MISSING, "what was collected is not known"
    known = set(seen.main.ids)
    if len(known) != len(seen.main.ids):
        yield Status.FAIL, f"{len(seen.main.ids) - len(known)} tests were collected twice"
    for case in seen.cases:
        if case.id not in known:
            yield Status.FAIL, f"{case.id} ran without having been collected"
        elif case.result is CaseResult.INCOMPLETE:
            yield Status.MISSING, f"{case.id} has no complete set-up, call and tear-down"


def _outcomes(seen: _Seen) -> Iterator[Trouble]:
    for runs in seen.executions.values():
        for run in runs:
            reason = _flipped(run)
            if reason:
                yield Status.FAIL, f"{run.test}: {reason}"


def _flipped(run: Execution) -> str:
    for phase in run.phases:
        good = phase.outcome == "passed" or (phase.outcome == "skipped" and not run.expected_failure)
        if good and phase.cause == RAISED:
            return f"{phase.when} raised and was reported as {phase.outcome}"
        if phase.outcome == "skipped" and not run.expected_failure and phase.cause == RETURNED:
            return f"{phase.when} did not skip and was reported as skipped"
        if phase.outcome == "passed" and phase.cause in (SKIPPED, SWALLOWED):
            return f"{phase.when} did not return and was reported as passed"
        if phase.cause == UNSEEN and phase.outcome != "failed":
            return f"{phase.when} was reported as {phase.outcome} without having been executed"
        if phase.cause not in (UNSEEN, RETURNED, RAISED, SKIPPED, SWALLOWED):
            return f"{phase.when} has an unknown cause"
    return ""


def _workers(seen: _Seen) -> Iterator[Trouble]:
    main, workers = seen.main, seen.journals.workers
    if seen.expected.workers == 0 and (main.up or workers):
        yield Status.FAIL, "workers ran where none were planned"
    if len(main.up) < seen.expected.workers:
        yield Status.MISSING, f"{len(main.up)} workers came up where {seen.expected.workers} were planned"
    for test, worker, _ in main.crashes:
        yield Status.FAIL, f"worker {worker} crashed while running {test}"
    for name in main.up:
        yield from _went_down(main, name)
        if name not in workers:
            yield Status.MISSING, f"worker {name} left no journal"
    for name, file in workers.items():
        if name not in main.up:
            yield Status.FAIL, f"{file.name} is of a worker that the main process does not know"
        yield from _whole(file)
        yield from _agrees(main, name, file)


def _went_down(main: JournalFile, name: str) -> Iterator[Trouble]:
    if name not in main.nodes:
        yield Status.MISSING, f"worker {name} did not tell what it collected"
    elif not main.nodes[name][1]:
        yield Status.FAIL, f"worker {name} collected other tests than the first one"
    if name not in main.down:
        yield Status.MISSING, f"worker {name} was not seen to end"
    elif main.down[name] is not None:
        yield Status.FAIL, f"worker {name} broke down: {main.down[name]}"


def _agrees(main: JournalFile, name: str, file: JournalFile) -> Iterator[Trouble]:
    if (file.start or {}).get("worker") != name:
        yield Status.FAIL, f"{file.name} was written by another worker"
    if file.ids != main.ids:
        yield Status.FAIL, f"{file.name} collected other tests than the main process knows"
    told = sorted((run.test, result_of(run)) for run in main.executions if run.worker == name)
    own = sorted((run.test, result_of(run)) for run in file.executions)
    if told != own:
        differing = dict.fromkeys(test for test, _ in set(told) ^ set(own))
        yield Status.FAIL, f"worker {name} and the main process differ about {_some(differing, ', ') or 'repetitions'}"


def _exit(seen: _Seen) -> Iterator[Trouble]:
    if seen.main.finish is None:
        yield Status.MISSING, "the journal tells no exit status"
        return
    status = seen.main.finish["exit"]
    bad = [case.id for case in seen.cases if case.result in (CaseResult.FAILED, CaseResult.ERROR)]
    bad += [id_ for file in seen.journals.all for id_, outcome, _ in file.collection if outcome == "failed"]
    if status == 0 and bad:
        yield Status.FAIL, f"pytest said success although these failed: {_some(bad, ', ')}"
    elif status == 0 and seen.main.finish["failed"]:
        yield Status.FAIL, f"pytest said success although it had counted {seen.main.finish['failed']} failures"
    elif status != 0 and not (status == 1 and bad):
        yield Status.FAIL, f"pytest ended with status {status}, which no failed test explains"


_RULES: Final[Mapping[str, tuple[str, Callable[[_Seen], Iterator[Trouble]]]]] = {
    "journal/present": ("R08", _present),
    "journal/nonce": ("R08", _nonce),
    "journal/process": ("R08", _process),
    "journal/options": ("R09", _options),
    "journal/complete": ("R08", _complete),
    "journal/items": ("R08", _items),
    "journal/outcomes": ("R08", _outcomes),
    "journal/workers": ("R08", _workers),
    "journal/exit": ("R08", _exit),
}
CHECKS: Final = tuple(_RULES)
