"""Three real nodes under nine writers, killed, cut and healed in turn.

Each writer has keys of its own and writes one after the other, so what a key must hold in the end
is known: what was acknowledged last, or a later attempt that got no answer.
"""

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

PORTS = [8479, 8489, 8499]
WRITERS = 9
KEYS = 200


class Client:
    """A connection that speaks just enough of the Redis protocol."""

    def __init__(self, node):
        self.socket = socket.create_connection(("127.0.0.1", PORTS[node]), timeout=15)
        self.replies = self.socket.makefile("rb")

    def __call__(self, *words):
        head = b"*%d\r\n" % len(words)
        self.socket.sendall(head + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        line = self.replies.readline()
        if not line:
            raise OSError("the node closed the connection")
        if not line.startswith(b"$"):
            return line.strip()
        length = int(line[1:])
        return None if length < 0 else self.replies.read(length + 2)[:-2]


class Nodes:
    """The three processes."""

    def __init__(self, binary, folder):
        self.binary, self.folder = os.path.abspath(binary), folder
        self.processes = [None] * len(PORTS)
        self.alive = [False] * len(PORTS)

    def start(self, node):
        port = PORTS[node]
        addresses = [f"--{what}=127.0.0.1:{port + at}"
                     for at, what in enumerate(["resp", "http", "listen"])]
        seeds = ",".join(f"127.0.0.1:{other + 2}" for other in PORTS)
        log = open(os.path.join(self.folder, f"n{node + 1}.log"), "ab")
        self.processes[node] = subprocess.Popen(
            [self.binary, "serve", "--name", f"n{node + 1}", "--cluster-name", "soak",
             "--drills", "--join", seeds] + addresses, stdout=log, stderr=log)

    def kill(self, node):
        self.alive[node] = False
        self.processes[node].kill()
        self.processes[node].wait()

    def stop(self):
        for process in self.processes:
            if process:
                process.terminate()
        return [process.wait() for process in self.processes if process]

    def cut(self, one, other):
        http(one, f"/api/v1/drills/cut?peer=n{other + 1}", "POST")
        http(other, f"/api/v1/drills/cut?peer=n{one + 1}", "POST")


def http(node, path, method="GET"):
    request = urllib.request.Request(f"http://127.0.0.1:{PORTS[node] + 1}{path}", method=method)
    return urllib.request.urlopen(request, timeout=5).read()


def ready(node):
    try:
        return json.loads(http(node, "/ready"))["ready"]
    except (OSError, urllib.error.URLError):
        return False


def whole():
    try:
        statuses = [json.loads(http(node, "/api/v1/status")) for node in range(len(PORTS))]
    except (OSError, urllib.error.URLError):
        return False
    return all(status["verdict"] == "whole" for status in statuses)


def equal():
    replies = [Client(node)(b"TOMBOLO", b"FINGERPRINT") for node in range(len(PORTS))]
    return len(set(replies)) == 1


def wait_for(holds, what, seconds=60):
    """How long it took, in seconds."""
    start = time.monotonic()
    while not holds():
        if time.monotonic() - start > seconds:
            raise SystemExit(f"not within {seconds} s: {what}")
        time.sleep(0.02)
    return time.monotonic() - start


class Writers:
    """What was written, and what of it was acknowledged."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.acknowledged, self.tried = {}, {}
        self.writes = self.errors = 0
        self.paused = threading.Event()
        self.idle = [True] * WRITERS
        for writer in range(WRITERS):
            threading.Thread(target=self.write, args=(writer,), daemon=True).start()

    def write(self, writer):
        number, client = 0, None
        while True:
            self.idle[writer] = self.paused.is_set()
            if self.idle[writer]:
                time.sleep(0.005)
                continue
            try:
                client = client or Client(self.home(writer))
                number += 1
                self.write_one(client, writer, number)
            except OSError:
                client = None
                time.sleep(0.01)

    def home(self, writer):
        alive = [node for node, is_alive in enumerate(self.nodes.alive) if is_alive]
        home = writer % len(PORTS)
        return home if home in alive or not alive else random.choice(alive)

    def write_one(self, client, writer, number):
        key = b"w%d:%d" % (writer, random.randrange(KEYS))
        value = None if number % 10 == 0 else b"%012d" % number
        self.tried.setdefault(key, []).append(value)
        reply = client(b"DEL", key) if value is None else client(b"SET", key, value)
        if reply.startswith(b"-"):
            self.errors += 1
            time.sleep(0.01)
            return
        self.acknowledged[key], self.tried[key] = value, []
        self.writes += 1

    def check(self, after):
        """Every node holds what it must, and all hold the same."""
        self.paused.set()
        wait_for(lambda: all(self.idle), "the writers pause")
        wait_for(whole, "the cluster is whole")
        took = wait_for(equal, "the nodes are equal")
        clients = [Client(node) for node in range(len(PORTS))]
        wrong = 0
        for key, value in self.acknowledged.items():
            found = {client(b"GET", key) for client in clients}
            if len(found) > 1 or not found <= {value, *self.tried[key]}:
                wrong += 1
                print(f"{key}: acknowledged {value}, tried {self.tried[key]}, found {found}")
        print(f"after the {after}: {self.writes} writes, {self.errors} refused, "
              f"{len(self.acknowledged)} keys, equal within {took * 1000:.0f} ms, {wrong} wrong",
              flush=True)
        if wrong:
            raise SystemExit(1)
        self.paused.clear()


def round_of_faults(nodes, writers):
    time.sleep(1)
    victim = random.randrange(len(PORTS))
    nodes.kill(victim)
    time.sleep(random.random())
    nodes.start(victim)
    took = wait_for(lambda: ready(victim), "the restarted node is ready")
    nodes.alive[victim] = True
    took += wait_for(whole, "the cluster is whole after a restart")
    print(f"n{victim + 1} was killed, and whole again {took:.2f} s after its start")
    writers.check("kill")
    time.sleep(1)
    nodes.cut(0, 1)
    nodes.cut(0, 2)
    time.sleep(2)
    for node in range(len(PORTS)):
        http(node, "/api/v1/drills/heal", "POST")
    took = wait_for(whole, "the cluster is whole after a cut")
    print(f"n1 was cut off, and whole again {took:.2f} s after the heal")
    writers.check("cut")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=10)
    options.add_argument("--binary", required=True)
    options = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="tombolo-soak-") as folder:
        nodes = Nodes(options.binary, folder)
        try:
            for node in range(len(PORTS)):
                nodes.start(node)
            wait_for(whole, "three nodes in one cluster")
            nodes.alive = [True] * len(PORTS)
            writers = Writers(nodes)
            for _ in range(options.rounds):
                round_of_faults(nodes, writers)
        finally:
            writers_end = nodes.stop()
    sys.exit(0 if writers_end == [0, 0, 0] else 1)


if __name__ == "__main__":
    main()
