"""Checks that several parts of a manifest share: argv lists, lists of names, days, environments."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from gate.errors import clip
from gate.manifest.problems import Problems
from gate.manifest.rules import env_problem
from gate.manifest.source import Path


def url_variable(service: str) -> str:
    """The environment variable in which a suite finds the address of a service."""
    return f"{service.upper()}_URL"


def check_env(path: Path, env: Mapping[str, str], services: Iterable[str], problems: Problems) -> None:
    """What a manifest may not set in the environment, and what a service's address already is."""
    addresses = {url_variable(service): service for service in services}
    for name in env:
        problem = env_problem(name)
        if name in addresses:
            problem = f"{clip(name)} is the address of service {addresses[name]}; set `url` there instead"
        if problem:
            problems.add((*path, name), problem, key=True)


def check_argv(path: Path, argv: Sequence[str], problems: Problems) -> None:
    if argv and (not argv[0].strip() or argv[0].startswith("-")):
        problems.add((*path, 0), f"{clip(argv[0])} is no program", "allowed is an argv list: [program, argument…]")


def check_names(path: Path, names: Sequence[str], problems: Problems) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            problems.add((*path, index), f"{clip(name)} is here twice", "keep one")


def check_date(path: Path, text: str, problems: Problems) -> None:
    try:
        date.fromisoformat(text)
    except ValueError:
        problems.add(path, f"{clip(text)} is no day of the calendar", "allowed is an ISO date such as 2026-12-31")
