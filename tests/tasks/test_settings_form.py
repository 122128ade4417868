"""Groups of settings that a form shows folded: null means the defaults, and nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

from flows.config.corpus import Corpus
from flows.config.critic import EvaluateCritic, TrainCritic
from flows.config.documents import Documents
from flows.config.evaluate import Evaluate
from flows.config.import_dataset import Import
from flows.config.make import Make
from flows.config.nightly import Nightly, load_config
from flows.config.rebuild import Rebuild
from flows.config.rft import Rft
from flows.config.weakness import Weakness
from storage.stage_cache.shards import digest_of
from tasks.methods import PLUGINS
from tasks.plugins import names
from tasks.settings import UNCHANGED, Section
from tasks.training.config import Train

FORMS: tuple[type[BaseModel], ...] = (Nightly, Make, Rebuild, Rft, Evaluate, Train)
FIRST = ["dataset", "target", "answers", "seeds", "budget"]


def groups(form: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The fields of a form that are groups of their own, whatever happens in it; optional groups are not."""
    return {
        name: field.annotation
        for name, field in form.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }


def properties(form: type[BaseModel]) -> dict[str, Any]:
    fields: dict[str, Any] = form.model_json_schema()["properties"]
    return fields


def test_the_night_has_what_people_change_first_at_the_top() -> None:
    assert list(properties(Nightly))[: len(FIRST)] == FIRST
    assert len(groups(Nightly)) == 13


@pytest.mark.parametrize("form", FORMS)
def test_every_group_is_folded(form: type[BaseModel]) -> None:
    drawn = properties(form)
    assert groups(form)
    for name, kind in groups(form).items():
        folded, opened = drawn[name]["anyOf"]
        assert folded == {"type": "null", "title": UNCHANGED}
        assert opened["$ref"].endswith(f"/{kind.__name__}")
        assert drawn[name]["default"] is None
        assert drawn[name]["description"]


@pytest.mark.parametrize("form", FORMS)
def test_a_form_that_is_opened_shows_the_defaults_that_null_means(form: type[BaseModel]) -> None:
    whole = form()
    assert form.model_validate(dict.fromkeys(groups(form))) == whole
    assert form.model_validate({name: kind() for name, kind in groups(form).items()}) == whole
    assert form.model_validate({name: {} for name in groups(form)}) == whole


def test_what_a_night_accepts_and_its_digest_do_not_depend_on_the_form() -> None:
    given = {"target": 20, "solve": {"samples": 8}, "weakness": {"share": 0.0}}
    night = Nightly.model_validate(given)
    assert (night.solve.samples, night.weakness.share) == (8, 0.0)
    again = Nightly.model_validate({"seeds": None, "gates": None, **given})
    assert digest_of(again.model_dump(mode="json")) == digest_of(night.model_dump(mode="json"))
    assert Nightly.model_validate(night.model_dump(mode="json")) == night
    assert Nightly.model_validate(night.model_dump(mode="json", exclude_defaults=True)) == night
    with pytest.raises(ValidationError):
        Nightly.model_validate({"solve": {"sample": 8}})
    with pytest.raises(ValidationError):
        Nightly.model_validate({"solve": 8})


def test_null_undoes_nothing_but_its_group() -> None:
    night = load_config(None, ["solve=null", "verify.sure=1"])
    assert night.solve == Nightly().solve
    assert night.verify.sure == 1


NEEDED: tuple[tuple[type[Section], tuple[str, ...]], ...] = (
    (Import, ("paths", "dataset", "license")),
    (Documents, ("paths", "dataset", "license")),
    (Corpus, ("versions", "dataset")),
    (Make, ("method", "dataset")),
    (Rft, ("version",)),
)


@pytest.mark.parametrize(("form", "needed"), NEEDED)
def test_a_form_marks_what_has_to_be_given_and_suggests_no_empty_value(
    form: type[Section], needed: tuple[str, ...]
) -> None:
    schema = form.model_json_schema()
    assert schema["required"] == list(needed)
    for name in needed:
        drawn = schema["properties"][name]
        assert "default" not in drawn
        assert drawn.get("minItems", drawn.get("minLength")) == 1
    assert form() == form.model_validate({})  # the commands check it themselves, in words
    drawn = schema["properties"]
    given = {
        name: ["a"] if drawn[name]["type"] == "array" else drawn[name].get("enum", ["a"])[0]
        for name in needed
    }
    assert Draft202012Validator(schema).is_valid(given)
    for name, value in given.items():
        blank = [" "] if isinstance(value, list) else " "
        assert not Draft202012Validator(schema).is_valid(given | {name: blank})
        assert not Draft202012Validator(schema).is_valid(given | {name: type(value)()})


@pytest.mark.parametrize(
    ("form", "names"),
    [(TrainCritic, ("files", "versions")), (EvaluateCritic, ("files", "versions", "judgements"))],
)
def test_of_several_inputs_one_has_to_be_given(form: type[Section], names: tuple[str, ...]) -> None:
    valid = Draft202012Validator(form.model_json_schema()).is_valid
    assert not valid({})
    assert not valid({name: [] for name in names})
    for name in names:
        assert valid({name: ["a"]})
        assert valid({other: [] for other in names} | {name: ["a"]})
        assert not valid({name: [" "]})


def test_the_form_of_make_offers_the_methods_that_are_there_and_takes_no_other() -> None:
    schema = Make.model_json_schema()
    assert schema["properties"]["method"]["enum"] == list(names(PLUGINS))
    given = {"method": "textbook_qa", "dataset": "textbook-qa"}
    assert Draft202012Validator(schema).is_valid(given)
    assert not Draft202012Validator(schema).is_valid(given | {"method": "textbook_qs"})


@pytest.mark.parametrize("form", [Nightly, Rebuild, Evaluate, Train])
def test_a_form_with_defaults_for_everything_requires_nothing(form: type[BaseModel]) -> None:
    assert "required" not in form.model_json_schema()


@pytest.mark.parametrize(
    ("form", "given"),
    [
        (Nightly, {"generate": {"methods": {"nosuch": 1.0}}}),
        (Nightly, {"generate": {"settings": {"nosuch": {}}}}),
        (Nightly, {"generate": {"languages": {"xx": 1.0}}}),
        (Nightly, {"generate": {"subdomains": ["nosuch"]}}),
        (Nightly, {"score": {"scorers": ["nosuch"]}}),
        (Nightly, {"decontaminate": {"rules": ["nosuch"]}}),
        (Rebuild, {"rescore": ["nosuch"]}),
        (Rebuild, {"scorers": ["nosuch"]}),
        (Rebuild, {"rules": ["nosuch"]}),
        (Weakness, {"arms": ["nosuch"]}),
        (Train, {"method": "nosuch"}),
    ],
)
def test_forms_and_settings_refuse_the_same_unknown_names(
    form: type[BaseModel], given: dict[str, Any]
) -> None:
    valid = Draft202012Validator(form.model_json_schema()).is_valid
    assert valid(form().model_dump(mode="json", exclude_defaults=True))
    assert not valid(given)
    with pytest.raises(ValidationError, match="nosuch|xx"):
        form.model_validate(given)
