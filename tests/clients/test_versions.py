"""Containers that keep what was before: everything that writes and deletes does so as a PUT and a DELETE do."""

import io
import json
import tarfile
import time

import pytest
import requests
from conftest import empty, eventually, md5, unique
from swiftclient import ClientException

ACCOUNT = "cli"


@pytest.fixture
def conn(server):
    return server.connection(ACCOUNT)


@pytest.fixture
def made(conn):
    """Makes containers, and removes them with all that is in them."""
    names = []

    def make(headers=None):
        name = unique("kept")
        names.append(name)
        conn.put_container(name, headers=headers or {})
        return name

    yield make
    for name in names:
        empty(conn, name)


@pytest.fixture
def container(made):
    return made({"X-Versions-Enabled": "true"})


def put(conn, container, name, data, query=None, **headers):
    """Stores an object; the id of its version, if it has one."""
    answer = {}
    conn.put_object(container, name, data, headers=headers, query_string=query, response_dict=answer)
    return answer["headers"].get("x-object-version-id")


def versions(conn, container, **more):
    """Name, id, whether it is current and whether it is a delete marker of each version."""
    rows = conn.get_container(container, query_string="versions", **more)[1]
    return [(row["name"], row["version_id"], row["is_latest"], "x-deleted" in row["content_type"]) for row in rows]


def read(conn, container, name, version=None):
    """The content of an object or a version; nothing if it is not there."""
    try:
        return conn.get_object(container, name, query_string=version and f"version-id={version}")[1]
    except ClientException as error:
        assert error.http_status == 404
        return None


def refused(call, *arguments, **more):
    """The status that a call is refused with; nothing if it is not."""
    try:
        call(*arguments, **more)
    except ClientException as error:
        return error.http_status


def delete(conn, container, name, version):
    conn.delete_object(container, name, query_string=f"version-id={version}")


def bulk_delete(conn, *paths):
    answer = conn.post_account({"Accept": "application/json", "Content-Type": "text/plain"},
                               query_string="bulk-delete", data="\n".join(paths).encode())[1]
    answer = json.loads(answer)
    return answer["Number Deleted"], answer["Number Not Found"], answer["Errors"]


def test_an_older_version_is_current_again(conn, container):
    one, two, three = [put(conn, container, "a", text, **{"Content-Type": kind}) for text, kind in
                       [(b"1", "x/one"), (b"22", "x/two"), (b"333", "x/three")]]
    assert conn.get_object(container, "a", query_string="version-id=")[1] == b"333"
    used = int(conn.head_container(container)["x-container-bytes-used"])
    assert put(conn, container, "a", b"", f"version-id={one}") == one
    headers, data = conn.get_object(container, "a")
    assert (data, headers["content-type"], headers["etag"], headers["x-object-version-id"]) == \
        (b"1", "x/one", md5(b"1"), one)
    assert conn.get_object(container, "a", headers={"Range": "bytes=0-0"})[1] == b"1"
    # It is no further version: nothing is listed or counted that was not there before.
    assert versions(conn, container) == [("a", three, False, False), ("a", two, False, False), ("a", one, True, False)]
    for limit in (1, 2):
        page, rows = None, []
        while page is None or page:
            last = rows[-1] if rows else None
            more = {"marker": last[0], "version_marker": last[1]} if last else {}
            page = versions(conn, container, limit=limit, **more)
            rows += page
        assert rows == versions(conn, container)
    row, = conn.get_container(container)[1]
    assert (row["hash"], row["bytes"], row["content_type"], row["version_symlink"]) == (md5(b"1"), 1, "x/one", True)
    assert row["symlink_path"] == f"/v1/AUTH_{ACCOUNT}/{container}/a?version-id={one}"
    head = conn.head_container(container)
    assert (head["x-container-object-count"], int(head["x-container-bytes-used"])) == ("1", used)
    # What is said of it now is said of the version.
    conn.post_object(container, "a", {"X-Object-Meta-Colour": "red"})
    for version in (None, f"version-id={one}"):
        assert conn.head_object(container, "a", query_string=version)["x-object-meta-colour"] == "red"
    # Without it nothing is current, and the others are there.
    delete(conn, container, "a", one)
    assert read(conn, container, "a") is read(conn, container, "a", one) is None
    assert conn.get_container(container)[1] == []
    assert versions(conn, container) == [("a", three, False, False), ("a", two, False, False)]
    put(conn, container, "a", b"", f"version-id={two}")
    four = put(conn, container, "a", b"4444")
    assert versions(conn, container)[0] == ("a", four, True, False)
    assert read(conn, container, "a") == b"4444"
    with pytest.raises(ClientException, match="400"):
        put(conn, container, "a", b"x", f"version-id={two}")
    with pytest.raises(ClientException, match="404"):
        put(conn, container, "a", b"", f"version-id={one}")


