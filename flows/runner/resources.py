"""The resources of stages (engines, sandbox, judge, encoder, storage), created on first use, once per process."""

from __future__ import annotations

import atexit
import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from flows.runner.environment import private_folder
from flows.runner.limits import BATCHED, UNASKED, RunLimits
from flows.settings import ROLES, Settings, load_settings
from prompts import overlay
from storage.datasets.store import Store
from storage.ledger import Ledger
from storage.stage_cache.shards import ShardStore
from tasks.answers import Judge
from tasks.critics.kinds import CriticError, CriticTools
from tasks.critics.trained import TrainedCritic, critic_folder, identity_of, load, read_record
from tasks.llm.batch import Batches, BatchLimits
from tasks.llm.endpoint import Endpoint, EngineLimits
from tasks.llm.engine import Engine
from tasks.llm.mix import MixedEngine, identity
from tasks.llm.model_files import CHECKPOINT
from tasks.retrieval.encoder import Encoder, StoredEncoder
from tasks.sandbox import Limits, Sandbox

T = TypeVar("T")


# What is costly to start and keeps nothing of a run stays open until the process ends: a flow that runs flows opens its tools many times, and
# a process that judges or runs programs needs seconds to import computer algebra.
_starting = threading.Lock()


@functools.cache
def judge_of(workers: int) -> Judge:
    """Return the judge of this process. Verdicts do not depend on what a worker has judged before."""
    judge = Judge(workers=workers)
    atexit.register(judge.close)
    return judge


@functools.cache
def sandbox_of(seconds: float, workers: int) -> Sandbox:
    """Return the open sandbox of this process. Raises SandboxUnavailable; the next call tries again."""
    sandbox = Sandbox(Limits(wall_s=seconds), workers=workers).__enter__()
    atexit.register(sandbox.close)
    return sandbox


