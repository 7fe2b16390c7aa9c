"""One family of errors, each with a message, a hint and the exit code that the command ends with.

    GateError (70)
    ├── UsageError (2)          the command line asks for something that is not there
    │   └── ManifestError (2)   gates.yaml has problems; carries all of them
    ├── RunUnreadable (2)       a stored run is not there or cannot be read
    └── ServiceError (70)       a service could not be started; becomes a finding, not an end

A message says what was attempted, with which text, why it failed and what is allowed; the hint says what to do.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from gate.model import Place


class GateError(Exception):
    """Something the user should read as a sentence, not as a traceback."""

    exit_code = 70

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(GateError):
    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with a manifest: where, what was found, what is allowed."""

    place: Place
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.place}: " + (f"{self.path}: " if self.path else "")
        return f"{where}{self.message}" + (f" ({self.hint})" if self.hint else "")


class ManifestError(UsageError):
    """Every problem of a manifest at once, in the order of the file."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        count = f"{len(problems)} problem" + ("" if len(problems) == 1 else "s")
        file = problems[0].place.file if problems else "manifest"
        super().__init__(f"{file} has {count}", hint="mend them and run `gate check`; nothing has been run")
        self.problems = problems


class RunUnreadable(GateError):
    exit_code = 2


class ServiceError(GateError):
    """A service did not come up; `log_tail` holds its last lines."""

    def __init__(self, message: str, *, hint: str = "", log_tail: str = "") -> None:
        super().__init__(message, hint=hint)
        self.log_tail = log_tail


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """`; did you mean X?` for the allowed word nearest to `word`, "" when none is near."""
    by_case = {option.casefold(): option for option in allowed}
    close = difflib.get_close_matches(word[:64].casefold(), by_case, n=1, cutoff=0.6)
    return f"; did you mean {by_case[close[0]]}?" if close else ""


def clip(text: str, longest: int = 40) -> str:
    """`text` quoted for a message, cut short where it is long."""
    return repr(text if len(text) <= longest else text[: longest - 1] + "…")