def test_what_is_current_ends_and_the_version_stays(conn, container):
    first = put(conn, container, "a", b"first")
    second = put(conn, container, "a", b"second", **{"X-Delete-After": "2"})
    other = put(conn, container, "b", b"other")
    conn.post_object(container, "b", {"X-Delete-After": "2", "X-Object-Meta-Colour": "red"})
    assert int(conn.head_object(container, "a")["x-delete-at"]) <= time.time() + 3
    assert read(conn, container, "a") == b"second"
    # Put off, and on again.
    conn.post_object(container, "b", {"X-Delete-After": "1000"})
    conn.post_object(container, "b", {"X-Delete-After": "2", "X-Object-Meta-Colour": "blue"})

    def over():
        assert read(conn, container, "a") is read(conn, container, "b") is None
        assert conn.get_container(container)[1] == []

    eventually(over)
    assert versions(conn, container) == \
        [("a", second, False, False), ("a", first, False, False), ("b", other, False, False)]
    assert read(conn, container, "a", second) == b"second"
    assert read(conn, container, "b", other) == b"other"
    head = conn.head_object(container, "b", query_string=f"version-id={other}")
    assert head["x-object-meta-colour"] == "blue" and "x-delete-at" not in head
    put(conn, container, "a", b"", f"version-id={first}")
    assert read(conn, container, "a") == b"first"


def test_without_versions_what_ends_is_gone(conn, container):
    kept = put(conn, container, "a", b"kept")
    conn.post_container(container, {"X-Versions-Enabled": "false"})
    put(conn, container, "a", b"not kept", **{"X-Delete-After": "1"})

    def gone():
        assert read(conn, container, "a") is None
        assert versions(conn, container) == [("a", kept, False, False)]

    eventually(gone)
    assert read(conn, container, "a", kept) == b"kept"


def test_deleting_in_bulk_keeps_versions(conn, container, made):
    plain = made()
    first = put(conn, container, "a", b"1")
    put(conn, plain, "p", b"p")
    assert bulk_delete(conn, f"/{container}/a", f"/{plain}/p", f"/{container}/none") == (2, 1, [])
    rows = versions(conn, container)
    # Of what was not there the deletion is noted, too.
    assert [(name, latest, marker) for name, _, latest, marker in rows] == \
        [("a", True, True), ("a", False, False), ("none", True, True)]
    assert read(conn, container, "a") is None and read(conn, container, "a", first) == b"1"
    assert conn.get_container(plain)[1] == []
    # Disabled: what has no version of its own goes, what has one stays.
    put(conn, container, "b", b"version")
    conn.post_container(container, {"X-Versions-Enabled": "false"})
    put(conn, container, "c", b"none")
    assert bulk_delete(conn, f"/{container}/b", f"/{container}/c") == (2, 0, [])
    assert conn.get_container(container)[1] == []
    assert [name for name, *_ in versions(conn, container)] == ["a", "a", "b", "none"]


@pytest.mark.parametrize("mode", ["X-Versions-Location", "X-History-Location"])
def test_deleting_in_bulk_restores_and_archives(conn, made, mode):
    archive = made()
    container = made({mode: archive})
    for text in (b"1", b"22"):
        put(conn, container, "a", text)
    assert len(conn.get_container(archive)[1]) == 1
    assert bulk_delete(conn, f"/{container}/a") == (1, 0, [])
    if mode == "X-Versions-Location":
        assert read(conn, container, "a") == b"1" and conn.get_container(archive)[1] == []
        assert bulk_delete(conn, f"/{container}/a", f"/{container}/a") == (1, 1, [])
    else:
        assert read(conn, container, "a") is None
        assert [row["bytes"] for row in conn.get_container(archive)[1]] == [1, 2, 0]
    # Without its archive, nothing is deleted.
    put(conn, container, "b", b"b")
    conn.post_container(container, {"X-History-Location": unique("nowhere")})
    deleted, missing, errors = bulk_delete(conn, f"/{container}/b")
    assert (deleted, missing) == (0, 0) and errors[0][1].startswith("412")
    assert read(conn, container, "b") == b"b"


