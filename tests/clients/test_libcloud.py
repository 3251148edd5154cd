"""Apache Libcloud: every method of its storage drivers, and its examples."""

import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import urllib.parse

import pytest
import requests
from conftest import HERE, content, empty, eventually, md5, unique
from libcloud.common.types import InvalidCredsError
from libcloud.storage.base import Container, Object
from libcloud.storage.providers import get_driver
from libcloud.storage.types import (ContainerAlreadyExistsError, ContainerDoesNotExistError,
                                    ContainerIsNotEmptyError, InvalidContainerNameError, ObjectDoesNotExistError,
                                    ObjectHashMismatchError, Provider)

ACCOUNT = "libcloud"


def region(server):
    """The region as the catalogue tells it: Libcloud looks for it in capitals."""
    answer = requests.post(server.auth["2.0"] + "/tokens", timeout=30, json={"auth": {"passwordCredentials": {
        "username": f"{ACCOUNT}:tester", "password": server.key(ACCOUNT)}}})
    assert answer.status_code == 200, answer.text
    found = [endpoint["region"] for service in answer.json()["access"]["serviceCatalog"]
             if service["name"] == "cloudFiles" for endpoint in service["endpoints"]]
    assert found and found[0] == found[0].upper()
    return found[0].lower()


def swift(server, version="1.0", **more):
    """The driver for OpenStack Swift."""
    if version == "1.0":
        # Version 1 has no names of services: the driver must be told where the storage is.
        how = {"ex_force_auth_url": server.url + "/auth", "ex_force_base_url": server.storage(ACCOUNT)}
        user = f"{ACCOUNT}:tester"
    else:
        how = {"ex_force_auth_url": server.url, "ex_tenant_name": ACCOUNT, "ex_domain_name": "Default",
               "ex_force_service_name": "swift"}
        user = "tester"
    return get_driver(Provider.OPENSTACK_SWIFT)(user, server.key(ACCOUNT), **{
        "secure": False, "ex_force_auth_version": version, **how, **more})


def rackspace(server, **more):
    """The driver for Cloud Files."""
    return get_driver(Provider.CLOUDFILES)(f"{ACCOUNT}:tester", server.key(ACCOUNT), **{
        "secure": False, "region": region(server), "ex_force_auth_url": server.url, **more})


DRIVERS = {
    "swift-1.0": swift,
    "swift-2.0_password": lambda server, **more: swift(server, "2.0_password", **more),
    "swift-3.x_password": lambda server, **more: swift(server, "3.x_password", **more),
    "cloudfiles": rackspace,
    "cloudfiles-password": lambda server, **more: rackspace(server, ex_force_auth_version="2.0_password", **more),
}


@pytest.fixture(params=sorted(DRIVERS))
def driver(server, request):
    return DRIVERS[request.param](server)


@pytest.fixture
def container(server, driver):
    container = driver.create_container(unique("lc"))
    yield container
    empty(server.connection(ACCOUNT), container.name)


def test_a_wrong_key_is_not_let_in(server):
    user, key = f"{ACCOUNT}:tester", server.key(ACCOUNT)
    for name, secret in ((user, "wrong"), (f"{ACCOUNT}:nobody", key)):
        for provider, how in ((Provider.OPENSTACK_SWIFT, {
                "ex_force_auth_url": server.url + "/auth", "ex_force_auth_version": "1.0",
                "ex_force_base_url": server.storage(ACCOUNT)}),
                (Provider.CLOUDFILES, {"ex_force_auth_url": server.url}),
                (Provider.OPENSTACK_SWIFT, {"ex_force_auth_url": server.url, "ex_tenant_name": ACCOUNT,
                                            "ex_force_auth_version": "3.x_password"})):
            with pytest.raises(InvalidCredsError):
                get_driver(provider)(name, secret, secure=False, **how).list_containers()


def test_a_token_instead_of_a_key(server):
    _, token = server.connection(ACCOUNT).get_auth()
    driver = get_driver(Provider.OPENSTACK_SWIFT)("nobody", "nothing", secure=False, ex_force_auth_token=token,
                                                  ex_force_auth_version="1.0",
                                                  ex_force_auth_url=server.url + "/auth",
                                                  ex_force_base_url=server.storage(ACCOUNT))
    name = unique("token")
    assert driver.create_container(name).name == name
    assert driver.delete_container(driver.get_container(name))


