"""The units a limit may be written in, and how many base units each of them is.

Owns the table, the reading of `80 ms` and its exact writing back. Base units are seconds, bytes, plain counts,
fractions (0.7 for 70 %) and these per second. A number is rounded once, after the exact product with its unit, so that
writing and reading again gives the same bits. Leaves to `gate.thresholds`: which unit fits which statistic.

    limit  = number [unit]
    number = ["+" | "-"] digit+ ["." digit+] [("e" | "E") ["+" | "-"] digit+]
    unit   = amount | [amount] "/" ("s" | "min" | "h")
    amount = "ns" | "us" | "ms" | "s" | "min" | "h" | "B" | "KB" | "MB" | "GB" | "KiB" | "MiB" | "GiB" | "%"
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gate.errors import clip, did_you_mean

# Dimensions of a unit; "" is a plain number.
TIME, SIZE, FRACTION, PER_TIME = "time", "size", "fraction", "per time"
SIZE_PER_TIME, TIME_PER_TIME, FRACTION_PER_TIME = "size per time", "time per time", "fraction per time"

# How many base units one unit is, as an exact ratio: limits are rounded once, not once per step.
_TIMES: Final = {
    "ns": (1, 10**9),
    "us": (1, 10**6),
    "ms": (1, 1000),
    "s": (1, 1),
    "min": (60, 1),
    "h": (3600, 1),
}
_SIZES: Final = {
    "B": (1, 1),
    "KB": (10**3, 1),
    "MB": (10**6, 1),
    "GB": (10**9, 1),
    "KiB": (2**10, 1),
    "MiB": (2**20, 1),
    "GiB": (2**30, 1),
}
_BASE: Final = {TIME: "s", SIZE: "B", FRACTION: "1", "": "1"}
_UNIT_WORDS: Final = {
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
    "msec": "ms",
    "millis": "ms",
    "µs": "us",
    "μs": "us",
    "usec": "us",
    "m": "min",
    "minute": "min",
    "minutes": "min",
    "hr": "h",
    "hour": "h",
    "hours": "h",
    "bytes": "B",
    "percent": "%",
    "/sec": "/s",
    "hz": "/s",
}


_NUMBER: Final = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,4}))?")
_MORE_NUMBER: Final = tuple("0123456789._,'")
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit: `num / den` base units of `dimension` ("" for a plain number)."""

    name: str
    num: int
    den: int
    dimension: str

    @property
    def scale(self) -> float:
        return self.num / self.den

    @property
    def base(self) -> str:
        """The base unit of the dimension: `s`, `B`, `1`, or one of these per second."""
        amount, per, _ = self.dimension.partition("per time")
        return _BASE[amount.strip()] + ("/s" if per else "")


def _units() -> dict[str, Unit]:
    plain = [("", (1, 1), ""), ("%", (1, 100), FRACTION)]
    plain += [(name, ratio, TIME) for name, ratio in _TIMES.items()]
    plain += [(name, ratio, SIZE) for name, ratio in _SIZES.items()]
    units = {name: Unit(name=name, num=num, den=den, dimension=dim) for name, (num, den), dim in plain}
    for amount in list(units.values()):
        for per in ("s", "min", "h"):
            name, seconds = f"{amount.name}/{per}", _TIMES[per][0]
            units[name] = Unit(
                name=name,
                num=amount.num,
                den=amount.den * seconds,
                dimension=f"{amount.dimension} {PER_TIME}".strip(),
            )
    return units


UNITS: Final[Mapping[str, Unit]] = MappingProxyType(_units())


def parse_limit(text: str) -> tuple[float, Unit]:
    """`80 ms` as its value in the base unit and its unit. Raises ValueError saying what is allowed."""
    text = text.strip()
    match = _NUMBER.match(text)
    rest = text[match.end() :].strip() if match else ""
    if match is None or len(text) > _LONGEST or rest.startswith(_MORE_NUMBER):
        found = clip(text) if text else "nothing"
        raise ValueError(f"found {found} where a number should stand; allowed is a plain decimal: 80, 0.5, 1e3")
    unit = _unit(rest)
    return _exact(match, unit), unit


def _unit(text: str) -> Unit:
    if text in UNITS:
        return UNITS[text]
    known = [name for name in UNITS if name and (name.startswith("/") or "/" not in name or "B/" in name)]
    by_case = [name for name in known if name.lower() == text.lower()]
    meant = f"; did you mean {by_case[0]}?" if by_case else did_you_mean(text, known)
    if text.lower() in _UNIT_WORDS:
        meant = f"; did you mean {_UNIT_WORDS[text.lower()]}?"
    allowed = "ns us ms s min h, B KB MB GB KiB MiB GiB, %, /s /min /h, and for slope amounts per time such as MB/h"
    raise ValueError(f"unknown unit {clip(text)}{meant}; allowed are {allowed}")


def _exact(match: re.Match[str], unit: Unit) -> float:
    """The matched number times its unit, correctly rounded once. Raises ValueError when no float can hold it."""
    sign, whole, decimals, exponent = match.groups()
    mantissa = int(whole + (decimals or ""))
    if mantissa == 0:
        return 0.0
    power = int(exponent or 0) - len(decimals or "")
    try:
        value: float = mantissa * unit.num * 10 ** max(power, 0) / (unit.den * 10 ** max(-power, 0))
    except OverflowError:
        value = math.inf
    if not 1e-100 < value < 1e100:
        raise ValueError(f"{clip(match[0])} is out of range; allowed are numbers between 1e-100 and 1e100")
    return -value if sign == "-" else value


def write_limit(value: float, unit: Unit) -> str:
    """The shortest number which, in `unit`, is exactly `value` in the base unit."""
    num, den = value.as_integer_ratio()
    written = num * unit.den / (den * unit.num)
    for digits in range(1, 18):
        text = f"{written:.{digits}g}"
        if 1e-4 <= abs(written) < 1e15:
            text = repr(float(text)).removesuffix(".0")  # 50, not 5e+01
        match = _NUMBER.fullmatch(text)
        if match and _exact(match, unit) == value:
            return text
    return _seventeen_digits(num * unit.den, den * unit.num)


def _seventeen_digits(num: int, den: int) -> str:
    """num/den to 17 significant digits by integers: dividing in floats first may lose the last bit."""
    sign, num = ("-", -num) if num < 0 else ("", num)
    power = len(str(num)) - len(str(den)) - 17
    top, bottom = (num, den * 10**power) if power >= 0 else (num * 10**-power, den)
    return f"{sign}{(2 * top + bottom) // (2 * bottom)}e{power}"
