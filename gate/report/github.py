"""What GitHub shows of a run: step summary, annotations and step outputs, as text.

Promises that nothing from a test or a manifest can act as a workflow command, and that the outputs hold nothing but
words of the program. Writing to the files and streams that GitHub reads is left to others.
"""

import re
from typing import Final

from gate.model import Decision, Dossier, Record, Status
from gate.report import markdown, rows
from gate.report.text import one_line

# GitHub drops a summary above 1 MiB and shows at most ten annotations of a step.
SUMMARY_LIMIT_BYTES: Final = 900 * 1024
MOST_ANNOTATIONS: Final = 10
_LEVELS: Final = {
    Decision.GO: "notice",
    Decision.GO_WITH_WAIVERS: "warning",
    Decision.NO_GO: "error",
    Decision.INCONCLUSIVE: "error",
}
_RUN_ID_LENGTH: Final = 100


def render(dossier: Dossier) -> str:
    """The step summary: the Markdown report, well under the limit of 1 MiB."""
    return markdown.render(dossier, limit_bytes=SUMMARY_LIMIT_BYTES)


def annotations(dossier: Dossier) -> str:
    """Workflow commands, one per line, at most ten: the decision, then what blocks."""
    record = dossier.record
    said = " ".join(filter(None, (rows.headline(record), rows.partial_notice(record))))
    lines = [_command(_LEVELS[record.decision], f"gate: {record.decision}", said)]
    blocking = rows.blocking(record)
    for finding in blocking[: MOST_ANNOTATIONS - 1]:
        level = "error" if finding.status is Status.FAIL else "warning"
        compared = (
            f" (observed {finding.observed or 'nothing'}, expected {finding.expected})" if finding.expected else ""
        )
        lines.append(_command(level, f"{finding.status} {finding.id}", finding.reason + compared))
    return "".join(line + "\n" for line in lines)


def outputs(record: Record) -> str:
    """Lines for `$GITHUB_OUTPUT`: decision, exit_code, scope and run_id, each a word without blanks."""
    run_id = re.sub(r"[^A-Za-z0-9._-]", "_", record.run_id[:_RUN_ID_LENGTH])
    return (
        f"decision={record.decision.value}\nexit_code={record.exit_code:d}\n"
        f"scope={record.scope.value}\nrun_id={run_id}\n"
    )


def _command(level: str, title: str, message: str) -> str:
    return f"::{level} title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    """`text` as one line with what the runner decodes encoded; `##[` is the older form of a command."""
    return one_line(text, 500).replace("##[", "# #[").replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(one_line(text, 200)).replace(":", "%3A").replace(",", "%2C")
