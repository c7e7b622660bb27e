"""Three Tombolo nodes beside redis-server: what a client sees through redis-benchmark.

Every server runs for the whole measurement; in each round each of them is measured once, in turn.
A floor is measured in each round too: one byte back and forth over loopback TCP.
"""

import argparse
import os
import platform
import socket
import statistics
import subprocess
import tempfile
import threading
import time

KEYS = 1_000_000
CLIENTS = 50
VALUE = 100
TOMBOLO = [7479, 7489, 7499]
ALONE = 7579
REDIS, REDIS_REPLICATED = 7679, [7689, 7690, 7691]


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--binary", required=True)
    options.add_argument("--out", required=True)
    options = options.parse_args()
    servers = Servers(options.binary)
    try:
        servers.start()
        rows = measure(options.runs)
        equal = fingerprints()
    finally:
        servers.stop()
    text = report(options, rows, equal)
    with open(options.out, "w", encoding="utf-8") as out:
        out.write(text)
    print(text)
    if not equal:
        raise SystemExit("the three nodes do not have equal tables")


class Servers:
    """The processes under test, and their folder."""

    def __init__(self, binary):
        self.binary = os.path.abspath(binary)
        self.folder = tempfile.TemporaryDirectory(prefix="tombolo-bench-")
        self.processes = []

    def start(self):
        seed = f"127.0.0.1:{TOMBOLO[0] + 2}"
        for port in TOMBOLO:
            self.tombolo(port, ["--join", seed])
        self.tombolo(ALONE, ["--cluster-name", "alone"])
        self.redis(REDIS, [])
        self.redis(REDIS_REPLICATED[0], [])
        for port in REDIS_REPLICATED[1:]:
            self.redis(port, ["--replicaof", "127.0.0.1", str(REDIS_REPLICATED[0])])
        for port in TOMBOLO + [ALONE, REDIS] + REDIS_REPLICATED:
            wait_for(lambda port=port: command(port, "PING") == b"+PONG", f"port {port}")
        whole = lambda port: b"whole" in command(port, "TOMBOLO", "STATUS")
        for port in TOMBOLO:
            wait_for(lambda port=port: whole(port), "three nodes in one cluster")
        online = lambda: command(REDIS_REPLICATED[0], "INFO", "replication").count(b"online") == 2
        wait_for(online, "two replicas")

    def tombolo(self, port, more):
        addresses = [
            f"--{what}=127.0.0.1:{port + at}"
            for at, what in enumerate(["resp", "http", "listen"])
        ]
        self.run([self.binary, "serve", "--name", f"n{port}", "--log", "warn"] + addresses + more)

    def redis(self, port, more):
        self.run(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                  "--appendonly", "no", "--dir", self.folder.name] + more)

    def run(self, arguments):
        log = open(os.path.join(self.folder.name, f"{len(self.processes)}.log"), "wb")
        process = subprocess.Popen(arguments, stdout=log, stderr=log, cwd=self.folder.name)
        self.processes.append(process)

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()
        self.folder.cleanup()


CASES = [
    # name, test, pipeline, [(server, port)]
    ("SET, one connection at a time", "set", 1, 1),
    ("SET", "set", 1, CLIENTS),
    ("SET -P 16", "set", 16, CLIENTS),
    ("GET", "get", 1, CLIENTS),
    ("GET -P 16", "get", 16, CLIENTS),
]
SERVERS = [
    ("Tombolo, 3 nodes, acknowledged by all", TOMBOLO[0]),
    ("Redis with 2 replicas, not waited for", REDIS_REPLICATED[0]),
    ("Tombolo, 1 node", ALONE),
    ("Redis alone", REDIS),
]


def measure(runs):
    rows = {}
    floors = []
    total = runs * len(CASES) * len(SERVERS)
    done = 0
    for port in {port for _, port in SERVERS}:
        benchmark(port, "set", 16, CLIENTS, KEYS)
    for _ in range(runs):
        floors.append(floor())
        for name, test, pipeline, clients in CASES:
            for server, port in SERVERS:
                requests = 40_000 if clients == 1 else 200_000 * (5 if pipeline > 1 else 1)
                result = benchmark(port, test, pipeline, clients, requests)
                rows.setdefault((name, server), []).append(result)
                done += 1
                print(f"\r{done}/{total} {name:32} {server:40}", end="", flush=True)
    print()
    rows["floor"] = floors
    return rows


def benchmark(port, test, pipeline, clients, requests):
    """Requests a second, and p50 and p99 in microseconds."""
    output = subprocess.run(
        ["redis-benchmark", "-p", str(port), "-t", test, "-P", str(pipeline), "-c", str(clients),
         "-n", str(requests), "-r", str(KEYS), "-d", str(VALUE), "--csv"],
        check=True, capture_output=True, text=True).stdout
    fields = output.strip().splitlines()[-1].replace('"', "").split(",")
    return float(fields[1]), float(fields[4]) * 1000, float(fields[6]) * 1000


def floor(rounds=20_000):
    """The median time of one byte there and back over loopback TCP, in microseconds."""
    listener = socket.create_server(("127.0.0.1", 0))

    def echo():
        peer, _ = listener.accept()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := peer.recv(1):
            peer.sendall(data)

    threading.Thread(target=echo, daemon=True).start()
    with socket.create_connection(listener.getsockname()) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            client.sendall(b"x")
            client.recv(1)
            times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def command(port, *arguments):
    """The reply to one command, as it comes in the first read; empty if nobody answers."""
    request = b"*%d\r\n" % len(arguments)
    request += b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in arguments)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.sendall(request)
            return client.recv(65536).strip()
    except OSError:
        return b""


def fingerprints():
    """Whether the three nodes agree, a moment after the last write."""
    time.sleep(1)
    replies = {command(port, "TOMBOLO", "FINGERPRINT") for port in TOMBOLO}
    return len(replies) == 1


def wait_for(holds, what, seconds=30):
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def report(options, rows, equal):
    version = lambda *words: subprocess.run(words, capture_output=True, text=True).stdout.strip()
    commit = version("git", "rev-parse", "--short", "HEAD")
    lines = [
        "# Results",
        "",
        f"Written by `bench/run {options.runs}` at commit {commit}: {options.runs} rounds, each "
        "server in turn in each. Median (lowest to highest). "
        f"{CLIENTS} connections unless said, {VALUE}-byte values, {KEYS:,} keys, client and "
        "servers on the same machine.",
        "",
        f"Machine: {os.cpu_count()} CPUs, {platform.system()} {platform.release()}; "
        f"{version('redis-server', '--version').split(' sha')[0]}. "
        f"Floor, one byte there and back over loopback (by Python): {spread(rows['floor'])} µs.",
        "",
        "| load | server | requests/s | p50 µs | p99 µs | of Redis |",
        "|---|---|---|---|---|---|",
    ]
    for name, *_ in CASES:
        for at, (server, _) in enumerate(SERVERS):
            results = rows[(name, server)]
            peer = rows[(name, SERVERS[at | 1][0])]
            ratios = [mine[0] / theirs[0] for mine, theirs in zip(results, peer)]
            ratio = f"{statistics.median(ratios):.2f}" if at % 2 == 0 else "1"
            rate, p50, p99 = (spread([result[at] for result in results]) for at in range(3))
            lines.append(f"| {name} | {server} | {rate} | {p50} | {p99} | {ratio} |")
    lines += ["", f"After the last write the three nodes had equal tables: {equal}.", ""]
    return "\n".join(lines)


def spread(values):
    return f"{statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


if __name__ == "__main__":
    main()
