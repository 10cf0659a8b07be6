"""RemoteMonitor: the logs of each epoch, sent to a server."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

import numpy as np

from lamina.callbacks.callback import Callback, Logs
from lamina.core.errors import warn

_PATIENCE = 10.0  # seconds that a server has for its answer


class RemoteMonitor(Callback):
    """Sends the logs of each epoch, with its number as `epoch`, to a server, by HTTP POST.

    A server that does not answer, or answers with an error, is warned of; training goes on.

    Args:
        root: the server's address.
        path: what stands after it.
        field: the field of the form that holds the logs as JSON.
        headers: more headers, by name.
        send_as_json: send the JSON itself, in place of a form.

    Raises:
        ValueError: for an address that is none of HTTP.
    """

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: Mapping[str, str] | None = None,
        send_as_json: bool = False,
    ) -> None:
        if not isinstance(root, str) or not root.startswith(("http://", "https://")):
            raise ValueError(f"root of RemoteMonitor must be an address that begins with http:// or https://, not {root!r}.")
        self.root, self.path, self.field = root, path, field
        self.headers = dict(headers or {})
        self.send_as_json = bool(send_as_json)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """An epoch is over: sends its logs."""
        text = json.dumps({"epoch": epoch} | {name: _plain(value) for name, value in (logs or {}).items()})
        kind = "application/json" if self.send_as_json else "application/x-www-form-urlencoded"
        body = text if self.send_as_json else urllib.parse.urlencode({self.field: text})
        request = urllib.request.Request(self.root + self.path, body.encode(), {"Content-Type": kind} | self.headers)
        try:
            urllib.request.urlopen(request, timeout=_PATIENCE).close()
        except (urllib.error.URLError, OSError) as error:
            warn(f"RemoteMonitor could not send the logs of epoch {epoch + 1} to {self.root + self.path}: {error}.")


def _plain(value: Any) -> Any:
    """Returns a value of the logs as what JSON can hold."""
    return np.asarray(value).tolist()
