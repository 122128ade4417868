"""XML documents of several files: the paths that a file includes, and the tree with the trees of those files."""

from __future__ import annotations

import re
from typing import Final

from tasks.documents.formats import ReadOptions, UnreadableDocument
from tasks.documents.includes import resolved
from tasks.documents.tree import INCLUDE, TEXT, TreeNode, without_comments, xml_tree

MAX_INCLUDES: Final = 2_000
MAX_BYTES: Final = 256 << 20  # of all included files, each counted as often as it is included
MAX_CHAIN: Final = 8  # files that include one another
_XINCLUDE = re.compile(r"<(?:\w+:)?include\s([^<>]*)>")
_HREF = re.compile(r"\bhref\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_EXTERNAL = re.compile(r"<!ENTITY\s+[\w.-]+\s+SYSTEM\s+(?:\"([^\"<>]*)\"|'([^'<>]*)')")


def included_paths(data: bytes) -> list[str]:
    """Return the paths of `xi:include` and of external entities, as they are written in a file."""
    text = without_comments(data.decode("utf-8", "replace"))
    attributes = (tag[1] for tag in _XINCLUDE.finditer(text))
    matches = [*map(_HREF.search, attributes), *_EXTERNAL.finditer(text)]
    return list(dict.fromkeys(match[1] or match[2] or "" for match in matches if match is not None))


class Includes:
    """The tree of a document of several files in `root`, and in `missing` what could not be included."""

    def __init__(self, data: bytes, name: str, options: ReadOptions) -> None:
        """Read the main file and all that it includes. Raises UnreadableDocument if the main file is not well-formed, or if
        the included files are over a limit."""
        self.missing: list[str] = []
        self._files = options.files
        self._count = self._bytes = 0
        self.root = xml_tree(data, name)
        self._attach(self.root, name, (name,))

    def _attach(self, tree: TreeNode, within: str, chain: tuple[str, ...]) -> None:
        for parent in list(tree.walk()):
            for place, child in enumerate(parent.children):
                if child.tag == INCLUDE and "href" in child.attributes:
                    parent.children[place] = self._tree(child, within, chain)

    def _tree(self, reference: TreeNode, within: str, chain: tuple[str, ...]) -> TreeNode:
        written = reference.attributes["href"]
        path = resolved(written, within, self._files)
        if path is None or path in chain or len(chain) > MAX_CHAIN:
            self.missing.append(written)
            return reference
        data = self._files[path]
        self._count += 1
        self._bytes += len(data)
        if self._count > MAX_INCLUDES or self._bytes > MAX_BYTES:
            raise UnreadableDocument(
                f"{within}: includes more than {MAX_INCLUDES} files. Fix: leave some out", "bomb"
            )
        if reference.attributes.get("parse") == "text":
            text = data.decode("utf-8", "replace")
            return TreeNode(TEXT, reference.start, reference.end, text, reference.part)
        try:
            tree = xml_tree(data, path, path)
        except UnreadableDocument as error:
            self.missing.append(str(error).partition(" Fix:")[0])
            return reference
        self._attach(tree, path, (*chain, path))
        return tree
