"""The files that pages load: styles and scripts, read once, told apart by their content.

Promises: an address with the hash of the content may be kept for ever; only names that were there at the start are
served. Never: a path that somebody sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from aiohttp import web

from asyncmta.web.headers import ASKED_AGAIN, KEPT

KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FOLDER = Path(__file__).parent / "static"


class Assets:
    """`folder` is read when this is made."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files: Mapping[str, tuple[bytes, str, str]] = {
            path.name: (content := path.read_bytes(), hashlib.sha256(content).hexdigest()[:16], KINDS[path.suffix])
            for path in sorted(folder.iterdir())
            if path.suffix in KINDS
        }

    def address(self, name: str) -> str:
        """Where a page finds it; KeyError for one that is not there."""
        return f"/static/{name}?v={self._files[name][1]}"

    def answer(self, request: web.Request, name: str) -> web.Response:
        """The file, or that it has not changed."""
        if name not in self._files:
            raise web.HTTPNotFound
        content, mark, kind = self._files[name]
        headers = (KEPT if request.query.get("v") == mark else ASKED_AGAIN) | {"ETag": f'"{mark}"'}
        if any(each.value == mark for each in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=content, headers=headers, content_type=kind, charset="utf-8")
