"""What the WebSocket servers share: how they answer a plain HTTP request on their port."""

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Response

from tickstream.observation import Answer


def respond(connection: ServerConnection, answer: Answer) -> Response:
    response = connection.respond(answer.status, answer.body.decode())
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = answer.content_type
    return response
