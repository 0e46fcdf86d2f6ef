"""Requests that would have the server fetch from elsewhere, handed to the guard without a server."""

import asyncio
import json

import pytest

from stn_lab.demo import guard
from stn_lab.demo.guard import Guard


def ask(method, path, body=b"", chunk=7):
    """The status of the answer, and the body that came through."""
    passed, sent = [], []

    async def behind(scope, receive, send):
        more = True
        while more:
            message = await receive()
            passed.append(message["body"])
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})

    parts = [body[at : at + chunk] for at in range(0, len(body), chunk)] or [b""]
    waiting = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    waiting[-1]["more_body"] = False

    async def receive():
        return waiting.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": []}
    asyncio.run(Guard(behind)(scope, receive, send))
    return sent[0]["status"], b"".join(passed)


@pytest.mark.parametrize(
    "address", ["https://example.com/a.png", "HTTP://example.com", "ftp://x", "file:///etc/passwd"]
)
@pytest.mark.parametrize("route", ["/gradio_api/file=", "/gradio_api/proxy=", "/file="])
def test_an_address_in_the_place_of_a_path_is_refused(route, address):
    assert ask("GET", route + address) == (403, b"")


@pytest.mark.parametrize(
    "data",
    [
        {"data": [{"path": "https://example.com/a.png", "meta": {"_type": "gradio.FileData"}}]},
        {"data": [[{"a": {"path": "http://example.com/a.png"}}]]},
    ],
)
def test_an_address_in_a_body_is_refused_however_it_is_written(data):
    body = json.dumps(data)
    assert ask("POST", "/gradio_api/queue/join", body.encode())[0] == 403
    assert ask("POST", "/gradio_api/call/x", body.replace("h", "\\u0068").encode())[0] == 403


def test_everything_else_comes_through_as_it_was():
    body = json.dumps({"data": [{"path": "/tmp/a.png", "url": "http://127.0.0.1:7860/x"}, "http://in.a/text"]}).encode()
    assert ask("POST", "/gradio_api/queue/join", body) == (200, body)
    assert ask("POST", "/gradio_api/upload", b"not JSON") == (200, b"not JSON")
    assert ask("POST", "/gradio_api/queue/join", b"\xff not JSON") == (200, b"\xff not JSON")
    assert ask("GET", "/gradio_api/file=/tmp/a.png") == (200, b"")


def test_a_body_is_limited(monkeypatch):
    monkeypatch.setattr(guard, "LARGEST_BODY", 20)
    assert ask("POST", "/gradio_api/queue/join", b"x" * 21)[0] == 413
    assert ask("POST", "/gradio_api/queue/join", b"x" * 20)[0] == 200
