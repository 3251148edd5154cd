"""Libcloud's example of many downloads at once with gevent. Usage: gevent_downloads.py URL ACCOUNT KEY DIRECTORY"""

from gevent import monkey

monkey.patch_all()

import io  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402

from gevent.pool import Pool  # noqa: E402
from libcloud.storage.providers import get_driver  # noqa: E402
from libcloud.storage.types import Provider  # noqa: E402

url, account, key, directory = sys.argv[1:]


def driver():
    return get_driver(Provider.OPENSTACK_SWIFT)(
        f"{account}:tester", key, secure=False, ex_force_auth_version="1.0", ex_force_auth_url=url + "/auth",
        ex_force_base_url=f"{url}/v1/AUTH_{account}")


def download(container, name):
    own = driver()
    one = own.get_object(container, name)
    own.download_object(one, os.path.join(directory, f"{container}-{name}"))


first = driver()
expected = {}
for number in range(3):
    container = first.create_container(f"downloads-{number}")
    for each in range(20):
        data = os.urandom(1_000 * each)
        first.upload_object_via_stream(io.BytesIO(data), container, f"file-{each}")
        expected[f"{container.name}-file-{each}"] = data

pool, jobs = Pool(20), []
for container in first.list_containers():
    for one in container.list_objects():
        jobs.append(pool.spawn(download, container.name, one.name))
pool.join(raise_error=True)
assert len(jobs) == len(expected) and all(job.successful() for job in jobs)

for name, data in expected.items():
    with open(os.path.join(directory, name), "rb") as file:
        assert file.read() == data, name
for container in first.list_containers():
    for one in container.list_objects():
        one.delete()
    container.delete()
print(f"{len(jobs)} downloaded")
