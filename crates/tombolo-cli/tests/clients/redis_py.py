"""Drives nodes with redis-py, one thread a node, and compares what they hold afterwards.

Usage: redis_py.py PORT PORT PORT
"""

import random
import sys
import threading
import time

try:
    import redis
except ImportError:
    sys.exit("redis-py is not installed for this Python: run ./test, or pip install redis")

PORTS = [int(port) for port in sys.argv[1:]]
KEYS = [f"key:{number}" for number in range(200)]
failures = []


def connect(port, **options):
    return redis.Redis(port=port, socket_timeout=30, **options)


def check(what, found, right):
    if found != right:
        failures.append(f"{what}: {found!r}, not {right!r}")


def commands(port):
    """Each command once, on keys of this node alone."""
    r = connect(port)
    own = f"own:{port}:"
    check("ping", r.ping(), True)
    check("set", r.set(own + "a", b"\x00\r\n\xff"), True)
    check("get", r.get(own + "a"), b"\x00\r\n\xff")
    check("set nx", r.set(own + "a", "other", nx=True), None)
    check("set xx get", r.set(own + "a", "new", xx=True, get=True), b"\x00\r\n\xff")
    check("strlen", r.strlen(own + "a"), 3)
    check("mset", r.mset({own + "b": 1, own + "c": 2}), True)
    check("mget", r.mget(own + "a", own + "b", own + "none"), [b"new", b"1", None])
    check("exists", r.exists(own + "a", own + "b", own + "none"), 2)
    check("expire", r.expire(own + "c", 100), True)
    check("ttl", 90 < r.ttl(own + "c") <= 100, True)
    check("persist", r.persist(own + "c"), True)
    check("ttl without", r.ttl(own + "c"), -1)
    check("psetex", r.psetex(own + "short", 50, "x"), True)
    time.sleep(0.08)
    check("expired", r.get(own + "short"), None)
    check("getdel", r.getdel(own + "b"), b"1")
    check("delete", r.delete(own + "c", own + "none"), 1)
    check("type", r.type(own + "a"), b"string")
    check("scan", sorted(r.scan_iter(match=own + "*")), [(own + "a").encode()])
    try:
        r.execute_command("NONSENSE")
        failures.append("an unknown command was taken")
    except redis.ResponseError as error:
        check("unknown command", str(error).startswith("unknown command"), True)


def resp3(port):
    r = connect(port, protocol=3, decode_responses=True, db=1)
    check("resp3 set", r.set(f"third:{port}", "ü"), True)
    check("resp3 get", r.get(f"third:{port}"), "ü")
    check("resp3 dbsize", r.dbsize() >= 1, True)


def same_keys(port, seed):
    """Random writes and deletes on the keys that all nodes write."""
    choice = random.Random(seed)
    r = connect(port)
    for _ in range(40):
        with r.pipeline(transaction=False) as pipe:
            for _ in range(25):
                key = choice.choice(KEYS)
                if choice.random() < 0.3:
                    pipe.delete(key)
                else:
                    pipe.set(key, choice.randbytes(choice.randrange(100)))
            pipe.execute()


def guarded(work, *arguments):
    try:
        work(*arguments)
    except Exception as error:  # A thread's error would be lost otherwise.
        failures.append(f"{work.__name__}{arguments}: {error!r}")


def everything(r):
    keys = sorted(r.scan_iter(count=1000))
    return dict(zip(keys, r.mget(keys))) if keys else {}


for work in (commands, resp3):
    threads = [threading.Thread(target=guarded, args=(work, port)) for port in PORTS]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
threads = [
    threading.Thread(target=guarded, args=(same_keys, port, seed))
    for seed, port in enumerate(PORTS)
]
[thread.start() for thread in threads]
[thread.join() for thread in threads]

# Every write was acknowledged by every node, so there is nothing to wait for.
for db in (0, 1):
    contents = [everything(connect(port, db=db)) for port in PORTS]
    check(f"db {db} is not empty", len(contents[0]) > 0, True)
    for port, content in zip(PORTS, contents):
        check(f"db {db} on {port}", content == contents[0], True)

if failures:
    sys.exit("\n".join(failures))
print("redis-py: all checks passed")
