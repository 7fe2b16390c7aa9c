"""The OpenAPI document, made from the same table of operations that is served."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from tickstream.api.errors import ErrorBody
from tickstream.api.operation import Operation
from tickstream.api.parameters import Parameter

_REFERENCE: Final = "#/components/schemas/{name}"


def document(operations: Sequence[Operation]) -> bytes:
    """OpenAPI 3.1 as JSON."""
    shapes: set[type[msgspec.Struct]] = {
        shape for operation in operations for shape in (operation.takes, operation.gives) if shape
    }
    shapes.add(ErrorBody)
    ordered = sorted(shapes, key=lambda shape: shape.__name__)
    _, components = msgspec.json.schema_components(ordered, ref_template=_REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    whole = {
        "openapi": "3.1.0",
        "info": {"title": "tickstream", "version": "1", "description": "Patterns, bars and watchlists."},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }
    return msgspec.json.encode(whole) + b"\n"


def _operation(operation: Operation) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [
            *(_parameter(parameter, "path") for parameter in operation.in_path),
            *(_parameter(parameter, "query") for parameter in operation.in_query),
        ],
        "responses": {str(int(status)): _refused(status) for status in _refusals(operation)},
        "security": [{"token": []}] if operation.private else [],
    }
    if operation.scope:
        told["description"] = f"Needs the scope `{operation.scope}`."
    if operation.takes:
        told["requestBody"] = {"required": True, "content": _content(operation.takes, "application/json")}
    answer: dict[str, Any] = {"description": operation.status.phrase}
    if operation.status is not HTTPStatus.NO_CONTENT:
        answer["content"] = _content(operation.gives, operation.content_type)
    told["responses"] = {str(int(operation.status)): answer, **told["responses"]}
    return told


def _parameter(parameter: Parameter, place: str) -> Mapping[str, Any]:
    return {
        "name": parameter.name,
        "in": place,
        "required": place == "path",
        "description": f"{parameter.what} Allowed: {parameter.allowed}.",
        "schema": parameter.schema,
    }


def _refusals(operation: Operation) -> list[HTTPStatus]:
    statuses = {HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR, *operation.refusals}
    if operation.private:
        statuses |= {HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
    if operation.scope:
        statuses.add(HTTPStatus.FORBIDDEN)
    if operation.takes:
        statuses |= {
            HTTPStatus.REQUEST_TIMEOUT,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            HTTPStatus.UNPROCESSABLE_ENTITY,
        }
    return sorted(statuses)


def _refused(status: HTTPStatus) -> dict[str, Any]:
    return {"description": status.phrase, "content": _content(ErrorBody, "application/json")}


def _content(shape: type[msgspec.Struct] | None, content_type: str) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(name=shape.__name__)} if shape else {}
    return {content_type: {"schema": schema}}
