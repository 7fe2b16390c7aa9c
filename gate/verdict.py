"""The one visible order of statuses, and the decision that follows from it.

    PASS < WARN < MISSING, INSUFFICIENT, UNFIT, ERROR (together: not known) < FAIL

Severity is a ceiling: a `major` finding counts as WARN at most, an `info` finding as PASS, whether it is bad or unseen.
Nothing at all is not known: `worst(())` is MISSING. Adding evidence of trouble can only make a decision worse.
"""

from collections.abc import Iterable
from typing import Final

from gate.model import Decision, Finding, Severity, Status

_RANK: Final = {
    Status.PASS: 0,
    Status.WARN: 1,
    Status.MISSING: 2,
    Status.INSUFFICIENT: 2,
    Status.UNFIT: 2,
    Status.ERROR: 2,
    Status.FAIL: 3,
}
NOT_KNOWN: Final = frozenset({Status.MISSING, Status.INSUFFICIENT, Status.UNFIT, Status.ERROR})
_CEILING: Final = {Severity.BLOCKER: Status.FAIL, Severity.MAJOR: Status.WARN, Severity.INFO: Status.PASS}

EXIT_CODES: Final = {
    Decision.GO: 0,
    Decision.GO_WITH_WAIVERS: 0,
    Decision.NO_GO: 10,
    Decision.INCONCLUSIVE: 11,
}
EXIT_REQUIRE_CLEAN: Final = 12


def worst(statuses: Iterable[Status]) -> Status:
    """The worst status; of several that are not known, the first. MISSING when there are none."""
    return max(statuses, key=_RANK.__getitem__, default=Status.MISSING)


def ceiling(status: Status, severity: Severity) -> Status:
    """`status` as far as `severity` lets it count."""
    limit = _CEILING[severity]
    return status if _RANK[status] <= _RANK[limit] else limit


def counted(finding: Finding) -> Status:
    """What a finding counts for: its status under its severity's ceiling; a waived FAIL counts as WARN."""
    status = ceiling(finding.status, finding.severity)
    return Status.WARN if status is Status.FAIL and finding.waived_by else status


def blocks(finding: Finding) -> bool:
    """Whether this finding alone keeps the decision from being a GO of either kind."""
    return _RANK[counted(finding)] >= _RANK[Status.MISSING]


def decide(findings: Iterable[Finding]) -> Decision:
    """The decision over all findings of a run. No findings at all is INCONCLUSIVE."""
    findings = tuple(findings)
    total = worst(counted(finding) for finding in findings)
    if total is Status.FAIL:
        return Decision.NO_GO
    if total in NOT_KNOWN:
        return Decision.INCONCLUSIVE
    waived = any(f.waived_by and ceiling(f.status, f.severity) is Status.FAIL for f in findings)
    return Decision.GO_WITH_WAIVERS if waived else Decision.GO
