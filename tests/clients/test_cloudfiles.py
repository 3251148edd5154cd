"""python-cloudfiles: every method of Connection, and what containers and objects can do."""

import io
import warnings

import pytest
import requests
from between import Between
from conftest import content, empty, eventually, md5, unique

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import cloudfiles
    import cloudfiles.authentication
    import cloudfiles.connection
    from cloudfiles import errors

ACCOUNT = "cloudfiles"


@pytest.fixture
def conn(server):
    return cloudfiles.get_connection("cloudfiles:tester", server.key(ACCOUNT), authurl=server.auth["1"])


@pytest.fixture
def container(server, conn):
    container = conn.create_container(unique("cf"))
    yield container
    empty(server.connection(ACCOUNT), container.name)


def test_logging_in(server):
    key = server.key(ACCOUNT)
    conn = cloudfiles.Connection("cloudfiles:tester", key, timeout=60, authurl=server.auth["1"], useragent="tests",
                                 debuglevel=0, servicenet=False)
    assert conn.token and "/" + conn.uri == "/v1/AUTH_cloudfiles" and conn.timeout == 60
    # An authentication of one's own instead of name and key.
    auth = cloudfiles.authentication.Authentication("cloudfiles:tester", key, authurl=server.auth["1"], timeout=60)
    assert cloudfiles.Connection(auth=auth).get_info()[0] is not None
    assert auth.authenticate()[0] == server.storage(ACCOUNT)
    for wrong in (("cloudfiles:tester", "wrong"), ("cloudfiles:nobody", key), ("nobody", key)):
        with pytest.raises(errors.AuthenticationFailed):
            cloudfiles.Connection(*wrong, authurl=server.auth["1"])
    with pytest.raises(TypeError):
        cloudfiles.Connection(authurl=server.auth["1"])
    # A token that is good no more is replaced by itself.
    conn.token = "AUTH_tk" + "0" * 32
    assert conn.get_info()[0] is not None
    assert conn.token != "AUTH_tk" + "0" * 32


def test_a_time_out(server):
    with Between(server.url, stall=3) as between:
        with pytest.raises(OSError):
            cloudfiles.Connection("cloudfiles:tester", server.key(ACCOUNT), timeout=0.3,
                                  authurl=between.url + "/auth/v1.0")


def test_a_pool(server):
    pool = cloudfiles.connection.ConnectionPool("cloudfiles:tester", server.key(ACCOUNT), poolsize=1,
                                                authurl=server.auth["1"])
    one, two = pool.get(), pool.get()
    pool.put(one)
    pool.put(two)
    assert pool.get() is one and pool.get() is not two


def test_account(server, conn):
    # Nothing else works in this account meanwhile.
    before = conn.get_info()
    names = sorted(unique("acct") for _ in range(4))
    made = [conn.create_container(name) for name in names]
    try:
        assert [one.name for one in made] == names
        made[0].create_object("a").write(b"12345")

        def counted():
            info = conn.get_info()
            assert info[0] == before[0] + 4 and info[1] == before[1] + 5 and info[2] == before[2]
            infos = [one for one in conn.list_containers_info() if one["name"] in names]
            assert [(one["name"], one["count"], one["bytes"]) for one in infos] == \
                [(names[0], 1, 5)] + [(name, 0, 0) for name in names[1:]]

        eventually(counted)
        assert set(names) <= set(conn.list_containers())
        assert conn.list_containers(prefix="acct-") == names
        assert conn.list_containers(limit=2, prefix="acct-") == names[:2]
        assert conn.list_containers(limit=2, marker=names[0], prefix="acct-") == names[1:3]
        assert [one["name"] for one in conn.list_containers_info(limit=1, marker=names[2])] == [names[3]]
        every = conn.get_all_containers(prefix="acct-")
        assert len(every) == 4 and repr(every) == "ContainerResults: 4 containers"
        assert [one.name for one in every] == names
        assert every[0].object_count == 1 and every[0].size_used == 5
        assert names[2] in every and "none" not in every
        assert every.index(names[2]) == 2 and every.count(names[2]) == 1
        assert [one.name for one in every[1:3]] == names[1:3]
        assert [one.name for one in conn.get_all_containers(limit=2, marker=names[1], prefix="acct-")] == names[2:]

        conn.update_account_metadata({"X-Account-Meta-Flower": "rose"})
        assert conn.get_info()[2]["flower"] == "rose"
        conn.update_account_metadata({"X-Account-Meta-Flower": ""})
        assert "flower" not in conn.get_info()[2]
    finally:
        for name in names:
            empty(server.connection(ACCOUNT), name)
    assert conn.list_containers(prefix="acct-") == []


