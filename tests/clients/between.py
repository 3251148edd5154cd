"""A proxy of the tests' own, between a client and the server: answers itself when told to, and speaks TLS."""

import contextlib
import datetime
import http.client
import http.server
import ipaddress
import ssl
import threading
import time
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Between:
    """Passes requests on to `url`; those for which `answers` has a (status, headers) left get that
    instead, or a closed connection for None."""

    def __init__(self, url, answers=(), stall=0, tls=None):
        self.answers, self.stall, self.seen = list(answers), stall, []
        target = urllib.parse.urlsplit(url).netloc
        between = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                between.seen.append((self.command, self.path, time.monotonic()))
                if between.stall:
                    time.sleep(between.stall)
                if between.answers:
                    answer = between.answers.pop(0)
                    if answer is None:
                        self.close_connection = True
                        return
                    self.say(*answer, b"")
                    return
                onward = http.client.HTTPConnection(target, timeout=60)
                onward.request(self.command, self.path, body, dict(self.headers))
                answer = onward.getresponse()
                data = answer.read()
                headers = [(k, v) for k, v in answer.getheaders()
                           if k.lower() not in ("transfer-encoding", "connection")]
                self.say(answer.status, headers, data)
                onward.close()

            def say(self, status, headers, data):
                self.send_response_only(status)
                for name, value in headers:
                    if name.lower() != "content-length" or self.command == "HEAD":
                        self.send_header(name, value)
                if self.command != "HEAD":
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_COPY = answer

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def certificates(directory):
    """An authority and, signed by it, a server's and a client's certificate: paths to PEM files."""
    now = datetime.datetime.now(datetime.timezone.utc)
    paths = {}

    def make(name, issuer, issuer_key):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        one = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer or subject)
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
               .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
               .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
                              critical=False)
               .sign(issuer_key or key, hashes.SHA256()))
        paths[name], paths[name + "-key"] = str(directory / f"{name}.pem"), str(directory / f"{name}.key")
        with open(paths[name], "wb") as file:
            file.write(one.public_bytes(serialization.Encoding.PEM))
        with open(paths[name + "-key"], "wb") as file:
            file.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                         serialization.NoEncryption()))
        return subject, key

    subject, key = make("authority", None, None)
    make("server", subject, key)
    make("client", subject, key)
    return paths


@contextlib.contextmanager
def tls(url, directory):
    """A proxy that speaks TLS and wants a client's certificate, and the certificates."""
    paths = certificates(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(paths["server"], paths["server-key"])
    context.load_verify_locations(paths["authority"])
    context.verify_mode = ssl.CERT_REQUIRED
    with Between(url, tls=context) as between:
        yield between, paths
