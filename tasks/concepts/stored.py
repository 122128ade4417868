"""The graphs of concepts of a home: one file per graph, named by its digest, which is never changed.

The digest of a graph is that of its bytes, so the name shows whether a file is as it was written. The files are sealed as well, so that
`mathmill verify` names one that is missing or altered.
"""

from __future__ import annotations

from pathlib import Path

from storage.errors import Corrupt
from storage.sealed_files import HomeFiles
from tasks.concepts.graph import ConceptGraph, digest_of

FOLDER = "concepts"


class StoredGraphs:
    """The graphs of one home, in the folder `concepts`."""

    def __init__(self, home: Path) -> None:
        self._files = HomeFiles(home)
        self._folder = Path(home) / FOLDER

    def path(self, digest: str) -> Path:
        """Return where the graph with this digest is, or would be."""
        return self._folder / f"{digest}.json"

    def add(self, graph: ConceptGraph) -> Path:
        """Store a graph, unless it is there as it was written, and return its file."""
        data = graph.to_bytes()
        path = self.path(digest_of(data))
        if not path.exists() or path.read_bytes() != data:
            self._files.write(path, data)
        return path

    def read(self, digest: str) -> ConceptGraph | None:
        """Return the graph with this digest; None if this home does not have it, such as one that reads another home's tables.

        Raises Corrupt if its file was altered.
        """
        path = self.path(digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        if digest_of(data) != digest:
            raise Corrupt("the graph of concepts", [f"{FOLDER}/{path.name} was altered"])
        return ConceptGraph.from_bytes(data)
