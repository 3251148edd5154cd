"""Versions while several write and delete at once, and what must not be done to them at all."""

import concurrent.futures
import time

import pytest
import requests
from conftest import eventually, unique
from test_versions import conn, container, delete, made, put, read, refused, versions  # noqa: F401 (fixtures)

ACCOUNT = "cli"

# Of each race. Where it was lost, it was so once in ten to twenty.
ROUNDS = 40


@pytest.fixture
def crowd(server):
    """Three clients."""
    clients = [server.connection(ACCOUNT) for _ in range(3)]
    yield clients
    for client in clients:
        client.close()


def race(crowd, *works):
    """Does things at once, each by a client of its own; what they say."""
    with concurrent.futures.ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(lambda client, work: work(client), crowd, works))


def copy(conn, container, name, version):
    """The status of a copy of a version."""
    headers = {"X-Auth-Token": conn.token, "Destination": f"{container}/copy"}
    return requests.request("COPY", f"{conn.url}/{container}/{name}?version-id={version}", headers=headers).status_code


def listed(conn, container):
    return [row["name"] for row in conn.get_container(container)[1]]


@pytest.mark.parametrize("suspended", [False, True])
def test_without_its_delete_marker_an_object_stays_deleted(conn, container, suspended):
    one, two = put(conn, container, "a", b"1"), put(conn, container, "a", b"2")
    put(conn, container, "b", b"", None)
    conn.delete_object(container, "a")
    conn.delete_object(container, "b")
    # Over one that was made current again, too.
    put(conn, container, "c", b"3")
    put(conn, container, "c", b"4")
    put(conn, container, "c", b"", f"version-id={versions(conn, container, prefix='c')[1][1]}")
    conn.delete_object(container, "c")
    if suspended:
        conn.post_container(container, {"X-Versions-Enabled": "false"})
    markers = {name: version for name, version, _, is_marker in versions(conn, container) if is_marker}
    assert sorted(markers) == ["a", "b", "c"]
    for name, marker in markers.items():
        answer = {}
        conn.delete_object(container, name, query_string=f"version-id={marker}", response_dict=answer)
        assert answer["headers"]["x-object-current-version-id"] == "null"
        assert read(conn, container, name) is None
    assert listed(conn, container) == []
    assert conn.head_container(container)["x-container-object-count"] == "0"
    assert versions(conn, container, prefix="a") == [("a", two, False, False), ("a", one, False, False)]
    assert read(conn, container, "a", one) == b"1"


@pytest.mark.parametrize("headers", [{}, {"X-Versions-Enabled": "true"}, {"X-Versions-Enabled": "false"}])
def test_nothing_is_stored_as_a_version_without_one(conn, made, headers):
    container = made(headers)
    put(conn, container, "a", b"precious")
    assert refused(put, conn, container, "a", b"", "version-id=null") == 400
    assert refused(conn.put_object, container, "a", b"", query_string="version-id=null",
                  headers={"X-Symlink-Target": "x/y"}) == 400
    assert refused(conn.put_object, container, "a", b"[]", query_string="version-id=null&multipart-manifest=put") == 400
    assert read(conn, container, "a") == b"precious"
    assert len(versions(conn, container)) == 1


def test_versions_are_kept_in_one_way_only(conn, made):
    archive = made()
    for header in ("X-Versions-Location", "X-History-Location"):
        assert refused(conn.put_container, unique("kept"),
                      headers={header: archive, "X-Versions-Enabled": "true"}) == 400
        kept, archived = made({"X-Versions-Enabled": "true"}), made({header: archive})
        assert refused(conn.post_container, kept, {header: archive}) == 400
        assert refused(conn.post_container, archived, {"X-Versions-Enabled": "true"}) == 400
        conn.post_container(kept, {"X-Versions-Enabled": "false"})
        assert refused(conn.post_container, kept, {header: archive}) == 400
        # One after the other is well.
        conn.post_container(archived, {header.replace("X-", "X-Remove-"): "x", "X-Versions-Enabled": "true"})


def test_a_listing_goes_on_behind_what_has_no_version(conn, made):
    container = made()
    put(conn, container, "a", b"0")
    put(conn, container, "b", b"0")
    conn.post_container(container, {"X-Versions-Enabled": "true"})
    first = put(conn, container, "a", b"1")
    conn.post_container(container, {"X-Versions-Enabled": "false"})
    put(conn, container, "a", b"2")
    whole = versions(conn, container)
    assert [row[1] for row in whole][0::3] == ["null", "null"] and whole[1][1] == first
    rows = []
    while page := versions(conn, container, limit=1,
                           **({"marker": rows[-1][0], "version_marker": rows[-1][1]} if rows else {})):
        rows += page
    assert rows == whole
    assert refused(versions, conn, container, version_marker=first) == 400
    assert copy(conn, container, "a", first) == 201
    assert read(conn, container, "copy") == b"1"
    conn.post_container(container, {"X-Versions-Enabled": "true"})
    put(conn, container, "b", b"1")
    assert copy(conn, container, "b", "null") == 404


