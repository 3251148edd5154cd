"""Starts a `cairn server`, makes its users, and runs the tests with the real Swift clients against it.

  tests/clients/run                          everything, on a server of its own
  tests/clients/run --binary target/debug/cairn clients -k listings
  tests/clients/run functional --only Slo    Swift's own functional tests alone
  tests/clients/run --full                   with real life in full size: 5 GB, and a minute of 64 clients
  tests/clients/run --url http://127.0.0.1:8080   against a server that runs and has the users of users.json

What the server is asked for beyond its defaults stands in SERVER below. It is stopped, and its data removed, whatever
happens; its log is shown if a test fails.
"""

import argparse
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))

# Ports that are free; EC42 over six directories, as a first start makes them.
SERVER = ["--listen", "127.0.0.1:0", "--swift-listen", "127.0.0.1:0", "--storage-domain", "example.net", "--json"]

# What a debug build on a busy machine may take to start, and to stop.
START_SECONDS, STOP_SECONDS = 60, 60


class Server:
    """A `cairn server` in a directory of its own."""

    def __init__(self, binary, more):
        self.binary, self.more = binary, more

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="cairn-clients-")
        self.log = os.path.join(self.directory, "log")
        try:
            self.start()
            self.make_users()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def start(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [self.binary, "server", "--data", os.path.join(self.directory, "data"), *SERVER, *self.more],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, cwd=self.directory,
                env={key: value for key, value in os.environ.items() if not key.startswith("CAIRN_")})
        lines = queue.Queue()

        def read():
            for line in self.process.stdout:
                lines.put(line)
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        try:
            line = lines.get(timeout=START_SECONDS)
        except queue.Empty:
            line = None
        if line is None:
            raise SystemExit(f"the server did not start:\n{self.tail()}")
        self.ready = json.loads(line)
        if "swift" not in self.ready:
            raise SystemExit(f"the server does not speak Swift: {self.ready}")
        self.url = self.ready["swift"]

    def make_users(self):
        with open(os.path.join(HERE, "users.json")) as file:
            users = json.load(file)
        environment = dict(os.environ, CAIRN_CREDENTIALS=self.ready["credentials"])
        for user in users:
            account = ["--account", user["account"]] if user["account"] else []
            done = subprocess.run([self.binary, "user", "create", *account, "--user", user["user"], "--role",
                                   user["role"], "--key", user["key"]], env=environment, capture_output=True,
                                  text=True, timeout=60)
            if done.returncode != 0:
                raise SystemExit(f"cannot make {user}: {done.stderr}")

    def tail(self, size=8000):
        with open(self.log, "rb") as log:
            return log.read()[-size:].decode(errors="replace")

    def __exit__(self, *_):
        process = getattr(self, "process", None)
        self.ended = None
        if process and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process:
            self.ended = process.returncode
            process.stdout.close()
        self.said = self.tail(10_000_000)
        shutil.rmtree(self.directory, ignore_errors=True)


def build():
    """The binary that `cargo build` makes of this tree."""
    done = subprocess.run(["cargo", "build", "-p", "cairn", "--locked", "--message-format=json-render-diagnostics"],
                          cwd=TREE, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit("cargo build failed")
    made = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return [one["executable"] for one in made if one.get("executable")
            and one["target"]["name"] == "cairn"][-1]


def run(command, environment):
    """Runs a part in a group of its own, so that nothing of it outlives an interruption."""
    process = subprocess.Popen(command, cwd=HERE, env=environment, start_new_session=True)
    try:
        return process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise


def parts(which, rest, url):
    """The commands of the parts that are asked for."""
    clients = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "--tb=short", *(
        rest if which == "clients" and rest else ["--ignore=test_reallife.py"])]
    functional = [sys.executable, "functional", url, *(rest if which == "functional" else [])]
    life = [sys.executable, "-m", "pytest", "-q", "-s", "test_reallife.py", *(rest if which == "reallife" else [])]
    every = {"clients": clients, "functional": functional, "reallife": life}
    return every if which == "all" else {which: every[which]}


def main():
    parser = argparse.ArgumentParser(prog="tests/clients/run", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=os.environ.get("CAIRN_BIN"), help="cairn [default: cargo builds it]")
    parser.add_argument("--url", help="the address of a server that runs, instead of one of its own")
    parser.add_argument("--server", action="append", default=[], metavar="OPTION",
                        help="one more option for the server; may be repeated")
    parser.add_argument("--full", action="store_true", help="real life in full size")
    parser.add_argument("part", nargs="?", default="all", choices=["all", "clients", "functional", "reallife"])
    arguments, rest = parser.parse_known_args()
    if arguments.full:
        os.environ.update(CAIRN_REALLIFE_GB="5", CAIRN_REALLIFE_OBJECTS="100000", CAIRN_REALLIFE_SECONDS="60")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))

    if arguments.url:
        sys.exit(max(tell(arguments.part, rest, arguments.url, {})))
    binary = os.path.abspath(arguments.binary) if arguments.binary else build()
    with Server(binary, arguments.server) as server:
        codes = tell(arguments.part, rest, server.url, {"CAIRN_SERVER_PID": str(server.process.pid)})
        if server.process.poll() is not None:
            print(f"the server ended by itself with {server.process.returncode}")
            codes.append(1)
    if any(codes):
        print("warnings and errors in the server's log, and requests that it failed:")
        print("\n".join(line for line in server.said.splitlines()
                        if " INFO " not in line or " status=5" in line)[-4000:])
    if "panicked" in server.said:
        print("the server panicked:\n" + "\n".join(
            line for line in server.said.splitlines() if "panicked" in line)[:4000])
        codes.append(1)
    if server.ended != 0:
        print(f"the server did not stop as asked: {server.ended}")
        codes.append(1)
    sys.exit(max(codes))


def tell(part, rest, url, more):
    """Runs the parts one after the other; their exit codes."""
    codes = []
    with tempfile.TemporaryDirectory(prefix="cairn-clients-") as directory:
        environment = dict(os.environ, CAIRN_SWIFT=url, PYTEST_DEBUG_TEMPROOT=directory, **more)
        for name, command in parts(part, rest, url).items():
            began = time.monotonic()
            codes.append(run(command, environment))
            print(f"{name} {'passed' if codes[-1] == 0 else 'failed'} after {time.monotonic() - began:.0f} s",
                  flush=True)
    return codes


if __name__ == "__main__":
    main()
