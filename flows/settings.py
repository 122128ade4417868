"""Settings of this installation: where things are and which model plays which role.

From the environment or `.env`, prefix MATHMILL_. What a run should do is not here but in
flows/config.py, where the Prefect UI shows it as a form; keys never enter a flow's parameters.

`.env` and the home `.mathmill` are those of the checkout, whatever folder a command is started in: cron starts
commands in $HOME. A current folder that has its own uses its own.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, DotEnvSettingsSource, NoDecode, SettingsConfigDict
from pydantic_settings import SettingsError as SettingsSourceError

from storage.errors import ForPeople
from tasks.llm.endpoint import CHECKPOINT, IN_PROCESS, Endpoint, host_of, revision_of
from tasks.llm.redaction import PART, are_words

ROOT = Path(__file__).resolve().parent.parent  # the checkout
ENV_FILE = "MATHMILL_ENV_FILE"  # a settings file that is read instead of `.env`; empty: none is read
ROLES = ("teacher", "reasoner", "critic", "student")
EMBEDDED = "embedded"


class SettingsError(ForPeople, ValueError):
    """A setting that cannot be used; the message names the environment variable and the mend."""


def env_file() -> Path | None:
    """The settings file that is read; None where there is none. SettingsError where MATHMILL_ENV_FILE is missing."""
    named = os.environ.get(ENV_FILE)
    if named is None:
        path = _own_or_checkout(".env")
        return path if path.is_file() else None
    if not named:
        return None
    path = Path(named)
    if not path.is_file():
        raise SettingsError(f"{ENV_FILE}: {path} is no file. Fix: name a settings file, or unset it")
    return path


def of_current_folder() -> str:
    """A line for people where the current folder, and not the checkout, has the settings or the home in use; else
    empty."""
    settings, own = load_settings(), []
    if env_file() == Path(".env"):
        own.append(".env")
    if settings.home == Path(".mathmill"):
        own.append(".mathmill")
    if not own or Path.cwd() == ROOT:
        return ""
    return f"using {' and '.join(own)} of the current folder {Path.cwd()}, not of {ROOT}"


def _own_or_checkout(name: str) -> Path:
    """What is called so in the current folder; where it has none, in the checkout."""
    own = Path(name)
    in_checkout = Path.cwd() == ROOT or not (ROOT / "pyproject.toml").is_file()
    return own if in_checkout or own.exists() else ROOT / name


class Role(BaseModel):
    """One model behind one address. Prices in USD per million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), hide_input_in_errors=True)

    model: str = Field(
        EMBEDDED,
        description="embedded, a name that the server knows, vllm:MODEL in a process of its own, or hf:FOLDER for a checkpoint",
    )
    base_url: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="address of the chat-completions API; several, separated by commas, are used as one pool",
    )
    api_key: SecretStr | None = Field(None, description="key that is sent with every call")
    headers: dict[str, SecretStr] = Field({}, description="further headers of every call, as JSON")
    accept_models: tuple[str, ...] = Field((), description="names that answers may carry besides the model's")
    wait_ready: float = Field(
        0.0, ge=0, description="seconds that a server which loads its model is waited for"
    )
    price_in: float = Field(0.0, ge=0, description="USD per million tokens of the prompt")
    price_out: float = Field(0.0, ge=0, description="USD per million tokens of the completion")
    revision: str = Field(
        "", description="further name of the weights; another one asks again what the ledger holds"
    )

    @field_validator("base_url", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        """One URL, or several, separated by commas or as a JSON list: calls go to the least loaded."""
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("["):
            try:
                return tuple(json.loads(value))
            except ValueError as error:
                raise ValueError("it is not a JSON list of URLs") from error
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @field_validator("base_url")
    @classmethod
    def _absolute(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            if not url.startswith(("http://", "https://")):
                raise ValueError(f"the URL of host {host_of(url)} must begin with http:// or https://")
        return urls


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="MATHMILL_",
        env_nested_delimiter="__",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    home: Path = Field(
        default_factory=lambda: _own_or_checkout(".mathmill"),
        description="folder of everything that is stored; .mathmill of the current folder, else of the checkout",
    )
    teacher: Role = Role()  # the roles have a table of their own in docs/settings.md
    reasoner: Role | None = None  # unset: the teacher's
    critic: Role | None = None  # unset: the teacher's
    student: Role | None = None  # unset: embedded-small beside an embedded teacher, else the teacher's
    encoder: str = Field("minilm", description="minilm, or a name or folder of sentence-transformers")
    store: str = Field("", description="folder or s3://bucket/prefix of the tables; empty: the home")
    ledger: str | None = Field(
        None, description="SQLAlchemy URL of the completion ledger; empty: ledger.sqlite in the home"
    )
    runner: Literal["threads", "processes", "ray", "dask"] = Field(
        "threads", description="where task runs are executed"
    )
    runner_workers: int = Field(4, ge=1, description="task runs at the same time, on a cluster of our own")
    runner_address: str = Field(
        "", description="address of a running Ray or Dask cluster; empty: one is started for each run"
    )
    jitter_s: float = Field(0.0, ge=0, description="a scheduled run waits up to so many seconds")
    in_flight: int = Field(64, ge=1, description="model calls in flight at most, a role")
    request_seconds: float = Field(600.0, gt=0, description="total deadline of one call over all its tries")
    stalled_seconds: float = Field(
        600.0, gt=0, description="a run ends if it waits so long beyond request_seconds and nothing happens"
    )
    unusable_in_a_row: int = Field(
        20, ge=1, description="a run ends after so many paid answers in a row that cannot be used"
    )
    batch_poll: float = Field(30.0, gt=0, description="seconds between looks at a batch")
    vllm_python: Path | None = Field(
        None, description="Python of the environment that `mathmill setup vllm` makes"
    )
    vllm_options: dict[str, Any] = Field({}, description="of the in-process vLLM engine, as JSON")
    sandbox_workers: int = Field(2, ge=1, description="programs that run at the same time")
    answer_workers: int = Field(2, ge=1, description="processes that compare answers")
    sql_seconds: float = Field(60.0, gt=0, description="time limit of a query of `mathmill sql`")
    sql_memory: str = Field("2GB", description="memory limit of a query of `mathmill sql`")
    program_seconds: float = Field(3.0, gt=0, description="CPU seconds that a program may use")

    def ledger_url(self) -> str:
        """A database URL, or the path of the SQLite file."""
        return self.ledger or str(self.home.absolute() / "ledger.sqlite")

    @property
    def tables(self) -> str:
        """The folder or URL of the tables."""
        return self.store or str(self.home.absolute())

    def role(self, name: str) -> Role:
        """The model behind a role; a checkpoint (`hf:PATH`) is one by its own name."""
        if name.startswith(CHECKPOINT):
            return Role(model=name)
        found: Role | None = getattr(self, name)
        if found is not None:
            return found
        if name == "student" and self.teacher.model == EMBEDDED and not self.teacher.base_url:
            return Role(model="embedded-small")
        return self.teacher

    def endpoint(self, name: str) -> Endpoint:
        role = self.role(name)
        owner = "teacher" if role is self.teacher else name
        if not role.base_url and not role.model.startswith((EMBEDDED, IN_PROCESS, CHECKPOINT)):
            raise SettingsError(
                f"MATHMILL_{owner.upper()}__MODEL is {role.model!r} but no address is set. "
                f"Fix: set MATHMILL_{owner.upper()}__BASE_URL, for example http://localhost:8000/v1"
            )
        return Endpoint(
            role="checkpoint" if name.startswith(CHECKPOINT) else name,
            model=role.model,
            base_urls=list(role.base_url) or None,
            api_key=role.api_key,
            price_in=role.price_in,
            price_out=role.price_out,
            revision=role.revision or revision_of(role.model),
            headers={name: value.get_secret_value() for name, value in role.headers.items()},
            accept_models=role.accept_models,
            wait_ready=role.wait_ready,
            python=str(self.vllm_python or ""),
            options=self.vllm_options,
            secrets=self._secrets(),
            configured_by=owner,
        )

    def _secrets(self) -> tuple[str, ...]:
        """Every secret that this process knows: of all roles, of the ledger and the store, and those in the
        environment. An endpoint may be a gateway that has seen the others, or echo what it was never sent."""
        found: set[str] = set()
        for name in ROLES:
            role: Role | None = getattr(self, name)
            if role is not None:
                found.update([role.api_key.get_secret_value()] if role.api_key is not None else ())
                headers = {value.get_secret_value() for value in role.headers.values()}
                found.update(value for value in headers if not are_words(value))
                found.update(password for url in role.base_url if (password := _password(url)))
        found.update(password for url in (self.ledger or "", self.store) if (password := _password(url)))
        found.update(value for name, value in os.environ.items() if _SECRET.search(name.upper()))
        return tuple(sorted(value for value in found if len(value.strip()) >= PART))


_SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS|AUTH_STRING)$")  # of a variable's name


def _password(url: str) -> str:
    """The password in a URL; empty where there is none, or no URL."""
    try:
        return unquote(urlsplit(url).password or "")
    except ValueError:
        return ""


# read elsewhere, or set by one of our processes for another
_OTHER = {
    "ENV_FILE",
    "SERVE_API_KEY",
    "SERVER_SIGN_IN",
    "ROOT",
    "BENCH_LATENCY",
    "CURATOR_PYTHON",
    "DISTILABEL_PYTHON",
}


def _known(name: str) -> None:
    """SettingsError for a variable with our prefix that stands for no setting."""
    if not name.upper().startswith("MATHMILL_"):
        return
    top, *below = name.upper().removeprefix("MATHMILL_").split("__")
    nested = {field.upper() for field in Role.model_fields}
    fields = {field.upper() for field in Settings.model_fields}
    roles = {role.upper() for role in ROLES}
    if top in _OTHER or (top in fields and top not in roles and (not below or top == "VLLM_OPTIONS")):
        return
    if top in roles and (not below or below[0] in nested):
        return
    known = [f"MATHMILL_{field}" for field in sorted(fields - roles)]
    known += [f"MATHMILL_{role}__{field}" for role in sorted(roles) for field in sorted(nested)]
    near = difflib.get_close_matches(name.upper(), known, 1, 0.5)
    fix = f"set {near[0]}, or unset it" if near else "unset it"
    raise SettingsError(f"{name}: there is no such setting. Fix: {fix} (in the environment or in .env)")


def load_settings() -> Settings:
    """Settings from the environment and `.env`; SettingsError in one line if they do not fit, or if a
    variable that begins with MATHMILL_ is none of ours: a misspelt one would be ignored."""
    file = env_file()
    in_file = DotEnvSettingsSource(Settings, env_file=file).env_vars
    for name in [*os.environ, *in_file]:
        _known(name)
    try:
        settings = Settings(_env_file=file)
    except SettingsSourceError as error:
        # its cause quotes the value, which may hold a key
        field = re.search(r'"(\w+)"', str(error))
        name = f"MATHMILL_{field[1].upper()}" if field else "a setting"
        raise SettingsError(
            f"{name}, or a variable that begins with it, is no JSON. Fix in the environment or in .env"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        name = "MATHMILL_" + "__".join(str(part) for part in first["loc"]).upper()
        raise SettingsError(f"{name}: {first['msg']}. Fix in the environment or in .env") from error
    return settings if file is None else _beside(settings, file.parent, set(in_file))


def _beside(settings: Settings, folder: Path, in_file: set[str]) -> Settings:
    """The settings with the relative paths that a settings file gives beside that file, not in the current folder."""
    in_environment = {name.lower() for name in os.environ}
    changed: dict[str, Any] = {}
    for field in ("home", "store", "ledger", "vllm_python"):
        name, value = f"mathmill_{field}", getattr(settings, field)
        if name in in_file and name not in in_environment and value and "://" not in str(value):
            changed[field] = type(value)(folder / value)
    return settings.model_copy(update=changed)
