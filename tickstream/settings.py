"""What the environment says, checked at once: every problem is named before anything starts.

All parts read the same settings; which ones a part cannot do without stands in `_NEEDED`.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tickstream.faults import FaultError, Faults
from tickstream.tokens import SECRET_BYTES

PARTS: Final = ("exchange", "ingest", "api", "broadcast")

_NUMBERS: Final = {
    # default, least and most allowed
    "TICKSTREAM_PORT": (8765, 0, 65535),
    "TICKSTREAM_EXCHANGE_PORT": (8764, 0, 65535),
    "TICKSTREAM_API_PORT": (8080, 0, 65535),
    "TICKSTREAM_BROADCAST_PORT": (8081, 0, 65535),
    "TICKSTREAM_FLUSH_MS": (20, 0, 60_000),
    "TICKSTREAM_MAX_BARS": (50_000, 1, 10_000_000),
    "TICKSTREAM_MAX_JOURNAL_MB": (1024, 1, 1_048_576),
    "TICKSTREAM_STREAM_LENGTH": (10_000, 1, 100_000_000),
    "TICKSTREAM_SEED": (1, 0, 2**31),
    "TICKSTREAM_RATE": (5, 0, 50_000),
    "TICKSTREAM_TICKS": (0, 0, 2**62),
    "TICKSTREAM_CACHE_MS": (2000, 0, 3_600_000),
    "TICKSTREAM_RATE_LIMIT": (200, 1, 1_000_000),
    "TICKSTREAM_MAX_SUBSCRIBERS": (2000, 1, 1_000_000),
    "TICKSTREAM_MAX_PER_USER": (10, 1, 1_000_000),
    "TICKSTREAM_HEARTBEAT_MS": (15_000, 50, 3_600_000),
    "TICKSTREAM_CLIENT_KB": (256, 1, 1_048_576),
}
_NEEDED: Final = {
    "POSTGRES_URL": (("ingest", "api"), "it names the database, like postgresql://user@host:5432/name"),
    "REDIS_URL": (("broadcast",), "it names the Redis server, like redis://host:6379/0"),
    "TICKSTREAM_TOKEN_SECRET": (("api", "broadcast"), f"it signs the tokens, at least {SECRET_BYTES} characters"),
}
_LEVELS: Final = ("debug", "info", "warning", "error")
_REGIMES: Final = ("trending", "ranging", "volatile")


class SettingsError(ValueError):
    """The environment asks for what cannot be; the message names every variable with its problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A port of 0 takes a free one, which the log tells. Without `redis_url` nothing is published.

    `exchange_url` is where ingest takes ticks from, besides those that are sent to it. The exchange trades `rate` times
    per second, in steps as they come, and ends the day after `ticks` of them (0: never).
    """

    postgres_url: str
    redis_url: str | None
    exchange_url: str | None
    token_secret: str
    schema: str
    prefix: str
    host: str
    port: int
    exchange_port: int
    api_port: int
    broadcast_port: int
    journal: Path
    flush_s: float
    max_bars: int
    max_journal_bytes: int
    stream_length: int
    symbols: tuple[str, ...]
    regime: str
    seed: int
    rate: int
    ticks: int
    cache_s: float
    rate_limit_per_s: int
    max_subscribers: int
    max_per_user: int
    heartbeat_s: float
    client_bytes: int
    log_level: str
    faults: str


def read(environment: Mapping[str, str] | None = None, parts: Sequence[str] = ("ingest",)) -> Settings:
    """The settings for `parts` in `environment`, by default that of this process. Raises SettingsError."""
    env = os.environ if environment is None else environment
    problems: list[str] = []
    numbers = {name.removeprefix("TICKSTREAM_"): _number(env, name, problems) for name in _NUMBERS}
    symbols = tuple(env.get("TICKSTREAM_SYMBOLS", "AAPL,MSFT,NVDA,AMZN,TSLA").split(","))
    _check(env, parts, problems)
    if not all(0 < len(symbol) <= 64 for symbol in symbols):
        problems.append("TICKSTREAM_SYMBOLS: names of 1 to 64 characters, separated by commas")
    if problems:
        raise SettingsError("; ".join(problems))
    return Settings(
        postgres_url=env.get("POSTGRES_URL", ""),
        redis_url=env.get("REDIS_URL") or None,
        exchange_url=env.get("TICKSTREAM_EXCHANGE_URL") or None,
        token_secret=env.get("TICKSTREAM_TOKEN_SECRET", ""),
        schema=env.get("TICKSTREAM_SCHEMA", "public"),
        prefix=env.get("TICKSTREAM_PREFIX", "tickstream:"),
        host=env.get("TICKSTREAM_HOST", "127.0.0.1"),
        port=numbers["PORT"],
        exchange_port=numbers["EXCHANGE_PORT"],
        api_port=numbers["API_PORT"],
        broadcast_port=numbers["BROADCAST_PORT"],
        journal=Path(env.get("TICKSTREAM_JOURNAL", "journal")),
        flush_s=numbers["FLUSH_MS"] / 1000,
        max_bars=numbers["MAX_BARS"],
        max_journal_bytes=numbers["MAX_JOURNAL_MB"] * 1024 * 1024,
        stream_length=numbers["STREAM_LENGTH"],
        symbols=symbols,
        regime=env.get("TICKSTREAM_REGIME", "ranging"),
        seed=numbers["SEED"],
        rate=numbers["RATE"],
        ticks=numbers["TICKS"],
        cache_s=numbers["CACHE_MS"] / 1000,
        rate_limit_per_s=numbers["RATE_LIMIT"],
        max_subscribers=numbers["MAX_SUBSCRIBERS"],
        max_per_user=numbers["MAX_PER_USER"],
        heartbeat_s=numbers["HEARTBEAT_MS"] / 1000,
        client_bytes=numbers["CLIENT_KB"] * 1024,
        log_level=env.get("LOG_LEVEL", "info"),
        faults=env.get("TICKSTREAM_FAULTS", ""),
    )


def _check(env: Mapping[str, str], parts: Sequence[str], problems: list[str]) -> None:
    for name, (needing, what) in _NEEDED.items():
        wanted = [part for part in parts if part in needing]
        if wanted and not env.get(name):
            problems.append(f"{name} is not set, {' and '.join(wanted)} cannot do without; {what}")
    secret = env.get("TICKSTREAM_TOKEN_SECRET", "")
    if secret and len(secret.encode()) < SECRET_BYTES:
        problems.append(f"TICKSTREAM_TOKEN_SECRET is too short; allowed: at least {SECRET_BYTES} characters")
    _choose(env, "LOG_LEVEL", _LEVELS, problems)
    _choose(env, "TICKSTREAM_REGIME", _REGIMES, problems)
    try:
        Faults(env.get("TICKSTREAM_FAULTS", ""))
    except FaultError as error:
        problems.append(f"TICKSTREAM_FAULTS: {error}")


def _choose(env: Mapping[str, str], name: str, allowed: Sequence[str], problems: list[str]) -> None:
    if env.get(name, allowed[0]).lower() not in allowed:
        problems.append(f"{name} is {env[name]!r}; allowed: {', '.join(allowed)}")


def _number(env: Mapping[str, str], name: str, problems: list[str]) -> int:
    default, least, most = _NUMBERS[name]
    text = env.get(name, str(default))
    if text.isascii() and text.isdigit() and least <= int(text) <= most:
        return int(text)
    problems.append(f"{name} is {text!r}; allowed: a whole number from {least} to {most}")
    return default
