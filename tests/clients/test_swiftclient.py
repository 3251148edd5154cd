"""python-swiftclient: every method of Connection, and every argument of each."""

import io
import json
import time

import keystoneauth1.identity
import keystoneauth1.session
import pytest
import requests
import swiftclient
from between import Between, tls
from conftest import content, empty, eventually, md5, unique
from swiftclient import ClientException, Connection

ACCOUNT = "swiftclient"
DOMAINS = {"user_domain_name": "Default", "project_domain_name": "Default"}


@pytest.fixture
def conn(server):
    conn = server.connection(ACCOUNT)
    yield conn
    conn.close()


@pytest.fixture
def container(conn):
    name = unique("c")
    conn.put_container(name)
    yield name
    empty(conn, name)


def status(expected):
    """The call fails with this status."""
    class Failing:
        def __enter__(self):
            self.raises = pytest.raises(ClientException)
            return self.raises.__enter__()

        def __exit__(self, *error):
            caught = self.raises.__exit__(*error)
            assert self.raises.excinfo.value.http_status == expected, self.raises.excinfo.value
            return caught
    return Failing()


def refuse(why):
    raise AssertionError(why)


# Logging in.


@pytest.mark.parametrize("more", [
    pytest.param({"auth_version": "1", "user": "swiftclient:tester"}, id="v1"),
    pytest.param({"auth_version": "1.0", "user": "swiftclient:tester"}, id="v1.0"),
    pytest.param({"auth_version": "2.0", "user": "tester", "tenant_name": ACCOUNT}, id="v2-tenant"),
    pytest.param({"auth_version": "2", "user": "tester", "os_options": {"tenant_name": ACCOUNT}}, id="v2-options"),
    pytest.param({"auth_version": "2.0", "user": "swiftclient:tester"}, id="v2-in-the-name"),
    pytest.param({"auth_version": "3", "user": "tester", "os_options": {"project_name": ACCOUNT, **DOMAINS}},
                 id="v3"),
    pytest.param({"auth_version": "3", "user": "tester", "tenant_name": ACCOUNT,
                  "os_options": {"user_domain_id": "default", "project_domain_id": "default"}}, id="v3-domain-ids"),
    pytest.param({"auth_version": "3", "user": "tester", "os_options": {
        "project_name": ACCOUNT, "region_name": None, "service_type": "object-store", "endpoint_type": "public",
        **DOMAINS}}, id="v3-service"),
    pytest.param({"auth_version": "3", "user": "tester", "os_options": {
        "project_name": ACCOUNT, "endpoint_type": "internal", **DOMAINS}}, id="v3-internal"),
])
def test_every_way_to_log_in(server, more):
    version = {"1.0": "1", "2": "2.0"}.get(more["auth_version"], more["auth_version"])
    conn = Connection(**{"authurl": server.auth[version], "key": server.key(ACCOUNT), "retries": 0, **more})
    url, token = conn.get_auth()
    assert url == server.storage(ACCOUNT)
    assert token
    name = unique("in")
    conn.put_container(name)
    assert "x-container-object-count" in conn.head_container(name)
    conn.delete_container(name)
    conn.close()


@pytest.mark.parametrize("version", ["2.0", "3"])
def test_an_authentication_url_without_a_version(server, version):
    conn = Connection(authurl=server.url, user="tester", key=server.key(ACCOUNT), tenant_name=ACCOUNT,
                      auth_version=version, os_options=dict(DOMAINS), retries=0)
    assert conn.get_auth()[0] == server.storage(ACCOUNT)


@pytest.mark.parametrize("version", ["2.0", "3"])
def test_ids_that_a_login_tells_are_good_for_the_next(server, version):
    first = Connection(authurl=server.auth[version], user="tester", key=server.key(ACCOUNT), tenant_name=ACCOUNT,
                       auth_version=version, os_options=dict(DOMAINS), retries=0)
    _, token = first.get_auth()
    if version == "3":
        answer = requests.get(server.auth["3"] + "/auth/tokens",
                              headers={"X-Auth-Token": token, "X-Subject-Token": token}, timeout=30)
        assert answer.status_code == 200, answer.text
        said = answer.json()["token"]
        assert said["project"]["name"] == ACCOUNT and said["user"]["name"] == "tester"
        options = {"project_id": said["project"]["id"], "auth_token": token, **DOMAINS}
    else:
        answer = requests.post(server.auth["2.0"] + "/tokens", timeout=30,
                               json={"auth": {"tenantName": ACCOUNT, "token": {"id": token}}})
        assert answer.status_code == 200, answer.text
        options = {"tenant_id": answer.json()["access"]["token"]["tenant"]["id"], "auth_token": token}
    again = Connection(authurl=server.auth[version], auth_version=version, os_options=options, retries=0)
    assert again.get_auth()[0] == server.storage(ACCOUNT)
    assert "x-account-container-count" in again.head_account()


@pytest.mark.parametrize("version", ["1", "2.0", "3"])
def test_a_wrong_key_is_not_let_in(server, version):
    user = "swiftclient:tester" if version == "1" else "tester"
    for key, who in (("wrong", user), (server.key(ACCOUNT), user + "x"), ("", user)):
        conn = Connection(authurl=server.auth[version], user=who, key=key, auth_version=version, retries=0,
                          tenant_name=ACCOUNT, os_options=dict(DOMAINS))
        with pytest.raises(ClientException) as caught:
            conn.get_account()
        error = caught.value
        assert error.http_status == 401 or "Unauthorized" in str(error) or "Authorization" in str(error), error


