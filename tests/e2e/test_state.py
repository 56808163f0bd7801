"""llm_state: what outlives nginx, and what the disk may do to it."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from harness import Reply, SLOW, answers, openai_wire, wait_for
from harness.openapi import Admin

QUOTA = """
llm_quota per_tenant key=$http_x_tenant tokens=1m/day cost=100usd/month;
llm_limit at_a_time key=$http_x_tenant concurrent=4;
"""


@pytest.fixture
def engine():
    """Not all of them here: what this is about stands in the tests."""
    return ""


@pytest.fixture
def kept(administer, tmp_path):
    """A gateway with llm_state, budgets, and its admin API."""
    def make(script=None, *, directory=None, zone="", http="", **parts):
        state = directory or tmp_path / "kept"
        admin = administer(
            script or Reply(input=100, output=30), model="m",
            http=f"{zone}\nllm_state {state};\n{QUOTA}{http}",
            upstream=["llm_price m input=2 output=8;"],
            lines=["limit per_tenant at_a_time;"], **parts)
        admin.state = state
        return admin
    return make


def restart(gw, sig=None):
    if sig is None:
        gw.stop()
    elif sig == signal.SIGKILL:
        gw.kill()
    else:
        os.kill(gw.master, sig)
        wait_for(lambda: not gw.running, 10, "nginx to end")
    gw.start()


def make_key(admin, **members):
    made = admin.post("keys", members)
    assert made.status == 201, made.body
    admin.gateway.secret(made.json["secret"])
    return made.json["key"]["id"]


def clients(admin):
    return sorted(key["client"] for key in admin.pages("keys", "keys"))


def ask(admin, tenant="t", **more):
    return admin.gateway.chat(headers=[("x-tenant", tenant)], **more)


def used(admin, key="t"):
    answer = admin.get("limits/per_tenant", key=key)
    assert answer.status == 200, answer.body
    return {level["rate"].split("=")[0]: level["used"]
            for level in answer.json["levels"]}


def usage(admin):
    rows = admin.get("usage").json["rows"]
    return {name: sum(row[name] for row in rows)
            for name in ("requests", "input_tokens", "output_tokens")}


def saved(admin):
    """Waits until what has been used by now is on the disk."""
    path, now = admin.state / "usage", time.time()
    wait_for(lambda: path.exists() and path.stat().st_mtime > now, 10,
             "the next time that it is saved")


# -- restarts -----------------------------------------------------------------

@pytest.mark.parametrize("sig", [None, signal.SIGTERM, signal.SIGKILL])
def test_keys(kept, sig):
    """What has been confirmed is there, however nginx ends."""
    admin = kept(workers=2)
    first, second = (make_key(admin, client=name) for name in ("a", "b"))
    assert admin.put(f"keys/{first}", {"client": "a2"}).status == 200
    third = make_key(admin, client="c")
    assert admin.delete(f"keys/{second}").status in (200, 204)
    for _ in range(2):
        restart(admin.gateway, sig)
        assert clients(admin) == ["a2", "c"]
        got = admin.get(f"keys/{first}")
        assert got.json["key"]["revision"] == 2
        assert admin.get(f"keys/{second}").status == 404
    assert admin.put(f"keys/{third}", {"client": "c2"}).status == 200
    audit = list(admin.pages("audit", "records"))
    assert len([one for one in audit if one["status"] < 300]) == 6


@pytest.mark.parametrize("sig", [None, signal.SIGTERM])
def test_budgets_and_usage(kept, sig):
    """An orderly end loses nothing: budgets and ledger go on, exactly."""
    admin = kept(workers=3)
    for n in range(20):
        assert ask(admin, tenant="t" if n % 2 else "u").status == 200
    wait_for(lambda: usage(admin)["requests"] == 20 and all(
        used(admin, key)["tokens"] == 10 * 130 for key in "tu"), 10)
    before = used(admin), used(admin, "u"), usage(admin)
    for _ in range(2):
        restart(admin.gateway, sig)
        assert (used(admin), used(admin, "u"), usage(admin)) == before
    assert ask(admin).status == 200
    wait_for(lambda: used(admin)["tokens"] == 11 * 130, 10)


def test_power_cut(kept):
    """Without any farewell: at most the last seconds are lost."""
    admin = kept(workers=2)
    for _ in range(10):
        assert ask(admin).status == 200
    wait_for(lambda: usage(admin)["requests"] == 10
             and used(admin)["tokens"] == 10 * 130, 10)
    saved(admin)
    before = used(admin), usage(admin)
    restart(admin.gateway, signal.SIGKILL)
    assert (used(admin), usage(admin)) == before


def test_the_last_one_saves(kept):
    """A worker that drains a stream counts after the others have gone."""
    go = threading.Event()

    def script(x):
        first, *rest = openai_wire.chat_stream(
            Reply(text="one two three four five", input=100, output=30),
            x.request.json)
        x.head(200, [answers.EVENTS], chunked=True)
        x.chunk(first)
        x.wait(go, 60)
        for event in rest:
            x.chunk(event)
        x.last_chunk()
    admin = kept(script, workers=2)
    gw = admin.gateway
    done = []
    asking = threading.Thread(
        target=lambda: done.append(ask(admin, stream=True).status))
    asking.start()
    wait_for(lambda: gw.metrics().sum("llm_requests_in_flight") == 1, 10)
    stopping = threading.Thread(target=gw.stop, args=[40])
    stopping.start()
    wait_for(lambda: not gw.workers() and len(gw.workers(leaving=True)) == 1,
             10, "the other worker's end")
    go.set()
    asking.join()
    stopping.join()
    assert done == [200]
    gw.start()
    assert usage(admin)["requests"] == 1
    assert used(admin)["tokens"] == 130


def test_many_writers(kept):
    """Any worker may write; nothing is lost, nothing is torn."""
    admin = kept(workers=4)
    failed = []

    def work(n):
        mine = Admin(admin.gateway)
        for k in range(10):
            made = mine.post("keys", {"client": f"{n}-{k}"})
            if made.status != 201:
                failed.append(made.body)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    restart(admin.gateway, signal.SIGKILL)
    assert clients(admin) == sorted(f"{n}-{k}" for n in range(8)
                                    for k in range(10))


# -- reloads -------------------------------------------------------------------

def test_reload(kept):
    admin = kept(workers=2)
    gw = admin.gateway
    make_key(admin, client="a")
    assert ask(admin).status == 200
    wait_for(lambda: used(admin)["tokens"] == 130, 10)
    gw.reload()
    make_key(admin, client="b")
    assert used(admin)["tokens"] == 130
    restart(gw)
    assert clients(admin) == ["a", "b"]
    assert used(admin)["tokens"] == 130


def test_reload_with_another_zone(kept):
    """A zone of another size is a new one: it is filled from the directory,
    and old workers write there no more."""
    admin = kept(workers=2, zone="llm_zone llm:8m;")
    gw = admin.gateway
    make_key(admin, client="a")
    for _ in range(4):
        assert ask(admin).status == 200
    wait_for(lambda: usage(admin)["requests"] == 4
             and used(admin)["tokens"] == 4 * 130, 10)
    saved(admin)
    gw.reload(http=gw.config.http.replace("llm:8m", "llm:16m"))
    assert clients(admin) == ["a"]
    assert used(admin)["tokens"] == 4 * 130
    make_key(admin, client="b")
    restart(gw)
    assert clients(admin) == ["a", "b"]
    assert used(admin)["tokens"] == 4 * 130


def test_test_disturbs_nothing(kept):
    """nginx -t reads, and leaves the directory to whom it belongs."""
    admin = kept()
    gw = admin.gateway
    make_key(admin, client="a")
    owner = (admin.state / "owner").read_text()
    for _ in range(3):
        assert gw.check().ok
        make_key(admin, client="b")
    assert (admin.state / "owner").read_text() == owner


def test_state_begins_with_a_reload(kept, tmp_path):
    """Keys that were in memory alone are in the directory then."""
    admin = kept()
    gw = admin.gateway
    line = f"llm_state {admin.state};"
    with_state = gw.config.http
    gw.stop()
    shutil.rmtree(admin.state)
    gw.config = gw.config.but(http=with_state.replace(line, ""))
    gw.start()
    make_key(admin, client="a")
    gw.reload(http=with_state)
    make_key(admin, client="b")
    restart(gw, signal.SIGKILL)
    assert clients(admin) == ["a", "b"]


# -- a worker dies -------------------------------------------------------------

def test_killed_worker(kept):
    """What it had reserved comes back at once, not with the lease."""
    admin = kept(answers.stall, workers=2)
    gw = admin.gateway

    def wait():
        try:
            ask(admin)
        except (OSError, AssertionError, EOFError):
            pass
    threads = [threading.Thread(target=wait) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_for(lambda: gw.metrics().sum("llm_requests_in_flight") == 4, 10)
    assert ask(admin).status == 429
    for pid in gw.workers():
        gw.kill_worker(pid)
    wait_for(lambda: len(gw.workers()) == 2, 10)
    wait_for(lambda: all(level["reserved"] == 0 for level in admin.get(
        "limits/at_a_time", key="t").json["levels"]), 5)
    for thread in threads:
        thread.join()


# -- disks ---------------------------------------------------------------------

@pytest.fixture
def small_disk(tmp_path):
    """A file system that is soon full."""
    where = tmp_path / "disk"
    where.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160k", "none",
                           str(where)], capture_output=True)
    if done.returncode:
        pytest.skip(f"cannot mount: {done.stderr.decode()}")
    yield where
    subprocess.run(["umount", "-l", str(where)])


def test_full_disk(kept, small_disk):
    """Changes are refused, requests are not; then it goes on."""
    admin = kept(directory=small_disk / "state", workers=2)
    gw = admin.gateway
    make_key(admin, client="a")
    (small_disk / "ballast").write_bytes(b"x" * 4096 * 22)
    with (small_disk / "more").open("wb", buffering=0) as more:
        try:
            while more.write(b"x" * 512):
                pass
        except OSError:
            pass
    refused = 0
    for _ in range(40):
        made = admin.post("keys", {"client": "x", "metadata":
                                   {"much": "y" * 1000}})
        refused += made.status == 503
        assert made.status in (201, 503), made.body
    assert refused
    before = len(clients(admin))
    for _ in range(5):
        assert ask(admin).status == 200
    wait_for(lambda: usage(admin)["requests"] == 5, 10)
    wait_for(lambda: gw.error_log().count("llm_state: ") >= 1, 12)
    said = [line for line in gw.error_log().split("\n") if "llm_state" in line]
    assert len(said) <= 2                    # one of each worker
    assert "No space left on device" in said[0]
    (small_disk / "more").unlink()
    (small_disk / "ballast").unlink()
    make_key(admin, client="z")
    gw.stop()
    gw.start()
    assert len(clients(admin)) == before + 1
    assert usage(admin)["requests"] == 5


def test_torn_write(kept):
    """Half a record at the end is what a power cut leaves."""
    admin = kept()
    gw = admin.gateway
    make_key(admin, client="a")
    whole = (admin.state / "keys.log").read_bytes()
    make_key(admin, client="b")
    gw.stop()
    torn = (admin.state / "keys.log").read_bytes()[:len(whole) + 40]
    (admin.state / "keys.log").write_bytes(torn)
    gw.start()
    assert "ends in 40 bytes of an interrupted write" in \
        gw.error_log() + gw.stderr.read_text()
    assert clients(admin) == ["a"]
    make_key(admin, client="c")
    restart(gw)
    assert clients(admin) == ["a", "c"]


def refused(gw, text):
    check = gw.check()
    assert not check.ok
    assert text in check.stderr
    assert "[emerg]" in check.stderr


def test_damaged(kept):
    """nginx -t says which file, where, and what to do."""
    admin = kept()
    gw = admin.gateway
    for name in "abc":
        make_key(admin, client=name)
    assert ask(admin).status == 200
    wait_for(lambda: usage(admin)["requests"] == 1, 10)
    gw.stop()
    gw.allow("llm_state: .* damaged")
    log = admin.state / "keys.log"
    good = log.read_bytes()
    bad = bytearray(good)
    bad[100] ^= 1
    log.write_bytes(bad)
    refused(gw, f'"{log}" at byte 32: it is damaged')
    log.write_bytes(b"key" + good)
    refused(gw, f'"{log}": it is no journal of this module')
    log.write_bytes(good)
    use = admin.state / "usage"
    kept_use = use.read_bytes()
    use.write_bytes(kept_use[:-3])
    refused(gw, f'"{use}" at byte 0: it is damaged')
    use.write_bytes(kept_use)
    gw.start()
    assert clients(admin) == ["a", "b", "c"]


def test_wrong_directories(gateway, provider, tmp_path):
    up = provider()

    def check(lines):
        gw = gateway(http=up.upstream("up") + "llm_route r { match *; "
                     "target up; }\n" + lines, start=False)
        gw.allow("llm_state: ")
        return gw.check()
    (tmp_path / "file").write_text("")
    said = check(f"llm_state {tmp_path}/file;").stderr
    assert f'llm_state: open() "{tmp_path}/file/owner" failed' in said
    said = check(f"llm_state {tmp_path}/not/there;").stderr
    assert "mkdir()" in said and "not/there" in said
    said = check(f"llm_state {tmp_path}/a; llm_state {tmp_path}/b;").stderr
    assert "duplicate" in said
    said = check("llm_state;").stderr
    assert "invalid number of arguments" in said
    assert check(f"llm_state {tmp_path}/new;").ok
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_another_nginx(kept, gateway, provider):
    """Two with one directory: the second one says so and does not start."""
    admin = kept()
    make_key(admin, client="a")
    up = provider()
    gw = gateway(http=up.upstream("up") + "llm_route r { match *; "
                 f"target up; }}\nllm_state {admin.state};", start=False)
    with pytest.raises(AssertionError, match="another nginx uses it"):
        gw.start()
    gw.allow("another nginx uses it")
    gw.process = None                        # it has ended, as it should
    make_key(admin, client="b")
    restart(admin.gateway)
    assert clients(admin) == ["a", "b"]


def test_waits_for_the_last_one(kept):
    """What has been killed may keep its files for a moment longer."""
    admin = kept()
    gw = admin.gateway
    make_key(admin, client="a")
    gw.kill()
    with (admin.state / "owner").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        free = threading.Timer(0.5, fcntl.flock, (lock, fcntl.LOCK_UN))
        free.start()
        gw.start()
        free.join()
    assert clients(admin) == ["a"]
    assert "another nginx uses it, trying again" in gw.error_log()


def test_number_of_another_container(kept):
    """Both call their master 1, and are two all the same."""
    admin = kept()
    gw = admin.gateway
    gw.kill()
    owner = admin.state / "owner"
    with owner.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        done = subprocess.run(
            ["sh", "-c", 'echo "0123456789abcdef $$" > "$0"; exec "$@"',
             str(owner), *gw._command(gw.log)],
            capture_output=True, text=True, timeout=30 * SLOW,
            env=gw._environment())
    assert done.returncode == 1, done.stderr
    assert "another nginx uses it" in done.stderr
    gw.process = None                        # it was killed, as it should be
    gw.allow("another nginx uses it")


def test_threads_of_its_own(kept):
    """The pool may have fewer threads than nginx's default of 32."""
    admin = kept(main="thread_pool default threads=1;")
    make_key(admin, client="a")
    tasks = os.listdir(f"/proc/{admin.gateway.worker()}/task")
    assert len(tasks) == 2
