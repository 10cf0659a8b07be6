"""Files from the network: downloaded once, checked, and kept."""

import contextlib
import hashlib
import http.client
import os
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from lamina.core.process import home
from lamina.core.text import suggest

_HASHES = {"sha256": 64, "md5": 32}  # and how many characters they have
_FORMATS = ("auto", "tar", "zip")
_SECONDS = 30  # after which a server that says nothing counts as gone


def get_file(
    fname: str | os.PathLike[str] | None = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: str | None = "auto",
    cache_dir: str | os.PathLike[str] | None = None,
    force_download: bool = False,
) -> str:
    """Returns the path of a file from the network, which is downloaded if it is not there yet.

    It appears under its name when all of it is there and its checksum is right; until then it has another name. A file that is
    there already is used if its checksum is right, so one that was copied by hand serves as well.

    Args:
        fname: its name on disk; by default that at the end of the address.
        origin: its address: https, http or file.
        untar: Keras's old word for `extract`.
        md5_hash: Keras's old word for a `file_hash` that is an MD5.
        file_hash: its checksum, in hexadecimal. Give one: it is what makes a download trustworthy.
        cache_subdir: the folder below `cache_dir`.
        hash_algorithm: "sha256", "md5" or "auto", which counts the checksum's characters.
        extract: whether to unpack it, and return the folder where its files are. What would land outside of it is refused.
        archive_format: "tar", "zip", or "auto" for either; None unpacks nothing.
        cache_dir: where files are kept; by default the folder that the environment's `LAMINA_HOME` names, or else `lamina` in the
            user's cache folder.
        force_download: whether to download it even if it is there.

    Raises:
        ValueError: for arguments that name no file, and for a file whose checksum is wrong.
        OSError: if it cannot be downloaded; the message says where to put it by hand.

    >>> import hashlib, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "numbers.csv").write_text("1,2,3")
    >>> checksum = hashlib.sha256(b"1,2,3").hexdigest()
    >>> path = get_file(origin=(folder / "numbers.csv").as_uri(), file_hash=checksum, cache_dir=folder / "kept")
    >>> pathlib.Path(path).relative_to(folder).as_posix(), pathlib.Path(path).read_text()
    ('kept/datasets/numbers.csv', '1,2,3')
    """
    if not origin or urllib.parse.urlsplit(origin).scheme not in ("https", "http", "file"):
        raise ValueError(f"get_file needs an origin, the address of the file (https://...), not {origin!r}.")
    name = os.fspath(fname) if fname else os.path.basename(urllib.parse.urlsplit(origin).path)
    if not name or Path(name).name != name:
        raise ValueError(
            f"fname must be the name of a file, without folders, not {name!r}. cache_dir and cache_subdir say where it is kept."
        )
    if archive_format not in (*_FORMATS, None):
        raise ValueError(f"archive_format must be 'auto', 'tar', 'zip' or None, not {archive_format!r}.")
    checksum = _Checksum(*((file_hash, hash_algorithm) if file_hash or not md5_hash else (md5_hash, "md5")))
    folder = Path(home() if cache_dir is None else cache_dir).expanduser() / cache_subdir
    if not extract and not untar:
        return str(_downloaded(origin, folder / name, checksum, force_download))
    unpacked = folder / (f"{name.split('.')[0]}_extracted" if fname and "." in name else name)
    archive = folder / (name if fname and "." in name else f"{name}_archive")
    _downloaded(origin, archive, checksum, force_download)
    if archive_format is not None and (force_download or not unpacked.exists()):
        _unpack(archive, unpacked, archive_format)
    return str(unpacked)


class _Checksum:
    """What a file's content is told by, or nothing.

    Args:
        wanted: the checksum in hexadecimal, or None if any content will do.
        algorithm: "sha256", "md5" or "auto".
    """

    def __init__(self, wanted: str | None, algorithm: str) -> None:
        if algorithm not in (*_HASHES, "auto"):
            raise ValueError(f"Unknown hash_algorithm {algorithm!r}. {suggest(algorithm, (*_HASHES, 'auto'))}")
        self.wanted = None if wanted is None else wanted.lower()
        if self.wanted is None:
            return
        found = [name for name, length in _HASHES.items() if len(self.wanted) == length and algorithm in (name, "auto")]
        if not found:
            raise ValueError(f"file_hash must be the SHA-256 of the file (64 characters), or its MD5 (32), not {wanted!r}.")
        self.algorithm = found[0]

    def of(self, path: Path) -> str | None:
        """Returns the checksum that a file has; None if any will do."""
        if self.wanted is None:
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, self.algorithm).hexdigest()


def _downloaded(origin: str, target: Path, checksum: _Checksum, force: bool) -> Path:
    """Returns the target, a file whose checksum is right."""
    if target.is_file() and not force and checksum.of(target) == checksum.wanted:
        return target
    by_hand = f"Download it by hand, if you can, and put it at {target}."
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _partial(target) as part:
            _download(origin, part)
            found = checksum.of(part)
            if found != checksum.wanted:
                raise ValueError(
                    f"{origin} holds another file than expected: its {checksum.algorithm} is {found}, not {checksum.wanted}. "
                    f"It was not kept. The download may have been damaged or the file replaced: try again, or see {target.parent}."
                )
            os.replace(part, target)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise OSError(f"{target.name} could not be downloaded from {origin}: {reason}. {by_hand}") from error
    return target


@contextlib.contextmanager
def _partial(target: Path) -> Iterator[Path]:
    """A name beside the target for what is under way, so that renaming it is one step; what still has it in the end is deleted."""
    number, name = tempfile.mkstemp(prefix=f"{target.name}.", suffix=".part", dir=target.parent)
    os.close(number)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _download(origin: str, part: Path) -> None:
    from rich.progress import wrap_file

    with urllib.request.urlopen(origin, timeout=_SECONDS) as response, part.open("wb") as file:
        size = int(response.headers.get("Content-Length") or 0)
        source: IO[Any] | Any = contextlib.nullcontext(response)
        if size > 2**20:
            source = wrap_file(response, size, description=os.path.basename(origin), transient=True)
        with source as content:
            shutil.copyfileobj(content, file)
        if size and file.tell() != size:
            raise OSError(f"the connection ended after {file.tell():,} of {size:,} bytes")


def _unpack(archive: Path, folder: Path, form: str) -> None:
    """Unpacks an archive into a folder that appears when all of it is there."""
    opener: Any = None
    if form in ("auto", "tar") and tarfile.is_tarfile(archive):
        opener = tarfile.open
    elif form in ("auto", "zip") and zipfile.is_zipfile(archive):
        opener = zipfile.ZipFile
    if opener is None:
        raise ValueError(f"{archive} cannot be unpacked: it is not a {'tar or zip' if form == 'auto' else form} archive.")
    with opener(archive) as opened, tempfile.TemporaryDirectory(dir=folder.parent) as place:
        made = Path(place) / folder.name
        made.mkdir()
        if isinstance(opened, tarfile.TarFile):
            opened.extractall(made, filter="data")
        else:
            for name in opened.namelist():
                if not (made / name).resolve().is_relative_to(made.resolve()):
                    raise ValueError(f"{archive} was not unpacked: it holds {name!r}, which lies outside of its own folder.")
            opened.extractall(made)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(made, folder)