@pytest.mark.parametrize("kind", ["v3password", "v2password", "v3token", "generic"])
def test_a_session_of_keystoneauth(server, kind):
    identity, key = keystoneauth1.identity, server.key(ACCOUNT)
    auth = {
        "v3password": lambda: identity.v3.Password(auth_url=server.auth["3"], username="tester", password=key,
                                                   project_name=ACCOUNT, **DOMAINS),
        "v2password": lambda: identity.v2.Password(auth_url=server.auth["2.0"], username="tester", password=key,
                                                   tenant_name=ACCOUNT),
        "v3token": lambda: identity.v3.Token(auth_url=server.auth["3"], token=server.connection(ACCOUNT, **{
            "authurl": server.auth["3"], "auth_version": "3", "user": "tester", "tenant_name": ACCOUNT,
            "os_options": dict(DOMAINS)}).get_auth()[1], project_name=ACCOUNT, project_domain_name="Default"),
        "generic": lambda: identity.Password(auth_url=server.url, username="tester", password=key,
                                             project_name=ACCOUNT, **DOMAINS),
    }[kind]()
    session = keystoneauth1.session.Session(auth=auth)
    conn = Connection(session=session, retries=0)
    name = unique("session")
    conn.put_container(name)
    conn.put_object(name, "a", b"by a session")
    assert conn.get_object(name, "a")[1] == b"by a session"
    assert conn.url == server.storage(ACCOUNT)
    empty(conn, name)
    # As the session sees it, and not only this client.
    assert session.get_project_id() and session.get_user_id()
    assert session.get("/", endpoint_filter={"service_type": "object-store"}).status_code in (200, 204)


def test_who_is_logged_in_already(server, conn, container):
    url, token = conn.get_auth()
    other = Connection(preauthurl=url, preauthtoken=token, retries=0)
    assert "x-container-object-count" in other.head_container(container)
    # Without a way to log in again, a bad token is the end.
    with status(401):
        Connection(preauthurl=url, preauthtoken="AUTH_tk" + "0" * 32, retries=1).head_account()
    # With one, it is not.
    again = server.connection(ACCOUNT, preauthurl=url, preauthtoken="AUTH_tk" + "0" * 32)
    assert "x-account-container-count" in again.head_account()
    assert again.attempts == 2
    assert again.token != "AUTH_tk" + "0" * 32


def test_the_storage_url_can_be_given(server):
    elsewhere = server.storage(ACCOUNT) + "/../AUTH_" + ACCOUNT
    conn = server.connection(ACCOUNT, os_options={"object_storage_url": server.storage(ACCOUNT)})
    assert conn.get_auth()[0] == server.storage(ACCOUNT)
    assert "x-account-container-count" in conn.head_account()
    assert elsewhere


def test_the_token_of_another_account_opens_nothing(server, conn):
    _, token = server.connection("cli").get_auth()
    with status(403):
        Connection(preauthurl=server.storage(ACCOUNT), preauthtoken=token, retries=0).head_account()


# What happens when it goes wrong on the way.


def through(server, between, **more):
    """A connection that logs in at the server and works through the proxy."""
    return server.connection(ACCOUNT, **{"os_options": {"object_storage_url": between.url + "/v1/AUTH_" + ACCOUNT},
                                         "starting_backoff": 0.05, "max_backoff": 0.1, **more})


def test_retries_and_how_long_they_wait(server, container):
    with Between(server.url, [(503, []), (503, []), (500, [])]) as between:
        conn = through(server, between, retries=3)
        conn.put_object(container, "a", io.BytesIO(b"at last"), content_length=7)
        times = [at for method, _, at in between.seen if method == "PUT"]
        assert conn.attempts == len(times) == 4
        pauses = [b - a for a, b in zip(times, times[1:])]
        # 0.05, then 0.1, then no more than 0.1.
        assert pauses[0] >= 0.05 and all(pause >= 0.1 for pause in pauses[1:]), pauses
        assert conn.get_object(container, "a")[1] == b"at last"
        conn.close()
    with Between(server.url, [(503, [])] * 3) as between:
        with status(503):
            through(server, between, retries=1).head_container(container)
        assert len(between.seen) == 2


@pytest.mark.parametrize("code", [498, 429])
def test_being_told_to_slow_down(server, container, code):
    with Between(server.url, [(code, [])] * 2) as between:
        assert "x-trans-id" in through(server, between, retries=2, retry_on_ratelimit=True).head_container(container)
        assert len(between.seen) == 3
    with Between(server.url, [(code, [])] * 2) as between:
        with status(code):
            through(server, between, retries=2, retry_on_ratelimit=False).head_container(container)
        assert len(between.seen) == 1


def test_logging_in_again_after_any_error(server, container):
    with Between(server.url) as between:
        conn = through(server, between, retries=1, force_auth_retry=True)
        conn.get_auth()
        conn.url, conn.token = between.url + "/v1/AUTH_" + ACCOUNT, conn.get_auth()[1]
        # The client starts from scratch, as it does not where a connection breaks and it was not told to.
        between.answers.append(None)
        logins = conn.get_auth
        conn.get_auth = lambda: counted.append(1) or logins()
        counted = []
        assert "x-trans-id" in conn.head_container(container)
        assert [method for method, _, _ in between.seen] == ["HEAD", "HEAD"] and counted == [1]


