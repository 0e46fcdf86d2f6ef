"""What the page's server refuses before Gradio sees it: whatever would have it fetch from elsewhere."""

import json
import re
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FOREIGN = re.compile(r"(file|proxy)=\s*[a-z][a-z0-9+.-]*:", re.IGNORECASE)  # a scheme where a path should be
LARGEST_BODY = 24 * 2**20  # bytes of a request that is no upload: the largest drawing, in base64


class Guard:
    """Refuses addresses in the place of paths, in the line of a request and in its body, and bodies that are too large.

    Gradio reads an address that is given for a file, and hands it on; a page that asks for nothing outside must not.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As any ASGI application."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if FOREIGN.search(scope["path"]):
            return await PlainTextResponse("addresses are not read here", 403)(scope, receive, send)
        if scope["method"] != "POST" or scope["path"].rstrip("/").endswith("/upload"):
            return await self.app(scope, receive, send)  # uploads have Gradio's own limit
        body = await _body(receive)
        if body is None:
            return await PlainTextResponse("too large", 413)(scope, receive, send)
        if _names_an_address(body):
            return await PlainTextResponse("addresses are not read here", 403)(scope, receive, send)
        return await self.app(scope, _again(body, receive), send)


async def _body(receive: Receive) -> bytes | None:
    """Of a request; None if it is too large."""
    parts, length, more = [], 0, True
    while more:
        message = await receive()
        part = message.get("body", b"")
        length += len(part)
        if length > LARGEST_BODY:
            return None
        parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """The body once more, in one piece, then whatever comes after it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def given() -> Message:
        return waiting.pop() if waiting else await receive()

    return given


def _names_an_address(body: bytes) -> bool:
    try:
        return _has_address(json.loads(body))
    except ValueError:
        return False  # no JSON: no file is named in it


def _has_address(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_has_address, value))
    if not isinstance(value, dict):
        return False
    return "://" in str(value.get("path", "")) or any(map(_has_address, value.values()))
