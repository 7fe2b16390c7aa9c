"""Logs as JSON lines on standard error: one event per line, machine-readable, nothing else printed."""

import json
import logging
import sys
import time
from typing import Any

_LOGGER = logging.getLogger("tickstream")


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True, default=str)


def set_up(level: str) -> None:
    """Send all logs of this process, libraries' included, to standard error as JSON lines."""
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(_JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[stream], force=True)
    _LOGGER.setLevel(level.upper())


def debug(event: str, **fields: object) -> None:
    _LOGGER.debug(event, extra={"fields": fields})


def info(event: str, **fields: object) -> None:
    _LOGGER.info(event, extra={"fields": fields})


def warning(event: str, **fields: object) -> None:
    _LOGGER.warning(event, extra={"fields": fields})


def error(event: str, **fields: object) -> None:
    _LOGGER.error(event, extra={"fields": fields})