def test_a_time_out(server, container):
    with Between(server.url, stall=5) as between:
        began = time.monotonic()
        with pytest.raises(requests.exceptions.ReadTimeout):
            through(server, between, retries=0, timeout=0.3).head_container(container)
        assert time.monotonic() - began < 4
    assert "x-trans-id" in server.connection(ACCOUNT, timeout=60).head_container(container)


def test_tls(server, container, tmp_path):
    with tls(server.url, tmp_path) as (between, paths):
        def secure(**more):
            return server.connection(ACCOUNT, **{
                "authurl": between.url + "/auth/v1.0", "retries": 0,
                "os_options": {"object_storage_url": between.url + "/v1/AUTH_" + ACCOUNT},
                "cert": paths["client"], "cert_key": paths["client-key"], **more})

        conn = secure(cacert=paths["authority"], ssl_compression=False)
        conn.put_object(container, "a", b"sealed")
        assert conn.get_object(container, "a")[1] == b"sealed"
        conn = secure(insecure=True, ssl_compression=True)
        assert conn.get_object(container, "a")[1] == b"sealed"
        # Nobody vouches for the server; the client does not say who it is.
        for more in ({}, {"cacert": paths["authority"], "cert": None, "cert_key": None}):
            with pytest.raises(requests.exceptions.ConnectionError):
                secure(**more).head_account()


# Accounts.


def test_account(server, conn):
    made = sorted(unique("acct") for _ in range(5))
    for name in made:
        conn.put_container(name)
        # A container is listed when its PUT has answered.
        assert name in [row["name"] for row in conn.get_account(prefix=name)[1]]
    conn.put_object(made[0], "a", b"12345")
    try:
        headers = conn.head_account(headers={"X-Newest": "true"})
        assert int(headers["x-account-container-count"]) >= 5
        assert {"x-account-object-count", "x-account-bytes-used", "x-timestamp", "x-trans-id",
                "content-type"} <= set(headers)

        def names(**how):
            headers, rows = conn.get_account(prefix="acct-", **how)
            assert int(headers["x-account-container-count"]) >= 5
            return [row.get("name") or row["subdir"] for row in rows]

        assert names() == made
        assert names(marker=made[1]) == made[2:]
        assert names(end_marker=made[2]) == made[:2]
        assert names(limit=2) == made[:2]
        assert names(marker=made[0], end_marker=made[4], limit=2) == made[1:3]
        assert names(limit=2, full_listing=True) == made
        assert names(delimiter="-", limit=3) == made[:3]
        headers, rows = conn.get_account(delimiter="-")
        assert "acct-" in [row.get("subdir") for row in rows]
        # Other ways to write it than JSON: swiftclient parses JSON only if it got it.
        raw = requests.get(server.storage(ACCOUNT), params={"prefix": "acct-"}, timeout=30,
                           headers={"X-Auth-Token": conn.token})
        assert raw.text.split() == made and raw.headers["Content-Type"] == "text/plain; charset=utf-8"

        def counted():
            row = conn.get_account(prefix=made[0])[1][0]
            assert (row["name"], row["count"], row["bytes"]) == (made[0], 1, 5)
            assert row["last_modified"]

        eventually(counted)
        # The listing of another's: headers are sent.
        with status(403):
            guest = server.connection(ACCOUNT, "guest", retries=0)
            guest.get_account(headers={"X-Whatever": "1"})
    finally:
        for name in made:
            empty(conn, name)
    assert conn.get_account(prefix="acct-")[1] == []


def test_what_is_known_of_an_account(conn):
    key, value = "X-Account-Meta-" + unique("Flower"), "Rose \u2603"
    answer = {}
    conn.post_account({key: value}, response_dict=answer)
    assert answer["status"] == 204 and answer["reason"] == "No Content" and "x-trans-id" in answer["headers"]
    assert conn.head_account()[key.lower()] == value
    assert conn.get_account(limit=1)[0][key.lower()] == value
    conn.post_account({key: ""})
    assert key.lower() not in conn.head_account()


def test_deleting_in_bulk_by_a_post_to_the_account(conn, container):
    for name in ("a", "b/c", "schnee \u2603"):
        conn.put_object(container, name, b"")
    listed = "".join(f"/{container}/{name}\n" for name in ("a", "b/c", "schnee%20%E2%98%83", "gone"))
    answer = {}
    headers, body = conn.post_account({"Content-Type": "text/plain", "Accept": "application/json"},
                                      response_dict=answer, query_string="bulk-delete", data=listed.encode())
    result = json.loads(body)
    assert answer["status"] == 200 and "x-trans-id" in headers
    assert (result["Number Deleted"], result["Number Not Found"], result["Errors"]) == (3, 1, [])
    assert result["Response Status"] == "200 OK"
    assert conn.get_container(container)[1] == []


# Containers.


