"""RemoteMonitor: what a server is sent, and a server that is not there."""

import json
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

import lamina
from callbacks.twins import train


@pytest.fixture
def server():
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            server.posts.append((self.path, self.headers, body))
            self.send_response(200 if self.path != "/broken" else 500)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.posts = []
    server.root = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_each_epoch_is_sent_as_a_form_or_as_json(server):
    def monitors(of):
        return [
            of.RemoteMonitor(server.root, headers={"X-Run": "7"}),
            of.RemoteMonitor(server.root, "/json", send_as_json=True),
        ]

    _, history = train(lamina, monitors, epochs=2)
    forms, plain = server.posts[::2], server.posts[1::2]
    assert [path for path, _, _ in server.posts] == ["/publish/epoch/end/", "/json"] * 2
    assert {headers["X-Run"] for _, headers, _ in forms} == {"7"}
    for epoch in range(2):
        expected = {"epoch": epoch} | {name: values[epoch] for name, values in history.history.items()}
        assert json.loads(plain[epoch][2]) == expected
        assert json.loads(urllib.parse.parse_qs(forms[epoch][2])["data"][0]) == expected


def test_training_goes_on_without_a_server(server):
    for root, path in ((server.root, "/broken"), ("http://127.0.0.1:1", "/")):
        monitor = lamina.callbacks.RemoteMonitor(root, path)
        with pytest.warns(UserWarning, match="could not send the logs of epoch 3"):
            monitor.on_epoch_end(2, {"loss": 1.0})
    with pytest.raises(ValueError, match="http"):
        lamina.callbacks.RemoteMonitor("localhost:9000")
