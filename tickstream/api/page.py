"""Answers that are not from the database alone: the page of watchlists, its static files, and what tells of the API.

Names stand in the page escaped, and the page may load nothing but the files of this folder. Those are read once, at the
start: what is not among them cannot be asked for, whatever the path says.
"""

import mimetypes
from http import HTTPStatus
from pathlib import Path
from typing import Final

import jinja2
from starlette.responses import Response

from tickstream.api.errors import not_found
from tickstream.api.operation import Call
from tickstream.api.watchlists import Watchlists
from tickstream.faults import Faults
from tickstream.observation import Observation

_HERE: Final = Path(__file__).parent
_STATIC: Final = _HERE / "static"
_PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Pages:
    """`openapi` is set when all operations are known, this class's own included."""

    def __init__(self, watchlists: Watchlists, observation: Observation, faults: Faults) -> None:
        self._watchlists = watchlists
        self._observation = observation
        self._faults = faults
        loader = jinja2.FileSystemLoader(_HERE / "templates")
        self._templates = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
        self._templates.autoescape = not faults.on("unescaped_page")
        self._files = {path.name: path.read_bytes() for path in _STATIC.iterdir() if path.is_file()}
        self.openapi = b""

    async def watchlists(self, call: Call) -> Response:
        watchlists = await self._watchlists.of(call.user)
        text = self._templates.get_template("watchlists.html.j2").render(user=call.user, watchlists=watchlists)
        headers = {"Content-Security-Policy": _PAGE_POLICY}
        return Response(text, media_type="text/html", headers=headers)

    async def static(self, call: Call) -> Response:
        name = str(call.values["path"])
        body = self._files.get(name)
        if body is None and self._faults.on("path_traversal"):
            body = _read(name)
        if body is None:
            raise not_found()
        return Response(body, media_type=mimetypes.guess_type(name)[0] or "application/octet-stream")

    async def process(self, call: Call) -> Response:
        path = call.request.scope["path"]
        if path == "/openapi.json":
            return Response(self.openapi, media_type="application/json")
        answer = self._observation.answer(path)
        if answer is None:
            raise not_found()
        return Response(answer.body, status_code=HTTPStatus(answer.status), media_type=answer.content_type)


def _read(name: str) -> bytes | None:
    """The defect: whatever the path leads to."""
    try:
        return (_STATIC / name).read_bytes()
    except OSError:
        return None
