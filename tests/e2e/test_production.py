"""Production without Docker: docker-compose.yml's own commands and settings on a real PostgreSQL."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.postgres import PASSWORD, postgres, sql
from tests.e2e.processes import (
    ROOT,
    SERVER_WITHIN_S,
    Home,
    Teacher,
    answers,
    clean_environment,
    end,
    free_port,
    wait_for,
)

pytestmark = pytest.mark.e2e

AUTH = "admin:auth-secret-of-the-tests"
KEY = "model-key-secret-of-the-tests"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
CRASHED_WITHIN_S = 600
SMALL = {"target": 20, "shard_rows": 8, "weakness": {"share": 0}}


@dataclass
class House:
    """What `docker-compose up` would run, as processes of this machine."""

    postgres: int
    folder: Path
    teacher: Teacher
    port: int = field(default_factory=free_port)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def environment(self, service: str) -> dict[str, str]:
        """The service's environment in the compose file, with this machine's addresses."""
        known = {"POSTGRES_PASSWORD": PASSWORD, "PREFECT_AUTH": AUTH}
        variables = {}
        for name, value in COMPOSE["services"][service]["environment"].items():
            # ${NAME:-default} and ${NAME:?complaint}
            text = re.sub(
                r"\$\{(\w+)(?::-([^}]*))?[^}]*\}",
                lambda match: known[match[1]] if match[2] is None else match[2],
                str(value),
            )
            text = text.replace("@postgres:5432/", f"@127.0.0.1:{self.postgres}/")
            variables[name] = re.sub(
                r"http://(prefect|127\.0\.0\.1):4200", f"http://127.0.0.1:{self.port}", text
            )
        paths = {"MATHMILL_HOME": str(self.folder / "data"), "MATHMILL_ROOT": str(ROOT)}
        variables |= {name: path for name, path in paths.items() if name in variables}
        variables["PREFECT_HOME"] = str(self.folder / service)
        variables["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return clean_environment(**variables)

    def command(self, service: str) -> list[str]:
        words = COMPOSE["services"][service]["command"]
        return [{"0.0.0.0": "127.0.0.1", "4200": str(self.port)}.get(word, word) for word in words]

    def start(self, service: str, **more: str) -> subprocess.Popen[str]:
        (self.folder / service).mkdir(exist_ok=True)
        log = (self.folder / f"{service}.log").open("a")
        process = subprocess.Popen(
            self.command(service), env=self.environment(service) | more, cwd=self.folder,
            stdout=log, stderr=log, text=True, start_new_session=True,
        )  # fmt: skip
        self.started.append(process)
        return process

    def serve(self) -> subprocess.Popen[str]:
        server = self.start("prefect")
        wait_for(lambda: answers(f"{self.api}/health"), SERVER_WITHIN_S, "the server", server)
        return server

    def work(self) -> subprocess.Popen[str]:
        keyed = {"MATHMILL_TEACHER__BASE_URL": self.teacher.url, "MATHMILL_TEACHER__API_KEY": KEY}
        return self.start("worker", PREFECT_WORKER_WEBSERVER_PORT=str(free_port()), **keyed)

    def prefect(self, *words: str, **more: str) -> str:
        done = subprocess.run(
            ["prefect", *words], env=self.environment("deploy") | more, cwd=ROOT, capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def get(self, path: str, auth: str = AUTH) -> Any:
        request = urllib.request.Request(f"{self.api}{path}")
        request.add_header("Authorization", "Basic " + base64.b64encode(auth.encode()).decode())
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.loads(reply.read())

    def night(self, **config: Any) -> str:
        """Start the deployment `nightly`; the id of the run."""
        text = json.dumps(SMALL | config)
        out = self.prefect("deployment", "run", "nightly/nightly", "--param", f"config={text}")
        uuid = re.search(r"UUID: ([0-9a-f-]{36})", out)
        assert uuid, out
        return uuid[1]

    def state(self, run: str) -> str:
        return str(self.get(f"/flow_runs/{run}")["state_type"])

    def log(self, service: str) -> str:
        return (self.folder / f"{service}.log").read_text()[-4000:]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    from tests.e2e.conftest import start_teacher

    with postgres() as port:
        teacher = start_teacher()
        installation = House(port, tmp_path_factory.mktemp("house"), teacher)
        try:
            installation.serve()
            deploy = subprocess.run(
                installation.command("deploy"), env=installation.environment("deploy"), cwd=ROOT, capture_output=True,
                text=True, timeout=400, check=False,
            )  # fmt: skip
            assert deploy.returncode == 0, deploy.stdout + deploy.stderr
            assert "mathmill: zombie run" in deploy.stdout
            installation.work()
            yield installation
        finally:
            for process in installation.started[::-1]:
                end(process)
            end(teacher.process)


def test_the_compose_file_is_valid(tmp_path: Path) -> None:
    """By Debian's docker-compose, with the example's settings filled in."""
    if shutil.which("docker-compose") is None:
        pytest.skip("docker-compose is not installed (apt-get install docker-compose)")
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    filled = example.replace("# POSTGRES_PASSWORD=", "POSTGRES_PASSWORD=").replace(
        "# PREFECT_AUTH=", "PREFECT_AUTH="
    )

    def config(*profiles: str) -> subprocess.CompletedProcess[str]:
        words = ["docker-compose", *(word for name in profiles for word in ("--profile", name)), "config"]
        environment = {k: v for k, v in os.environ.items() if k not in ("POSTGRES_PASSWORD", "PREFECT_AUTH")}
        return subprocess.run(
            words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    (tmp_path / ".env").write_text(example)
    refused = config()
    assert refused.returncode != 0
    assert "in .env" in refused.stderr  # no default password, ever
    (tmp_path / ".env").write_text(filled)
    done = config("gpu", "s3", "train")
    assert done.returncode == 0, done.stderr
    services = yaml.safe_load(done.stdout)["services"]
    assert set(services) == {"postgres", "prefect", "deploy", "worker", "trainer", "vllm", "s3"}
    for name, service in services.items():
        for port in service.get("ports", ()):
            assert str(port).startswith("127.0.0.1:"), f"{name} is open to the network"
        if name not in ("postgres",):
            assert service["cap_drop"] == ["ALL"]
        assert not service.get("privileged")
        if name != "deploy":
            assert service["healthcheck"]["test"]
    assert set(services["worker"]["cap_add"]) >= {"SYS_ADMIN"}
    assert "cap_add" not in services["prefect"]


@pytest.mark.soak
def test_deployments_are_what_prefect_yaml_says(house: House) -> None:
    listed = {d["name"]: d for d in deployments(house)}
    declared = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    assert set(listed) == {one["name"] for one in declared}
    for one in declared:
        deployment = listed[one["name"]]
        assert deployment["work_pool_name"] == one["work_pool"]["name"]
        if "concurrency_limit" in one:
            assert deployment["concurrency_options"]["collision_strategy"] == "ENQUEUE"
            assert deployment["global_concurrency_limit"]["limit"] == 1
        else:
            assert deployment["global_concurrency_limit"] is None
        assert deployment["version"]
        assert "mathmill" in deployment["tags"]
        assert [s["schedule"]["cron"] for s in deployment["schedules"]] == [
            s["cron"] for s in one.get("schedules", ())
        ]
    form = listed["rebuild"]["parameter_openapi_schema"]["definitions"]["Rebuild"]["properties"]
    assert all(entry.get("description") for name, entry in form.items() if name != "gates"), form
    assert form["shard_rows"]["maximum"] == 100_000


def deployments(house: House) -> list[dict[str, Any]]:
    script = (
        "import json\nfrom prefect.client.orchestration import get_client\n"
        "with get_client(sync_client=True) as c: print(json.dumps([d.model_dump(mode='json') for d in c.read_deployments()]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=house.environment("deploy"),
        capture_output=True,
        text=True,
        check=True,
    )
    result: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.mark.soak
def test_the_api_asks_for_the_password_and_a_token(house: House) -> None:
    for auth in ("admin:wrong", "x:y"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            house.get("/flow_runs/count", auth)
        assert refused.value.code == 401
    request = urllib.request.Request(
        f"{house.api}/flow_runs/filter", b"{}", {"Content-Type": "application/json"}
    )
    request.add_header("Authorization", "Basic " + base64.b64encode(AUTH.encode()).decode())
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=30)
    assert refused.value.code == 403  # CSRF: no token
    settings = house.get("/admin/settings")
    vacuum = settings["server"]["services"]["db_vacuum"]
    assert set(vacuum["enabled"]) >= {"events", "flow_runs"}
    assert settings["server"]["events"]["retention_period"] in ("P14D", 14 * 86_400)


@pytest.mark.soak
def test_a_night_under_a_worker_and_what_prefect_keeps_of_it(house: House) -> None:
    run = house.night()
    final = wait_for(
        lambda: (state := house.state(run)) in ("COMPLETED", "FAILED", "CRASHED") and state, 400, "the night"
    )
    assert final == "COMPLETED", house.log("worker")
    home = Home(house.folder / "data", clean_environment(MATHMILL_HOME=str(house.folder / "data")))
    rows = home.sql('SELECT question FROM "math-sft"')
    assert len(rows) == 20
    # results by reference, no task a row
    ((tasks,),) = sql(house.postgres, f"SELECT count(*) FROM task_run WHERE flow_run_id = '{run}'")
    assert tasks < 120
    kept = json.dumps(
        [
            sql(house.postgres, f"SELECT row_to_json(t)::text FROM {table} t")
            for table in ("task_run", "task_run_state", "flow_run", "flow_run_state", "deployment")
        ]
    )
    assert not [row for row in rows if json.dumps(row["question"])[1:40] in kept]
    # no secret anywhere in Prefect's database
    everything = subprocess.run(
        ["pg_dump", "-h", "127.0.0.1", "-p", str(house.postgres), "-U", "prefect", "prefect"],
        env=os.environ | {"PGPASSWORD": PASSWORD}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert run in everything
    for secret in (KEY, AUTH.partition(":")[2], PASSWORD):
        assert secret not in everything


@pytest.mark.soak
def test_a_failed_gate_is_an_event_that_its_automation_sees(house: House) -> None:
    run = house.night(dataset="too-few", gates={"min_rows": 100_000})
    wait_for(lambda: house.state(run) == "FAILED", 400, "the refusal")
    wait_for(
        lambda: sql(house.postgres, "SELECT 1 FROM events WHERE event = 'mathmill.gate.failed'"),
        60,
        "the event",
    )
    wait_for(
        lambda: sql(
            house.postgres,
            "SELECT 1 FROM events WHERE event = 'prefect.automation.triggered' AND resource::text LIKE '%gate failed%'",
        ),
        60,
        "the automation",
    )


@pytest.mark.soak
def test_a_drift_stops_publishing_and_its_automation_sees_it(house: House) -> None:
    night = {"dataset": "drifting", "target": 20}
    first = house.night(**night)
    wait_for(lambda: house.state(first) == "COMPLETED", 400, "the first night")
    # of earlier nights with replies of another length, as another model under the same name would have written them
    (stored,) = (house.folder / "data" / "drift" / "drifting").glob("*.json")
    other = json.loads(stored.read_bytes())
    for turn in range(8):
        counts = other["measures"]["length"]["counts"]
        other |= {"night": f"{turn}", "at": f"2020-01-0{turn + 1}T00:00:00+00:00"}
        other["measures"]["length"]["counts"] = [*counts[20:], *[0] * 20]
        (stored.parent / f"{turn}.json").write_text(json.dumps(other))
        other["measures"]["length"]["counts"] = counts
    second = house.night(**night)
    final = wait_for(
        lambda: (state := house.state(second)) in ("COMPLETED", "FAILED", "CRASHED") and state,
        400,
        "the refusal",
    )
    assert final == "FAILED", house.log("worker")
    wait_for(
        lambda: sql(house.postgres, "SELECT 1 FROM events WHERE event = 'mathmill.drift.alarm'"),
        60,
        "the event",
    )
    wait_for(
        lambda: sql(
            house.postgres,
            "SELECT 1 FROM events WHERE event = 'prefect.automation.triggered' AND resource::text LIKE '%drift alarm%'",
        ),
        60,
        "the automation",
    )
    home = Home(house.folder / "data", clean_environment(MATHMILL_HOME=str(house.folder / "data")))
    assert len([v for v in home.json("datasets") if v["version"].startswith("drifting@")]) == 1


@pytest.mark.soak
def test_a_killed_worker_is_seen_and_the_next_run_goes_on(house: House) -> None:
    config = {"dataset": "killed", "target": 60}
    before = house.teacher.stats()["calls"]
    run = house.night(**config)
    wait_for(lambda: house.teacher.stats()["calls"] - before > 60, 300, "some calls")
    worker = next(p for p in house.started[::-1] if "worker" in p.args)
    for pid in [*descendants(worker.pid), worker.pid]:
        os.kill(pid, signal.SIGKILL)
    worker.wait(30)
    wait_for(lambda: house.state(run) == "CRASHED", CRASHED_WITHIN_S, "the true state")
    paid = house.teacher.stats()["calls"]
    house.work()
    again = house.night(**config)
    final = wait_for(
        lambda: (state := house.state(again)) in ("COMPLETED", "FAILED", "CRASHED") and state,
        400,
        "the second run",
    )
    assert final == "COMPLETED", house.log("worker")
    stats = house.teacher.stats()
    assert stats["calls"] > paid
    # only what was in flight at the kill may have been asked twice
    assert stats["repeated_requests"] <= 64


@pytest.mark.soak
def test_a_killed_server_comes_back_and_the_run_completes(house: House) -> None:
    before = house.teacher.stats()["calls"]
    run = house.night(dataset="without-server", target=60)
    wait_for(lambda: house.teacher.stats()["calls"] - before > 30, 300, "some calls")
    server = next(p for p in house.started[::-1] if "server" in p.args)
    for pid in [*descendants(server.pid), server.pid]:
        os.kill(pid, signal.SIGKILL)
    server.wait(30)
    house.serve()
    final = wait_for(
        lambda: (state := house.state(run)) in ("COMPLETED", "FAILED", "CRASHED") and state, 500, "the run"
    )
    assert final == "COMPLETED", house.log("worker")


def descendants(pid: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]
