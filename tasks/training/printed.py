"""Preference training on solutions with programs: what a program printed is no choice of the model, and counts on neither side."""

from __future__ import annotations

from typing import Any

from trl.trainer.dpo_trainer import DataCollatorForPreference

from storage.interleaved import HANDOVER, output_spans


class PreferenceCollator(DataCollatorForPreference):  # type: ignore[misc]
    """TRL's collator, with the tokens of outputs of programs left out of the mask of the completions.

    tokenizer: that of the model; its single tokens are decoded to find the outputs in the text.
    """

    tokenizer: Any = None

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = super().torch_call(examples)
        mask = batch["completion_mask"]
        # the chosen completions come first, then the rejected ones
        for row, (example, side) in enumerate(
            [(example, side) for side in ("chosen_ids", "rejected_ids") for example in examples]
        ):
            begin = len(example["prompt_ids"])
            for place in printed(self.tokenizer, example[side]):
                if begin + place < mask.shape[1]:
                    mask[row, begin + place] = 0
        return batch


def printed(tokenizer: Any, ids: list[int]) -> list[int]:
    """Return the places of the tokens that lie in outputs of programs: from below the fence that opens one to the end of the fence that
    closes it."""
    pieces = [tokenizer.decode([one]) for one in ids]
    text = "".join(pieces)
    if HANDOVER not in text:
        return []
    spans = output_spans(text)
    places, at = [], 0
    for place, piece in enumerate(pieces):
        if any(start <= at and at < end for start, end in spans):
            places.append(place)
        at += len(piece)
    return places


def collator(tokenizer: Any, length: int) -> PreferenceCollator:
    """Return the collator of a tokenizer, for sequences of at most `length` tokens."""
    by_tokens = PreferenceCollator(pad_token_id=tokenizer.pad_token_id, max_length=length)
    by_tokens.tokenizer = tokenizer
    return by_tokens
