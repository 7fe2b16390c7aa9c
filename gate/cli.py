"""argv → command → exit code. The door of the program; with `terminal` the only place that prints.

Exit codes come from a fixed set (README) and never are a count. Everything heavy is imported by the command that needs
it, so that `gate --version` costs little more than starting Python. The one broad catch of the program is in `main`:
whatever escapes ends with 70 and is never mistaken for a verdict.
"""

import os
import sys
from collections.abc import Sequence

from gate import __version__

EXIT_USAGE = 2
EXIT_BROKEN = 70
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    _open_standard_streams()
    if args == ["--version"]:
        sys.stdout.write(f"gate {__version__}\n")
        return 0
    try:
        return _dispatch(args)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001  # the outermost place: a traceback must not end in exit code 1
        return _report(error)


def _dispatch(args: list[str]) -> int:
    import click

    from gate.commands import gate

    try:
        result = gate.main(args, prog_name="gate", standalone_mode=False)
    except click.exceptions.Abort:
        return EXIT_INTERRUPTED
    except click.ClickException as error:
        error.show()
        return EXIT_USAGE
    return result if isinstance(result, int) else 0


def _open_standard_streams() -> None:
    """Give a closed standard stream (`gate run >&-`) to nobody, before a file of evidence gets its number."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is `fd`
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(fd, "r" if fd == 0 else "w", encoding="utf-8", closefd=False))


def _report(error: Exception) -> int:
    """Say what went wrong: an error of the family as a sentence, anything else with its traceback."""
    from gate import terminal
    from gate.errors import GateError, ManifestError

    if isinstance(error, ManifestError):
        terminal.print_problems(error)
        return error.exit_code
    if isinstance(error, GateError):
        terminal.print_error(error)
        return error.exit_code
    import traceback

    traceback.print_exception(error, file=sys.stderr)
    broke = GateError(f"gate itself broke: {type(error).__name__}. This is no verdict.", hint="please report it")
    terminal.print_error(broke)
    return EXIT_BROKEN


if __name__ == "__main__":
    sys.exit(main())
