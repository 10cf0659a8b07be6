"""Files come from a server once, whole and checked, or not at all; archives are unpacked inside of their folder."""

import gzip
import hashlib
import http.server
import io
import re
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest

import lamina
from lamina.utils import get_file

CONTENT = bytes(range(256)) * 8192  # 2 MiB: long enough to be shown as it comes


class Server:
    """A server on this machine: what it has, and what it was asked for."""

    def __init__(self):
        self.files, self.asked = {}, []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                server.asked.append(self.path)
                content = server.files.get(self.path.split("?")[0])
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if "interrupted" in self.path else content)

            def log_message(self, *args):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("LAMINA_HOME", str(tmp_path / "home"))
    server = Server()
    yield server
    server.close()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("checksum", [sha256(CONTENT), hashlib.md5(CONTENT).hexdigest().upper(), None])
def test_a_file_is_downloaded_once(server, tmp_path, checksum):
    server.files["/numbers.bin"] = CONTENT
    for _ in range(2):
        path = get_file(origin=f"{server.address}/numbers.bin?version=2", file_hash=checksum)
        assert Path(path) == tmp_path / "home/datasets/numbers.bin" and Path(path).read_bytes() == CONTENT
    assert len(server.asked) == 1
    assert [path.name for path in Path(path).parent.iterdir()] == ["numbers.bin"]


def test_a_file_that_was_put_there_by_hand_is_used_if_its_checksum_is_right(server, tmp_path):
    server.files["/a.bin"] = CONTENT
    kept = tmp_path / "kept" / "mine" / "b.bin"
    kept.parent.mkdir(parents=True)
    arguments = dict(origin=f"{server.address}/a.bin", file_hash=sha256(CONTENT), cache_dir=tmp_path / "kept", cache_subdir="mine")
    kept.write_bytes(CONTENT)
    assert get_file("b.bin", **arguments) == str(kept) and not server.asked
    kept.write_bytes(b"damaged")
    assert get_file("b.bin", **arguments) == str(kept) and len(server.asked) == 1 and kept.read_bytes() == CONTENT
    get_file("b.bin", force_download=True, **arguments)
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "name, error, said",
    [
        ("other.bin", ValueError, "holds another file than expected: its sha256 is"),
        ("interrupted.bin", OSError, "the connection ended after 1,048,576 of 2,097,152 bytes"),
        ("missing.bin", OSError, "missing.bin could not be downloaded from http.*: Not Found. Download it by hand"),
    ],
)
def test_what_is_not_whole_and_right_is_not_kept(server, tmp_path, name, error, said):
    server.files.update({"/other.bin": b"something else", "/interrupted.bin": CONTENT})
    with pytest.raises(error, match=said):
        get_file(origin=f"{server.address}/{name}", file_hash=sha256(CONTENT))
    assert list((tmp_path / "home/datasets").iterdir()) == []


def test_without_a_network_it_is_said_where_to_put_the_file(server, tmp_path):
    server.close()
    place = re.escape(str(tmp_path / "home/datasets/mine.npz"))
    with pytest.raises(OSError, match=f"Connection refused.*put it at {place}"):
        get_file("mine.npz", f"{server.address}/mine.npz")


def packed(form, names):
    buffer = io.BytesIO()
    if form == "zip":
        with zipfile.ZipFile(buffer, "w") as archive:
            for name in names:
                archive.writestr(name, f"content of {name}")
    else:
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for name in names:
                content = f"content of {name}".encode()
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["tar", "zip"])
def test_archives_are_unpacked_inside_of_their_folder(server, tmp_path, form):
    home = tmp_path / "home/datasets"
    server.files[f"/good.{form}"] = packed(form, ["good/a.txt", "good/b/c.txt"])
    origin = f"{server.address}/good.{form}"
    for fname, folder in {"things": "things", f"things.{form}": "things_extracted", None: f"good.{form}"}.items():
        assert get_file(fname, origin, extract=True) == str(home / folder)
        assert (home / folder / "good/b/c.txt").read_text() == "content of good/b/c.txt"
    server.files[f"/bad.{form}"] = packed(form, ["a.txt", "../outside.txt"])
    with pytest.raises((ValueError, tarfile.OutsideDestinationError), match="outside"):
        get_file("bad", f"{server.address}/bad.{form}", extract=True)
    assert not (home / "bad").exists() and not list(tmp_path.rglob("outside.txt"))


def test_what_is_no_archive_is_not_unpacked(server):
    server.files["/a.gz"] = gzip.compress(b"a")
    with pytest.raises(ValueError, match=r"a_archive cannot be unpacked: it is not a tar or zip archive"):
        get_file("a", f"{server.address}/a.gz", extract=True)


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({}, "needs an origin"),
        ({"origin": "ftp://host/a"}, "needs an origin"),
        ({"origin": "https://host/"}, "must be the name of a file"),
        ({"origin": "https://host/a", "fname": "../a"}, "without folders, not '../a'"),
        ({"origin": "https://host/a", "file_hash": "abc"}, "SHA-256 of the file"),
        ({"origin": "https://host/a", "file_hash": "0" * 32, "hash_algorithm": "sha256"}, "SHA-256 of the file"),
        ({"origin": "https://host/a", "hash_algorithm": "sha-256"}, "Did you mean 'sha256'"),
        ({"origin": "https://host/a", "archive_format": "rar"}, "must be 'auto', 'tar', 'zip' or None"),
    ],
)
def test_arguments_that_name_no_file_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        get_file(**arguments)


def test_a_dataset_is_downloaded_checked_and_read(server, monkeypatch, tmp_path):
    from lamina.datasets import fashion_mnist
    from lamina.datasets.source import Source

    content = gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 2, 3, 4]))
    names = [f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
    server.files.update({f"/{name}": content for name in names})
    sources = [Source(f"{server.address}/{name}", sha256(content), "fashion-mnist") for name in names]
    monkeypatch.setattr(fashion_mnist, "_SOURCES", sources)
    for _ in range(2):
        (x, y), (x_test, y_test) = lamina.datasets.fashion_mnist.load_data()
        assert [array.tolist() for array in (x, y, x_test, y_test)] == [[3, 4]] * 4
    assert len(server.asked) == 4 and (tmp_path / "home/datasets/fashion-mnist").is_dir()
