"""argv → command → exit code. The door of the program; with `terminal` the only place that prints.

Exit codes come from a fixed set (docs/cli.md) and never are a count. Everything heavy is imported by the command that
needs it, so that `gate --version` costs little more than starting Python. The one broad catch of the program is in
`main`: whatever escapes ends with 70 and is never mistaken for a verdict.
"""

import sys
from collections.abc import Sequence
from typing import Final

from gate import __version__
from gate.errors import GateError, ManifestError

EXIT_USAGE: Final = 2
EXIT_BROKEN: Final = 70
EXIT_INTERRUPTED: Final = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    if args == ["--version"]:
        print(f"gate {__version__}")  # noqa: T201  # before the import of anything that could print it better
        return 0
    try:
        return _dispatch(args)
    except GateError as error:
        _print_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001  # the outermost place: a traceback must not end in exit code 1
        _print_breakdown(error)
        return EXIT_BROKEN


def _print_error(error: GateError) -> None:
    from gate import terminal

    if isinstance(error, ManifestError):
        terminal.print_problems(error)
    else:
        terminal.print_error(error)


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


def _print_breakdown(error: BaseException) -> None:
    import traceback

    traceback.print_exception(error, file=sys.stderr)
    print(  # noqa: T201
        f"gate itself broke: {type(error).__name__}. This is no verdict; please report it with the lines above.",
        file=sys.stderr,
    )