def test_large_objects_with_versions(conn, container, made):
    segments = made()
    made_of = []
    for name, data in (("s1", b"one"), ("s2", b"two")):
        put(conn, segments, name, data)
        made_of.append({"path": f"/{segments}/{name}", "etag": md5(data), "size_bytes": 3})
    first = put(conn, container, "large", json.dumps(made_of), "multipart-manifest=put")
    second = put(conn, container, "large", json.dumps(made_of[:1]), "multipart-manifest=put")
    assert read(conn, container, "large") == b"one" and read(conn, container, "large", first) == b"onetwo"
    # Made current again it is a large object still.
    put(conn, container, "large", b"", f"version-id={first}")
    headers, data = conn.get_object(container, "large")
    assert data == b"onetwo" and headers["x-static-large-object"] == "True"
    row, = conn.get_container(container)[1]
    assert row["bytes"] == 6 and row["slo_etag"] == headers["etag"]
    assert conn.get_object(container, "large", query_string="multipart-manifest=get")[0]["etag"].strip('"') == \
        row["hash"]
    # Of one version its segments go, and it.
    answer = {}
    conn.delete_object(container, "large", query_string=f"multipart-manifest=delete&version-id={second}",
                       headers={"Accept": "application/json"}, response_dict=answer)
    assert answer["status"] == 200
    assert [row["name"] for row in conn.get_container(segments)[1]] == ["s2"]
    assert [version for _, version, _, _ in versions(conn, container)] == [first]
    # Of the current one they go, too, and a delete marker tells.
    conn.delete_object(container, "large", query_string="multipart-manifest=delete")
    assert conn.get_container(segments)[1] == []
    assert [(latest, marker) for _, _, latest, marker in versions(conn, container)] == [(True, True), (False, False)]


def test_segments_that_have_versions(conn, container, made):
    manifests = made()
    put(conn, container, "s1", b"one")
    put(conn, manifests, "large", json.dumps([{"path": f"/{container}/s1"}]), "multipart-manifest=put")
    put(conn, manifests, "dynamic", b"", **{"X-Object-Manifest": f"{container}/s"})
    # A segment that is made current again is what it was.
    first = versions(conn, container)[0][1]
    put(conn, container, "s1", b"other")
    with pytest.raises(ClientException, match="409"):
        conn.get_object(manifests, "large")
    assert read(conn, manifests, "dynamic") == b"other"
    put(conn, container, "s1", b"", f"version-id={first}")
    assert read(conn, manifests, "large") == read(conn, manifests, "dynamic") == b"one"
    conn.delete_object(manifests, "large", query_string="multipart-manifest=delete")
    assert conn.get_container(container)[1] == []
    assert read(conn, container, "s1", first) == b"one"


def test_archives_copies_and_quotas(conn, container, made):
    first = put(conn, container, "d/a", b"1")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("d/a")
        entry.size = 2
        archive.addfile(entry, io.BytesIO(b"22"))
    conn.put_object(container, "", packed.getvalue(), query_string="extract-archive=tar")
    assert read(conn, container, "d/a") == b"22" and read(conn, container, "d/a", first) == b"1"
    assert len(versions(conn, container)) == 2
    # Copies are versions; what is copied can be a version, also into a container that has none.
    plain = made()
    answer = requests.request("COPY", f"{conn.url}/{container}/d/a", params={"version-id": first}, timeout=30,
                              headers={"X-Auth-Token": conn.token, "Destination": f"{plain}/b"})
    assert answer.status_code == 201
    assert read(conn, plain, "b") == b"1"
    conn.copy_object(plain, "b", f"/{container}/d/a", headers={"X-Delete-After": "1000"})
    assert read(conn, container, "d/a") == b"1" and "x-delete-at" in conn.head_object(container, "d/a")
    rows = versions(conn, container)
    assert len(rows) == 3 and rows[0][2] and "x-delete-at" not in conn.head_object(
        container, "d/a", query_string=f"version-id={rows[0][1]}")
    # All versions count.
    conn.post_container(container, {"X-Container-Meta-Quota-Bytes": "6"})

    def counted():
        assert conn.head_container(container)["x-container-bytes-used"] == "4"

    eventually(counted)
    put(conn, container, "d/a", b"22")
    with pytest.raises(ClientException, match="413"):
        put(conn, container, "d/a", b"3")
    conn.delete_object(container, "d/a")
    with pytest.raises(ClientException, match="413"):
        put(conn, container, "other", b"3")


