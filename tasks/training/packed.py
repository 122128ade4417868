"""Blocks of token ids that are packed once: an export of a version for continued pretraining, read again by `cpt` or by others.

The rows of the files are blocks of at most `length` tokens: `input_ids`, and in `lengths` how many of them each document, or piece
of a longer one, has; `masked` says of each token whether it is read and not learned, as what programs print (null: all are learned). So the boundaries stay, and a reader restarts the positions, and with them the attention, at each. A folder has
the documents of one version. packed.json, beside the data, names the version, the tokenizer by its digest and the length.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.dataset as pads

from storage.datasets.export import ROWS_PER_SHARD, write_folder
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.errors import in_one_line
from storage.signing import Signer
from tasks.seeding import seed_of
from tasks.training.config import TrainError
from tasks.training.loader import IGNORED, EpochSize, Group, TokenBlock, pack, slices
from tasks.training.tokens import TokenEncoder, Tokens

INFO: Final = "packed.json"
SHAPE: Final = "packed"
SCHEMA: Final = pa.schema(
    [
        ("input_ids", pa.list_(pa.int32())),
        ("lengths", pa.list_(pa.int32())),
        ("masked", pa.list_(pa.bool_())),
    ]
)
WINDOW: Final = 1 << 22  # tokens that are packed together: 16 MiB of ids
BATCH: Final = 1_024  # blocks that are written together


@dataclass(frozen=True, slots=True)
class PackedInfo:
    """What packed.json says of a folder. tokenizer: see `digest_of_tokenizer`. pieces: documents, and the pieces of those that are longer
    than `length`. learned: tokens that the training learns. dropped: rows that were left out, by reason."""

    version: str
    tokenizer: str
    length: int
    blocks: int
    pieces: int
    tokens: int
    learned: int
    dropped: dict[str, int]

    @classmethod
    def of(cls, folder: Path) -> PackedInfo:
        """Read the file of a folder. Raises TrainError if there is none, or another file of that name."""
        try:
            return cls(**orjson.loads((folder / INFO).read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise TrainError(
                f"setting packed: {folder} has no {INFO} that can be read ({in_one_line(error)}). "
                "Fix: name a folder of ./mathmill export --format packed"
            ) from error


def digest_of_tokenizer(tokenizer: Any) -> str:
    """Return a digest of what decides the token ids of a text."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    plain = (
        backend.to_str()
        if backend is not None
        else orjson.dumps(sorted(tokenizer.get_vocab().items())).decode()
    )
    return hashlib.sha256(f"{plain}\0{tokenizer.eos_token_id}".encode()).hexdigest()


def export_packed(
    store: Store,
    version: Version,
    directory: Path,
    tokenizer: Any,
    *,
    length: int,
    window: int = WINDOW,
    blocks_per_file: int = ROWS_PER_SHARD,
    by: Signer | None = None,
) -> PackedInfo:
    """Write a version as packed blocks of at most `length` tokens, as `cpt` reads it: rows of any kind, in their order.

    window: tokens that are packed together, which bounds the memory: larger windows fill the blocks a little better. by: signs the statement of
    the files. Raises
    StorageError if the directory is not empty or no row can be used.
    """
    encoder = TokenEncoder(tokenizer, length, whole=True)
    counts = {"blocks": 0, "pieces": 0, "tokens": 0, "learned": 0}

    def batches() -> Iterator[pa.RecordBatch]:
        for tokens in _windows(store, version, encoder, window):
            blocks = pack(tokens.lengths, length)
            counts["blocks"] += len(blocks)
            counts["pieces"] += len(tokens)
            counts["tokens"] += len(tokens.ids)
            counts["learned"] += int(tokens.learned().sum())
            starts = tokens.starts()
            for some in _batched(blocks):
                yield _record_batch(tokens, starts, some)

    def info() -> dict[str, str]:
        dropped = {reason: count for reason, count in encoder.dropped.items() if count}
        about = PackedInfo(str(version), digest_of_tokenizer(tokenizer), length, **counts, dropped=dropped)
        return {INFO: orjson.dumps(dataclasses.asdict(about), option=orjson.OPT_INDENT_2).decode()}

    write_folder(store, version, directory, SHAPE, batches(), "parquet", blocks_per_file, info, by=by)
    return PackedInfo.of(directory)


