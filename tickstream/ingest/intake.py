"""The network face of ingestion: a WebSocket server for ticks, with `/healthz` and `/metrics` on the same port.

One connection is one source's; frames are answered in order. A frame that is malformed or breaks a limit of the model
closes the connection with 1007 and takes nothing; what a client did wrong stands in the reason. While ingestion has no
room no frame is read, so that the client's own socket tells it to wait.
"""

import asyncio
from http import HTTPStatus
from typing import Final

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tickstream import log, wire
from tickstream.faults import Faults
from tickstream.ingest.ingestion import Ingest
from tickstream.observation import Observation
from tickstream.websocket import respond

_MALFORMED: Final = 1007
_OUT_OF_TURN: Final = 1002
_CLOSE_S: Final = 1.0  # for a source's own goodbye
_REASON_BYTES: Final = 120  # a close frame has room for 123


class Intake:
    """Serves sources until it is closed."""

    def __init__(self, ingest: Ingest, observation: Observation, faults: Faults) -> None:
        self._ingest = ingest
        self._observation = observation
        self._faults = faults
        self._server: Server | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen; returns the port, which matters when 0 was asked for. Raises OSError when it is taken."""
        self._server = await serve(
            self._serve,
            host,
            port,
            process_request=self._answer_http,
            max_size=wire.MAX_FRAME_BYTES,
            close_timeout=_CLOSE_S,
            max_queue=2,  # frames; the rest of the back-pressure is TCP's
            server_header=None,
            compression=None,  # ticks on a local network: the processor is scarcer than the wire
        )
        return int(next(iter(self._server.sockets)).getsockname()[1])

    async def close(self) -> None:
        """Take no more frames and say goodbye (1001) to every source."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _answer_http(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.path == "/ticks":
            return None
        answer = self._observation.answer(request.path)
        if answer is None:
            return connection.respond(HTTPStatus.NOT_FOUND, "there is /ticks (WebSocket), /healthz and /metrics\n")
        return respond(connection, answer)

    async def _serve(self, connection: ServerConnection) -> None:
        try:
            source = await self._greet(connection)
            async for frame in connection:
                await self._take(connection, source, frame)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("frame_refused", reason=str(error))
            await connection.close(_MALFORMED, _cut(str(error)))
        except _OutOfTurn as error:
            await connection.close(_OUT_OF_TURN, str(error))
        except ConnectionClosed:
            pass  # the source went; it will come again and be told where to go on

    async def _greet(self, connection: ServerConnection) -> str:
        request = wire.decode_request(wire.binary(await connection.recv()))
        if not isinstance(request, wire.Hello):
            raise _OutOfTurn("the first frame must be hello")
        expected = await self._ingest.next_sequence(request.source)
        await connection.send(wire.encode(wire.Expect(expected)))
        return request.source

    async def _take(self, connection: ServerConnection, source: str, frame: str | bytes) -> None:
        request = wire.decode_request(wire.binary(frame))
        if not isinstance(request, wire.Ticks):
            raise _OutOfTurn("hello comes once")
        accepted = await self._ingest.accept(source, request.ticks)
        reply = wire.Expect(accepted.next_sequence) if accepted.gap else wire.Ack(accepted.next_sequence - 1)
        await self._faults.wait("slow_ack")
        await connection.send(wire.encode(reply))
        # A frame that is answered at once must not keep other sources from their turn.
        await asyncio.sleep(0)


class _OutOfTurn(Exception):
    """A frame that is well-formed but does not belong here."""


def _cut(text: str) -> str:
    return text.encode()[:_REASON_BYTES].decode(errors="ignore")