def test_container(conn):
    name = unique("c")
    answer = {}
    conn.put_container(name, headers={"X-Container-Meta-Colour": "red", "X-Container-Read": ".r:*,.rlistings",
                                      "X-Container-Meta-Quota-Count": "10"},
                       response_dict=answer, query_string="format=json")
    assert answer["status"] == 201
    conn.put_container(name, response_dict=answer)
    assert answer["status"] == 202 and len(answer["response_dicts"]) == 2
    headers = conn.head_container(name, headers={"X-Newest": "True"})
    assert headers["x-container-object-count"] == "0" and headers["x-container-bytes-used"] == "0"
    assert headers["x-container-meta-colour"] == "red" and headers["x-container-read"] == ".r:*,.rlistings"
    assert headers["x-storage-policy"] and headers["x-timestamp"]
    # Everyone may read it now.
    assert requests.get(conn.url + "/" + name, timeout=30).status_code == 204
    answer = {}
    conn.post_container(name, {"X-Container-Meta-Colour": "blue", "X-Container-Meta-Size": "big",
                               "X-Remove-Container-Read": "x"}, response_dict=answer)
    assert answer["status"] == 204
    headers = conn.head_container(name)
    assert headers["x-container-meta-colour"] == "blue" and headers["x-container-meta-size"] == "big"
    assert "x-container-read" not in headers
    assert requests.get(conn.url + "/" + name, timeout=30).status_code == 401
    conn.put_object(name, "a", b"")
    answer = {}
    with status(409):
        conn.delete_container(name, response_dict=answer)
    assert answer["status"] == 409
    conn.delete_object(name, "a")
    conn.delete_container(name, response_dict=answer, query_string="x=y", headers={"X-Whatever": "1"})
    assert answer["status"] == 204
    for call in (conn.head_container, conn.get_container, conn.delete_container):
        with status(404):
            call(name)
    with status(404):
        conn.post_container(name, {})


def test_names_of_containers(conn):
    with status(400):
        conn.put_container("c" * 257)
    for name in ("c" * 256, "sp ace", "schnee\u2603", "per%cent", "plus+and&question?", "."):
        name = name if len(name) == 256 else unique(name)
        conn.put_container(name)
        conn.put_object(name, name, name)
        assert conn.get_object(name, name)[1] == name.encode()
        assert [row["name"] for row in conn.get_container(name)[1]] == [name]
        assert name in [row["name"] for row in conn.get_account(full_listing=True)[1]]
        empty(conn, name)


def test_listings(conn, container):
    names = sorted(["a", "a/b", "a/c/d", "a/c/e", "b", "c/d", "photos/cats/tom", "photos/cats/", "photos/me",
                    "schnee\u2603", "z"])
    for name in names:
        conn.put_object(container, name, name.encode(), content_type="text/x-" + str(len(name)))

    def listed(**how):
        headers, rows = conn.get_container(container, **how)
        assert headers["x-container-object-count"] == str(len(names))
        return [row.get("name") or row["subdir"] for row in rows]

    eventually(lambda: listed())
    assert listed() == names
    assert listed(marker="a/c/d") == names[names.index("a/c/d") + 1:]
    assert listed(limit=3) == names[:3]
    assert listed(limit=4, full_listing=True) == names
    assert listed(prefix="a/") == ["a/b", "a/c/d", "a/c/e"]
    assert listed(end_marker="b") == ["a", "a/b", "a/c/d", "a/c/e"]
    assert listed(delimiter="/") == ["a", "a/", "b", "c/", "photos/", "schnee\u2603", "z"]
    assert listed(delimiter="/", prefix="a/") == ["a/b", "a/c/"]
    assert listed(delimiter="/", marker="a/", limit=2) == ["b", "c/"]
    assert listed(path="photos") == ["photos/cats/", "photos/me"]
    assert listed(path="a/c") == ["a/c/d", "a/c/e"]
    assert listed(query_string="reverse=true") == names[::-1]
    assert listed(query_string="reverse=on", limit=2, marker="b") == ["a/c/e", "a/c/d"]
    row = conn.get_container(container, prefix="schnee")[1][0]
    text = "schnee\u2603".encode()
    assert (row["name"], row["bytes"], row["hash"], row["content_type"]) == \
        ("schnee\u2603", len(text), md5(text), "text/x-7")
    assert row["last_modified"][10] == "T"
    # Headers go with the request.
    with status(412):
        conn.get_container(container, headers={"X-Container-Sysmeta-X": "1"}, query_string="limit=10001")


def test_versions_and_their_marker(conn, container):
    conn.post_container(container, {"X-Versions-Enabled": "true"})
    assert conn.head_container(container)["x-versions-enabled"] == "True"
    ids = []
    for number in range(3):
        answer = {}
        conn.put_object(container, "a", str(number), response_dict=answer)
        ids.append(answer["headers"]["x-object-version-id"])
    conn.put_object(container, "b", "b")
    assert len(set(ids)) == 3
    rows = conn.get_container(container, query_string="versions")[1]
    assert [(row["name"], row["version_id"], row["is_latest"]) for row in rows[:3]] == \
        [("a", ids[2], True), ("a", ids[1], False), ("a", ids[0], False)]
    assert [row["name"] for row in rows] == ["a", "a", "a", "b"]
    rows = conn.get_container(container, query_string="versions", marker="a", version_marker=ids[1])[1]
    assert [(row["name"], row["version_id"]) for row in rows[:1]] == [("a", ids[0])]
    assert [row["name"] for row in rows] == ["a", "b"]
    assert conn.get_object(container, "a", query_string="version-id=" + ids[0])[1] == b"0"
    assert conn.head_object(container, "a", query_string="version-id=" + ids[1])["x-object-version-id"] == ids[1]
    conn.delete_object(container, "a")
    with status(404):
        conn.get_object(container, "a")
    assert conn.get_object(container, "a", query_string="version-id=" + ids[2])[1] == b"2"

    def counted():
        # What is current is counted; the bytes are those of all versions.
        headers, rows = conn.get_account(full_listing=True)
        assert {row["name"]: (row["count"], row["bytes"]) for row in rows}.get(container) == (1, 4)
        for headers in (headers, conn.head_account()):
            assert headers["x-account-object-count"] == str(sum(row["count"] for row in rows))
            assert headers["x-account-bytes-used"] == str(sum(row["bytes"] for row in rows))

    eventually(counted)
    headers = conn.head_container(container)
    assert (headers["x-container-object-count"], headers["x-container-bytes-used"]) == ("1", "4")
    conn.put_object(container, "a", b"", query_string="version-id=" + ids[1])
    assert conn.get_object(container, "a")[1] == b"1"


