"""pymemcache (Debian: python3-pymemcache): ordinary keys. The same suite passes on
memcached itself. A step that fails ends the suite with exit status 1."""

import sys
import time
import traceback

from pymemcache.client.base import Client
from pymemcache.client.hash import HashClient
from pymemcache.exceptions import MemcacheClientError, MemcacheServerError

if len(sys.argv) != 2:
    sys.exit(f"usage: python3 {sys.argv[0]} HOST:PORT")
HOST, PORT = sys.argv[1].rsplit(":", 1)
client = Client((HOST, int(PORT)), timeout=10)


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


@step("set, get, delete")
def _():
    same(True, client.set("a", b"1\r\n2"))
    same(b"1\r\n2", client.get("a"))
    same(None, client.get("none"))
    same(True, client.delete("a", noreply=False))
    same(False, client.delete("a", noreply=False))
    same(None, client.get("a"))


@step("add, replace, append, prepend")
def _():
    same(True, client.add("k", b"b", noreply=False))
    same(False, client.add("k", b"x", noreply=False))
    same(False, client.replace("none", b"x", noreply=False))
    same(True, client.append("k", b"c", noreply=False))
    same(True, client.prepend("k", b"a", noreply=False))
    same(b"abc", client.get("k"))
    same(False, client.append("none", b"c", noreply=False))


@step("gets and cas")
def _():
    value, cas = client.gets("k")
    same(b"abc", value)
    same(True, client.cas("k", b"new", cas))
    same(False, client.cas("k", b"old", cas))
    same(None, client.cas("none", b"x", cas))


@step("incr and decr")
def _():
    client.set("n", b"9")
    same(10, client.incr("n", 1))
    same(4, client.decr("n", 6))
    same(0, client.decr("n", 6))
    same(None, client.incr("none", 1))


@step("many keys")
def _():
    many = {f"key-{i}": b"%d" % i for i in range(2000)}
    same([], client.set_many(many, noreply=False))
    same(many, client.get_many(list(many)))
    client.delete_many(list(many), noreply=False)
    same({}, client.get_many(list(many)))


@step("expiry, touch and gat")
def _():
    client.set("short", b"x", expire=1)
    client.set("long", b"x", expire=1)
    same(True, client.touch("long", 1000, noreply=False))
    time.sleep(2.1)
    same(None, client.get("short"))
    same(b"x", client.get("long"))


@step("a value that is too large")
def _():
    try:
        client.set("big", b"x" * (1 << 21), noreply=False)
        raise AssertionError("it was stored")
    except MemcacheServerError as e:
        same("object too large for cache", str(e.args[0] if isinstance(e.args[0], str) else e.args[0].decode()))


@step("a key that is too long")
def _():
    try:
        client.get("k" * 251)
        raise AssertionError("it was taken")
    except MemcacheClientError:
        pass


@step("stats, version, flush_all")
def _():
    assert client.stats()[b"limit_maxbytes"]
    assert client.version().startswith(b"1.6.")
    client.set("k", b"x")
    same(True, client.flush_all(noreply=False))
    same(None, client.get("k"))


@step("a client of several servers")
def _():
    h = HashClient([(HOST, int(PORT))])
    same(True, h.set("h", b"x"))
    same(b"x", h.get("h"))
