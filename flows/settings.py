"""Settings of this installation: where data is stored and which model serves which role.

They are read from environment variables with the prefix MATHMILL_ and from `.env`. The settings of a run are in
flows/config/, from which the Prefect UI makes a form. API keys never enter the parameters of a flow.

`.env` and the home `.mathmill` are those of the checkout, whatever the current folder is: cron, for example, starts
commands in $HOME. A current folder that has its own `.env` or `.mathmill` uses these instead.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, DotEnvSettingsSource, NoDecode, SettingsConfigDict
from pydantic_settings import SettingsError as SettingsSourceError

from storage.errors import ForPeople
from storage.signing import Signer, signer
from tasks.llm import providers
from tasks.llm.dialect import OWN_FIELDS
from tasks.llm.endpoint import IN_PROCESS, Endpoint, host_of, revision_of
from tasks.llm.model_files import CHECKPOINT, ModelMissing, located, require
from tasks.llm.redaction import PART, are_words
from tasks.llm.sampling import THINKING_TOKENS, Sampling

ROOT = Path(__file__).resolve().parent.parent  # the checkout
ENV_FILE = "MATHMILL_ENV_FILE"  # names the settings file that is read instead of `.env`; empty: none is read
OCR = "ocr"
SAMPLERS = "samplers"
NIGHT_ROLES = ("teacher", "reasoner", "critic", "student")  # that nights and rebuilds may call
ROLES = (*NIGHT_ROLES, OCR, SAMPLERS)
EMBEDDED = "embedded"


class SettingsError(ForPeople, ValueError):
    """A setting that cannot be used. The message names the environment variable and the fix."""


def env_file() -> Path | None:
    """Return the settings file that is read, or None. Raises SettingsError if MATHMILL_ENV_FILE names no file."""
    name = os.environ.get(ENV_FILE)
    if name is None:
        path = _here_or_checkout(".env")
        return path if path.is_file() else None
    if not name:
        return None
    path = Path(name)
    if not path.is_file():
        raise SettingsError(f"{ENV_FILE}: {path} is no file. Fix: name a settings file, or unset it")
    return path


def of_current_folder() -> str:
    """Return a line for the user if the settings file or the home in use is that of the current folder, not of the
    checkout; else an empty text."""
    settings, names = load_settings(), []
    if env_file() == Path(".env"):
        names.append(".env")
    if settings.home == Path(".mathmill"):
        names.append(".mathmill")
    if not names or Path.cwd() == ROOT:
        return ""
    return f"using {' and '.join(names)} of the current folder {Path.cwd()}, not of {ROOT}"


def _here_or_checkout(name: str) -> Path:
    """Return the path of that name in the current folder if it exists there, else in the checkout."""
    here = Path(name)
    in_checkout = Path.cwd() == ROOT or not (ROOT / "pyproject.toml").is_file()
    return here if in_checkout or here.exists() else ROOT / name


class OneModel(BaseModel):
    """One model, its addresses and its prices in USD per million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), hide_input_in_errors=True)

    model: str = Field(
        EMBEDDED,
        description="embedded, a name that the server knows, vllm:MODEL in a separate process, or hf:FOLDER for a checkpoint (hf:NAME for one in the home's folder models)",
    )
    base_url: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="address of the model server, without the path of the call; several, separated by commas, form one endpoint pool",
    )
    api: str = Field(
        providers.CHAT,
        description=f"wire format of the calls: {', '.join(providers.known())}; chat is chat-completions",
    )
    api_key: SecretStr | None = Field(None, description="API key that is sent with every call")
    region: str = Field(
        "",
        description="AWS region, such as us-east-1: calls of the wire format bedrock are signed for it with the AWS credentials of this machine, instead of an API key",
    )
    headers: dict[str, SecretStr] = Field({}, description="further HTTP headers of every call, as JSON")
    accept_models: tuple[str, ...] = Field(
        (), description="names besides the model's own that responses may carry"
    )
    wait_ready: float = Field(0.0, ge=0, description="seconds to wait for a server that is loading its model")
    price_in: float | None = Field(
        None, ge=0, description="USD per million tokens of the prompt; empty: as published, if it is known"
    )
    price_out: float | None = Field(
        None, ge=0, description="USD per million tokens of the completion, thinking included; empty: likewise"
    )
    price_cached: float | None = Field(
        None,
        ge=0,
        description="USD per million prompt tokens that the provider's cache holds; empty: likewise",
    )
    price_cache_write: float | None = Field(
        None, ge=0, description="USD per million prompt tokens written to that cache; empty: likewise"
    )
    revision: str = Field(
        "",
        description="name of the revision of the weights; part of the completion key, so a new one repeats calls that the ledger holds",
    )

    temperature: float | None = Field(
        None, ge=0, description="sampling temperature of every call; empty: as the prompt states"
    )
    top_p: float | None = Field(
        None, gt=0, le=1, description="nucleus of every call; empty: as the prompt states"
    )
    max_tokens: int | None = Field(
        None, ge=1, description="token limit of every answer, thinking included; empty: as the prompt states"
    )
    limit_risk: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="token limits of a night are learnt from earlier answers: the share of answers that they may cut off; 0: as the prompt states",
    )
    reasoning: bool = Field(
        False,
        description=f"the model thinks before it answers: answers may have {THINKING_TOKENS} tokens unless max_tokens is set",
    )
    extra: dict[str, Any] = Field(
        {},
        description="further fields of the body of every call, as JSON, such as top_k or chat_template_kwargs",
    )

    @field_validator("api")
    @classmethod
    def _known_format(cls, api: str) -> str:
        providers.check(api)
        return api

    @field_validator("extra")
    @classmethod
    def _further(cls, extra: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted(extra.keys() & OWN_FIELDS):
            raise ValueError(f"{', '.join(taken)}: set by other settings or by the program")
        return extra

    @field_validator("base_url", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        """Accept one URL, or several separated by commas or as a JSON list."""
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


class WeightedModel(OneModel):
    """One of several models of a role, which gets calls in proportion to its weight."""

    weight: float = Field(1.0, gt=0, description="share of the calls, relative to the other weights")


# what one of several models takes over from the role: where it is reached, unless it states an address of its own, and how it
# is sampled
_ADDRESS = ("base_url", "api", "api_key", "region", "headers", "wait_ready", "extra", "reasoning")
_SAMPLING = ("temperature", "top_p", "max_tokens")


class Role(OneModel):
    """The model that serves a role, or several."""

    models: tuple[WeightedModel, ...] = Field(
        (),
        description="several models instead of one, as a JSON list of objects with model, weight and other settings of a role; a call's random seed decides which of them answers it",
    )

    @model_validator(mode="after")
    def _one_or_several(self) -> Self:
        names = [one.model for one in self.models]
        if names and "model" in self.model_fields_set:
            raise ValueError("there is one model (model) and there are several (models): leave one out")
        if names and self.limit_risk:
            raise ValueError("limit_risk: token limits are learnt for one model; leave it out beside models")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"models: {', '.join(twice)} more than once; one weight is enough")
        return self

    def members(self) -> list[tuple[OneModel, float]]:
        """Return each model of the role with its weight."""
        if not self.models:
            return [(self, 1.0)]
        members: list[tuple[OneModel, float]] = []
        for one in self.models:
            taken = _SAMPLING if "base_url" in one.model_fields_set else _SAMPLING + _ADDRESS
            stated = {name: getattr(self, name) for name in taken if name in self.model_fields_set}
            own = {name: getattr(one, name) for name in one.model_fields_set - {"weight"}}
            members.append((OneModel(**stated | own), one.weight))
        return members


class Settings(BaseSettings):
    """Settings of the installation; `load_settings` reads them."""

    model_config = SettingsConfigDict(
        env_prefix="MATHMILL_",
        env_nested_delimiter="__",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    home: Path = Field(
        default_factory=lambda: _here_or_checkout(".mathmill"),
        description="folder of everything that is stored; default: .mathmill of the current folder, else of the checkout",
    )
    teacher: Role = Role()  # docs/settings.md has a separate table of the fields of a role
    reasoner: Role | None = None  # unset: the teacher's
    critic: Role | None = None  # unset: the teacher's
    student: Role | None = None  # unset: embedded-small beside an embedded teacher, else the teacher's
    ocr: Role | None = None  # unset: the teacher's; a vision model that `mathmill documents` sends pages to
    samplers: Role | None = (
        None  # unset: the reasoner's; the models that `mathmill rft` samples solutions from
    )
    encoder: str = Field(
        "minilm", description="encoder of questions: minilm, or a name or folder of sentence-transformers"
    )
    trained_critic: str = Field(
        "",
        description="critic that the scorer trained_critic asks: a folder, or a name below critics in the home; empty: there is none",
    )
    store: str = Field("", description="folder or s3://bucket/prefix of the tables; empty: the home")
    ledger: str | None = Field(
        None, description="SQLAlchemy URL of the completion ledger; empty: ledger.sqlite in the home"
    )
    prompts: Path | None = Field(
        None,
        description="folder of prompts NAME.LANGUAGE.md, and of conditions.yaml, that replace the project's own of these names; empty: prompts in the home, if there is such a folder",
    )
    runner: Literal["threads", "processes", "ray", "dask"] = Field(
        "threads", description="what executes task runs"
    )
    runner_workers: int = Field(
        4, ge=1, description="task runs at the same time, if no running cluster is used"
    )
    runner_address: str = Field(
        "", description="address of a running Ray or Dask cluster; empty: one is started for each run"
    )
    jitter_s: float = Field(
        0.0, ge=0, description="a scheduled run waits for a random time of at most this many seconds"
    )
    in_flight: int = Field(64, ge=1, description="most model calls in flight per role")
    request_seconds: float = Field(
        600.0, gt=0, description="deadline of one call in seconds, retries included"
    )
    stalled_seconds: float = Field(
        600.0, gt=0, description="a run ends if nothing happens for this many seconds beyond request_seconds"
    )
    unusable_in_a_row: int = Field(
        20, ge=1, description="a run ends after this many unusable paid completions in a row"
    )
    batch_poll: float = Field(30.0, gt=0, description="seconds between two polls of a batch")
    vllm_python: Path | None = Field(
        None, description="Python of the environment that `mathmill setup vllm` creates"
    )
    vllm_options: dict[str, Any] = Field({}, description="options of the vLLM engine, as JSON")
    checkpoint_threads: int = Field(
        0, ge=0, description="CPU threads of a hf: model; 0: as many as torch chooses"
    )
    checkpoint_batch: int = Field(
        32, ge=1, description="most answers that a hf: model generates at the same time"
    )
    sandbox_workers: int = Field(2, ge=1, description="programs that the sandbox runs at the same time")
    answer_workers: int = Field(2, ge=1, description="processes that compare answers")
    after_publishing: Path | None = Field(
        None,
        description="YAML file of settings of the flow chain: `mathmill up` starts it (train, evaluate, verdict, promote or roll back) for every version that is published; empty: it does not",
    )
    hub_token: SecretStr | None = Field(
        None,
        description="token of the Hugging Face hub, with which `mathmill push` uploads; empty: that of huggingface_hub (HF_TOKEN, or `hf auth login`)",
    )
    signing_key: Path | None = Field(
        None,
        description="file of an ed25519 private key without a password, which signs the statements of versions and exports; empty: they are not signed",
    )
    sql_seconds: float = Field(60.0, gt=0, description="time limit of a query of `mathmill sql`, in seconds")
    sql_memory: str = Field("2GB", description="memory limit of a query of `mathmill sql`")
    view_password: SecretStr | None = Field(
        None, description="password of the page of `mathmill view`; empty: it serves this machine only"
    )
    view_proxy_header: str = Field(
        "",
        description="header in which a reverse proxy in front of the page names the person who has signed in, such as X-Forwarded-User; requests without it are refused",
    )
    view_url: str = Field(
        "",
        pattern=r"^(https?://[^\s<>()\[\]\"]+)?$",
        description="address at which people reach the page, such as https://data.example.org: artifacts and forms of runs link to it, also while it does not run; empty: they link to the page that runs on this home. Nothing listens because of it",
    )
    view_memory: str = Field("2GB", description="memory limit of the page's database of rows")
    program_seconds: float = Field(3.0, gt=0, description="CPU seconds that a program may use")

    def ledger_url(self) -> str:
        """Return the URL of the ledger's database, or the path of its SQLite file."""
        return self.ledger or str(self.home.absolute() / "ledger.sqlite")

    @property
    def tables(self) -> str:
        """Return the folder or URL of the tables."""
        return self.store or str(self.home.absolute())

    def role(self, name: str) -> Role:
        """Return the model of a role. `hf:FOLDER` instead of a role stands for the checkpoint in that folder."""
        if name.startswith(CHECKPOINT):
            return Role(model=name)
        configured: Role | None = getattr(self, name)
        if configured is not None:
            return configured
        teacher = self.teacher.members()[0][0]
        if name == "student" and teacher.model == EMBEDDED and not teacher.base_url:
            return Role(model="embedded-small")
        if name == SAMPLERS:
            return self.role("reasoner")
        return self.teacher

    def signer(self) -> Signer | None:
        """Return what signs statements, None if no key is set. Raises StorageError if it cannot be read."""
        return signer(self.signing_key) if self.signing_key is not None else None

    def _owner(self, name: str) -> str:
        """Return the role whose variables configure the role `name`."""
        role = self.role(name)
        if role is self.teacher:
            return "teacher"
        return "reasoner" if name == SAMPLERS and self.samplers is None else name

    def require_models(self, names: Iterable[str]) -> None:
        """Raise SettingsError, which names each model of these roles that needs an address and has none, or that is a checkpoint which is not
        there."""
        wrong: dict[str, None] = {}  # roles that share a model are named once
        for name in names:
            role, owner = self.role(name), self._owner(name)
            for one, _ in role.members():
                try:
                    endpoint = self._endpoint(name, owner, one, mixed=bool(role.models))
                    if endpoint.checkpoint is not None:
                        require(endpoint.checkpoint, f"{endpoint.setting('MODEL')}={endpoint.model}")
                except (SettingsError, ModelMissing) as error:
                    wrong[str(error)] = None
        if wrong:
            raise SettingsError(*wrong)

    def mix(self, name: str) -> list[tuple[Endpoint, float]]:
        """Return the endpoints of a role or checkpoint, each with its weight. Raises SettingsError as `endpoint` does."""
        role, owner = self.role(name), self._owner(name)
        return [
            (self._endpoint(name, owner, one, mixed=bool(role.models)), weight)
            for one, weight in role.members()
        ]

    def endpoint(self, name: str) -> Endpoint:
        """Return the endpoint of a role or checkpoint, the first if the role has several models. Raises SettingsError if its
        model needs an address that is not set."""
        return self.mix(name)[0][0]

    def _endpoint(self, name: str, owner: str, role: OneModel, *, mixed: bool) -> Endpoint:
        if not role.base_url and not role.model.startswith((EMBEDDED, IN_PROCESS, CHECKPOINT)):
            raise SettingsError(
                f"MATHMILL_{owner.upper()}__{'MODELS' if mixed else 'MODEL'} is {role.model!r} but no address is set. "
                f"Fix: set MATHMILL_{owner.upper()}__BASE_URL, for example "
                f"{providers.wire_format(role.api).EXAMPLE}"
            )
        folder = self.checkpoint(role.model) if role.model.startswith(CHECKPOINT) else ""
        return Endpoint(
            role="checkpoint" if name.startswith(CHECKPOINT) else name,
            model=role.model,
            base_urls=list(role.base_url) or None,
            api=role.api,
            api_key=role.api_key,
            region=role.region,
            price_in=role.price_in,
            price_out=role.price_out,
            price_cached=role.price_cached,
            price_cache_write=role.price_cache_write,
            revision=role.revision or revision_of(role.model, folder),
            headers={name: value.get_secret_value() for name, value in role.headers.items()},
            accept_models=role.accept_models,
            wait_ready=role.wait_ready,
            python=str(self.vllm_python or ""),
            options=self.vllm_options,
            folder=folder,
            threads=self.checkpoint_threads,
            batch=self.checkpoint_batch,
            sampling=Sampling(role.temperature, role.top_p, role.max_tokens, role.extra, role.reasoning),
            prompts=self.overlay(),
            secrets=self._secrets(),
            configured_by=owner,
            mixed=mixed,
        )

    def overlay(self) -> Path | None:
        """Return the folder of prompts that replace the project's own, or None. Raises SettingsError if the setting names
        no folder."""
        if self.prompts is None:
            folder = self.home.absolute() / "prompts"
            return folder if folder.is_dir() else None
        if not self.prompts.is_dir():
            raise SettingsError(
                f"MATHMILL_PROMPTS: {self.prompts} is no folder. Fix: name a folder of prompts, or unset it"
            )
        return self.prompts.absolute()

    def checkpoint(self, name: str) -> str:
        """Return the folder of a checkpoint, or its name on the hub. See tasks.llm.model_files.located."""
        return located(name, self.home)

    def _secrets(self) -> tuple[str, ...]:
        """Return every secret that this process knows: of all roles, the ledger, the store and the environment.

        All are redacted for every endpoint, since one may be a gateway that has seen the secrets of others.
        """
        secrets: set[str] = set()
        for name in ROLES:
            role: Role | None = getattr(self, name)
            for one in [role, *role.models] if role is not None else ():
                secrets.update([one.api_key.get_secret_value()] if one.api_key is not None else ())
                headers = {value.get_secret_value() for value in one.headers.values()}
                secrets.update(value for value in headers if not are_words(value))
                secrets.update(password for url in one.base_url if (password := _password(url)))
        secrets.update([self.hub_token.get_secret_value()] if self.hub_token is not None else ())
        secrets.update(password for url in (self.ledger or "", self.store) if (password := _password(url)))
        secrets.update(value for name, value in os.environ.items() if _SECRET.search(name.upper()))
        return tuple(sorted(value for value in secrets if len(value.strip()) >= PART))


_SECRET = re.compile(
    r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS|AUTH_STRING)$"
)  # end of a variable's name


def _password(url: str) -> str:
    """Return the password in a URL; empty if there is none or the text is not a URL."""
    try:
        return unquote(urlsplit(url).password or "")
    except ValueError:
        return ""


# variables that are read elsewhere, or that one process of the project sets for another
_OTHER = {
    "ENV_FILE",
    "ONLY_CHECK",
    "SERVE_API_KEY",
    "SERVER_SIGN_IN",
    "ROOT",
    "BENCH_LATENCY",
    "CURATOR_PYTHON",
    "DISTILABEL_PYTHON",
}


def _unknown(name: str) -> str:
    """Return what is wrong with a variable that has the prefix MATHMILL_ but names no setting; empty for any other."""
    if not name.upper().startswith("MATHMILL_"):
        return ""
    top, *below = name.upper().removeprefix("MATHMILL_").split("__")
    nested = {field.upper() for field in Role.model_fields}
    fields = {field.upper() for field in Settings.model_fields}
    roles = {role.upper() for role in ROLES}
    if top in _OTHER or (top in fields and top not in roles and (not below or top == "VLLM_OPTIONS")):
        return ""
    if top in roles and (not below or below[0] in nested):
        return ""
    known = [f"MATHMILL_{field}" for field in sorted(fields - roles)]
    known += [f"MATHMILL_{role}__{field}" for role in sorted(roles) for field in sorted(nested)]
    matches = difflib.get_close_matches(name.upper(), known, 1, 0.5)
    fix = f"set {matches[0]}, or unset it" if matches else "unset it"
    return f"{name}: there is no such setting. Fix: {fix} (in the environment or in .env)"


def load_settings() -> Settings:
    """Return the settings from the environment and `.env`.

    Raises SettingsError, with a message of one line each, if values are not valid or variables that begin with MATHMILL_
    name no setting: a misspelt one would otherwise be ignored.
    """
    file = env_file()
    in_file = DotEnvSettingsSource(Settings, env_file=file).env_vars
    names = {name.upper(): name for name in [*in_file, *os.environ]}
    wrong = {name: message for name, given in names.items() if (message := _unknown(given))}
    try:
        settings = Settings(_env_file=file)
    except SettingsSourceError as error:
        # its cause quotes the value, which may hold a key
        field = re.search(r'"(\w+)"', str(error))
        name = f"MATHMILL_{field[1].upper()}" if field else "a setting"
        raise SettingsError(
            *wrong.values(),
            f"{name}, or a variable that begins with it, is no JSON. Fix: correct it in the environment or in .env",
        ) from None
    except ValidationError as error:
        for one in error.errors():
            name = "MATHMILL_" + "__".join(str(part) for part in one["loc"]).upper()
            wrong.setdefault(name, f"{name}: {one['msg']}. Fix: correct it in the environment or in .env")
        raise SettingsError(*wrong.values()) from error
    if wrong:
        raise SettingsError(*wrong.values())
    return settings if file is None else _relative_to(settings, file.parent, set(in_file))


def _relative_to(settings: Settings, folder: Path, in_file: set[str]) -> Settings:
    """Return the settings with the relative paths of a settings file resolved against its folder."""
    in_environment = {name.lower() for name in os.environ}
    changed: dict[str, Any] = {}
    for field in ("home", "store", "ledger", "prompts", "vllm_python", "signing_key"):
        name, value = f"mathmill_{field}", getattr(settings, field)
        if name in in_file and name not in in_environment and value and "://" not in str(value):
            changed[field] = type(value)(folder / value)
    return settings.model_copy(update=changed)