# Objects.


def test_object(conn, container):
    answer = {}
    etag = conn.put_object(container, "a/b c", "Hello, World!", content_type="text/plain", response_dict=answer,
                           headers={"X-Object-Meta-Author": "J\u00f6rg", "Content-Encoding": "x-none",
                                    "Content-Disposition": "attachment"})
    assert etag == md5(b"Hello, World!") and answer["status"] == 201
    assert answer["headers"]["etag"] == etag and "last-modified" in answer["headers"]
    headers = conn.head_object(container, "a/b c", headers={"X-Newest": "true"})
    assert headers["etag"] == etag and headers["content-length"] == "13"
    assert headers["content-type"] == "text/plain" and headers["x-object-meta-author"] == "J\u00f6rg"
    assert headers["content-encoding"] == "x-none" and headers["content-disposition"] == "attachment"
    assert headers["accept-ranges"] == "bytes" and headers["x-timestamp"]

    answer = {}
    headers, body = conn.get_object(container, "a/b c", response_dict=answer)
    assert body == b"Hello, World!" and answer["status"] == 200 and headers["etag"] == etag
    for how, code, expected in [
        ({"Range": "bytes=7-11"}, 206, b"World"), ({"Range": "bytes=-6"}, 206, b"World!"),
        ({"Range": "bytes=7-"}, 206, b"World!"), ({"If-Match": etag}, 200, b"Hello, World!"),
        ({"If-Match": '"%s"' % etag}, 200, b"Hello, World!"), ({"If-None-Match": "x"}, 200, b"Hello, World!"),
        ({"If-Unmodified-Since": headers["last-modified"]}, 200, b"Hello, World!"),
    ]:
        answer = {}
        assert conn.get_object(container, "a/b c", headers=how, response_dict=answer)[1] == expected, how
        assert answer["status"] == code, how
    for how, code in [({"Range": "bytes=13-"}, 416), ({"If-Match": "x"}, 412), ({"If-None-Match": etag}, 304),
                      ({"If-None-Match": "*"}, 304), ({"If-Modified-Since": headers["last-modified"]}, 304),
                      ({"If-Unmodified-Since": "Thu, 01 Jan 1998 00:00:00 GMT"}, 412)]:
        with status(code):
            conn.get_object(container, "a/b c", headers=how)
    with pytest.raises(ClientException):
        conn.put_object(container, "a/b c", "no", headers={"If-None-Match": "*"})

    answer = {}
    conn.delete_object(container, "a/b c", response_dict=answer, headers={"X-Whatever": "1"})
    assert answer["status"] == 204
    for call in (conn.head_object, conn.get_object, conn.delete_object):
        with status(404):
            call(container, "a/b c")
    with status(404):
        conn.post_object(container, "a/b c", {})
    with status(404):
        conn.put_object(unique("none"), "a", "a")


def test_ranges_of_one_request(conn, container):
    data = content(1, 200_000)
    conn.put_object(container, "a", data)
    headers, body = conn.get_object(container, "a", headers={"Range": "bytes=0-9,100000-100009,-10"})
    kind, _, boundary = headers["content-type"].partition(";boundary=")
    assert kind == "multipart/byteranges" and boundary and int(headers["content-length"]) == len(body)
    parts = body.split(b"--" + boundary.encode())
    assert [part.split(b"\r\n\r\n", 1)[1][:-2] for part in parts[1:-1]] == \
        [data[:10], data[100_000:100_010], data[-10:]]
    assert b"Content-Range: bytes 100000-100009/200000" in parts[2] and parts[-1].strip() == b"--"


class Slow(io.RawIOBase):
    """Gives its bytes in small pieces and remembers how much it was asked for."""

    def __init__(self, data):
        self.data, self.asked = io.BytesIO(data), []

    def read(self, size=-1):
        self.asked.append(size)
        return self.data.read(size)

    def tell(self):
        return self.data.tell()

    def seek(self, *where):
        return self.data.seek(*where)


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 1_000_003])
def test_what_contents_may_be(conn, container, size):
    data = content(size, size)
    pieces = [data[i:i + 10_007] for i in range(0, size, 10_007)]
    file = Slow(data)
    for name, how in {
        "bytes": {"contents": data},
        "file": {"contents": io.BytesIO(data)},
        "file-with-length": {"contents": io.BytesIO(data), "content_length": size},
        "file-and-more": {"contents": io.BytesIO(data + b"more"), "content_length": size},
        "chunk-size": {"contents": file, "chunk_size": 1_000},
        "chunk-size-with-length": {"contents": io.BytesIO(data), "content_length": size, "chunk_size": 4_096},
        "iterable": {"contents": iter(pieces)},
        "generator": {"contents": (piece for piece in pieces)},
        "etag": {"contents": data, "etag": md5(data)},
        "etag-of-chunks": {"contents": iter(pieces), "etag": md5(data)},
    }.items():
        assert conn.put_object(container, name, **how) == md5(data), name
        headers, body = conn.get_object(container, name)
        assert body == data, name
        assert headers["content-length"] == str(size) and headers["etag"] == md5(data), name
    assert set(file.asked) == {1_000}


