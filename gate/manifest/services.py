"""One service's keys → `Service`, and the needs among services: unknown ones and circles.

Owns what concerns more than one key of a service. Leaves starting it to `gate.execute`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from gate.errors import clip, did_you_mean
from gate.manifest.checks import check_argv, check_env, check_names
from gate.manifest.problems import Problems
from gate.manifest.shape import ReadyKeys, ServiceKeys
from gate.model import Ready, Service

_READY_S: Final = 30.0
_HTTP: Final = re.compile(r"https?://[^\s/]+\S*")
_TCP: Final = re.compile(r"[^\s:]+:([0-9]{1,5})|\[[0-9a-fA-F:]+\]:([0-9]{1,5})")
_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://\S+")


def build_service(name: str, keys: ServiceKeys, known: Sequence[str], problems: Problems) -> Service:
    """The service `name`; what is wrong goes to `problems`."""
    path = ("services", name)
    provider = keys.provider or "command"
    _check_provider(path, provider, keys, problems)
    check_argv((*path, "command"), keys.command or (), problems)
    check_names((*path, "needs"), keys.needs or (), problems)
    for index, need in enumerate(keys.needs or ()):
        if need not in known:
            message = f"unknown service {clip(need)}{did_you_mean(need, known)}"
            problems.add((*path, "needs", index), message, f"allowed are {' '.join(known)}")
    check_env((*path, "env"), keys.env or {}, (), problems)
    if keys.url is not None and not _URL.fullmatch(keys.url):
        problems.add((*path, "url"), f"{clip(keys.url)} is no address", "allowed is scheme://host…")
    return Service(
        name=name,
        provider=provider,
        command=tuple(keys.command or ()),
        env=dict(keys.env or {}),
        needs=tuple(keys.needs or ()),
        ready=_ready((*path, "ready"), keys.ready, problems) if keys.ready else None,
        url=keys.url,
        place=problems.declared_at(path),
    )


def _check_provider(path: tuple[str, ...], provider: str, keys: ServiceKeys, problems: Problems) -> None:
    if provider == "command":
        if not any(problems.is_written(*path, key) for key in ("provider", "command", "url")) or (
            keys.provider and not keys.command and keys.url is None
        ):
            hint = "give it `provider: postgres`, `provider: redis`, `command` or `url`"
            problems.add(path, "has nothing to start", hint, key=True)
        return
    for key in ("command", "ready"):
        if getattr(keys, key):
            message = f"`{key}` goes with `provider: command` only: {provider} knows its own"
            problems.add((*path, key), message, key=True)


def _ready(path: tuple[str, ...], keys: ReadyKeys, problems: Problems) -> Ready | None:
    given = [(kind, target) for kind in ("http", "tcp", "log") if (target := getattr(keys, kind)) is not None]
    if len(given) != 1:
        if not given and any(problems.is_written(*path, kind) for kind in ("http", "tcp", "log")):
            return None  # given, but wrong: that has been said
        found = " and ".join(kind for kind, _ in given) or "none"
        problems.add(path, f"found {found}", "allowed is exactly one of http, tcp and log", key=True)
        return None
    kind, target = given[0]
    problem = _target_problem(kind, target)
    if problem:
        problems.add((*path, kind), f"{clip(target)} {problem}")
    return Ready(kind=kind, target=target, timeout_s=keys.timeout or _READY_S)


def _target_problem(kind: str, target: str) -> str | None:
    if kind == "http":
        return None if _HTTP.fullmatch(target) else "is no address; allowed is http://host:port/path"
    if kind == "tcp":
        match = _TCP.fullmatch(target)
        port = int(match[1] or match[2]) if match else 0
        return None if 0 < port < 65536 else "is no host:port; allowed is e.g. 127.0.0.1:8080"
    try:
        re.compile(target)
    except (re.error, OverflowError, RecursionError) as error:
        return f"is no regular expression: {error}"
    return None


def check_cycles(services: Mapping[str, Sequence[str]], problems: Problems) -> None:
    """One problem for each service that needs itself, directly or through others; `services` gives their needs."""
    waiting = {name: {need for need in needs if need in services} for name, needs in services.items()}
    while True:
        startable = {name for name, needs in waiting.items() if not needs & waiting.keys()}
        if not startable:
            break
        for name in startable:
            del waiting[name]
    reported: set[str] = set()
    for name in waiting:
        circle = _circle(name, waiting)
        if circle and reported.isdisjoint(circle):
            reported.update(circle)
            message = f"services need each other in a circle: {' → '.join((*circle, circle[0]))}"
            problems.add(("services", circle[0], "needs"), message, "take one need out", key=True)


def _circle(start: str, needs: Mapping[str, set[str]]) -> list[str]:
    """The circle that following the needs from `start` runs into, rotated to begin with its least name."""
    walked: dict[str, None] = {}
    here = start
    while here not in walked:
        walked[here] = None
        here = min(needs[here] & needs.keys())
    circle = list(walked)[list(walked).index(here) :]
    first = circle.index(min(circle))
    return circle[first:] + circle[:first]
