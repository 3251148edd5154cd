"""The `swift` command line of python-swiftclient."""

import json
import os
import subprocess
import sys
import time

import pytest
import requests
from conftest import content, empty, md5, unique

ACCOUNT = "cli"


@pytest.fixture
def swift(server, tmp_path):
    """Runs the command; what it printed."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OS_", "ST_"))}
    environment |= {"ST_AUTH": server.auth["1"], "ST_USER": f"{ACCOUNT}:tester", "ST_KEY": server.key(ACCOUNT)}

    def run(*arguments, code=0, **more):
        done = subprocess.run([os.path.join(os.path.dirname(sys.executable), "swift"), *arguments], timeout=120,
                              capture_output=True, text=True, cwd=tmp_path, env=environment | more)
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        return done.stdout if code == 0 else done.stderr

    return run


@pytest.fixture
def container(server):
    name = unique("cli")
    yield name
    for each in (name, name + "_segments"):
        empty(server.connection(ACCOUNT), each)


def write(path, seed, size):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content(seed, size))
    return path


@pytest.mark.parametrize("slo", [True, False], ids=["static", "dynamic"])
def test_segments(swift, server, container, tmp_path, slo):
    large = write(tmp_path / "large.bin", 1, 2_500_000)
    segmented = ["--segment-size", "1M", "--use-slo" if slo else "--use-dlo"]
    told = swift("upload", container, "large.bin", *segmented, "--header", "X-Object-Meta-Kind: large",
                 "--segment-threads", "2")
    assert "large.bin" in told
    listed = swift("list", container + "_segments").split()
    assert len(listed) == 3
    stat = swift("stat", container, "large.bin")
    assert "Content Length: 2500000" in stat and "Meta Kind: large" in stat
    head = server.connection(ACCOUNT).head_object(container, "large.bin")
    assert ("x-static-large-object" in head) == slo and ("x-object-manifest" in head) != slo
    swift("download", container, "large.bin", "-o", "back.bin")
    assert (tmp_path / "back.bin").read_bytes() == large.read_bytes()
    # What is there is not sent again.
    again = swift("upload", container, "large.bin", *segmented, "--skip-identical")
    assert sorted(swift("list", container + "_segments").split()) == sorted(listed), again
    # The segments go with it.
    swift("delete", container, "large.bin")
    assert swift("list", container + "_segments") == "" and swift("list", container) == ""


def test_a_tree_up_and_down(swift, container, tmp_path):
    files = {name: write(tmp_path / "tree" / name, name, size).read_bytes() for name, size in
             (("a.txt", 10), ("b/c.bin", 100_000), ("b/schnee\u2603 und eis", 1), ("empty", 0))}
    swift("upload", container, "tree", "--object-threads", "4")
    assert sorted(swift("list", container).splitlines()) == sorted("tree/" + name for name in files)
    assert swift("list", container, "--prefix", "tree/b", "--delimiter", "/").splitlines() == ["tree/b/"]
    assert "100000" in swift("list", container, "--long")
    rows = json.loads(swift("list", container, "--json"))
    assert {row["name"]: row["hash"] for row in rows} == {"tree/" + name: md5(data) for name, data in files.items()}
    swift("download", container, "--output-dir", "back")
    for name, data in files.items():
        assert (tmp_path / "back" / "tree" / name).read_bytes() == data
    swift("download", container, "--prefix", "tree/b", "--remove-prefix", "--output-dir", "part")
    assert sorted(os.listdir(tmp_path / "part")) == ["c.bin", "schnee\u2603 und eis"]
    # What changed alone.
    (tmp_path / "tree" / "a.txt").write_bytes(b"changed")
    before = {row["name"]: row["last_modified"] for row in rows}
    swift("upload", container, "tree", "--changed")
    after = {row["name"]: row["last_modified"] for row in json.loads(swift("list", container, "--json"))}
    assert {name for name in after if after[name] != before[name]} == {"tree/a.txt"}
    assert swift("download", container, "tree/a.txt", "-o", "-") == "changed"


def test_stat_and_post(swift, container, tmp_path):
    write(tmp_path / "a", 1, 5)
    swift("post", container, "-m", "Colour:red", "-r", ".r:*", "-w", "cli:tester")
    stat = swift("stat", container)
    assert "Meta Colour: red" in stat and "Read ACL: .r:*" in stat and "Write ACL: cli:tester" in stat
    swift("upload", container, "a", "-H", "Content-Type: text/x-a")
    swift("post", container, "a", "-m", "Size:small", "-H", "Content-Type: text/x-b")
    stat = swift("stat", container, "a")
    assert "Meta Size: small" in stat and "Content Type: text/x-b" in stat and "Content Length: 5" in stat
    assert f"ETag: {md5((tmp_path / 'a').read_bytes())}" in stat
    swift("post", "-m", "Flower:rose")
    stat = swift("stat", "-v")
    assert "Meta Flower: rose" in stat and "Auth Token:" in stat and "/v1/AUTH_cli" in stat
    swift("post", "-m", "Flower:")
    assert "Flower" not in swift("stat")
    assert "404" in swift("stat", container, "none", code=1)
    assert "not found" in swift("stat", unique("none"), code=1).lower()
    assert container in swift("list").split() and "1" in swift("list", "--long", "--totals")


def test_copy(swift, container, tmp_path):
    data = write(tmp_path / "a", 1, 50_000).read_bytes()
    swift("upload", container, "a", "-H", "X-Object-Meta-One: 1")
    swift("copy", container, "a", "-d", f"/{container}/b", "-m", "Two:2")
    stat = swift("stat", container, "b")
    assert "Meta One: 1" in stat and "Meta Two: 2" in stat
    swift("copy", container, "a", "-d", f"/{container}/c", "--fresh-metadata")
    assert "Meta One" not in swift("stat", container, "c")
    swift("download", container, "c", "-o", "back")
    assert (tmp_path / "back").read_bytes() == data


def test_temporary_urls(swift, server, container, tmp_path):
    data = write(tmp_path / "a b", 1, 1000).read_bytes()
    swift("upload", container, "a b")
    swift("post", "-m", "Temp-URL-Key:a key")
    path = f"/v1/AUTH_{ACCOUNT}/{container}/a b"
    for more in ([], ["--digest", "sha512"], ["--digest", "sha256"], ["--iso8601"]):
        url = swift("tempurl", "GET", "60", path, "a key", *more).strip()
        answer = requests.get(server.url + url.replace(" ", "%20"), timeout=30)
        assert (answer.status_code, answer.content) == (200, data), (url, answer.text)
        assert "a%20b" in answer.headers["Content-Disposition"] or "a b" in answer.headers["Content-Disposition"]
        assert requests.delete(server.url + url.replace(" ", "%20"), timeout=30).status_code == 401
    url = swift("tempurl", "PUT", "60", path, "a key").strip().replace(" ", "%20")
    assert requests.put(server.url + url, data=b"new", timeout=30).status_code == 201
    url = swift("tempurl", "GET", "60", f"/v1/AUTH_{ACCOUNT}/{container}/a", "a key", "--prefix-based").strip()
    answer = requests.get(server.url + url.replace(f"/{container}/a?", f"/{container}/a%20b?"), timeout=30)
    assert answer.content == b"new"
    url = swift("tempurl", "GET", "60", path, "a key", "--ip-range", "127.0.0.0/8").strip().replace(" ", "%20")
    assert requests.get(server.url + url, timeout=30).content == b"new"
    url = swift("tempurl", "GET", "60", path, "a key", "--ip-range", "10.1.1.1").strip().replace(" ", "%20")
    assert requests.get(server.url + url, timeout=30).status_code == 401
    for key, until in (("another key", str(int(time.time()) + 60)), ("a key", str(int(time.time()) - 60))):
        url = swift("tempurl", "GET", until, path, key, "--absolute").strip().replace(" ", "%20")
        assert requests.get(server.url + url, timeout=30).status_code == 401


def test_capabilities_and_logins(swift, server):
    told = swift("capabilities")
    assert "Core: swift" in told and "Additional middleware: slo" in told
    assert "max_object_name_length" in json.loads(swift("capabilities", "--json"))["swift"]
    assert "OS_AUTH_TOKEN=" in swift("auth") and server.storage(ACCOUNT) in swift("auth")
    keystone = {"ST_AUTH": "", "ST_USER": "", "ST_KEY": "", "OS_USERNAME": "tester",
                "OS_PASSWORD": server.key(ACCOUNT)}
    three = {"OS_AUTH_URL": server.auth["3"], "OS_IDENTITY_API_VERSION": "3", "OS_PROJECT_NAME": ACCOUNT,
             "OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_DOMAIN_NAME": "Default"}
    two = {"OS_AUTH_URL": server.auth["2.0"], "OS_IDENTITY_API_VERSION": "2.0", "OS_TENANT_NAME": ACCOUNT}
    for more in (three, two):
        assert f"Account: AUTH_{ACCOUNT}" in swift("stat", **keystone, **more)
    assert "401" in swift("stat", code=1, ST_KEY="wrong")


def test_deleting(swift, container, tmp_path):
    for number in range(30):
        write(tmp_path / "many" / str(number), number, 10)
    swift("upload", container, "many")
    swift("delete", container, "many/0", "many/1")
    assert len(swift("list", container).split()) == 28
    swift("delete", container, "--prefix", "many/2")
    assert len(swift("list", container).split()) == 17
    # By the server, in bulk.
    swift("delete", container, "--object-threads", "2")
    assert container not in swift("list").split()
    assert "not found" in swift("delete", container, code=1).lower()