def test_a_container_is_empty_when_all_versions_are_gone(conn):
    name = unique("kept")
    conn.put_container(name, headers={"X-Versions-Enabled": "true"})
    one = put(conn, name, "a", b"1")
    two = put(conn, name, "a", b"2")
    # Restored, over, deleted, restored: things that nobody sees are left by all of it.
    put(conn, name, "a", b"", f"version-id={one}")
    put(conn, name, "a", b"", f"version-id={two}")
    conn.post_object(name, "a", {"X-Delete-After": "1"})

    def over():
        assert read(conn, name, "a") is None

    eventually(over)
    put(conn, name, "a", b"", f"version-id={two}")
    conn.delete_object(name, "a")
    put(conn, name, "a", b"", f"version-id={one}")
    conn.post_container(name, {"X-Versions-Enabled": "false"})
    with pytest.raises(ClientException, match="409"):
        conn.delete_container(name)
    for row_name, version, _, _ in versions(conn, name):
        delete(conn, name, row_name, version)
    assert versions(conn, name) == [] and conn.get_container(name)[1] == []
    conn.delete_container(name)


def test_what_comes_back_from_an_archive_that_has_versions(conn, container, made):
    kept = made({"X-Versions-Location": container})
    put(conn, kept, "o", b"first")
    put(conn, kept, "o", b"second")
    [(name, *_)] = versions(conn, container)
    put(conn, container, name, b"edited")
    before = versions(conn, container)[-1][1]
    put(conn, container, name, b"", f"version-id={before}")
    conn.delete_object(kept, "o")
    # The one that is current, not what only says so.
    assert read(conn, kept, "o") == b"first"
    assert read(conn, container, name) is None
    # It is no version here.
    conn.post_object(kept, "o", {"X-Delete-After": "1000"})
    headers, data = conn.get_object(kept, "o")
    assert data == b"first" and "x-delete-at" in headers and "x-object-version-id" not in headers
    # Under too long a name nothing can be archived: nothing is overwritten.
    put(conn, kept, "n" * 1010, b"1")
    assert refused(put, conn, kept, "n" * 1010, b"2") == 412
    assert read(conn, kept, "n" * 1010) == b"1"
    conn.delete_object(kept, "n" * 1010)


def test_a_deletion_at_a_time_is_of_what_is_to_end_then(conn, container, made):
    for kept in (container, made({"X-Versions-Location": made()}), made()):
        put(conn, kept, "o", b"1", **{"X-Delete-At": "9000000000"})
        assert refused(conn.delete_object, kept, "o", headers={"X-If-Delete-At": "1"}) == 412
        assert read(conn, kept, "o") == b"1"
        conn.delete_object(kept, "o", headers={"X-If-Delete-At": "9000000000"})
        assert read(conn, kept, "o") is None


def test_a_version_is_deleted_at_its_time_or_not(conn, container):
    plain, ending = put(conn, container, "o", b"1"), put(conn, container, "o", b"2", **{"X-Delete-At": "9000000000"})
    for version, at in ((plain, "9000000000"), (ending, "1")):
        assert refused(conn.delete_object, container, "o", headers={"X-If-Delete-At": at},
                      query_string=f"version-id={version}") == 412
    assert [version for _, version, *_ in versions(conn, container)] == [ending, plain]
    conn.delete_object(container, "o", headers={"X-If-Delete-At": "9000000000"}, query_string=f"version-id={ending}")
    assert [version for _, version, *_ in versions(conn, container)] == [plain]


