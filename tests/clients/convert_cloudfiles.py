"""Makes Python 3 of python-cloudfiles 1.7.11, which is Python 2. Usage: convert_cloudfiles.py FROM TO

lib2to3 does most of it. The rest is told here, text by text: what was a string of bytes in Python 2 stays bytes
where it is sent and received, and becomes text where it is a name. What the client asks and answers is as it was.
"""

import os
import sys
import warnings

warnings.simplefilter("ignore", DeprecationWarning)
from lib2to3.refactor import RefactoringTool, get_fixers_from_package  # noqa: E402

# After lib2to3: file -> (what it says, what it shall say).
PATCHES = {
    "utils.py": [
        # http.client has no HTTP, and nobody here uses these two classes.
        ("from http.client   import HTTPConnection, HTTPSConnection, HTTP\n",
         "from http.client   import HTTPConnection, HTTPSConnection\n"),
        ("class THTTP(HTTP):", "class THTTP(object):"),
        ("class THTTPS(HTTP):", "class THTTPS(object):"),
        ("'([a-zA-Z0-9\\-\\.]+):?([0-9]{2,5})?'", "r'([a-zA-Z0-9\\-\\.]+):?([0-9]{2,5})?'"),
    ],
    "connection.py": [
        ("return response.read().splitlines()", "return response.read().decode('utf-8').splitlines()"),
    ],
    "container.py": [
        ("return resp.splitlines()", "return resp.decode('utf-8').splitlines()"),
        # Python 3 has no __getslice__.
        ("    def __getitem__(self, key):\n        return Container(",
         "    def __getitem__(self, key):\n        if isinstance(key, slice):\n"
         "            return [self[i] for i in range(*key.indices(len(self)))]\n        return Container("),
    ],
    "storage_object.py": [
        ("        if isinstance(data, file):", "        if hasattr(data, 'fileno') and not hasattr(data, 'getbuffer'):"),
        ("            data = io.StringIO(data)\n            self.size = data.len",
         "            data = io.BytesIO(data.encode('utf-8'))\n            self.size = len(data.getbuffer())"),
        ("        elif isinstance(data, io.StringIO):\n            self.size = data.len",
         "        elif isinstance(data, bytes):\n            data = io.BytesIO(data)\n"
         "            self.size = len(data.getbuffer())\n"
         "        elif isinstance(data, io.BytesIO):\n            self.size = len(data.getbuffer())"),
        ('http.send("%X\\r\\n" % len(chunk))', 'http.send(b"%X\\r\\n" % len(chunk))'),
        ('http.send("\\r\\n")', 'http.send(b"\\r\\n")'),
        ('http.send("0\\r\\n\\r\\n")', 'http.send(b"0\\r\\n\\r\\n")'),
        ("                raise StopIteration()\n", ""),
        # The names of headers were lower case.
        ("self.metadata[hdr[0][14:]] = hdr[1]", "self.metadata[hdr[0].lower()[14:]] = hdr[1]"),
        ("    def __getitem__(self, key):\n        return Object(",
         "    def __getitem__(self, key):\n        if isinstance(key, slice):\n"
         "            return [self[i] for i in range(*key.indices(len(self)))]\n        return Object("),
    ],
}


def main(source, target):
    tool = RefactoringTool(get_fixers_from_package("lib2to3.fixes"))
    os.makedirs(target, exist_ok=True)
    for name in sorted(os.listdir(source)):
        path = os.path.join(source, name)
        with open(path, encoding="utf-8") as file:
            text = str(tool.refactor_string(file.read() + "\n", path))
        for old, new in PATCHES.get(name, []):
            if old not in text:
                sys.exit(f"{path} does not say what shall be replaced: {old!r}")
            text = text.replace(old, new)
        compile(text, path, "exec")
        with open(os.path.join(target, name), "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
