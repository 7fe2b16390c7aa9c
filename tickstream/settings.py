"""What the environment says, checked at once: every problem is named before anything starts."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tickstream.faults import FaultError, Faults

_NUMBERS: Final = {
    # default, least and most allowed
    "TICKSTREAM_PORT": (8765, 0, 65535),
    "TICKSTREAM_FLUSH_MS": (50, 0, 60_000),
    "TICKSTREAM_MAX_BARS": (50_000, 1, 10_000_000),
    "TICKSTREAM_MAX_JOURNAL_MB": (1024, 1, 1_048_576),
    "TICKSTREAM_STREAM_LENGTH": (10_000, 1, 100_000_000),
}
_LEVELS: Final = ("debug", "info", "warning", "error")


class SettingsError(ValueError):
    """The environment asks for what cannot be; the message names every variable with its problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`port` 0 takes a free one, which the log tells. Without `redis_url` nothing is published."""

    postgres_url: str
    redis_url: str | None
    schema: str
    prefix: str
    host: str
    port: int
    journal: Path
    flush_s: float
    max_bars: int
    max_journal_bytes: int
    stream_length: int
    log_level: str
    faults: str


def read(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings in `environment`, by default that of this process. Raises SettingsError."""
    env = os.environ if environment is None else environment
    problems: list[str] = []
    numbers = {name: _number(env, name, problems) for name in _NUMBERS}
    _check(env, problems)
    if problems:
        raise SettingsError("; ".join(problems))
    return Settings(
        postgres_url=env["POSTGRES_URL"],
        redis_url=env.get("REDIS_URL") or None,
        schema=env.get("TICKSTREAM_SCHEMA", "public"),
        prefix=env.get("TICKSTREAM_PREFIX", "tickstream:"),
        host=env.get("TICKSTREAM_HOST", "127.0.0.1"),
        port=numbers["TICKSTREAM_PORT"],
        journal=Path(env.get("TICKSTREAM_JOURNAL", "journal")),
        flush_s=numbers["TICKSTREAM_FLUSH_MS"] / 1000,
        max_bars=numbers["TICKSTREAM_MAX_BARS"],
        max_journal_bytes=numbers["TICKSTREAM_MAX_JOURNAL_MB"] * 1024 * 1024,
        stream_length=numbers["TICKSTREAM_STREAM_LENGTH"],
        log_level=env.get("LOG_LEVEL", "info"),
        faults=env.get("TICKSTREAM_FAULTS", ""),
    )


def _check(env: Mapping[str, str], problems: list[str]) -> None:
    if not env.get("POSTGRES_URL"):
        problems.append("POSTGRES_URL is not set; it names the database, like postgresql://user@host:5432/name")
    if env.get("LOG_LEVEL", "info").lower() not in _LEVELS:
        problems.append(f"LOG_LEVEL is {env['LOG_LEVEL']!r}; allowed: {', '.join(_LEVELS)}")
    try:
        Faults(env.get("TICKSTREAM_FAULTS", ""))
    except FaultError as error:
        problems.append(f"TICKSTREAM_FAULTS: {error}")


def _number(env: Mapping[str, str], name: str, problems: list[str]) -> int:
    default, least, most = _NUMBERS[name]
    text = env.get(name, str(default))
    if text.isascii() and text.isdigit() and least <= int(text) <= most:
        return int(text)
    problems.append(f"{name} is {text!r}; allowed: a whole number from {least} to {most}")
    return default
