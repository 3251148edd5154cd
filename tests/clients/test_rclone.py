"""rclone's Swift back end."""

import json
import os
import shutil
import subprocess

import pytest
from conftest import content, empty, unique

ACCOUNT = "rclone"

LOGINS = {
    "v1": lambda server: {"user": f"{ACCOUNT}:tester", "auth": server.auth["1"], "auth_version": "1"},
    "v2": lambda server: {"user": "tester", "tenant": ACCOUNT, "auth": server.auth["2.0"], "auth_version": "2"},
    "v3": lambda server: {"user": "tester", "tenant": ACCOUNT, "domain": "Default", "tenant_domain": "Default",
                          "auth": server.auth["3"], "auth_version": "3"},
}


@pytest.fixture
def rclone(server, tmp_path):
    """Runs rclone with a remote `s:`; what it printed."""
    if not shutil.which("rclone"):
        pytest.fail("rclone is missing: tests/clients/prepare installs it")

    def run(*arguments, code=0, login="v1", **options):
        remote = {"type": "swift", "key": server.key(ACCOUNT), **LOGINS[login](server), **options}
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("RCLONE_", "OS_"))}
        environment |= {f"RCLONE_CONFIG_S_{key.upper()}": value for key, value in remote.items()}
        environment |= {"RCLONE_CONFIG": str(tmp_path / "rclone.conf")}
        done = subprocess.run(["rclone", "--retries", "1", "--low-level-retries", "2", *arguments],
                              capture_output=True, timeout=180, env=environment)
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        if arguments[0] == "cat":
            return done.stdout
        return (done.stdout + done.stderr).decode()

    (tmp_path / "rclone.conf").touch()
    return run


@pytest.fixture
def container(server):
    name = unique("rc")
    yield name
    for each in (name, name + "_segments"):
        empty(server.connection(ACCOUNT), each)


def tree(root, count=40):
    for number in range(count):
        path = root / f"d{number % 5}" / f"file {number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(number, number * 3_000))
    (root / "schnee\u2603").mkdir()
    (root / "schnee\u2603" / "a#b?c&d%e+f").write_bytes(b"special")
    return root


@pytest.mark.parametrize("login", sorted(LOGINS))
def test_every_way_to_log_in(rclone, container, login):
    rclone("mkdir", f"s:{container}", login=login)
    assert container in rclone("lsd", "s:", login=login)


def test_sync_and_check(rclone, container, tmp_path):
    source = tree(tmp_path / "source")
    rclone("sync", str(source), f"s:{container}/tree")
    assert "0 differences" in rclone("check", str(source), f"s:{container}/tree")
    assert "0 differences" in rclone("check", "--download", str(source), f"s:{container}/tree")
    listed = json.loads(rclone("lsjson", "-R", "--files-only", "--hash", f"s:{container}/tree"))
    assert len(listed) == 41 and all(one["Hashes"]["md5"] for one in listed)
    assert json.loads(rclone("size", "--json", f"s:{container}"))["count"] == 41

    # What changed, came and went.
    (source / "d1" / "file 1.bin").write_bytes(b"changed")
    (source / "new").write_bytes(b"new")
    shutil.rmtree(source / "d2")
    assert "differences found" in rclone("check", str(source), f"s:{container}/tree", code=1)
    rclone("sync", str(source), f"s:{container}/tree")
    assert "0 differences" in rclone("check", str(source), f"s:{container}/tree")
    assert json.loads(rclone("size", "--json", f"s:{container}"))["count"] == 34
    # Nothing is left to do.
    assert "There was nothing to transfer" in rclone("sync", "-v", str(source), f"s:{container}/tree")

    rclone("sync", f"s:{container}/tree", str(tmp_path / "back"))
    assert subprocess.run(["diff", "-r", source, tmp_path / "back"]).returncode == 0
    # Times are kept, to the nanosecond.
    assert (tmp_path / "back" / "new").stat().st_mtime_ns == (source / "new").stat().st_mtime_ns


def test_copies_inside_the_server(rclone, container, tmp_path):
    source = tree(tmp_path / "source", 10)
    rclone("copy", str(source), f"s:{container}/one")
    assert "Copied (server-side copy)" in rclone("copy", "-v", f"s:{container}/one", f"s:{container}/two")
    assert "0 differences" in rclone("check", f"s:{container}/one", f"s:{container}/two")
    rclone("moveto", f"s:{container}/two/d1/file 1.bin", f"s:{container}/two/moved")
    assert rclone("cat", f"s:{container}/two/moved") == content(1, 3_000)
    assert "d1/file 1.bin" not in rclone("lsf", "-R", f"s:{container}/two")
    rclone("purge", f"s:{container}/two")
    assert rclone("lsf", f"s:{container}") == "one/\n"
    rclone("purge", f"s:{container}")
    assert container not in rclone("lsd", "s:")


def test_a_large_file_in_segments(rclone, container, tmp_path):
    large = tmp_path / "large"
    large.write_bytes(content(1, 5_000_000))
    rclone("copyto", str(large), f"s:{container}/large", chunk_size="1Mi")
    assert len(rclone("lsf", "-R", "--files-only", f"s:{container}_segments").split()) == 5
    rclone("copyto", f"s:{container}/large", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == large.read_bytes()
    assert rclone("cat", "--offset", "2000000", "--count", "5", f"s:{container}/large") == \
        large.read_bytes()[2_000_000:2_000_005]
    # Its segments go with it.
    rclone("deletefile", f"s:{container}/large")
    assert rclone("lsf", "-R", "--files-only", f"s:{container}_segments") == ""
