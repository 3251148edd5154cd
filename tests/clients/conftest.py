"""What the tests with real clients share: the server, its users, names nobody else uses, and patience."""

import hashlib
import itertools
import json
import os
import random
import time
import uuid

import pytest
import swiftclient

HERE = os.path.dirname(os.path.abspath(__file__))

with open(os.path.join(HERE, "users.json")) as file:
    KEYS = {(user["account"], user["user"]): user["key"] for user in json.load(file)}


class Server:
    """A server that listens: where, and who may log in."""

    def __init__(self, url):
        self.url = url.rstrip("/")
        self.auth = {"1": self.url + "/auth/v1.0", "2.0": self.url + "/v2.0", "3": self.url + "/v3"}

    def storage(self, account):
        return f"{self.url}/v1/AUTH_{account}"

    def key(self, account, user="tester"):
        return KEYS[account, user]

    def connection(self, account, user="tester", **more):
        return swiftclient.Connection(**{"authurl": self.auth["1"], "user": f"{account}:{user}",
                                         "key": self.key(account, user), "retries": 1, **more})


@pytest.fixture(scope="session")
def server():
    url = os.environ.get("CAIRN_SWIFT")
    if not url:
        pytest.exit("which server? tests/clients/run starts one, or CAIRN_SWIFT=http://HOST:PORT", returncode=2)
    return Server(url)


def eventually(check, seconds=30):
    """Asks until the answer is what it shall be: counters may be late."""
    deadline = time.monotonic() + seconds
    for pause in itertools.chain([0.01, 0.05, 0.1], itertools.repeat(0.2)):
        try:
            return check()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        time.sleep(pause)


def content(seed, size):
    """Bytes that are the same for the same seed, and do not compress."""
    return random.Random(seed).randbytes(size)


def md5(data):
    return hashlib.md5(data).hexdigest()


def unique(kind):
    return f"{kind}-{uuid.uuid4().hex[:12]}"


def empty(connection, container):
    """Removes a container and all that is in it, if it is there: versions first, then objects."""
    try:
        connection.post_container(container, {"X-Versions-Enabled": "false", "X-Remove-Versions-Location": "x",
                                              "X-Remove-History-Location": "x"})
    except swiftclient.ClientException as error:
        if error.http_status == 404:
            return
        raise
    # Not full_listing: it forgets the query.
    for query in ("versions", None):
        rows = connection.get_container(container, query_string=query)[1]
        for row in rows:
            version = row.get("version_id")
            named = f"version-id={version}" if version else None
            try:
                connection.delete_object(container, row["name"], query_string=named)
            except swiftclient.ClientException as error:
                # It ended by itself.
                if error.http_status != 404:
                    raise
    connection.delete_container(container)


@pytest.fixture
def patience():
    return eventually
