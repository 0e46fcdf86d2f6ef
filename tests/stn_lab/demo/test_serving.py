"""The page's server over HTTP: what it answers, what it refuses, whom it asks."""

import importlib.util
import json
import re
import shutil
import signal
import socket

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from stn_lab.cli import main
from stn_lab.demo.exhibit import exhibit
from stn_lab.demo.received import LARGEST_FILE
from stn_lab.demo.serving import check_port

STILL = (0, 1, 0, 0, 0)  # where sliders begin


@pytest.fixture(scope="module")
def client(served):
    return Client(served, verbose=False, download_files=False)


def refused(client, path):
    """Why the page does not take a file."""
    with pytest.raises(AppError) as refusal:
        client.predict(handle_file(str(path)), api_name="/upload")
    return str(refusal.value)


def test_a_few_clients_at_a_time_are_told_what_the_network_says(served, run, load_tool):
    visitors = load_tool.visit(served, exhibit(run("colour"), None), clients=4, seconds=60, calls=3)
    assert [line for visitor in visitors for line in visitor.wrong] == []
    assert [len(visitor.seconds) for visitor in visitors] == [3] * 4


def test_what_the_load_calls_wrong_is_told(served, run, load_tool):
    visitors = load_tool.visit(served, exhibit(run("grey"), None), clients=1, seconds=60, calls=1)
    assert visitors[0].wrong


def test_an_image_of_other_channels_is_taken_and_both_are_said(client, tmp_path):
    Image.fromarray(np.zeros((20, 30), dtype=np.uint8)).save(tmp_path / "a.png")
    said = client.predict(handle_file(str(tmp_path / "a.png")), api_name="/upload")
    assert "30 x 20 pixels and 1 channel (grey), the model takes 32 x 32 pixels and 3 channels (colour)" in said


def test_what_is_no_image_is_refused_and_said_without_being_believed(client, tmp_path, bomb):
    (tmp_path / "a.png").write_bytes(b"<script>alert(1)</script>")
    assert "not an image" in refused(client, tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(bomb(30_000, 30_000))
    assert "too large" in refused(client, tmp_path / "b.png")
    (tmp_path / "c.html").write_bytes(b"<script>alert(1)</script>")
    assert "Invalid file type" in refused(client, tmp_path / "c.html")


def test_a_file_that_is_too_large_is_not_even_received(served, bomb):
    large = {"files": ("a.png", bomb(4, 4) + bytes(LARGEST_FILE + 1))}
    assert httpx.post(served + "/gradio_api/upload", files=large).status_code == 413


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=/tmp/../etc/passwd",
        "/gradio_api/file=%2e%2e/%2e%2e/etc/passwd",
        "/gradio_api/file=README.md",
        "/gradio_api/file={run}/config.json",
        "/gradio_api/file=https://example.com/a.png",
        "/gradio_api/file=file:///etc/passwd",
        "/gradio_api/proxy=https://example.com/a.png",
        "/static/%2e%2e/%2e%2e/routes.py",
        "/assets/%2e%2e/%2e%2e/%2e%2e/routes.py",
        "/gradio_api/vibe-code/",
        "/monitoring/summary",
    ],
)
def test_nothing_but_its_own_files_is_given_away(served, run, path):
    answer = httpx.get(served + path.format(run=run("colour")))
    assert answer.status_code in (400, 403, 404)
    assert len(answer.content) < 200


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "{run}/config.json", "https://example.com/a.png", "../../../etc/passwd"]
)
def test_a_path_is_no_upload(served, run, path):
    file = {"path": path.format(run=run("colour")), "meta": {"_type": "gradio.FileData"}}
    body = {"data": [file], "session_hash": "here"}
    answer = httpx.post(served + "/gradio_api/run/upload", json=body)
    assert answer.status_code in (403, 500)
    assert "root" not in answer.text


def test_a_slider_out_of_its_range_is_refused(client):
    with pytest.raises(AppError, match="greater than"):
        client.predict(500, *STILL[1:], api_name="/look")


def test_the_page_names_no_other_host(served):
    page = httpx.get(served).text
    loaded = re.findall(r'(?:src|href)="(https?:[^"]+)"', page)
    assert loaded == []
    assert "fonts.googleapis" not in page + httpx.get(served + "/theme.css").text
    config = json.loads(re.search(r"window.gradio_config = (\{.*?\});</script>", page).group(1))
    assert config["analytics_enabled"] is False


# `stn`, in a process that says to whom it speaks: every address that is not this machine, on its standard error.
AUDITED = """
import sys
def told(event, args):
    if event == "socket.getaddrinfo" or event == "socket.connect":
        host = args[0] if event == "socket.getaddrinfo" else args[1][0]
        if host not in ("127.0.0.1", "localhost", "::1", None):
            sys.stderr.write(f"asked for {host!r}\\n")
sys.addaudithook(told)
from stn_lab.cli import main
main(sys.argv[1:])
"""


def test_nobody_is_asked_for_anything_and_ctrl_c_ends_it(run, load_tool):
    with load_tool.served(run("grey"), ["-c", AUDITED]) as (address, process, complaints):
        client = Client(address, verbose=False, download_files=False)
        assert "<svg" in client.predict(*STILL, api_name="/look")[0]
        assert httpx.get(address + "/gradio_api/file=https://example.com/a.png").status_code == 403
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert complaints.read_text() == "stn: stopped\n"
    assert process.returncode == 130


def in_one_line(capfd, *arguments):
    """What `stn demo` says before it gives up."""
    with pytest.raises(SystemExit) as stop:
        main(["demo", *map(str, arguments)])
    assert stop.value.code == 2
    (line,) = capfd.readouterr().err.splitlines()
    return line


def test_a_port_in_use_is_one_line(run, capfd):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = in_one_line(capfd, run("colour"), "--port", port)
    assert said == f"stn: port {port} cannot be had (Address already in use); take another with --port"
    check_port(port)  # free again


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_that_there_is_not_is_one_line(run, capfd, port):
    assert in_one_line(capfd, run("colour"), "--port", port) == f"stn: --port must be from 1 to 65535; got {port}"


def test_what_is_no_run_and_what_is_no_model_is_one_line(run, capfd, tmp_path):
    assert "is not the folder of a run" in in_one_line(capfd, tmp_path)
    assert "has no trained model 'fcn'; it has st-resnet:attention" in in_one_line(
        capfd, run("colour"), "--model", "fcn"
    )


def test_without_gradio_the_line_that_installs_it_is_named(run, capfd, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gradio" else find(name))
    assert in_one_line(capfd, run("colour")).endswith("pip install 'spatial-transformer[gradio]'")


def test_where_the_images_are_gone_the_page_goes_on_without_them(run, capfd, tmp_path):
    path = shutil.copytree(run("colour"), tmp_path / "run")
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | {"data": "there-is-none"}))
    about = exhibit(path, None)
    assert about.examples.shape == (0, 3, 32, 32)
    assert "there are no test images to pick from" in capfd.readouterr().err