def test_a_text_is_sent_as_utf8_and_nothing_is_no_bytes(conn, container):
    conn.put_object(container, "text", "schnee\u2603")
    assert conn.get_object(container, "text")[1] == "schnee\u2603".encode()
    conn.put_object(container, "none", None)
    assert conn.head_object(container, "none")["content-length"] == "0"


def test_what_does_not_match_is_not_kept(conn, container):
    conn.put_object(container, "a", b"old")
    for name in ("a", "new"):
        with status(422):
            conn.put_object(container, name, b"other", etag=md5(b"another"))
    with status(422):
        conn.put_object(container, "new", iter([b"other"]), etag=md5(b"another"))
    assert conn.get_object(container, "a")[1] == b"old"
    assert [row["name"] for row in conn.get_container(container)[1]] == ["a"]


def test_reading_in_chunks(conn, container):
    data = content(2, 3_000_001)
    conn.put_object(container, "a", data)
    headers, body = conn.get_object(container, "a", resp_chunk_size=100_000)
    chunks = list(body)
    assert b"".join(chunks) == data and headers["content-length"] == "3000001"
    assert max(map(len, chunks)) <= 100_000 and len(chunks) >= 31
    _, body = conn.get_object(container, "a", resp_chunk_size=65_536)
    assert body.read(10) == data[:10] and body.read(70_000) == data[10:70_010]
    body.close()
    # The connection is good for more.
    assert conn.get_object(container, "a", resp_chunk_size=None, headers={"Range": "bytes=-3"})[1] == data[-3:]


def test_what_is_known_of_an_object(conn, container):
    conn.put_object(container, "a", b"a", headers={"X-Object-Meta-One": "1", "X-Object-Meta-Two": "2"})
    answer = {}
    conn.post_object(container, "a", {"X-Object-Meta-Two": "zwei", "X-Object-Meta-Drei": "\u2603",
                                      "Content-Type": "text/css"}, response_dict=answer)
    assert answer["status"] == 202
    headers = conn.head_object(container, "a")
    # A POST replaces all that users have set.
    assert "x-object-meta-one" not in headers
    assert (headers["x-object-meta-two"], headers["x-object-meta-drei"], headers["content-type"]) == \
        ("zwei", "\u2603", "text/css")
    assert conn.get_object(container, "a")[1] == b"a"
    assert conn.get_container(container)[1][0]["content_type"] == "text/css"
    with status(400):
        conn.post_object(container, "a", {"X-Object-Meta-" + "x" * 129: "1"})
    with status(400):
        conn.put_object(container, "a", b"b", headers={"X-Object-Meta-Long": "x" * 257})
    assert conn.get_object(container, "a")[1] == b"a"


def test_objects_that_end(conn, container):
    conn.put_object(container, "a", b"a", headers={"X-Delete-After": "2"})
    conn.put_object(container, "b", b"b", headers={"X-Delete-At": str(int(time.time()) + 1000)})
    assert int(conn.head_object(container, "a")["x-delete-at"]) <= time.time() + 3

    def gone():
        try:
            conn.head_object(container, "a")
        except ClientException as error:
            assert error.http_status == 404
        else:
            raise AssertionError("it is still there")

    eventually(gone)
    # It is not only hidden: it is gone from the listing, and counts no more.
    eventually(lambda: [row["name"] for row in conn.get_container(container)[1]] == ["b"] or refuse("listed"))
    conn.post_object(container, "b", {"X-Remove-Delete-At": "x"})
    assert "x-delete-at" not in conn.head_object(container, "b")
    with status(400):
        conn.put_object(container, "c", b"c", headers={"X-Delete-At": "1"})


