"""What browsers ask: forms that upload, pages of other sites, links that end."""

import hashlib
import hmac
import json
import time

import pytest
import requests
from conftest import empty, eventually, md5, unique

ACCOUNT = "cli"
KEY = "a key of the container"


@pytest.fixture
def container(server):
    connection, name = server.connection(ACCOUNT), unique("web")
    connection.put_container(name, headers={"X-Container-Meta-Temp-URL-Key": KEY})
    yield name
    empty(connection, name)


def signed(*parts, how=hashlib.sha256):
    return hmac.new(KEY.encode(), "\n".join(map(str, parts)).encode(), how).hexdigest()


def form(server, container, files, *, redirect="", size=1000, count=2, until=60, how=hashlib.sha256, **more):
    """Uploads as a form does; redirects are not followed."""
    path, expires = f"/v1/AUTH_{ACCOUNT}/{container}/up/", int(time.time()) + until
    fields = {"redirect": redirect, "max_file_size": size, "max_file_count": count, "expires": expires,
              "signature": signed(path, redirect, size, count, expires, how=how), **more}
    return requests.post(server.url + path, data=fields, files=files, allow_redirects=False, timeout=30)


def test_a_form(server, container):
    connection = server.connection(ACCOUNT)
    files = [("file1", ("a.txt", b"first", "text/plain")), ("file2", ("b c.bin", bytes(1000), "image/x"))]
    for how in (hashlib.sha1, hashlib.sha256, hashlib.sha512):
        answer = form(server, container, files, how=how)
        assert answer.status_code == 201, answer.text
    headers, data = connection.get_object(container, "up/a.txt")
    assert data == b"first" and headers["content-type"] == "text/plain"
    assert connection.get_object(container, "up/b c.bin")[1] == bytes(1000)
    answer = form(server, container, files, redirect="http://example.com/done")
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("http://example.com/done?status=201&message=")
    # An object that ends, because the form says so.
    answer = form(server, container, files[:1], x_delete_after="1000")
    assert answer.status_code == 201
    assert "x-delete-at" in connection.head_object(container, "up/a.txt")


