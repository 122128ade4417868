"""Zip archives of other people, as EPUB and DOCX are: checked before anything is unpacked, and unpacked within limits."""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import Any, Final

from tasks.documents.formats import RefusalCode, UnreadableDocument

MAX_MEMBERS: Final = 20_000
MAX_UNPACKED: Final = 512 << 20  # bytes of all members together
MAX_RATIO: Final = 500  # of unpacked to packed bytes; text of books has up to 20, repeated markup up to 100
_RATIO_FROM: Final = 10 << 20  # unpacked bytes below which the ratio does not matter
_ENCRYPTED: Final = 1  # bit of ZipInfo.flag_bits


class Archive:
    """An archive in memory. No member is ever written to a disk."""

    def __init__(self, data: bytes, name: str) -> None:
        """Open an archive. Raises UnreadableDocument if it is damaged, encrypted, unpacks to more than the limits, or names a
        path outside of itself."""
        self.name = name
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise self.refused(f"no archive, or damaged ({error})") from error
        members = self._zip.infolist()
        if len(members) > MAX_MEMBERS:
            raise self.refused(f"{len(members)} files in it, over the limit of {MAX_MEMBERS}", "bomb")
        # a member never gives more than its stated size: zipfile stops there
        unpacked = sum(member.file_size for member in members)
        if unpacked > MAX_UNPACKED or (unpacked > _RATIO_FROM and unpacked > MAX_RATIO * max(1, len(data))):
            raise self.refused(f"it unpacks {len(data) >> 10} KiB to {unpacked >> 20} MiB", "bomb")
        for member in members:
            parts = member.filename.replace("\\", "/").split("/")
            if ".." in parts or member.filename.startswith(("/", "\\")) or ":" in parts[0]:
                raise self.refused("a file in it has a path that leads out of it", "outside")
            if member.flag_bits & _ENCRYPTED:
                raise self.refused("encrypted", "encrypted")
        self._members = {member.filename: member for member in members}

    def __contains__(self, path: str) -> bool:
        return path in self._members

    def read(self, path: str) -> bytes:
        """Return the bytes of a member. Raises UnreadableDocument if there is none, or if it is damaged."""
        if path not in self._members:
            raise self.refused("a file that it refers to is not in it")
        try:
            return self._zip.read(self._members[path])
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            NotImplementedError,
            RuntimeError,
        ) as error:
            raise self.refused(f"a file in it is damaged ({error})") from error

    def xml(self, path: str) -> Any:
        """Return the root element of a member that is XML. Entities are refused and nothing is fetched."""
        from lxml import etree

        data = self.read(path)
        if (
            b"<!ENTITY" in data
            or "<!ENTITY".encode("utf-16-le") in data
            or "<!ENTITY".encode("utf-16-be") in data
        ):
            raise self.refused("it defines entities, which expand without end", "bomb")
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
        try:
            return etree.fromstring(data, parser)
        except (etree.XMLSyntaxError, ValueError) as error:
            raise self.refused(f"{path} is no XML ({error})") from error

    def refused(self, why: str, code: RefusalCode = "damaged") -> UnreadableDocument:
        """Return the refusal of this archive."""
        return UnreadableDocument(
            f"{self.name}: {why}. Fix: leave it out, or save it anew with the program that made it", code
        )
