"""The body of a request: JSON of a known shape, read up to a bound and not a byte further."""

import asyncio
from http import HTTPStatus
from typing import Final, TypeVar

import msgspec
from starlette.requests import Request

from tickstream.api.errors import Refusal
from tickstream.faults import Faults

T = TypeVar("T", bound=msgspec.Struct)

MOST_BYTES: Final = 64 * 1024
_READ_S: Final = 10.0
_TYPE: Final = "application/json"
_MESSAGE_CHARACTERS: Final = 200


async def read(request: Request, wanted: type[T], faults: Faults) -> T:
    """Raises Refusal for what is too large, too slow, no JSON, or not what is wanted."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != _TYPE:
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", f"allowed: {_TYPE}")
    try:
        async with asyncio.timeout(_READ_S):
            data = await _gather(request, None if faults.on("large_bodies") else MOST_BYTES)
    except TimeoutError as error:
        raise Refusal(
            HTTPStatus.REQUEST_TIMEOUT, "too_slow", "the body did not come in time", headers=_CLOSE
        ) from error
    return _decode(data, wanted)


_CLOSE: Final = {"Connection": "close"}


async def _gather(request: Request, most_bytes: int | None) -> bytes:
    if most_bytes is not None and int(request.headers.get("content-length", "0")) > most_bytes:
        raise _too_large(most_bytes)
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if most_bytes is not None and len(data) > most_bytes:
            raise _too_large(most_bytes)
    return bytes(data)


def _too_large(most_bytes: int) -> Refusal:
    message = f"allowed: up to {most_bytes} bytes"
    return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", message, headers=_CLOSE)


def _decode(data: bytes, wanted: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=wanted)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$.")
        field = place.rstrip("`")[:64] or None
        raise Refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY, "bad_value", message[:_MESSAGE_CHARACTERS], field=field
        ) from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, "bad_json", "the body is not valid JSON in UTF-8") from error