def test_forms_that_break_off(server, container):
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    for body in (b"", b"-", b"--b", b"--b\r\n", b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx", b"--b--"):
        answer = requests.post(f"{server.url}/v1/AUTH_{ACCOUNT}/{container}/up/", data=body, headers=kind, timeout=30)
        assert answer.status_code in (400, 401), body


def test_forms_that_are_refused(server, container):
    one = [("file1", ("refused", b"1234567890", "text/plain"))]
    assert form(server, container, one, signature="0" * 64).status_code == 401
    assert form(server, container, one, until=-10).status_code == 401
    assert form(server, container, one, max_file_size=2000).status_code == 401
    assert form(server, container, one, size=5).status_code == 400
    three = [(f"file{n}", (f"refused{n}", b"1", "text/plain")) for n in range(3)]
    assert form(server, container, three).status_code == 400
    names = [row["name"] for row in server.connection(ACCOUNT).get_container(container)[1]]
    assert "up/refused" not in names and "up/refused2" not in names


def test_links_that_end(server, container):
    connection = server.connection(ACCOUNT)
    connection.put_object(container, "a b.txt", b"linked", content_type="text/html")
    path, until = f"/v1/AUTH_{ACCOUNT}/{container}/a b.txt", int(time.time()) + 60

    def link(method="GET", at=until, how=hashlib.sha256, **query):
        return requests.request(method, server.url + path, timeout=30, params={
            "temp_url_sig": signed("GET", at, path, how=how), "temp_url_expires": at, **query})

    answer = link()
    assert (answer.status_code, answer.content) == (200, b"linked")
    assert answer.headers["Content-Disposition"] == "attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt"
    assert "Expires" in answer.headers
    assert link(inline="").headers["Content-Disposition"] == "inline"
    assert link(inline="", filename="x.txt").headers["Content-Disposition"].startswith("inline; filename=\"x.txt\"")
    assert "filename=\"x.txt\"" in link(filename="x.txt").headers["Content-Disposition"]
    assert link("HEAD").status_code == 200
    assert link("PUT").status_code == link("DELETE").status_code == link("POST").status_code == 401
    assert link(at=int(time.time()) - 10).status_code == 401
    assert link(how=hashlib.sha512).status_code == 200
    # What another container's key signs opens nothing here.
    other = unique("other")
    connection.put_container(other, headers={"X-Container-Meta-Temp-URL-Key": "another key"})
    connection.put_object(other, "a b.txt", b"other")
    answer = requests.get(f"{server.url}/v1/AUTH_{ACCOUNT}/{other}/a%20b.txt", timeout=30, params={
        "temp_url_sig": signed("GET", until, path.replace(container, other)), "temp_url_expires": until})
    assert answer.status_code == 401
    empty(connection, other)


class Links:
    """Requests with temporary URLs to a container, signed with a key of the container or the account."""

    def __init__(self, server, container, key=KEY):
        self.server, self.container, self.key = server, container, key

    def __call__(self, method, name, *, signs=None, prefix=None, query=None, **more):
        until, path = int(time.time()) + 60, f"/v1/AUTH_{ACCOUNT}/{self.container}/"
        what = path + name if prefix is None else f"prefix:{path}{prefix}"
        signature = hmac.new(self.key.encode(), f"{signs or method}\n{until}\n{what}".encode(), hashlib.sha256)
        query = {"temp_url_sig": signature.hexdigest(), "temp_url_expires": until, **(query or {})}
        if prefix is not None:
            query["temp_url_prefix"] = prefix
        return requests.request(method, self.server.url + path + name, params=query, timeout=30, **more)


@pytest.fixture
def elsewhere(server):
    """A container with another key, and the account with one of its own."""
    connection, name = server.connection(ACCOUNT), unique("web")
    connection.put_container(name, headers={"X-Container-Meta-Temp-URL-Key": "another key"})
    connection.post_account({"X-Account-Meta-Temp-URL-Key": "a key of the account"})
    yield name
    connection.post_account({"X-Account-Meta-Temp-URL-Key": ""})
    empty(connection, name)


def of_account(server, container):
    """Links that the account's key signs, once it is known."""
    links = Links(server, container, "a key of the account")

    def known():
        assert links("GET", "plain").status_code == 200

    server.connection(ACCOUNT).put_object(container, "plain", b"plain")
    eventually(known)
    return links


def test_links_to_what_stands_for_others(server, container, elsewhere):
    connection = server.connection(ACCOUNT)
    for where in (container, elsewhere):
        for number in (1, 2):
            connection.put_object(where, f"s/{number}", f"{number}" * 3)
    parts = {where: [{"path": f"/{where}/s/{n}"} for n in (1, 2)] for where in (container, elsewhere)}
    for name, where in (("here", container), ("there", elsewhere)):
        connection.put_object(container, f"slo-{name}", json.dumps(parts[where]), query_string="multipart-manifest=put")
        connection.put_object(container, f"dlo-{name}", b"", headers={"X-Object-Manifest": f"{where}/s/"})
        connection.put_object(container, f"link-{name}", b"", headers={"X-Symlink-Target": f"{where}/s/1"})
    whole = {"slo": b"111222", "dlo": b"111222", "link": b"111"}
    links, broad = Links(server, container), of_account(server, container)
    for kind, data in whole.items():
        # The container's key reads what is in the container, the account's what is in the account.
        for link, name in ((links, "here"), (broad, "here"), (broad, "there")):
            answer = link("GET", f"{kind}-{name}")
            assert (answer.status_code, answer.content) == (200, data), (kind, name)
            assert link("HEAD", f"{kind}-{name}", signs="GET").headers["Content-Length"] == str(len(data))
        answer = links("GET", f"{kind}-here", headers={"Range": "bytes=1-2"})
        assert (answer.status_code, answer.content) == (206, data[1:3])
        assert links("GET", f"{kind}-there").status_code in (401, 403, 409), kind
        # What is beside the signature is not asked: it is not signed.
        for query in ({"multipart-manifest": "get"}, {"symlink": "get"}, {"version-id": "null"}):
            assert links("GET", f"{kind}-here", query=query).content == data, (kind, query)
    assert links("GET", "s/1", prefix="s/").content == b"111"
    assert links("GET", "slo-here", prefix="s/").status_code == 401
    assert links("GET", "slo-here", prefix="").content == b"111222"
    # Manifests are not made by links, and of what is deleted by one the segments stay.
    answer = links("PUT", "new", data=json.dumps(parts[container]), query={"multipart-manifest": "put"})
    assert answer.status_code == 201
    assert connection.get_object(container, "new")[1] == json.dumps(parts[container]).encode()
    for header in ("X-Object-Manifest", "X-Symlink-Target"):
        assert links("PUT", "new", data=b"", headers={header: f"{container}/s/1"}).status_code == 400
        assert links("POST", "new", data=b"", headers={header: f"{container}/s/1"}).status_code == 400
    assert links("DELETE", "slo-here", query={"multipart-manifest": "delete"}).status_code == 204
    assert links("GET", "slo-here").status_code == 404
    assert connection.get_object(container, "s/1")[1] == b"111"
    assert links("DELETE", "link-here").status_code == 204
    assert connection.get_object(container, "s/1")[1] == b"111"
    # Nor do they make or delete many things, or containers.
    assert links("DELETE", "s/1", signs="PUT").status_code == 401
    answer = links("POST", "s/1", data=f"/{container}/s/2", query={"bulk-delete": ""},
                   headers={"Content-Type": "text/plain"})
    assert answer.status_code == 202
    assert connection.get_object(container, "s/2")[1] == b"222"
    # A link to write is none to read.
    assert links("PUT", "copy", data=b"", headers={"X-Copy-From": f"{elsewhere}/s/1"}).status_code in (401, 403)
    assert links("GET", "copy").status_code == 404


def test_links_and_forms_where_versions_are_kept(server, container):
    connection, links = server.connection(ACCOUNT), Links(server, container)
    connection.post_container(container, {"X-Versions-Enabled": "true"})
    first = links("PUT", "up/a", data=b"first").headers["X-Object-Version-Id"]
    assert form(server, container, [("file1", ("a", b"second", "text/plain"))]).status_code == 201
    rows = connection.get_container(container, query_string="versions")[1]
    assert [(row["bytes"], row["is_latest"]) for row in rows] == [(6, True), (5, False)]
    assert links("GET", "up/a").content == b"second"
    # A version is not what was signed.
    assert links("GET", "up/a", query={"version-id": first}).content == b"second"
    answer = links("DELETE", "up/a", query={"version-id": first})
    assert answer.status_code == 204 and links("GET", "up/a").status_code == 404
    assert len(connection.get_container(container, query_string="versions")[1]) == 3
    assert form(server, container, [("file1", ("a", b"third", "text/plain"))], x_delete_after="1000").status_code == 201
    headers, data = connection.get_object(container, "up/a")
    assert data == b"third" and "x-delete-at" in headers and headers["etag"] == md5(b"third")
    assert links("POST", "up/a", data=b"", headers={"X-Object-Meta-Public-Colour": "red"}).status_code == 202
    answer = links("GET", "up/a")
    assert answer.headers["X-Object-Meta-Public-Colour"] == "red" and "X-Delete-At" not in answer.headers
    # A quota holds for both, of all versions; what a form brings is not known before it is there.
    connection.post_container(container, {"X-Container-Meta-Quota-Bytes": "18"})
    assert links("PUT", "up/b", data=b"xyz").status_code == 413
    connection.post_container(container, {"X-Container-Meta-Quota-Bytes": "15"})
    assert form(server, container, [("file1", ("b", b"xyz", "text/plain"))]).status_code == 413
    assert links("GET", "up/b").status_code == 404


def test_pages_of_other_sites(server, container):
    connection = server.connection(ACCOUNT)
    url = f"{server.storage(ACCOUNT)}/{container}/a"
    connection.put_object(container, "a", b"shared", headers={"X-Object-Meta-Colour": "red"})

    def ask(origin="http://example.com", method="GET", headers=""):
        return requests.options(url, timeout=30, headers={
            "Origin": origin, "Access-Control-Request-Method": method,
            **({"Access-Control-Request-Headers": headers} if headers else {})})

    assert ask().status_code == 401
    connection.post_container(container, {
        "X-Container-Read": ".r:*", "X-Container-Meta-Access-Control-Allow-Origin": "http://example.com",
        "X-Container-Meta-Access-Control-Max-Age": "17",
        "X-Container-Meta-Access-Control-Expose-Headers": "X-Object-Meta-Shape"})

    def shared():
        answer = ask(headers="X-Auth-Token, X-Object-Meta-Colour")
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "http://example.com"
        assert answer.headers["Access-Control-Max-Age"] == "17"
        assert {"GET", "PUT", "HEAD"} <= set(answer.headers["Access-Control-Allow-Methods"].split(", "))
        assert "x-auth-token" in answer.headers["Access-Control-Allow-Headers"].lower()

    eventually(shared)
    assert ask(origin="http://example.org").status_code == 401
    answer = requests.get(url, headers={"Origin": "http://example.com"}, timeout=30)
    assert answer.content == b"shared"
    assert answer.headers["Access-Control-Allow-Origin"] == "http://example.com"
    exposed = {each.strip().lower() for each in answer.headers["Access-Control-Expose-Headers"].split(",")}
    assert {"etag", "x-timestamp", "x-trans-id", "x-object-meta-colour", "x-object-meta-shape"} <= exposed
    answer = requests.get(url, headers={"Origin": "http://example.org"}, timeout=30)
    assert answer.content == b"shared" and "Access-Control-Allow-Origin" not in answer.headers
    # Without an origin it is an ordinary question.
    answer = requests.options(url, timeout=30)
    assert answer.status_code == 200 and {"GET", "PUT", "DELETE", "HEAD", "POST", "COPY", "OPTIONS"} <= \
        set(answer.headers["Allow"].split(", "))
