"""Files of a `.tar` or `.tar.gz`, in memory: nothing is unpacked to disk, and no link is followed."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from cnndsl.errors import error

LARGEST = 512 << 20  # bytes of an archive, unpacked: CIFAR has 186 MB
MOST_MEMBERS = 10_000
LONGEST_HEADER = 1 << 16
LONGEST_SHARED = 1 << 12  # of a header for all members, which each of them gets a copy of


def read_tar(path: Path, names: Collection[str]) -> dict[str, bytes]:
    """name → content, of the files of these names in whatever folder of the archive. Raises E702, E704."""
    found: dict[str, bytes] = {}
    try:
        with path.open("rb") as probe:
            packed = probe.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as f:
            stream: Any = _Bounded(f, path)
            with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member) as archive:
                for count, member in enumerate(archive):
                    archive.members = []  # type: ignore[attr-defined]  # each has a copy of the archive's own header
                    if count >= MOST_MEMBERS:
                        raise error("E704", f"{path} has more than {MOST_MEMBERS:,} members")
                    name = _checked(path, member)
                    if not member.isfile() or name not in names:
                        continue
                    if name in found:
                        raise error("E702", f"{path} has two files named {name}")
                    content = archive.extractfile(member)
                    data = content.read(member.size) if content is not None else b""
                    if len(data) != member.size:
                        raise error("E702", f"{path}, {name} ends too early: {len(data):,} of {member.size:,} bytes")
                    found[name] = data
            while stream.read():  # to the end, where gzip's checksum is
                pass
    except (OSError, EOFError, ValueError, zlib.error, tarfile.TarError, RecursionError, OverflowError, IndexError) as e:
        raise error("E702", f"{path} cannot be read: {getattr(e, 'strerror', None) or e}") from None
    return found


def _checked(path: Path, member: tarfile.TarInfo) -> str:
    """The name of a member, without its folder."""
    parts = member.name.replace("\\", "/").split("/")
    if member.name.startswith("/") or ".." in parts or ":" in parts[0]:
        raise error("E702", f"{path} has a member outside itself: {member.name}", help="such an archive is not read")
    if member.issparse() or not (member.isfile() or member.isdir()):
        help = "links, devices and files with holes are not read"
        raise error("E702", f"{path} has a member that is no file: {member.name}", help=help)
    if member.size > LARGEST:
        raise error("E704", f"{path}, {member.name}: {member.size:,} bytes; at most {LARGEST:,} are read")
    return parts[-1]


class _Member(tarfile.TarInfo):
    """A header whose long names and other extensions are short: `tarfile` reads them whole. Files with holes are refused
    before their maps are read.
    """

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        most = LONGEST_SHARED if self.type == tarfile.XGLTYPE else LONGEST_HEADER
        if self.type not in (*tarfile.REGULAR_TYPES, tarfile.DIRTYPE) and self.size > most:
            raise tarfile.HeaderError(f"a header of {self.size:,} bytes")
        if self.type == tarfile.GNUTYPE_SPARSE:
            self._with_holes()
        found: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]
        return found

    def _with_holes(self, *_: Any) -> None:
        raise tarfile.HeaderError("a file with holes")

    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _with_holes


class _Bounded(io.RawIOBase):
    """A stream of at most `LARGEST` bytes, however small it is packed."""

    def __init__(self, f: Any, path: Path) -> None:
        self.f, self.path, self.left = f, path, LARGEST

    def read(self, size: int = -1) -> bytes:
        data: bytes = self.f.read(min(size, 1 << 20) if size >= 0 else 1 << 20)
        self.left -= len(data)
        if self.left < 0:
            raise error("E704", f"{self.path}: more than {LARGEST:,} bytes when unpacked; larger archives are not read")
        return data