def test_containers(conn):
    name = unique("c")
    one = conn.create_container(name)
    assert one.name == name and str(one) == name
    assert conn.create_container(name).name == name
    with pytest.raises(errors.ContainerExists):
        conn.create_container(name, error_on_existing=True)
    one.create_object("a").write(b"12345")
    for got in (conn.get_container(name), conn[name]):
        assert (got.name, got.object_count, got.size_used) == (name, 1, 5)
    one.update_metadata({"X-Container-Meta-Colour": "red"})
    assert conn[name].metadata == {"colour": "red"}
    with pytest.raises(errors.ContainerNotEmpty):
        conn.delete_container(name)
    one.delete_object("a")
    conn.delete_container(conn[name])
    with pytest.raises(errors.NoSuchContainer):
        conn.delete_container(name)
    with pytest.raises(errors.NoSuchContainer):
        conn.get_container(name)
    with pytest.raises(errors.NoSuchContainer):
        conn[name]
    for wrong in ("", "a/b", "c" * 257):
        for call in (conn.create_container, conn.get_container, conn.delete_container):
            with pytest.raises(errors.InvalidContainerName):
                call(wrong)


def test_objects(container, tmp_path):
    one = container.create_object("a b/schnee\u2603")
    one.content_type, one.metadata = "text/x-a", {"colour": "red", "Size": "1"}
    told = []
    one.write("hello " * 2000, callback=lambda done, size: told.append((done, size)))
    # The client does not count its first piece.
    assert one.etag == md5(b"hello " * 2000) and told[-1] == (12_000 - 4_096, 12_000)
    got = container.get_object("a b/schnee\u2603")
    assert (got.size, got.etag, got.content_type, got.metadata) == \
        (12_000, md5(b"hello " * 2000), "text/x-a", {"colour": "red", "size": "1"})
    assert got.last_modified.endswith("GMT")
    assert got.read() == b"hello " * 2000 and got.read(size=5) == b"hello" and got.read(6, 6) == b"hello "
    assert got.read(size=4, offset=6, hdrs={"X-Newest": "true"}) == b"hell"
    buffer, told = io.BytesIO(), []
    assert got.read(buffer=buffer, callback=lambda done, size: told.append((done, size))) is None
    assert buffer.getvalue() == b"hello " * 2000 and told[-1] == (12_000, 12_000)
    assert b"".join(got.stream(chunksize=1_000)) == b"hello " * 2000
    assert list(got.stream(hdrs={"Range": "bytes=0-4"})) == [b"hello"]

    got.metadata = {"colour": "blue"}
    got.sync_metadata()
    again = container["a b/schnee\u2603"]
    assert again.metadata == {"colour": "blue"} and again.content_type == "text/x-a"

    path = tmp_path / "file.txt"
    path.write_bytes(content(1, 100_001))
    file = container.create_object("file")
    file.load_from_filename(str(path))
    assert file.content_type == "text/plain" and container["file"].etag == md5(path.read_bytes())
    with open(path, "rb") as opened:
        file.write(opened, verify=False)
    assert file.etag == md5(path.read_bytes())
    back = tmp_path / "back"
    container["file"].save_to_filename(str(back))
    assert back.read_bytes() == path.read_bytes()

    sent = container.create_object("sent")
    sent.send(piece for piece in (b"of ", b"unknown ", b"length"))
    assert container["sent"].read() == b"of unknown length" and sent.etag == md5(b"of unknown length")
    sized = container.create_object("sized")
    sized.size = 4
    sized.send(io.BytesIO(b"four"))
    assert container["sized"].read() == b"four"
    wrong = container.create_object("wrong")
    wrong.etag = md5(b"another")
    with pytest.raises(errors.ResponseError) as caught:
        wrong.write(b"one")
    assert caught.value.status == 422
    with pytest.raises(errors.NoSuchObject):
        container.get_object("wrong")

    container["sent"].copy_to(container.name, "copied to")
    target = container.create_object("copied from")
    target.copy_from(container.name, "sent")
    assert container["copied to"].read() == container["copied from"].read() == b"of unknown length"

    container.delete_object("sent")
    container.delete_object(container["sized"])
    with pytest.raises(errors.ResponseError) as caught:
        container.delete_object("sent")
    assert caught.value.status == 404
    assert container.list_objects() == ["a b/schnee\u2603", "copied from", "copied to", "file"]


def test_a_manifest(container):
    for number in range(3):
        container.create_object(f"part/{number}").write(str(number) * 10)
    whole = container.create_object("whole")
    whole.manifest = f"{container.name}/part/"
    whole.sync_manifest()
    eventually(lambda: container["whole"].size == 30 or (_ for _ in ()).throw(AssertionError("short")))
    assert container["whole"].read() == b"000000000011111111112222222222"
    assert container["whole"].manifest == f"{container.name}/part/"


def test_listings(container):
    names = ["a", "a/b", "a/c/d", "b", "c/d", "schnee\u2603"]
    for name in names:
        container.create_object(name).write(name)
    assert container.list_objects() == names
    assert container.list_objects(limit=2) == names[:2]
    assert container.list_objects(marker="a/b", limit=2) == names[2:4]
    assert container.list_objects(prefix="a/") == ["a/b", "a/c/d"]
    assert container.list_objects(delimiter="/") == ["a", "a/", "b", "c/", "schnee\u2603"]
    assert container.list_objects(path="a") == ["a/b"]
    assert container.list_objects(reverse="true") == names[::-1]
    infos = container.list_objects_info(prefix="sch")
    assert [(one["name"], one["bytes"], one["hash"]) for one in infos] == \
        [("schnee\u2603", 9, md5("schnee\u2603".encode()))]
    results = container.get_objects(delimiter="/")
    # What is folded has no name and is left out.
    assert len(results) == 3 and [one.name for one in results] == ["a", "b", "schnee\u2603"]
    assert repr(results) == "ObjectResults: 3 objects" and results.index("b") == 1 and results.count("b") == 1
    assert [one.name for one in results[1:]] == ["b", "schnee\u2603"]
    assert results[0].read() == b"a" and results[0].size == 1
    assert [one.name for one in container.get_objects(limit=1, marker="b", prefix="c")] == ["c/d"]