def test_containers(driver):
    name = unique("c")
    one = driver.create_container(name)
    assert isinstance(one, Container) and one.name == name and one.extra["object_count"] == 0
    with pytest.raises(ContainerAlreadyExistsError):
        driver.create_container(name)
    assert name in [each.name for each in driver.list_containers()]
    assert name in [each.name for each in driver.iterate_containers()]
    got = driver.get_container(name)
    assert got.name == name and got.extra == {"object_count": 0, "size": 0}
    driver.upload_object_via_stream(io.BytesIO(b"12345"), got, "a", extra={"content_type": "text/plain"})
    assert driver.get_container(name).extra == {"object_count": 1, "size": 5}

    def counted():
        each = [each for each in driver.iterate_containers() if each.name == name]
        assert each[0].extra == {"object_count": 1, "size": 5}

    eventually(counted)
    with pytest.raises(ContainerIsNotEmptyError):
        driver.delete_container(got)
    assert got.get_object("a").delete()
    assert got.delete() is True
    with pytest.raises(ContainerDoesNotExistError):
        driver.get_container(name)
    with pytest.raises(ContainerDoesNotExistError):
        driver.delete_container(got)
    for wrong in ("a/b", "c" * 257):
        with pytest.raises(InvalidContainerNameError):
            driver.create_container(wrong)