def test_who_removes_a_version_does_not_hide_what_is_stored_meanwhile(crowd, conn, container):
    for number in range(ROUNDS):
        name = f"o{number}"
        put(conn, container, name, b"0")
        current = put(conn, container, name, b"1")
        race(crowd, lambda c: delete(c, container, name, current), lambda c: put(c, container, name, b"2"))
        assert read(conn, container, name) == b"2"
        assert [data for _, _, data, _ in versions(conn, container, prefix=f"{name}")].count(True) == 1
    assert len(listed(conn, container)) == ROUNDS


def test_what_is_made_current_and_removed_at_once_is_one_or_the_other(crowd, conn, container):
    for number in range(ROUNDS):
        name = f"o{number}"
        version = put(conn, container, name, b"1")
        if number % 2:
            put(conn, container, name, b"2")
        race(crowd, lambda c: refused(put, c, container, name, b"", f"version-id={version}"),
             lambda c: delete(c, container, name, version))
        assert read(conn, container, name, version) is None
        there = read(conn, container, name) is not None
        assert (name in listed(conn, container)) == there
    conn.post_container(container, {"X-Versions-Enabled": "false"})
    for name, version, *_ in versions(conn, container):
        delete(conn, container, name, version)
    assert versions(conn, container) == listed(conn, container) == []
    eventually(lambda: conn.delete_container(container))