def test_where_something_has_expired_there_is_nothing(conn, container, made):
    for kept in (container, made()):
        put(conn, kept, "o", b"1", **{"X-Delete-After": "1"})
        assert refused(put, conn, kept, "o", b"2", **{"If-None-Match": "*"}) == 412
        # At once, whether or not somebody has cleared it away.
        while read(conn, kept, "o") is not None:
            time.sleep(0.01)
        put(conn, kept, "o", b"2", **{"If-None-Match": "*"})
        assert read(conn, kept, "o") == b"2"


def test_what_a_link_leads_to_is_no_version_of_the_link(conn, container, made):
    there = made({"X-Versions-Enabled": "true"})
    put(conn, there, "o", b"1")
    link = put(conn, container, "l", b"", **{"X-Symlink-Target": f"{there}/o"})
    for query, version in ((None, "null"), (f"version-id={link}", link)):
        headers, data = conn.get_object(container, "l", query_string=query)
        assert (data, headers["x-object-version-id"]) == (b"1", version)
        assert headers["content-location"] == f"/v1/AUTH_{ACCOUNT}/{there}/o"
    assert conn.head_object(container, "l", query_string="symlink=get")["x-object-version-id"] == link
    # One in the same container tells the version that it leads to.
    version = put(conn, container, "o", b"2")
    put(conn, container, "l", b"", **{"X-Symlink-Target": f"{container}/o"})
    headers = conn.head_object(container, "l")
    assert (headers["x-object-version-id"], headers["content-location"]) == \
        (version, f"/v1/AUTH_{ACCOUNT}/{container}/o")


def test_long_media_types_and_what_ends(conn, container):
    kind = "text/" + "x" * 251
    first = put(conn, container, "o", b"1", **{"Content-Type": kind, "X-Delete-After": "1000"})
    put(conn, container, "o", b"2")
    put(conn, container, "o", b"", f"version-id={first}")
    conn.post_object(container, "o", {"X-Delete-After": "1000"})
    headers, data = conn.get_object(container, "o")
    assert (headers["content-type"], data) == (kind, b"1") and "x-delete-at" in headers
    assert refused(put, conn, container, "p", b"1", **{"Content-Type": kind + "x"}) == 400
    assert read(conn, container, "p") is None


def test_what_is_made_current_ends_when_its_version_does_or_as_asked(conn, made):
    container = made()
    put(conn, container, "o", b"1", **{"X-Delete-At": "9000000000"})
    assert "x-object-version-id" not in conn.head_object(container, "o")
    conn.post_container(container, {"X-Versions-Enabled": "true"})
    assert conn.head_object(container, "o")["x-object-version-id"] == "null"
    second = put(conn, container, "o", b"2")
    first = next(version for _, version, is_latest, _ in versions(conn, container) if not is_latest)
    modified = conn.head_object(container, "o", query_string=f"version-id={second}")["x-timestamp"]
    put(conn, container, "o", b"", f"version-id={first}")
    assert conn.head_object(container, "o")["x-delete-at"] == "9000000000"
    put(conn, container, "o", b"", f"version-id={second}", **{"X-Delete-At": "9000000001"})
    headers, data = conn.get_object(container, "o")
    assert (headers["x-delete-at"], data) == ("9000000001", b"2")
    # To be current is no change of the version.
    assert headers["x-timestamp"] == modified
    assert refused(put, conn, container, "o", b"", f"version-id={first}", **{"X-Delete-At": "x"}) == 400
    assert refused(put, conn, container, "o", b"", f"version-id={first}", **{"If-None-Match": "*"}) == 412
    assert read(conn, container, "o") == b"2"


def test_delete_markers_are_told_and_keep_their_container(conn, container):
    assert refused(conn.delete_object, container, "o") == 404
    [(_, marker, _, is_marker)] = versions(conn, container)
    assert is_marker and refused(conn.delete_container, container) == 409
    deleted, missing, [[_, why]] = bulk_delete(conn, f"/{container}")
    assert (deleted, missing) == (0, 0) and why.startswith("409")
    for method in ("GET", "HEAD"):
        place = f"{conn.url}/{container}/o?version-id={marker}"
        answer = requests.request(method, place, headers={"X-Auth-Token": conn.token})
        assert (answer.status_code, answer.headers["X-Object-Version-Id"]) == (404, marker)
        assert "x-deleted" in answer.headers["Content-Type"]
    delete(conn, container, "o", marker)
    eventually(lambda: conn.delete_container(container))
    conn.put_container(container)