def test_copies(conn, container):
    other = unique("other")
    conn.put_container(other)
    data = content(3, 300_000)
    conn.put_object(container, "a b", data, content_type="text/plain",
                    headers={"X-Object-Meta-One": "1", "X-Object-Meta-Two": "2"})
    try:
        answer = {}
        conn.copy_object(container, "a b", f"/{other}/schnee\u2603", headers={"X-Object-Meta-Two": "zwei"},
                         response_dict=answer)
        assert answer["status"] == 201
        assert answer["headers"]["x-copied-from"] == f"{container}/a b"
        headers, body = conn.get_object(other, "schnee\u2603")
        assert body == data and headers["content-type"] == "text/plain"
        assert (headers["x-object-meta-one"], headers["x-object-meta-two"]) == ("1", "zwei")

        conn.copy_object(container, "a b", f"{other}/fresh", headers={"X-Object-Meta-Drei": "3"},
                         fresh_metadata=True)
        headers = conn.head_object(other, "fresh")
        assert headers["x-object-meta-drei"] == "3" and "x-object-meta-one" not in headers
        conn.copy_object(container, "a b", f"/{other}/kept", fresh_metadata=False)
        assert conn.head_object(other, "kept")["x-object-meta-one"] == "1"

        # Conditions are about what is copied.
        etag = conn.head_object(container, "a b")["etag"]
        for headers, expected in (({"If-Match": "0" * 32}, 412), ({"If-None-Match": etag}, 304),
                                  ({"If-None-Match": "*"}, 304),
                                  ({"If-Unmodified-Since": "Thu, 01 Jan 1998 00:00:00 GMT"}, 412)):
            with status(expected):
                conn.copy_object(container, "a b", f"/{other}/kept", headers=headers)
        conn.copy_object(container, "a b", f"/{other}/kept", headers={"If-Match": etag})

        # Onto itself: what is known of it is added to, or replaced.
        conn.copy_object(container, "a b", headers={"X-Object-Meta-Four": "4"})
        headers, body = conn.get_object(container, "a b")
        assert body == data and headers["x-object-meta-one"] == "1" and headers["x-object-meta-four"] == "4"
        conn.copy_object(container, "a b", fresh_metadata=True, headers={"X-Object-Meta-Five": "5"})
        headers = conn.head_object(container, "a b")
        assert headers["x-object-meta-five"] == "5" and "x-object-meta-four" not in headers

        conn.put_object(other, "from", b"", headers={"X-Copy-From": f"/{container}/a%20b"})
        assert conn.get_object(other, "from")[1] == data
        conn.delete_object(container, "a b")
        assert conn.get_object(other, "kept")[1] == data
        with status(404):
            conn.copy_object(container, "a b", f"/{other}/never")
        assert sorted(row["name"] for row in conn.get_container(other)[1]) == \
            ["fresh", "from", "kept", "schnee\u2603"]
    finally:
        empty(conn, other)


def test_large_objects_of_listed_segments(conn, container):
    segments = [content(10 + number, size) for number, size in enumerate((1_048_576, 1_048_576, 12_345))]
    manifest = []
    for number, segment in enumerate(segments):
        etag = conn.put_object(container, f"s/{number}", segment)
        manifest.append({"path": f"/{container}/s/{number}", "etag": etag, "size_bytes": len(segment)})
    whole = b"".join(segments)
    answer = {}
    conn.put_object(container, "large", json.dumps(manifest), query_string="multipart-manifest=put",
                    headers={"X-Object-Meta-Kind": "large"}, content_type="text/x-large", response_dict=answer)
    assert answer["status"] == 201
    headers, body = conn.get_object(container, "large")
    assert body == whole and headers["x-static-large-object"] == "True"
    assert headers["content-length"] == str(len(whole)) and headers["x-object-meta-kind"] == "large"
    assert headers["etag"] == '"%s"' % md5("".join(one["etag"] for one in manifest).encode())
    _, body = conn.get_object(container, "large", headers={"Range": "bytes=1048570-1048590"})
    assert body == whole[1_048_570:1_048_591]
    _, body = conn.get_object(container, "large", resp_chunk_size=65_536)
    assert b"".join(body) == whole
    listed = json.loads(conn.get_object(container, "large", query_string="multipart-manifest=get")[1])
    assert [(one["name"], one["bytes"], one["hash"]) for one in listed] == \
        [(one["path"], one["size_bytes"], one["etag"]) for one in manifest]
    assert conn.head_object(container, "large", query_string="multipart-manifest=get")["content-type"] \
        .startswith("application/json")
    row = conn.get_container(container, prefix="large")[1][0]
    assert row["bytes"] == len(whole)
    for wrong in ({"etag": md5(b"wrong")}, {"size_bytes": 5}, {"path": f"/{container}/none"}):
        with status(400):
            conn.put_object(container, "wrong", json.dumps([{**manifest[0], **wrong}]),
                            query_string="multipart-manifest=put")
    conn.delete_object(container, "large", query_string="multipart-manifest=delete")
    assert conn.get_container(container)[1] == []


def test_large_objects_of_a_prefix(conn, container):
    for number in range(3):
        conn.put_object(container, f"part/{number}", str(number) * 1000)
    conn.put_object(container, "whole", b"", headers={"X-Object-Manifest": f"{container}/part/"})
    whole = b"".join(str(number).encode() * 1000 for number in range(3))

    def joined():
        headers, body = conn.get_object(container, "whole")
        assert body == whole and headers["x-object-manifest"] == f"{container}/part/"

    eventually(joined)
    assert conn.get_object(container, "whole", headers={"Range": "bytes=995-1004"})[1] == b"0000011111"
    assert conn.head_object(container, "whole")["content-length"] == "3000"
    assert conn.get_object(container, "whole", query_string="multipart-manifest=get")[1] == b""
    conn.put_object(container, "part/3", b"3")
    eventually(lambda: conn.get_object(container, "whole")[1] == whole + b"3" or refuse("old"))


def test_links(conn, container):
    conn.put_object(container, "target", b"target")
    conn.put_object(container, "link", b"", headers={"X-Symlink-Target": f"{container}/target"},
                    content_type="application/symlink")
    headers, body = conn.get_object(container, "link")
    assert body == b"target" and headers["content-location"].endswith("/target")
    assert conn.head_object(container, "link", query_string="symlink=get")["x-symlink-target"] == \
        f"{container}/target"


