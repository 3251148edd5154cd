"""What browsers ask: forms that upload, pages of other sites, links that end."""

import hashlib
import hmac
import time

import pytest
import requests
from conftest import empty, eventually, unique

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
