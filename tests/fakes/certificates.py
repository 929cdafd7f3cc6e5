"""A private authority, a server's certificate and a client's, made by openssl."""

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
_CLIENT = "openssl req -newkey rsa:2048 -nodes -subj /CN={name} -keyout client.key -out client.csr"
_SIGN_CLIENT = "openssl x509 -req -days 2 -in client.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out client.pem"
_ENCRYPT = "openssl pkey -in client.key -aes256 -passout pass:secret -out encrypted.key"


@dataclass(frozen=True)
class Certified:
    """A server's side of TLS, and the file of the authority that vouches for it."""

    server: ssl.SSLContext
    authority: Path


@dataclass(frozen=True)
class Client:
    """The files by which a client shows who it is; `encrypted` is its key under a password."""

    cert: Path
    key: Path
    encrypted: Path


def certified(folder: Path, host: str) -> Certified:
    """Make an authority and a certificate for a host."""
    (folder / "san").write_text(f"subjectAltName=DNS:{host},IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
    for command in (_AUTHORITY, _REQUEST.format(host=host), _SIGN):
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return Certified(context, folder / "ca.pem")


def client_of(folder: Path, name: str) -> Client:
    """Make a client's certificate by the authority in a folder."""
    for command in (_CLIENT.format(name=name), _SIGN_CLIENT, _ENCRYPT):
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return Client(folder / "client.pem", folder / "client.key", folder / "encrypted.key")


def asking(folder: Path) -> ssl.SSLContext:
    """Give the side of the server in a folder that wants to know its clients."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context