@pytest.mark.parametrize("header", ["X-Versions-Location", "X-History-Location"])
def test_an_archive_has_all_that_was_overwritten_at_once(crowd, conn, made, header):
    archive, source = made(), made()
    container = made({header: archive})
    for client in range(2):
        put(conn, source, f"s{client}", f"copy {client}".encode())
    stored = []

    def work(c):
        client = crowd.index(c)
        for number in range(ROUNDS // 2):
            content = f"{client} {number}".encode()
            put(c, container, "o", content)
            stored.append(content)
            if client < 2 and number % 5 == 0:
                put(c, container, "o", b"", **{"X-Copy-From": f"{source}/s{client}"})

    race(crowd, work, work, work)
    archived = [read(conn, archive, name) for name in listed(conn, archive)]
    kept = archived + [read(conn, container, "o")]
    assert set(stored) | {b"copy 0", b"copy 1"} == set(kept)
    # And nothing is left where it was.
    assert len(versions(conn, container)) == 1
    assert conn.head_container(container)["x-container-bytes-used"] == str(len(kept[-1]))


def test_a_history_has_all_that_was_deleted(crowd, conn, made):
    archive = made()
    container = made({"X-History-Location": archive})
    stored = []

    def writes(c):
        for number in range(ROUNDS):
            put(c, container, "o", str(number).encode())
            stored.append(str(number).encode())

    def deletes(c):
        for _ in range(ROUNDS):
            assert refused(c.delete_object, container, "o") in (None, 404)

    race(crowd, writes, deletes, deletes)
    kept = {read(conn, archive, name) for name in listed(conn, archive)} | {read(conn, container, "o")}
    assert kept >= set(stored)
    put(conn, container, "o", b"last")
    conn.delete_object(container, "o")
    assert read(conn, container, "o") is None
    # Nothing is left where it was, nor a sign of it.
    assert versions(conn, container) == listed(conn, container) == []
    assert conn.head_container(container)["x-container-bytes-used"] == "0"


@pytest.mark.parametrize("headers", [{}, {"X-Versions-Enabled": "true"}, "suspended", "X-Versions-Location"])
def test_what_is_stored_meanwhile_is_not_deleted_for_another_end(crowd, conn, made, headers):
    container = made(headers if isinstance(headers, dict) else
                     {headers: made()} if headers != "suspended" else {"X-Versions-Enabled": "true"})
    if headers == "suspended":
        conn.post_container(container, {"X-Versions-Enabled": "false"})
    for number in range(ROUNDS):
        name = f"o{number}"
        put(conn, container, name, b"ends", **{"X-Delete-At": "9000000000"})
        race(crowd, lambda c: put(c, container, name, b"stays"),
             lambda c: refused(c.delete_object, container, name, headers={"X-If-Delete-At": "9000000000"}))
        assert read(conn, container, name) == b"stays"


def slow(conn, container, name, meanwhile, **headers):
    """Stores an object, and does something when most of it is sent: more than waits between client and server."""
    most = b"slow " * (4 << 20)

    def content():
        yield most
        meanwhile()
        yield b"and steady"

    put(conn, container, name, content(), **headers)
    return most + b"and steady"


@pytest.mark.parametrize("header", ["X-Versions-Location", "X-History-Location"])
@pytest.mark.parametrize("name", ["o", "n" * 1010])
def test_what_is_overwritten_during_an_upload_needs_no_archive(crowd, conn, header, name):
    container = unique("kept")
    conn.put_container(container, headers={header: unique("nowhere")})
    data = slow(crowd[0], container, name, lambda: put(conn, container, name, b"quick"))
    assert read(conn, container, name) == data
    assert conn.head_container(container)["x-container-bytes-used"] == str(len(data))
    # What is there now does.
    assert refused(put, conn, container, name, b"later") == 412
    conn.post_container(container, {header.replace("X-", "X-Remove-"): "x"})
    conn.delete_object(container, name)
    conn.delete_container(container)


@pytest.mark.parametrize("header", ["X-Versions-Location", "X-History-Location"])
def test_what_is_changed_during_an_upload_is_archived_as_it_was_at_last(crowd, conn, made, header):
    archive = made()
    container = made({header: archive})
    put(conn, container, "o", b"precious", **{"X-Delete-At": "9000000000"})
    slow(crowd[0], container, "o", lambda: conn.post_object(container, "o", {"X-Object-Meta-K": "new"}))
    [name] = listed(conn, archive)
    headers, data = conn.get_object(archive, name)
    assert (data, headers["x-object-meta-k"]) == (b"precious", "new") and "x-delete-at" not in headers


def test_what_is_deleted_during_an_upload_was_deleted(crowd, conn, made):
    archive = made()
    container = made({"X-Versions-Location": archive})
    put(conn, container, "o", b"first")
    put(conn, container, "o", b"second")

    def delete_and_look():
        conn.delete_object(container, "o")
        assert read(conn, container, "o") == b"first" and listed(conn, archive) == []

    data = slow(crowd[0], container, "o", delete_and_look)
    assert read(conn, container, "o") == data
    assert [read(conn, archive, name) for name in listed(conn, archive)] == [b"first"]
    conn.delete_object(container, "o")
    assert read(conn, container, "o") == b"first" and listed(conn, archive) == []


def test_versions_that_are_enabled_during_an_upload_are_kept(crowd, conn, made):
    container = made({"X-Versions-Enabled": "true"})
    conn.post_container(container, {"X-Versions-Enabled": "false"})
    put(conn, container, "o", b"null")

    def enable():
        conn.post_container(container, {"X-Versions-Enabled": "true"})
        put(conn, container, "o", b"second")

    slow(crowd[0], container, "o", enable)
    contents = {read(conn, container, "o", version) for _, version, is_latest, _ in versions(conn, container)
                if not is_latest}
    assert contents == {b"null", b"second"}


@pytest.mark.parametrize("headers", [{}, {"X-Versions-Enabled": "true"}])
def test_what_expires_during_an_upload_is_nothing(crowd, conn, made, headers):
    container = made(headers)
    put(conn, container, "o", b"1", **{"X-Delete-After": "1"})

    def over():
        assert read(conn, container, "o") is None

    eventually(over)
    # It is cleared away meanwhile, or is not.
    data = slow(crowd[0], container, "o", lambda: time.sleep(3), **{"If-None-Match": "*"})
    assert read(conn, container, "o") == data


def test_what_is_to_end_is_stored_whatever_happens_to_it(crowd, conn, container):
    for number in range(ROUNDS):
        name = f"o{number}"
        put(conn, container, name, b"0")
        race(crowd, lambda c: put(c, container, name, b"1", **{"X-Delete-After": "100"}),
             lambda c: c.delete_object(container, name))


def test_while_versions_are_disabled_there_is_one(crowd, conn, container):
    kept = put(conn, container, "o", b"0")
    conn.post_container(container, {"X-Versions-Enabled": "false"})

    def work(c):
        for number in range(ROUNDS // 2):
            put(c, container, "o", str(number).encode())

    race(crowd, work, work, work)
    assert versions(conn, container) == [("o", "null", True, False), ("o", kept, False, False)]


def test_a_deletion_of_what_is_not_there_is_answered_with_404(crowd, conn, container):
    for number in range(ROUNDS // 2):
        name = f"o{number}"
        deletes = [lambda c: refused(c.delete_object, container, name)] * 2
        *deleted, seen = race(crowd, *deletes, lambda c: listed(c, container))
        assert set(deleted) == {404}
        assert read(conn, container, name) is None
        # What notes it is never listed.
        assert seen == []
    # Each of them is noted.
    assert len(versions(conn, container)) == ROUNDS


def test_copies_of_what_is_overwritten_are_served(crowd, conn, made):
    container = made()
    put(conn, container, "o", b"0" * 1000)
    copy = {"X-Copy-From": f"{container}/o"}

    def writes(c):
        for number in range(ROUNDS * 3):
            put(c, container, "o", str(number % 10).encode() * 1000)

    def copies(c):
        for number in range(ROUNDS * 3):
            put(c, container, f"c{number % 5}", b"", **copy)

    race(crowd, writes, copies, copies)
    for number in range(5):
        assert len(set(read(conn, container, f"c{number}"))) == 1
