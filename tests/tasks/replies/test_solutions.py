"""The parts of a reply: tokens that end it, thinking, run-on text and invisible characters."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.replies.solutions import KINDS, Removed, read, removed_in_all

ROOT = Path(__file__).resolve().parents[3]
SENTENCE = "<\uff5cend\u2581of\u2581sentence\uff5c>"

ENDED = [
    "<|im_end|>", "<|eot_id|>", "<|endoftext|>", "<|end_of_text|>", "<end_of_turn>", "</s>", SENTENCE, "<|end|>",
    "<|eom_id|>", "<|return|>", "<eos>", "[/INST]", "<|user|>", "<|assistant|>", "<|im_start|>", "<|EOT|>", "<EOT>",
    "<|end_of_turn|>", "<|END_OF_TURN_TOKEN|>", "<|end_of_sentence|>", "<\uff5cUser\uff5c>", "<|start_header_id|>",
    "<|eos|>", "<pad>", "[EOS]", "<|end_of_solution|>", "<|end_of_role|>", "<turn|>", "<|fim_pad|>", "<|call|>",
    "<im_end>", "<|observation|>", "<human>", "<|reserved_special_token_3|>", "<|im_", "<|im_end|", "<unused7>",
]  # fmt: skip


@pytest.mark.parametrize("token", ENDED)
def test_tokens_of_chat_templates_end_the_solution(token: str) -> None:
    reply = read(f"So the total is \\boxed{{5}}.{token}")
    assert (reply.solution, reply.ended) == ("So the total is \\boxed{5}.", True)
    assert reply.removed == {"control_tokens": 1}
    if token not in ("<|im_", "<|im_end|"):
        more = read(f"So the total is \\boxed{{5}}.{token}\nuser\nWhat is 3+4?{token}It is \\boxed{{7}}.")
        assert more.solution == "So the total is \\boxed{5}."
        assert more.removed == {"control_tokens": 1, "run_on": 1}


THOUGHTS = [
    ("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<Thought>", "</Thought>"), ("<THINK>", "</THINK>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"), ("\u25c1think\u25b7", "\u25c1/think\u25b7"),
    ("[THINK]", "[/THINK]"), ("<seed:think>", "</seed:think>"), ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<unused94>thought\n", "<unused95>"), ('<think effort="high">', "</think>"), ("<scratchpad>", "</scratchpad>"),
    ("<inner_monologue>", "</inner_monologue>"), ("<reflection>", "</reflection>"), ("<|channel>thought\n", "<channel|>"),
    ("<reasoning>", "</reasoning>"), ("<analysis>", "</analysis>"), ("<|im_start|>think\n", "<|im_start|>answer\n"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("<antThinking>", "</antThinking>"), ("<ant:thinking>", "</ant:thinking>"),
]  # fmt: skip


@pytest.mark.parametrize(("opening", "closing"), THOUGHTS)
def test_thinking_is_separated_closed_unclosed_and_half_shown(opening: str, closing: str) -> None:
    solution = "3 + 2 = 5, so it is \\boxed{5}."
    reply = read(f"{opening}maybe \\boxed{{9}}{closing}\n\n{solution}")
    assert (reply.solution, reply.unfinished) == (solution, False)
    assert "maybe \\boxed{9}" in (reply.thinking or "")
    assert reply.removed["thinking"] == 1
    cut = read(f"{opening}maybe \\boxed{{9}}")
    assert (cut.solution, cut.unfinished) == ("", True)
    if "channel|>final" not in closing:
        assert read(f"maybe \\boxed{{9}}{closing}\n{solution}").solution == solution


APART = [
    ("<s> The answer is 5</s>", " The answer is 5"),
    ("<|im_start|>assistant\nThe answer is 5", "The answer is 5"),
    ("<|start_header_id|>assistant<|end_header_id|>\n\nThe answer is 5.", "The answer is 5."),
    ("<start_of_turn>model\nIt is 5<end_of_turn>", "It is 5"),
    ("The answer is 5</s><s>[INST] Next [/INST] 7", "The answer is 5"),
    ("<Thought>\na\n</Thought>\n<Output>\nThe answer is 5\n</Output>", "The answer is 5"),
    ("<|begin_of_thought|>a<|end_of_thought|><|begin_of_solution|>It is 5<|end_of_solution|>", "It is 5"),
    ("analysisWe add.assistantfinalThe answer is 5.", "The answer is 5."),
    ("<think>a</think>It is 5.</think>", "It is 5."),
    ("The answer is 5.\n\nQuestion: What is 3+4?\nAnswer: 7", "The answer is 5."),
    ("So 2 + 3 = \\boxed{5}.\n\n**Problem:** What is 3+4?", "So 2 + 3 = \\boxed{5}."),
    ("所以答案是 5。\n\n问题：3+4 等于多少？\n答案是 7。", "所以答案是 5。"),
    ("Question: What is 2+3?\nIt is 5.\nThe answer is 5.", "Question: What is 2+3?\nIt is 5.\nThe answer is 5."),
    ("Solution.\nProblem: 2+3 is wanted.\nThe answer is 5.", "Solution.\nProblem: 2+3 is wanted.\nThe answer is 5."),
    ("The answer is 5.\n\nHuman: What is 3+4?\n\nAssistant: 7", "The answer is 5."),
    ("It is 5.\n\n### Instruction:\nWhat is 3+4?", "It is 5."),
    ("<|begin_of_box|>12<|end_of_box|>", " 12"),
    ("12 <unk> apples", "12   apples"),
    ("<reasoning>\n3 + 2 = 5\n</reasoning>\n<answer>5</answer>", "3 + 2 = 5\n\n\n<answer>5</answer>"),
    # what is not the template's stays
    ("If x<y and |x|<3, then 0 <|abc|> 1 and [0,1].", "If x<y and |x|<3, then 0 <|abc|> 1 and [0,1]."),
    ("5 <s>12</s> so 3", "5 <s>12</s> so 3"),
    ("The answer is <answer>5</answer>.", "The answer is <answer>5</answer>."),
    ("So 5 < a and a | b > 3.", "So 5 < a and a | b > 3."),
    ("<b>5</b>", "<b>5</b>"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "solution"), APART)
def test_what_is_left_of_a_reply(text: str, solution: str) -> None:
    assert read(text).solution == solution


HIDDEN = "\u202e\u202a\u2066\u2069\u200b\u200c\u2060\ufeff\u3164\u00ad\u180e\u115f\ufe0f\U000e0041\U000e007f\u061c\u2800\ufff9"


@pytest.mark.parametrize("character", HIDDEN)
def test_invisible_characters_of_a_reply_are_removed_and_counted(character: str) -> None:
    reply = read(f"The answer is 1{character}2.<|im_{character}end|>")
    assert reply.solution == "The answer is 12."
    assert reply.removed == {"hidden_characters": 2, "control_tokens": 1}


def test_a_joiner_is_kept_in_a_picture_only() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert read(f"A family {family} of 3").solution == f"A family {family} of 3"
    assert read("1\u200d2").solution == "12"


def test_counts_are_summed_over_replies_and_shards() -> None:
    removed = Removed()
    for text in ("<think>a</think>5<|im_end|>", "5</s>more", "1\u200b2\u200b", "plain"):
        removed.add(read(text))
    facts = removed.facts()
    assert facts == {"removed": {"control_tokens": 2, "run_on": 1, "thinking": 1, "hidden_characters": 2}}
    assert removed_in_all([facts, {}, facts])["hidden_characters"] == 4
    assert set(removed_in_all([facts])) <= set(KINDS)


_PIECES = ["<think>", "</think>", "<|im_end|>", "</s>", "<s>", "[INST]", "<|channel|>final<|message|>", "12", "\n", " ", "x", "<unk>", "<output>", "</output>", "\u200b", "<|", "analysis", "<reasoning>", "</reasoning>"]  # fmt: skip


@given(st.lists(st.one_of(st.sampled_from(_PIECES), st.text(max_size=3)), max_size=16).map("".join))
def test_any_reply_is_taken_apart(text: str) -> None:
    reply = read(text)
    assert read(text) == reply
    assert set(reply.removed) <= set(KINDS)
    assert "<|im_end|>" not in reply.solution


@pytest.mark.slow
def test_hostile_replies_of_a_megabyte_are_read_within_bounded_work() -> None:
    marks = ["<think>", "</think>", "<|im_end|>", "<", "<|", "<\uff5c", "[", "analysis", "<s>", "<think a", "\n###", "\n ", "<reasoning>", "</reasoning>", "<answer>", "<|channel|>a<|message|>", "<|channel|>", "\u25c1think\u25b7", "assistantfinal", "<unk>"]  # fmt: skip
    code = (
        "from tasks.replies.solutions import read\n"
        f"for mark in {marks!r}:\n    read(mark * (1_000_000 // len(mark)) + 'x')\nprint('done')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.stdout == "done\n", done.stderr[-2000:]
