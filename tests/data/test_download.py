"""A server that never ends, trickles, promises too much or is not there: one line each."""

import contextlib
import http.server
import threading

import pytest
from huggingface_hub import constants

from workflow_src.common.errors import InputError
from workflow_src.data import download as fetching
from workflow_src.data.download import list_hub


def test_a_hub_out_of_reach_ends_in_one_line(monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(InputError, match="on a machine without internet") as error:
        list_hub("someone/kits", "main", "images")
    assert "\n" not in str(error.value)


@pytest.fixture
def endless():
    """A function that serves a body bit by bit without end; its address comes out."""
    servers = []

    def serve(part: bytes, pause: float, length: int | None = None) -> str:
        class Endless(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                if length is not None:
                    self.send_header("Content-Length", str(length))
                self.end_headers()
                with contextlib.suppress(OSError):
                    while not closing.is_set():
                        self.wfile.write(part)
                        closing.wait(pause)

            def log_message(self, *arguments):
                pass

        closing = threading.Event()
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endless)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, closing, thread))
        return f"http://127.0.0.1:{server.server_port}/a.zip"

    yield serve
    for server, closing, thread in servers:
        closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_server_that_never_ends_is_left(endless, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "MOST", 2**22)
    with pytest.raises(InputError, match="could not be fetched .it has more than"):
        fetching.download(endless(bytes(2**16), 0), tmp_path / "a.zip", None)
    assert not (tmp_path / "a.zip").exists()


def test_a_server_that_trickles_is_left(endless, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "WAIT", 0.5)
    with pytest.raises(InputError, match="bytes came in 0.5 seconds"):
        fetching.download(endless(b"a", 0.05), tmp_path / "a.zip", None)


def test_a_server_that_promises_more_than_the_disk_holds_is_left(endless, tmp_path):
    with pytest.raises(InputError, match="MiB left: free some space"):
        fetching.download(endless(b"a", 1, length=2**60), tmp_path / "a.zip", None)
