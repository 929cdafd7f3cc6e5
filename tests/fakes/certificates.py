"""A private authority and a server's certificate, made by openssl."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

_AUTHORITY = (
    "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem "
    "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign"
)
_REQUEST = "openssl req -newkey rsa:2048 -nodes -subj /CN={host} -keyout server.key -out server.csr"
_SIGN = "openssl x509 -req -days 2 -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -extfile san"


@dataclass(frozen=True)
class Certified:
    """A server's side of TLS, and the file of the authority that vouches for it."""

    server: ssl.SSLContext
    authority: Path


def certified(folder: Path, host: str) -> Certified:
    """Make an authority and a certificate for a host."""
    (folder / "san").write_text(f"subjectAltName=DNS:{host},IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
    for command in (_AUTHORITY, _REQUEST.format(host=host), _SIGN):
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return Certified(context, folder / "ca.pem")
