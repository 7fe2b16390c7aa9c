"""What a manifest may not say about paths, environment and pytest arguments, as tables with reasons.

Owns the rules that keep a manifest from undoing the evidence: gate itself decides what is collected, where the results
go and which interpreter runs. Each function returns the reason why a text is refused, or None.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from gate.errors import clip

_ENV_PREFIXES: Final = ("PYTEST_", "PYTHON", "LD_", "DYLD_", "GATE_")
_ENV_ALLOWED: Final = frozenset({"PYTHONHASHSEED", "PYTHONUTF8", "PYTHONUNBUFFERED"})

_NARROWS: Final = "it would leave tests out unseen; name the tests in `paths`, or use --category on the command line"
_NOT_RUN: Final = "nothing would run; use `gate run --dry-run` to see what would"
_RESULTS: Final = "gate itself says where results go, and reads them there"
_CONFIG: Final = "gate runs pytest in the folder of the manifest; keep its settings in pyproject.toml there"
_WORKERS: Final = "use the key `workers`"
_STALE: Final = "what runs would depend on an earlier run; leave it out"
_DEBUGGER: Final = "a debugger waits for a person; run pytest by hand for that"
_WARNINGS: Final = "gate makes warnings evidence; use `budgets: {warnings: …}`"
_NO_RUN_HELP: Final = "it prints and runs nothing; call pytest by hand for that"

# What gate owns, by option, with the reason or what to use instead.
REFUSED_OPTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("--junitxml", "--junit-xml", "--junitprefix", "--junit-prefix"), _RESULTS),
        **dict.fromkeys(("-k", "-m", "--deselect", "--ignore", "--ignore-glob"), _NARROWS),
        **dict.fromkeys(("--co", "--collect-only", "--collectonly", "--setup-plan", "--setupplan"), _NOT_RUN),
        **dict.fromkeys(("--setup-only", "--setuponly", "--fixtures", "--funcargs"), _NOT_RUN),
        **dict.fromkeys(("--fixtures-per-test", "--markers", "--cache-show", "-V", "--version"), _NO_RUN_HELP),
        **dict.fromkeys(("-h", "--help"), _NO_RUN_HELP),
        **dict.fromkeys(("-n", "--numprocesses", "--dist", "--maxprocesses", "-d", "--tx", "--px"), _WORKERS),
        **dict.fromkeys(("-f", "--looponfail"), _WORKERS),
        **dict.fromkeys(("--lf", "--last-failed", "--last-failed-no-failures", "--lfnf"), _STALE),
        **dict.fromkeys(("--sw", "--stepwise", "--sw-skip", "--stepwise-skip", "--sw-reset"), _STALE),
        **dict.fromkeys(("--stepwise-reset", "--nf", "--new-first", "--ff", "--failed-first"), _STALE),
        **dict.fromkeys(("--pdb", "--pdbcls", "--trace"), _DEBUGGER),
        **dict.fromkeys(("-c", "--config-file", "--rootdir", "--confcutdir", "--noconftest"), _CONFIG),
        **dict.fromkeys(("-W", "--pythonwarnings"), _WARNINGS),
        **dict.fromkeys(("-l", "--showlocals"), "values of local variables may hold secrets; leave it out"),
        "--pastebin": "it sends output to a public site; leave it out",
    }
)
# Settings (`-o name=value`) that touch what gate owns.
_REFUSED_SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {"junit": _RESULTS, "addopts": "write the arguments into `pytest_args`", "filterwarnings": _WARNINGS}
)
# Plugins (`-p no:name`) without which evidence is missing.
_NEEDED_PLUGINS: Final = frozenset(
    {"gate", "junitxml", "warnings", "unraisableexception", "threadexception", "skipping", "main", "runner", "python"}
    | {"terminal", "logging", "xdist"}
)
_SHORT_FLAGS: Final = "xqvslhVdf"


def path_problem(path: str) -> str | None:
    """Why `path` cannot be a path of a suite (relative to the manifest's folder)."""
    if not path.strip():
        return "is blank"
    if path[0] in "-@":
        return f"begins with {path[0]!r}, which pytest takes for an option"
    if "$" in path or "~" in path:
        return "holds $ or ~, which may be expanded"
    if path[0] in "/\\" or re.match(r"[A-Za-z]:[\\/]", path):
        return "is absolute; allowed are paths from the manifest's folder"
    if _climbs_out(path.partition("::")[0]):
        return "leads out of the manifest's folder"
    return None


def _climbs_out(path: str) -> bool:
    depth = 0
    for part in re.split(r"[\\/]", path):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            return True
    return False


def env_problem(name: str) -> str | None:
    """Why the environment variable `name` cannot be set from a manifest."""
    if name in _ENV_ALLOWED or not (name == "PATH" or name.startswith(_ENV_PREFIXES)):
        return None
    allowed = "PYTHONHASHSEED PYTHONUTF8 PYTHONUNBUFFERED and names of your own"
    return f"{clip(name)} decides what runs and how, which is gate's to set; allowed are {allowed}"


def argument_problems(arguments: Sequence[str]) -> Iterator[tuple[int, str]]:
    """For each refused argument for pytest its index and the reason."""
    before = ""
    for index, argument in enumerate(arguments):
        following = arguments[index + 1] if index + 1 < len(arguments) else ""
        reason = _argument_problem(argument, before, following)
        if reason:
            yield index, f"{clip(argument)} is refused: {reason}"
        before = argument


def _argument_problem(argument: str, before: str, following: str) -> str | None:
    if argument.startswith("@"):
        return "pytest would read arguments from that file"
    if argument in ("", "-", "--"):
        return "it is no option; test files belong in `paths`"
    if argument.startswith("--"):
        name, has_value, value = argument.partition("=")
        if name == "--override-ini":
            return _setting_problem(value if has_value else following)
        return "it belongs to gate itself" if name.startswith("--gate") else REFUSED_OPTIONS.get(name)
    if argument.startswith("-"):
        return _short_problem(argument, following)
    takes_value = before.startswith("-") and "=" not in before and before.strip("-" + _SHORT_FLAGS) != ""
    return None if takes_value else "it is no option; test files belong in `paths`"


def _short_problem(argument: str, following: str) -> str | None:
    """`-x`, `-kexpression`, `-p name` and clusters of these such as `-xqk expression`."""
    for index, letter in enumerate(argument[1:], start=2):
        option, value = f"-{letter}", argument[index:] or following
        if option in REFUSED_OPTIONS:
            return REFUSED_OPTIONS[option]
        if letter == "p":
            return _plugin_problem(value)
        if letter == "o":
            return _setting_problem(value)
        if letter not in _SHORT_FLAGS:
            return None
    return None


def _setting_problem(setting: str) -> str | None:
    name = setting.strip().lower()
    return next((reason for start, reason in _REFUSED_SETTINGS.items() if name.startswith(start)), None)


def _plugin_problem(plugin: str) -> str | None:
    name = plugin.strip()
    if not name.startswith("no:"):
        return None
    blocked = name[3:].removeprefix("_pytest.").removeprefix("pytest_")
    if blocked.startswith("gate") or blocked in _NEEDED_PLUGINS:
        return "without this plugin evidence would be missing"
    return None
