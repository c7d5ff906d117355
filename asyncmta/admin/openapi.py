"""The OpenAPI 3.1 document, and the page of the documentation, out of the declarations in `paths`. Pure.

Promises: whatever the router serves is in it, with the types that are really read and answered; nothing else is. Never:
text of its own about what a path does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from asyncmta.admin.declaring import JSON, OCTETS, Kind, Parameter, Path
from asyncmta.admin.paths import PATHS
from asyncmta.admin.shapes import Error

Shown = dict[str, Any]

_TEMPLATE = "#/components/schemas/{name}"
_WORDS = {
    200: "It is so.",
    201: "They are on the list.",
    202: "It is taken.",
    503: "It is not, for these reasons.",
}


def document(version: str, paths: Iterable[Path] = PATHS) -> Shown:
    """The whole of it."""
    declared = list(paths)
    kinds = [Error, *(kind for path in declared for kind in _kinds(path))]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_TEMPLATE)
    by_kind = {id(kind): schema for kind, schema in zip(kinds, schemas, strict=True)}
    listed: dict[str, Shown] = {}
    for path in declared:
        listed.setdefault(path.path, {})[path.method.lower()] = _operation(path, by_kind)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "asyncmta",
            "version": version,
            "description": "The control socket and `admin.listen` of a running MTA. Over TCP everything but health and "
            "metrics needs the bearer token of `admin.token`, where there is one.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}],
        "paths": listed,
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _kinds(path: Path) -> list[Kind]:
    kinds = [*path.answers.values(), *path.bodies.values(), *(each.kind for each in _parameters(path))]
    return [kind for kind in kinds if kind != OCTETS]


def _parameters(path: Path) -> tuple[Parameter, ...]:
    return path.placed + path.query + path.headers


def _operation(path: Path, by_kind: dict[int, Shown]) -> Shown:
    def content(kind: Kind, media: str) -> Shown:
        return {media: {} if kind == OCTETS else {"schema": by_kind[id(kind)]}}

    operation: Shown = {
        "operationId": f"{path.operation}_{path.verb}" if path.verb else path.operation,
        "summary": path.about,
        "responses": {
            str(status): {
                "description": _WORDS[status],
                "content": {media: content(kind, media)[media] for media in path.content},
            }
            for status, kind in path.answers.items()
        }
        | {"default": {"description": "It was not done, and why.", "content": content(Error, JSON)}},
    }
    if parameters := _parameters(path):
        operation["parameters"] = [_parameter(each, by_kind, path) for each in parameters]
    if path.bodies:
        operation["requestBody"] = {
            "required": path.needs_body,
            "content": {media: content(kind, media)[media] for media, kind in path.bodies.items()},
        }
    return operation


def _parameter(parameter: Parameter, by_kind: dict[int, Shown], path: Path) -> Shown:
    schema = by_kind[id(parameter.kind)]
    if parameter.repeated:
        schema = {"type": "array", "items": schema}
    return {
        "name": parameter.name,
        "in": "path" if parameter in path.placed else "header" if parameter in path.headers else "query",
        "required": parameter.required,
        "description": parameter.about,
        "schema": schema,
    }


def page(paths: Iterable[Path] = PATHS) -> str:
    """The table of the paths for docs/api.md."""
    lines = ["| path | query | body | answer | |", "|---|---|---|---|---|"]
    for path in paths:
        keys = [f"`{each.name}`" + ("*" if each.repeated else "") for each in path.query]
        query = ", ".join(keys + [f"header `{each.name}`" for each in path.headers])
        bodies = ", ".join(media if kind == OCTETS else f"`{kind.__name__}`" for media, kind in path.bodies.items())
        answers = ", ".join(f"{status} {_named(path, kind)}" for status, kind in path.answers.items())
        lines.append(f"| `{path.method} {path.path}` | {query} | {bodies} | {answers} | {path.about} |")
    return "\n".join(lines) + "\n"


def _named(path: Path, kind: Kind) -> str:
    if kind == OCTETS:
        return ", ".join(path.content)
    return f"`{kind.__name__}`" if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else "JSON"