def _windows(store: Store, version: Version, encoder: TokenEncoder, most: int) -> Iterator[Tokens]:
    """Yield the tokens of a version in windows of `most` tokens, or a little more."""
    window: list[Tokens] = []
    size = 0
    for piece in Group((version,)).pieces(store, documents=True):
        for batch in slices(piece, rows=256):
            tokens = encoder.rows(batch)
            window.append(tokens)
            size += len(tokens.ids)
            if size >= most:
                yield Tokens.joined(window)
                window, size = [], 0
    if size:
        yield Tokens.joined(window)


def _batched(blocks: list[list[int]]) -> Iterator[list[list[int]]]:
    return (blocks[start : start + BATCH] for start in range(0, len(blocks), BATCH))


def _record_batch(tokens: Tokens, starts: Any, blocks: list[list[int]]) -> pa.RecordBatch:
    def of_blocks(values: Any) -> list[Any]:
        return [
            np.concatenate([values[starts[row] : starts[row] + tokens.lengths[row]] for row in block])
            for block in blocks
        ]

    masks = [None] * len(blocks) if tokens.masked is None else of_blocks(tokens.masked)
    columns = {
        "input_ids": of_blocks(tokens.ids),
        "lengths": [tokens.lengths[block] for block in blocks],
        "masked": [mask if mask is not None and mask.any() else None for mask in masks],
    }
    return pa.RecordBatch.from_arrays(
        [pa.array(columns[field.name], field.type) for field in SCHEMA], schema=SCHEMA
    )


@dataclass(slots=True)
class PackedStream:
    """The blocks of a packed folder as the training reads them. `batch` is the number of blocks per step."""

    folder: Path
    info: PackedInfo
    batch: int
    seed: int
    packing: bool = True

    @classmethod
    def of(
        cls, folder: Path, tokenizer: Any, versions: tuple[Version, ...], length: int, batch: int, seed: int
    ) -> PackedStream:
        """Return the stream of a folder. Raises TrainError if it is of another version or tokenizer, or of longer blocks."""
        info = PackedInfo.of(folder)
        if [info.version] != [str(version) for version in versions]:
            named = ", ".join(map(str, versions))
            raise TrainError(
                f"setting packed: {folder} is of {info.version}, and data is {named}. Fix: --data {info.version}"
            )
        if info.tokenizer != digest_of_tokenizer(tokenizer):
            raise TrainError(
                f"setting packed: {folder} was packed with another tokenizer than that of the base. Fix: export it again with "
                "--tokenizer and the folder of the base"
            )
        if info.length > length:
            raise TrainError(
                f"setting packed: {folder} has blocks of {info.length} tokens, over length {length}. Fix: --set length={info.length}"
            )
        return cls(folder, info, batch, seed)

    def measure(self) -> EpochSize:
        """Return the size of one epoch, as the folder states it."""
        info = self.info
        return EpochSize(info.pieces, info.tokens, info.learned, info.blocks, dict(info.dropped))

    def blocks(self) -> Iterator[TokenBlock]:
        """Yield blocks without end, as `tasks.training.loader.Stream.blocks` does: row groups in a random order, and the blocks of
        each in a random order."""
        files = sorted((self.folder / "data").glob("*.parquet"))
        pieces = [piece for one in pads.dataset(files).get_fragments() for piece in one.split_by_row_group()]
        for epoch in itertools.count():
            random = np.random.default_rng(seed_of(self.seed, "packed", epoch))
            for number in random.permutation(len(pieces)).tolist():
                table = pieces[number].to_table(schema=SCHEMA)
                for row in random.permutation(table.num_rows).tolist():
                    ids = np.asarray(table.column("input_ids")[row].values, dtype=np.int64)
                    masked = table.column("masked")[row].as_py()
                    yield _block(ids, table.column("lengths")[row].as_py(), masked)


def _block(ids: Any, lengths: list[int], masked: list[bool] | None) -> TokenBlock:
    positions = np.concatenate([np.arange(length) for length in lengths])
    learned = positions > 0
    if masked is not None:
        learned &= ~np.asarray(masked, np.bool_)
    return {
        "input_ids": ids,
        "labels": np.where(learned, ids, IGNORED),
        "loss_weights": learned.astype(np.float32),
        "position_ids": positions.astype(np.int64),
    }