def test_static_web(server, container):
    container.update_metadata({"X-Container-Read": ".r:*,.rlistings"})
    container.create_object("index.html").write("<p>index</p>")
    container.create_object("404oops.html").write("<p>oops</p>")
    container.enable_static_web(index="index.html", listings=True, error="oops.html", listings_css="style.css")
    url = f"{server.storage(ACCOUNT)}/{container.name}/"

    def served():
        assert requests.get(url, timeout=30).text == "<p>index</p>"
        missing = requests.get(url + "none", timeout=30)
        assert (missing.status_code, missing.text) == (404, "<p>oops</p>")

    eventually(served)
    assert container.conn[container.name].metadata == {
        "web-index": "index.html", "web-listings": "True", "web-error": "oops.html",
        "web-listings-css": "style.css"}
    container.disable_static_web()
    eventually(lambda: requests.get(url, timeout=30).text == "404oops.html\nindex.html\n"
               or (_ for _ in ()).throw(AssertionError("still a site")))


def test_older_versions_go_elsewhere(server, conn, container):
    older = conn.create_container(unique("older"))
    try:
        container.enable_object_versioning(older.name)
        for number in range(3):
            container.create_object("a").write(str(number))
        assert len(older.list_objects()) == 2
        container.delete_object("a")
        assert container["a"].read() == b"1"
        container.disable_object_versioning()
        container.create_object("a").write("3")
        assert len(older.list_objects()) == 1
    finally:
        empty(server.connection(ACCOUNT), older.name)


def test_public_containers(conn, container):
    name = container.name
    assert conn.cdn_enabled
    assert not container.is_public()
    with pytest.raises(errors.ContainerNotPublic):
        container.public_uri()
    one = container.create_object("a b/c.txt")
    one.content_type = "text/plain"
    one.write("for everybody")
    assert requests.get(f"{conn.auth.authenticate()[0]}/{name}/a%20b/c.txt", timeout=30).status_code == 401
    container.make_public(ttl=3600)
    assert container.is_public() and container.cdn_ttl == 3600
    assert name in conn.list_public_containers()
    # As another connection sees it.
    again = conn.get_container(name)
    assert again.is_public() and again.cdn_ttl == 3600 and again.cdn_log_retention is False
    assert again.public_uri() == container.public_uri()
    assert again.public_ssl_uri() and again.public_streaming_uri()
    got = requests.get(one.public_uri(), timeout=30)
    assert (got.status_code, got.text, got.headers["Content-Type"]) == (200, "for everybody", "text/plain")
    assert got.headers["ETag"].strip('"') == md5(b"for everybody")
    assert requests.get(again["a b/c.txt"].public_ssl_uri(), timeout=30).text == "for everybody"
    assert again["a b/c.txt"].public_streaming_uri().endswith("/a%20b/c.txt")
    assert requests.get(container.public_uri() + "/none", timeout=30).status_code == 404
    assert requests.get(one.public_uri(), headers={"Range": "bytes=4-7"}, timeout=30).text == "ever"
    # Public is not writable.
    assert requests.put(one.public_uri(), data=b"x", timeout=30).status_code in (401, 403, 405)
    assert requests.delete(one.public_uri(), timeout=30).status_code in (401, 403, 405)
    # It is told to the content delivery network, and leaves the storage alone.
    container.purge_from_cdn()
    container.purge_from_cdn("user@example.com")
    one.purge_from_cdn()
    one.purge_from_cdn("user@example.com,other@example.com")
    assert container["a b/c.txt"].read() == b"for everybody"

    container.make_public(ttl=7200)
    container.log_retention(log_retention="True")
    again = conn.get_container(name)
    assert again.cdn_ttl == 7200 and again.cdn_log_retention is True
    uri = one.public_uri()
    container.make_private()
    assert not container.is_public() and not conn.get_container(name).is_public()
    assert name not in conn.list_public_containers()
    assert requests.get(uri, timeout=30).status_code in (401, 404)
    # And once more.
    container.make_public()
    assert container.cdn_ttl == 86_400 and name in conn.list_public_containers()
    assert requests.get(one.public_uri(), timeout=30).text == "for everybody"


def test_a_deleted_container_is_public_no_more(conn):
    name = unique("public")
    container = conn.create_container(name)
    container.make_public()
    assert name in conn.list_public_containers()
    conn.delete_container(name)
    assert name not in conn.list_public_containers()
    assert not conn.create_container(name).is_public()
    conn.delete_container(name)
