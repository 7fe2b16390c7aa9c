"""Numbers for people: values, limits, margins, durations and sizes, spelt the same in every format.

Promises that rounding never hides a breach: an observed value is spelt with as many digits as it takes to differ from
its limit, and a margin other than zero is never shown as zero.
"""

import math
from datetime import UTC, datetime
from typing import Final

# No line break between a number and its unit.
NBSP: Final = "\N{NO-BREAK SPACE}"
MINUS: Final = "\N{MINUS SIGN}"
_SIZES: Final = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))
_TIMES: Final = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_MOST_DIGITS: Final = 17


def significant(value: float, digits: int = 4) -> str:
    """`value` to `digits` significant digits, without trailing zeros; whole parts are never rounded away."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    exponent = math.floor(math.log10(abs(value)))
    if not -5 <= exponent < 15:
        return f"{value:.{digits}g}".replace("-", MINUS, 1) if value < 0 else f"{value:.{digits}g}"
    text = f"{abs(value):,.{max(0, digits - 1 - exponent)}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return MINUS + text if value < 0 else text


def measured(value: float, unit: str, digits: int = 4) -> str:
    """`value` with its unit: `0.812 ms`, `520/s`, `71.2 %`."""
    text = significant(value, digits)
    if not unit:
        return text
    return f"{text}{unit}" if unit.startswith("/") else f"{text}{NBSP}{unit}"


def apart(value: float, limit: float | None, unit: str) -> str:
    """`value` with its unit, with as many digits as it takes to stand on its own side of `limit`."""
    digits = 4
    while limit is not None and digits < _MOST_DIGITS and not _same_side(value, limit, digits):
        digits += 1
    return measured(value, unit, digits)


def limit_text(limit: float, unit: str) -> str:
    """A declared limit with its unit, as exact as it was written."""
    return measured(limit, unit, 12)


def _same_side(value: float, limit: float, digits: int) -> bool:
    shown = float(significant(value, digits).replace(",", "").replace(MINUS, "-"))
    return (shown > limit) == (value > limit) and (shown < limit) == (value < limit)


def percent(fraction: float) -> str:
    """A signed margin: `+18 %`, `−3 %`, `+0.2 %`; never zero unless it is."""
    value = fraction * 100
    if abs(value) > 999:
        return f"{'+' if value > 0 else MINUS}>999{NBSP}%"
    text = significant(abs(value), 1 if abs(value) < 1 else 2) if abs(value) < 10 else f"{abs(value):.0f}"
    sign = "" if value == 0 else "+" if value > 0 else MINUS
    return f"{sign}{text}{NBSP}%"


def share(fraction: float) -> str:
    """A fraction as `12 %`, without a sign."""
    return measured(fraction * 100, "%", 2)


def duration(seconds: float) -> str:
    """A duration: `420 ms`, `14.2 s`, `1 min 05 s`, `2 h 03 min`; a negative one is a dash."""
    if not math.isfinite(seconds) or seconds < 0:
        return "–"
    if seconds < 59.95:
        return _short_duration(seconds)
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}{NBSP}min {whole % 60:02}{NBSP}s"
    minutes = round(seconds / 60)
    return f"{minutes // 60}{NBSP}h {minutes % 60:02}{NBSP}min"


def _short_duration(seconds: float) -> str:
    if seconds == 0:
        return f"0{NBSP}s"
    if seconds >= 0.9995:
        return f"{seconds:.1f}{NBSP}s" if seconds >= 10 else f"{seconds:.2f}{NBSP}s"
    return f"{round(seconds * 1000)}{NBSP}ms" if seconds >= 0.01 else f"{significant(seconds * 1000, 2)}{NBSP}ms"


def size(size_bytes: float) -> str:
    """A size: `512 B`, `1.5 KiB`, `96.3 MiB`."""
    for scale, unit in _SIZES:
        if abs(size_bytes) >= scale:
            return measured(size_bytes / scale, unit, 3)
    return measured(size_bytes, "B", 3)


def natural(value: float, base_unit: str) -> str:
    """A value in a base unit, in the unit that reads best: seconds as ns…s, bytes as B…GiB, others as they are."""
    if base_unit == "B":
        return size(value)
    if base_unit == "s":
        return _natural_time(value)
    return measured(value, base_unit if base_unit not in ("1", "") else "", 4)


def _natural_time(seconds: float) -> str:
    scale, unit = time_scale(seconds)
    return measured(seconds / scale, unit, 3)


def time_scale(seconds: float) -> tuple[float, str]:
    """The unit, with its length in seconds, that reads best for times around `seconds`."""
    if seconds == 0:
        return _TIMES[0]
    return next((pair for pair in _TIMES if abs(seconds) >= pair[0] * 0.9995), _TIMES[-1])


def size_scale(size_bytes: float) -> tuple[float, str]:
    """The unit, with its bytes, that reads best for sizes around `size_bytes`."""
    return next(((float(scale), unit) for scale, unit in _SIZES if abs(size_bytes) >= scale), (1.0, "B"))


def instant(iso: str) -> str:
    """An ISO 8601 time as `2026-03-01 14:05:09 UTC`; text that is none comes back as it is."""
    try:
        moment = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    if moment.tzinfo is None:
        return moment.strftime("%Y-%m-%d %H:%M:%S")
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def plural(number: int, noun: str, many: str = "") -> str:
    """`1 suite`, `2 suites`, `0 suites`."""
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"
