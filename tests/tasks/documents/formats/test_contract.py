"""Every module of tasks/documents/formats keeps the contract of its folder."""

from __future__ import annotations

import inspect
import typing

import pytest

from tasks.documents.formats import PACKAGE, DocumentReader, format_of, reader
from tasks.plugins import names


@pytest.mark.parametrize("name", names(PACKAGE))
def test_a_format_has_the_signature_of_the_contract(name: str) -> None:
    plugin = reader(name)
    contract = list(inspect.signature(DocumentReader.read).parameters.values())[1:]  # a module has no `self`
    given = inspect.signature(plugin.read).parameters.values()
    assert [(p.name, p.kind, p.default) for p in given] == [(p.name, p.kind, p.default) for p in contract]
    assert typing.get_type_hints(plugin.read) == typing.get_type_hints(DocumentReader.read)


@pytest.mark.parametrize("name", names(PACKAGE))
def test_a_format_has_suffixes_of_its_own_or_recognises_its_files(name: str) -> None:
    plugin = reader(name)
    assert isinstance(plugin.suffixes, tuple)
    assert all(one == one.lower() and one.startswith(".") for one in plugin.suffixes)
    assert plugin.suffixes or hasattr(plugin, "sniff")
    assert all(format_of(f"file{one}", b"") == name for one in plugin.suffixes)
