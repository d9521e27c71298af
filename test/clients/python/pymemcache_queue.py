"""pymemcache on queues: set puts, get takes. A step that fails ends the suite with
exit status 1."""

import sys
import threading
import time
import traceback

from pymemcache.client.base import Client
from pymemcache.serde import pickle_serde

if len(sys.argv) != 2:
    sys.exit(f"usage: python3 {sys.argv[0]} HOST:PORT")
HOST, PORT = sys.argv[1].rsplit(":", 1)


def connect(**options):
    return Client((HOST, int(PORT)), timeout=10, **options)


client = connect()


def step(name):
    def run(do):
        try:
            do()
        except Exception:
            print("not ok -", name)
            traceback.print_exc()
            sys.exit(1)
        print("ok -", name, flush=True)

    return run


def same(want, got):
    if want != got:
        raise AssertionError(f"want {want!r:.200}, got {got!r:.200}")


@step("put and take in order")
def _():
    for i in range(100):
        same(True, client.set("work", b"%d" % i, noreply=False))
    for i in range(100):
        same(b"%d" % i, client.get("work"))
    same(None, client.get("work"))


@step("objects, whose type is in the flags")
def _():
    c = connect(serde=pickle_serde)
    for job in [{"a": [1, 2]}, 7, "text", b"bytes", None, 1.5]:
        c.set("objects", job, noreply=False)
        same(job, c.get("objects"))


@step("without replies")
def _():
    for i in range(100):
        client.set("quiet", b"%d" % i, noreply=True)
    same([b"%d" % i for i in range(100)], [client.get("quiet") for _ in range(100)])


@step("several queues at once")
def _():
    same([], client.set_many({"a": b"1", "b": b"2"}, noreply=False))
    same({"a": b"1", "b": b"2"}, client.get_many(["a", "none", "b"]))
    same({}, client.get_many(["a", "b"]))


@step("gets gives an id that rises")
def _():
    client.set("ids", b"x", noreply=False)
    client.set("ids", b"y", noreply=False)
    (x, first), (y, second) = client.gets("ids"), client.gets("ids")
    same((b"x", b"y"), (x, y))
    assert int(second) > int(first)


@step("expiry")
def _():
    client.set("short", b"x", expire=1, noreply=False)
    client.set("short", b"y", expire=0, noreply=False)
    time.sleep(1.2)
    same(b"y", client.get("short"))


@step("delete and stats")
def _():
    client.set("gone", b"x", noreply=False)
    same(True, client.delete("gone", noreply=False))
    same(None, client.get("gone"))
    client.set("counted", b"abc", noreply=False)
    same(1, int(client.stats()[b"queue_counted_items"]))


@step("many workers share a queue")
def _():
    got, lock = [], threading.Lock()

    def work():
        c = connect()
        while (job := c.get("shared")) is not None:
            with lock:
                got.append(int(job))

    for i in range(1000):
        client.set("shared", b"%d" % i, noreply=False)
    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    same(list(range(1000)), sorted(got))