def test_objects(driver, container, tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(content(1, 300_007))
    one = driver.upload_object(str(path), container, "dir/a b", verify_hash=True,
                               extra={"content_type": "application/x-b", "meta_data": {"owner": "me"},
                                      "content_disposition": "attachment"},
                               headers={"Access-Control-Allow-Origin": "http://example.com"})
    assert isinstance(one, Object)
    assert (one.name, one.size, one.hash) == ("dir/a b", 300_007, md5(path.read_bytes()))
    got = driver.get_object(container.name, "dir/a b")
    assert (got.size, got.hash, got.extra["content_type"]) == (300_007, one.hash, "application/x-b")
    assert got.meta_data == {"owner": "me"} and got.extra["last_modified"].endswith("GMT")
    assert got.container.name == container.name
    # Libcloud does not encode the names that it reads.
    driver.upload_object(str(path), container, "plain", verify_hash=False)
    got = container.get_object("plain")

    back = tmp_path / "back"
    assert driver.download_object(got, str(back)) is True
    assert back.read_bytes() == path.read_bytes()
    with pytest.raises(Exception, match="already exists"):
        driver.download_object(got, str(back), overwrite_existing=False)
    assert got.download(str(back), overwrite_existing=True, delete_on_failure=True) is True
    assert b"".join(driver.download_object_as_stream(got)) == path.read_bytes()
    chunks = list(got.as_stream(chunk_size=10_000))
    assert b"".join(chunks) == path.read_bytes() and max(map(len, chunks)) <= 10_000

    streamed = container.upload_object_via_stream(io.BytesIO(path.read_bytes()), "streamed",
                                                  extra={"meta_data": {"k": "v"}}, headers={"X-Whatever": "1"})
    assert streamed.hash == md5(path.read_bytes()) and streamed.meta_data == {"k": "v"}
    assert driver.get_object(container.name, "streamed").meta_data == {"k": "v"}

    for name in ("x/1", "x/2", "y"):
        driver.upload_object_via_stream(io.BytesIO(b"z"), container, name)

    def names(listing):
        return [each.name for each in listing]

    every = ["dir/a b", "plain", "streamed", "x/1", "x/2", "y"]
    assert names(driver.list_container_objects(container)) == every
    assert names(driver.iterate_container_objects(container)) == names(container.list_objects()) == every
    assert names(driver.list_container_objects(container, prefix="x/")) == ["x/1", "x/2"]
    assert names(driver.list_container_objects(container, ex_prefix="x/")) == ["x/1", "x/2"]
    assert names(driver.iterate_container_objects(container, prefix="x/")) == ["x/1", "x/2"]
    assert names(driver.iterate_container_objects(container, ex_prefix="y")) == ["y"]
    first = container.list_objects()[0]
    assert (first.size, first.hash) == (300_007, one.hash) and first.extra["last_modified"]

    assert driver.delete_object(got) is True
    with pytest.raises(ObjectDoesNotExistError):
        driver.get_object(container.name, "plain")
    with pytest.raises(ObjectDoesNotExistError):
        driver.delete_object(got)
    with pytest.raises(ContainerDoesNotExistError):
        driver.get_object(unique("none"), "a")


def test_ranges(driver, container, tmp_path):
    driver.upload_object_via_stream(io.BytesIO(b"0123456789"), container, "digits")
    one = container.get_object("digits")
    # The table of the examples, and the ends of it.
    for start, end, expected in [(0, 1, b"0"), (0, 2, b"01"), (5, 6, b"5"), (5, 10, b"56789"), (0, 5, b"01234"),
                                 (5, 9, b"5678"), (0, None, b"0123456789"), (7, None, b"789"), (9, 10, b"9"),
                                 (5, 100, b"56789")]:
        assert b"".join(driver.download_object_range_as_stream(one, start, end)) == expected, (start, end)
        assert b"".join(driver.download_object_range_as_stream(one, start, end, chunk_size=2)) == expected
        path = tmp_path / f"{start}-{end}"
        assert driver.download_object_range(one, str(path), start, end) is True
        assert path.read_bytes() == expected
    path.write_bytes(b"old")
    assert driver.download_object_range(one, str(path), 1, 3, overwrite_existing=True, delete_on_failure=False)
    assert path.read_bytes() == b"12"
    assert next(driver.download_object_range_as_stream(one, start_bytes=5, end_bytes=9)) == b"5678"
    for wrong in ((5, 5), (6, 5), (-1, 5)):
        with pytest.raises(ValueError):
            driver.download_object_range_as_stream(one, *wrong)


def test_metadata_on_upload(driver, container, tmp_path):
    path = tmp_path / "myfile.tar.gz"
    path.write_bytes(content(2, 5_000))
    extra = {"meta_data": {"owner": "myuser", "created": "2014-02-2"}}
    with open(path, "rb") as iterator:
        one = driver.upload_object_via_stream(iterator=iterator, container=container, object_name="backup.tar.gz",
                                              extra=extra)
    assert one.meta_data == extra["meta_data"]
    got = driver.get_object(container.name, "backup.tar.gz")
    assert got.meta_data == extra["meta_data"] and got.size == 5_000


def test_a_backup_streamed_by_tar(driver, tmp_path):
    for number in range(20):
        (tmp_path / f"file-{number}").write_bytes(content(number, 10_000))
    name = unique("backups")
    try:
        container = driver.get_container(container_name=name)
    except ContainerDoesNotExistError:
        container = driver.create_container(container_name=name)
    pipe = subprocess.Popen(["tar", "czpf", "-", "-C", str(tmp_path), "."], bufsize=0, stdout=subprocess.PIPE)
    try:
        # Libcloud hashes a pipe when it has been sent, and finds nothing in it; the upload is right.
        with pytest.raises(ObjectHashMismatchError, match=hashlib.md5(b"").hexdigest()):
            container.upload_object_via_stream(iterator=pipe.stdout, object_name="backup.tar.gz")
        assert pipe.wait(timeout=30) == 0
    finally:
        pipe.kill()
        pipe.stdout.close()
    data = b"".join(container.get_object("backup.tar.gz").as_stream())
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as tar:
        kept = {os.path.basename(each.name): tar.extractfile(each).read() for each in tar if each.isfile()}
    assert kept == {f"file-{number}": content(number, 10_000) for number in range(20)}
    assert container.get_object("backup.tar.gz").delete() and container.delete()


def test_downloads_at_once_with_gevent(server, tmp_path):
    # gevent replaces the sockets of its whole process: it has one of its own.
    done = subprocess.run([sys.executable, os.path.join(HERE, "gevent_downloads.py"), server.url,
                           f"{ACCOUNT}2", server.key(f"{ACCOUNT}2"), str(tmp_path)],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(os.listdir(tmp_path)) == 60 and done.stdout == "60 downloaded\n"


def test_a_static_website(server, driver):
    container = driver.create_container(container_name=unique("my_website"))
    try:
        for name, text in (("index.html", "<p>Hello World from Libcloud!</p>"),
                           ("404error.html", "<p>Oh, noez, 404!!</p>"), ("401error.html", "<p>Oh, noez, 401!!</p>")):
            driver.upload_object_via_stream(iterator=io.BytesIO(text.encode()), container=container,
                                            object_name=name, extra={"content_type": "text/html"})
        # Libcloud does not know that 204 is a yes.
        driver.ex_enable_static_website(container=container)
        driver.ex_set_error_page(container=container, file_name="error.html")
        url = f"{server.storage(ACCOUNT)}/{container.name}/"

        assert requests.get(url, timeout=30).status_code == 401
        # Everyone may read, but not list: the page for that is shown.
        server.connection(ACCOUNT).post_container(container.name, {"X-Container-Read": ".r:*"})

        def unlisted():
            answer = requests.get(url, timeout=30)
            assert (answer.status_code, answer.text) == (401, "<p>Oh, noez, 401!!</p>")

        eventually(unlisted)
        server.connection(ACCOUNT).post_container(container.name, {"X-Container-Read": ".r:*,.rlistings"})

        def public():
            answer = requests.get(url, timeout=30)
            assert (answer.status_code, answer.text) == (200, "<p>Hello World from Libcloud!</p>")
            assert answer.headers["Content-Type"] == "text/html"
            answer = requests.get(url + "none", timeout=30)
            assert (answer.status_code, answer.text) == (404, "<p>Oh, noez, 404!!</p>")

        eventually(public)
    finally:
        empty(server.connection(ACCOUNT), container.name)


def test_public_containers(server):
    driver = rackspace(server)
    container = driver.create_container(unique("cdn"))
    try:
        one = driver.upload_object_via_stream(io.BytesIO(b"for everybody"), container, "a.txt",
                                              extra={"content_type": "text/plain"})
        with pytest.raises(ContainerDoesNotExistError):
            driver.get_container_cdn_url(container)
        assert driver.enable_container_cdn(container, ex_ttl=3600) is True
        assert container.enable_cdn() is True
        url = driver.get_container_cdn_url(container)
        assert url == container.get_cdn_url() and urllib.parse.urlsplit(url).scheme in ("http", "https")
        assert driver.get_container_cdn_url(container, ex_ssl_uri=True)
        assert driver.get_object_cdn_url(one) == one.get_cdn_url() == url + "/a.txt"
        answer = requests.get(driver.get_object_cdn_url(one), timeout=30)
        assert (answer.status_code, answer.text) == (200, "for everybody")
        assert driver.ex_purge_object_from_cdn(one) is True
        assert driver.ex_purge_object_from_cdn(one, email="user@example.com") is True
        assert requests.get(url + "/a.txt", timeout=30).text == "for everybody"
        # No driver of Libcloud for Swift makes single objects public.
        with pytest.raises(NotImplementedError):
            driver.enable_object_cdn(one)
    finally:
        empty(server.connection(ACCOUNT), container.name)


def test_what_only_swift_has(server, driver, container, tmp_path):
    told = driver.ex_get_meta_data()
    assert told["container_count"] >= 1 and told["object_count"] >= 0 and told["bytes_used"] >= 0
    assert driver.ex_set_account_metadata_temp_url_key("a key") is True
    eventually(lambda: driver.ex_get_meta_data()["temp_url_key"] == "a key"
               or (_ for _ in ()).throw(AssertionError("no key")))
    one = driver.upload_object_via_stream(io.BytesIO(b"temporarily"), container, "a")
    for method, code in (("GET", 200), ("PUT", 201), ("GET", 200)):
        # It always says https, and forgets the port.
        asked = urllib.parse.urlsplit(driver.ex_get_object_temp_url(one, method=method, timeout=60))
        url = f"{server.url}{asked.path}?{asked.query}"

        def allowed():
            answer = requests.request(method, url, data=b"temporarily", timeout=30)
            assert answer.status_code == code, answer.text

        eventually(allowed)
        other = "PUT" if method == "GET" else "DELETE"
        assert requests.request(other, url, data=b"no", timeout=30).status_code == 401
    assert b"".join(one.as_stream()) == b"temporarily"

    path = tmp_path / "large"
    path.write_bytes(content(3, 250_000))
    # A manifest is hashed as its segments are: Swift says another ETag than that of nothing for it.
    driver.ex_multipart_upload_object(str(path), container, "large", chunk_size=100_000, verify_hash=False)

    def joined():
        assert b"".join(container.get_object("large").as_stream()) == path.read_bytes()

    eventually(joined)
    assert len(driver.list_container_objects(container, prefix="large/")) == 3