class Tools:
    """Lazily built, shared by the threads of a process, closed together in reverse order."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.home = settings.home.absolute()
        private_folder(self.home)
        self.store = Store(settings.tables)
        self.shards = ShardStore(self.home)
        self.words_only = False
        self.limits = RunLimits()  # of the run; a flow that spends sets its own before the first call
        self._open: dict[str, Any] = {}
        self._lock = threading.RLock()
        self._stack = contextlib.ExitStack()

    def ledger(self) -> Ledger:
        return self._once("ledger", lambda: Ledger.open(self.settings.ledger_url()))

    def engine(self, role: str) -> Engine:
        return self._once(role, lambda: self._engine(role))

    def _engine(self, role: str) -> Engine:
        members = self._members(role)
        if len(members) == 1:
            return self._engine_of(members[0][0], role)
        return MixedEngine(
            [
                (self._engine_of(endpoint, f"{role} {quote(endpoint.model, safe='')}"), weight)
                for endpoint, weight in members
            ]
        )

    def _members(self, role: str) -> list[tuple[Endpoint, float]]:
        """Return the endpoints of a role with their weights, and with the token limits that this run has learnt for it."""
        members, learnt = self.settings.mix(role), self.limits.learnt.get(role)
        if not learnt:
            return members
        return [
            (replace(one, sampling=replace(one.sampling, learnt=learnt)), weight) for one, weight in members
        ]

    def _engine_of(self, endpoint: Endpoint, batches: str) -> Engine:
        """Return the engine of one model; `batches` names the folder of its batches."""
        settings, run_limits = self.settings, self.limits
        limits = EngineLimits(
            max_in_flight=settings.in_flight,
            deadline=settings.request_seconds,
            stalled_after=settings.stalled_seconds,
            unusable_in_a_row=settings.unusable_in_a_row,
            offline=run_limits.answers in UNASKED,
        )
        through = None
        if run_limits.answers in BATCHED and endpoint.base_urls:
            through = Batches(
                endpoint,
                self.ledger(),
                self.home / "batches" / batches,
                BatchLimits(poll=settings.batch_poll),
                budget=run_limits.budget,
                submit=run_limits.answers == "batch",
                run=run_limits.run,
            ).through
        return Engine(
            endpoint, self.ledger(), limits, budget=run_limits.budget, through=through, run=run_limits.run
        )

    def sandbox(self) -> Sandbox | None:
        """Return the sandbox, or None if the run is configured to continue in words only."""
        if self.words_only:
            return None
        with _starting:
            return sandbox_of(self.settings.program_seconds, self.settings.sandbox_workers)

    def release(self, name: str) -> None:
        """Close the engine of a model that is not called any more, and free its memory."""
        with self._lock:
            engine = self._open.pop(name, None)
        if engine is not None:
            engine.close()

    def judge(self) -> Judge:
        with _starting:
            return judge_of(self.settings.answer_workers)

    def encoder(self) -> StoredEncoder:
        """Return the encoder. A text that was encoded on this home before is looked up."""
        return self._once(
            "encoder", lambda: StoredEncoder(Encoder(self.settings.encoder), self.home / "vectors")
        )

    def trained_critic(self) -> TrainedCritic:
        """Return the trained critic that the settings name. Raises CriticError if they name none, or none that can be loaded."""
        folder = self._critic_folder()
        return self._once("trained_critic", lambda: load(folder, self.for_critics(asks=True)))

    def for_critics(self, *, asks: bool = False) -> CriticTools:
        """Return what kinds of critics may ask for. `asks`: whether they may call models."""

        def encoder(name: str) -> StoredEncoder:
            own = name == self.settings.encoder
            return self.encoder() if own else StoredEncoder(Encoder(name), self.home / "vectors")

        return CriticTools(encoder, self.engine if asks else None)

    def _critic_folder(self) -> Path:
        name = self.settings.trained_critic
        if not name:
            raise CriticError(
                "the scorer trained_critic needs a critic. Fix: ./mathmill critic train FILES, or --version NAME, then set MATHMILL_TRAINED_CRITIC to its folder"
            )
        return critic_folder(name, self.home)

    def by_name(self, name: str) -> Any:
        """Return the tool that a stage or scorer names among its needs."""
        if is_model(name):
            return self.engine(name)
        tools = {
            "sandbox": self.sandbox,
            "judge": self.judge,
            "encoder": self.encoder,
            "trained_critic": self.trained_critic,
        }
        return tools[name]()

    def identity(self, name: str) -> str:
        """Return what decides a stage's result in a tool, for the address of the output: the model behind a role
        and how it is sampled."""
        if is_model(name):
            return identity(self._members(name))
        if name == "sandbox":
            return f"sandbox:{self.words_only}:{self.settings.program_seconds}"
        if name == "encoder":
            return f"encoder:{self.settings.encoder}"
        if name == "trained_critic":
            return identity_of(read_record(self._critic_folder()))
        return name

    def prompts(self) -> str:
        """Return the digest of all prompts and conditions as this process uses them, for the address of what models are asked."""
        return overlay.digest(self.settings.overlay())

    def engines(self) -> dict[str, Engine]:
        """Return the engines that were used, by role (and model, if a role has several); then those of checkpoints that were
        called by their own names."""
        checkpoints = [name for name in list(self._open) if name not in ROLES and is_model(name)]
        used: dict[str, Engine] = {}
        for name in [*ROLES, *checkpoints]:
            if name in self._open:
                members = self._open[name].members
                used |= {
                    name if len(members) == 1 else f"{name} {one.endpoint.model}": one for one in members
                }
        return used

    def close(self) -> None:
        self._stack.close()
        self._open.clear()

    def _once(self, name: str, make: Callable[[], T]) -> T:
        with self._lock:
            if name not in self._open:
                resource = make()
                if hasattr(resource, "__exit__"):
                    self._stack.enter_context(resource)  # type: ignore[arg-type]
                elif hasattr(resource, "close"):
                    self._stack.callback(resource.close)
                self._open[name] = resource
            existing: T = self._open[name]
            return existing


def is_model(name: str) -> bool:
    """Return whether the name is a role, or a checkpoint by its own name."""
    return name in ROLES or name.startswith(CHECKPOINT)


_open: dict[str, Tools] = {}
_guard = threading.Lock()


@contextlib.contextmanager
def opened(settings: Settings) -> Iterator[Tools]:
    """Yield the tools of a flow run. The task runs of this process find them meanwhile."""
    overlay.overlaid(settings.overlay())  # a file that cannot be used stops the run here, not in the middle
    tools = Tools(settings)
    with _guard:
        _open[str(tools.home)] = tools
    try:
        yield tools
    finally:
        with _guard:
            _open.pop(str(tools.home), None)
        tools.close()


def tools_of(home: str) -> Tools:
    """Return the tools in this process: the flow's if the task runs beside it; in a worker process its own,
    made from that process's environment, so that no key ever travels with a task."""
    with _guard:
        if home not in _open:
            _open[home] = Tools(load_settings().model_copy(update={"home": Path(home)}))
        return _open[home]
