"""The store: changes are whole or nothing, also where the writer is killed, and buckets."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pytest

from kaleido.errors import UserError
from kaleido.search import store as module
from kaleido.search.store import Store
from kaleido.search.vector_file import vector_column

ABOUT = {"format": 1}


def rows(state, count):
    """Rows of a state: its first product is gone, the others have its number, and one is new."""
    names = [f"p{number}" for number in range(state + 1, state + count)] + [f"new{state}"]
    vectors = np.random.default_rng(state).normal(size=(count, 16)).astype(np.float16)
    numbers = pa.array(np.full(count, state, float))
    return pa.table({"id": names, "photo": names, "stamp": names, "c_state": numbers, "vector": vector_column(vectors)})


def state_of(store, count):
    """The state that a store is in; fails if it is none."""
    found = store.rows(["photo", "c_state", "vector"]).sort_by("photo")
    state = int(found["c_state"][0].as_py())
    expected = rows(state, count).select(["photo", "c_state", "vector"]).sort_by("photo")
    assert found.equals(expected.cast(found.schema))
    return state


def update(where, state, count, begin=lambda: None):
    """Writes a state, in many small parts; `begin` is called when the store is open."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_FRAGMENTS", 2)
        patch.setattr(module, "INDEXED", 1000)
        store = Store(str(where))
        store.rows(["photo"])
        begin()
        new = rows(state, count)
        schema = pa.schema([pa.field("stamp", pa.string()), pa.field("jpeg", pa.binary())])
        store.add_thumbnails([pa.record_batch([pa.array([f"new{state}"]), pa.array([b"jpeg"])], schema=schema)], schema)
        store.change(new, [f"p{state}", f"new{state - 1}"])


WRITER = """
import sys
from test_store import update
update(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), lambda: print("ready", flush=True))
"""


def update_in_a_process(where, state, count, delay=None):
    """Writes a state in another process, which is killed after some seconds; returns how long it took."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *filter(None, sys.path)])}
    command = [sys.executable, "-c", WRITER, str(where), str(state), str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout.readline() == b"ready\n", process.stderr.read().decode()
        begun = time.monotonic()
        if delay is None:
            assert process.wait() == 0, process.stderr.read().decode()
        else:
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
        return time.monotonic() - begun


def kill_updates(where, count, kills):
    """Kills updates at random moments; returns how often the old and the new state was found."""
    draw = random.Random(0)
    store = Store(str(where))
    store.create(rows(0, count), ABOUT)
    state, found = 0, {"old": 0, "new": 0}
    took = update_in_a_process(where, state + 1, count)
    state = state_of(Store(str(where)), count)
    assert state == 1
    for _ in range(kills):
        update_in_a_process(where, state + 1, count, draw.uniform(0, 1.2 * took))
        now = state_of(Store(str(where)), count)
        assert now in (state, state + 1)
        found["new" if now > state else "old"] += 1
        hits = Store(str(where)).nearest(np.ones(16, np.float32), f"c_state = {now}", 10, ["photo"])
        assert len(hits) == 10
        if now == state:  # the same update is done again
            update(where, state + 1, count)
        state = state_of(Store(str(where)), count)
        # A reader that was there all the time sees it as well.
        time.sleep(1.1)
        assert state_of(store, count) == state
    return found


def test_a_killed_update_leaves_the_old_or_the_new(tmp_path):
    kill_updates(tmp_path / "index", 300, 3)


@pytest.mark.slow
def test_many_updates_of_a_large_index_are_killed(tmp_path):
    found = kill_updates(tmp_path / "index", 20_000, 40)
    assert min(found.values()) > 3, found


def test_a_full_disk_leaves_the_old(tmp_path):
    import resource

    store = Store(str(tmp_path / "index"))
    store.create(rows(0, 300), ABOUT)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
        with pytest.raises(UserError) as raised:
            store.change(rows(1, 300), ["p1", "new0"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert "\n" not in str(raised.value) and str(tmp_path) in str(raised.value)
    assert state_of(Store(str(tmp_path / "index")), 300) == 0
    store.change(rows(1, 300), ["p1", "new0"])
    assert state_of(Store(str(tmp_path / "index")), 300) == 1


def test_an_index_in_a_bucket(monkeypatch):
    moto = pytest.importorskip("moto.server")
    boto3 = pytest.importorskip("boto3")
    server = moto.ThreadedMotoServer(port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        for name, value in {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        }.items():
            monkeypatch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="shop")
        store = Store("s3://shop/index")
        assert not store.exists
        store.create(rows(0, 300), ABOUT)
        store.change(rows(1, 300), ["p1", "new0"])
        again = Store("s3://shop/index")
        assert again.exists and again.about == ABOUT and state_of(again, 300) == 1
        assert len(again.nearest(np.ones(16, np.float32), None, 5, ["photo"])) == 5
        with pytest.raises(UserError, match="nowhere") as raised:
            Store("s3://nowhere/index").create(rows(0, 300), ABOUT)
        assert "\n" not in str(raised.value)
    finally:
        server.stop()


def test_a_panic_of_the_library_is_one_line(tmp_path, monkeypatch):
    class Damaged:
        @property
        def schema(self):
            raise type("RustPanic", (Exception,), {})("rust future panicked:\nunknown error")

    monkeypatch.setattr(Store, "_table", lambda self, name: Damaged())
    with pytest.raises(UserError, match=r"the index cannot be used: rust future panicked: unknown error$"):
        Store(str(tmp_path)).check()