def test_archives_that_are_taken_apart(conn, container):
    import tarfile
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, data in (("a", b"1"), ("b/c", b"22"), ("schnee\u2603", b"333")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    archive.seek(0)
    answer = {}
    conn.put_object(container, "up", archive, query_string="extract-archive=tar.gz", response_dict=answer,
                    headers={"Accept": "application/json"})
    assert answer["status"] == 200
    assert conn.get_object(container, "up/b/c")[1] == b"22"
    assert [row["name"] for row in conn.get_container(container)[1]] == ["up/a", "up/b/c", "up/schnee\u2603"]


@pytest.mark.parametrize("form", ["tar", "tar.gz", "tar.bz2"])
def test_archives_that_make_containers_and_metadata(conn, form):
    import tarfile
    container, archive = unique("c"), io.BytesIO()
    with tarfile.open(fileobj=archive, mode=f"w:{form[4:]}", format=tarfile.PAX_FORMAT) as tar:
        for name, data, more in ((f"./{container}/a", b"1" * 100_000, {"SCHILY.xattr.user.mime_type": "text/x-a"}),
                                 (f"{container}/{'long/' * 40}b", b"", {"LIBARCHIVE.xattr.user.meta.Lunch": "caf\u00e9"}),
                                 ("base", b"not in a container", {})):
            info = tarfile.TarInfo(name)
            info.size, info.pax_headers = len(data), more
            tar.addfile(info, io.BytesIO(data))
        folder = tarfile.TarInfo(f"{container}/folder")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
    url, token = conn.get_auth()

    def upload(data, **headers):
        return requests.put(url, params={"extract-archive": form}, data=data,
                            headers={"X-Auth-Token": token, "Accept": "application/json", **headers})

    try:
        answer = upload(archive.getvalue(), **{"X-Object-Meta-Each": "one"}).json()
        assert (answer["Response Status"], answer["Number Files Created"], answer["Errors"]) == ("201 Created", 2, [])
        headers, body = conn.get_object(container, "a")
        assert body == b"1" * 100_000 and headers["content-type"] == "text/x-a" and headers["x-object-meta-each"] == "one"
        assert conn.head_object(container, "long/" * 40 + "b")["x-object-meta-lunch"] == "caf\u00e9"
        assert len(conn.get_container(container)[1]) == 2
        for broken in (b"no archive at all" * 100, archive.getvalue()[:len(archive.getvalue()) // 2], b""):
            answer = upload(broken).json()
            assert answer["Response Status"] == "400 Bad Request", answer
    finally:
        empty(conn, container)


def test_who_else_may(server, conn, container):
    guest = server.connection(ACCOUNT, "guest", retries=0)
    conn.put_object(container, "a", b"for a guest")
    with status(403):
        guest.get_object(container, "a")
    conn.post_container(container, {"X-Container-Read": "swiftclient:guest"})
    assert guest.get_object(container, "a")[1] == b"for a guest"
    with status(403):
        guest.put_object(container, "b", b"")
    conn.post_container(container, {"X-Container-Write": "swiftclient:guest"})
    guest.put_object(container, "b", b"by a guest")
    assert conn.get_object(container, "b")[1] == b"by a guest"
    with status(403):
        guest.head_account()
    with status(403):
        guest.put_container(unique("no"))


def test_capabilities(server, conn):
    info = conn.get_capabilities()
    assert {"version", "policies", "max_object_name_length", "container_listing_limit"} <= set(info["swift"])
    assert {"slo", "tempurl", "formpost", "bulk_upload", "bulk_delete", "staticweb", "versioned_writes",
            "symlink", "account_quotas", "container_quotas", "tempauth"} <= set(info)
    assert Connection().get_capabilities(url=server.url + "/info")["swift"] == info["swift"]


def test_closing(server):
    conn = server.connection(ACCOUNT)
    conn.head_account()
    conn.close()
    # It opens again by itself.
    assert "x-trans-id" in conn.head_account()
    conn.close()


def test_the_example_of_the_reference(server):
    conn = Connection(authurl=server.auth["3"], user="tester", key=server.key(ACCOUNT), auth_version="3",
                      os_options={"project_name": ACCOUNT, **DOMAINS})
    documents, images = unique("documents"), unique("images")
    assert int(conn.head_account()["x-account-container-count"]) >= 0
    conn.put_container(documents)
    conn.put_container(images, headers={"X-Container-Read": ".r:*"})
    conn.put_object(documents, "readme.txt", "Hello, World!")
    headers, data = conn.get_object(documents, "readme.txt")
    assert data.decode("utf-8") == "Hello, World!"
    conn.post_object(documents, "readme.txt", {"X-Object-Meta-Author": "John Doe"})
    conn.copy_object(documents, "readme.txt", f"/{documents}/readme-copy.txt")
    assert [row["name"] for row in conn.get_container(documents)[1]] == ["readme-copy.txt", "readme.txt"]
    large = io.BytesIO(b"x" * 10_000_000)
    etag = conn.put_object(documents, "large-file.dat", large, content_length=10_000_000, chunk_size=65_536)
    assert etag == md5(b"x" * 10_000_000)
    _, chunks = conn.get_object(documents, "large-file.dat", resp_chunk_size=65_536)
    assert sum(len(chunk) for chunk in chunks) == 10_000_000
    for name in ("readme.txt", "readme-copy.txt", "large-file.dat"):
        conn.delete_object(documents, name)
    conn.delete_container(documents)
    conn.delete_container(images)
    conn.close()
