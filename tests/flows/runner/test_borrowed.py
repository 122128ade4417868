"""The warning that one paid model has several roles."""

from __future__ import annotations

import pytest

from flows.config.nightly import Nightly
from flows.runner.night_inputs import borrowed
from flows.settings import Role, Settings
from tasks.stages.retrieve import WeaknessSettings

PAID = Role(model="big-1", base_url=("http://127.0.0.1:9/v1",))
OTHER = Role(model="other-7b", base_url=("http://127.0.0.1:9/v1",))


def settings(**roles: Role) -> Settings:
    return Settings(_env_file=None, **roles)  # type: ignore[call-arg, arg-type]


@pytest.fixture(autouse=True)
def _no_roles_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for role in ("TEACHER", "REASONER", "CRITIC", "STUDENT"):
        for name in ("MODEL", "BASE_URL"):
            monkeypatch.delenv(f"MATHMILL_{role}__{name}", raising=False)


def test_a_paid_teacher_that_is_also_the_student_is_named_with_the_fix() -> None:
    text = borrowed(Nightly(), settings(teacher=PAID))
    assert text.startswith("big-1 is the teacher and also the reasoner, the critic, the student; ")
    assert "judges its own solutions" in text
    assert "paid like every other call. Fix: set MATHMILL_STUDENT__MODEL" in text
    assert "\n" not in text


def test_a_student_of_its_own_or_no_probe_is_not_warned_of() -> None:
    own = borrowed(Nightly(), settings(teacher=PAID, student=OTHER))
    off = borrowed(Nightly(weakness=WeaknessSettings(share=0)), settings(teacher=PAID))
    for text in (own, off):
        assert "also the reasoner, the critic" in text
        assert "student" not in text.lower()


def test_no_warning_where_every_role_has_its_model_or_nothing_is_paid() -> None:
    roles = {"reasoner": OTHER, "critic": OTHER, "student": OTHER}
    assert borrowed(Nightly(), settings(teacher=PAID, **roles)) == ""
    assert borrowed(Nightly(), settings()) == ""
