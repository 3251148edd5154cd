"""restic's Swift back end: backups and their way back."""

import json
import os
import shutil
import subprocess

import pytest
from conftest import content, empty, unique

ACCOUNT = "restic"

LOGINS = {
    "v1": lambda server: {"ST_AUTH": server.auth["1"], "ST_USER": f"{ACCOUNT}:tester", "ST_KEY": server.key(ACCOUNT)},
    "v2": lambda server: {"OS_AUTH_URL": server.auth["2.0"], "OS_USERNAME": "tester", "OS_TENANT_NAME": ACCOUNT,
                          "OS_PASSWORD": server.key(ACCOUNT)},
    "v3": lambda server: {"OS_AUTH_URL": server.auth["3"], "OS_USERNAME": "tester", "OS_PROJECT_NAME": ACCOUNT,
                          "OS_PASSWORD": server.key(ACCOUNT), "OS_USER_DOMAIN_NAME": "Default",
                          "OS_PROJECT_DOMAIN_NAME": "Default"},
}


@pytest.mark.parametrize("login", sorted(LOGINS))
def test_backup_check_and_restore(server, tmp_path, login):
    if not shutil.which("restic"):
        pytest.fail("restic is missing: tests/clients/prepare installs it")
    container = unique("restic")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OS_", "ST_", "RESTIC_"))}
    environment |= {**LOGINS[login](server), "RESTIC_REPOSITORY": f"swift:{container}:/backups",
                    "RESTIC_PASSWORD": "secret", "RESTIC_CACHE_DIR": str(tmp_path / "cache")}

    def restic(*arguments, code=0):
        done = subprocess.run(["restic", *arguments], capture_output=True, text=True, timeout=180, env=environment)
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        return done.stdout

    source = tmp_path / "source"
    for number in range(25):
        path = source / f"d{number % 4}" / f"file {number} \u2603"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(number, number * 40_000))
    try:
        restic("init")
        restic("backup", str(source))
        (source / "d1" / "file 1 \u2603").write_bytes(b"changed")
        restic("backup", str(source), "--tag", "second")
        assert "no errors were found" in restic("check", "--read-data")
        snapshots = json.loads(restic("snapshots", "--json"))
        assert len(snapshots) == 2
        restic("restore", "latest", "--target", str(tmp_path / "back"), "--verify")
        assert subprocess.run(["diff", "-r", source, str(tmp_path / "back") + str(source)]).returncode == 0
        restic("restore", snapshots[0]["id"], "--target", str(tmp_path / "first"))
        first = tmp_path / "first" / source.relative_to("/") / "d1" / "file 1 \u2603"
        assert first.read_bytes() == content(1, 40_000)
        # Packs are rewritten and deleted.
        restic("forget", "--keep-last", "1", "--prune")
        assert len(json.loads(restic("snapshots", "--json"))) == 1
        assert "no errors were found" in restic("check", "--read-data")
    finally:
        empty(server.connection(ACCOUNT), container)
