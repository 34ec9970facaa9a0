"""TLS in front of a proxy that speaks none: haproxy, nginx and stunnel.

Each function writes a configuration into a folder and returns a command line.
"""

from __future__ import annotations

import pathlib
import subprocess
from collections.abc import Callable

from tests.daemons import Certificates, missing, program


def bundle(folder: pathlib.Path, certificates: Certificates) -> pathlib.Path:
    """Return a file with the certificate and its key."""
    path = folder / "leaf-and-key.pem"
    path.write_text(certificates.leaf.read_text() + certificates.key.read_text())
    return path


def client_certificate(certificates: Certificates) -> pathlib.Path:
    """Return a file with the certificate of a client, and its key."""
    folder = certificates.ca.parent
    path = folder / "client.pem"
    if path.exists():
        return path
    command = [program("openssl"), "req", "-x509", "-newkey", "ec", "-nodes"]
    command += ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "30"]
    command += ["-subj", "/CN=alice", "-CA", str(certificates.ca)]
    command += ["-CAkey", str(folder / "ca.key"), "-keyout", str(folder / "client.key")]
    command += ["-addext", "basicConstraints=critical,CA:FALSE"]
    command += ["-addext", "extendedKeyUsage=clientAuth"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    path.write_text(result.stdout + (folder / "client.key").read_text())
    return path


def haproxy(
    folder: pathlib.Path,
    port: int,
    backend: int,
    certificates: Certificates,
    ask_client: bool,
) -> list[str]:
    """haproxy, which can demand a client's certificate."""
    ask = f" ca-file {certificates.ca} verify required" if ask_client else ""
    configuration = folder / "haproxy.cfg"
    configuration.write_text(
        f"""
global
  maxconn 64
defaults
  mode tcp
  timeout connect 5s
  timeout client 1m
  timeout server 1m
listen front
  bind 127.0.0.1:{port} ssl crt {bundle(folder, certificates)}{ask}
  server back 127.0.0.1:{backend}
"""
    )
    return [program("haproxy"), "-db", "-f", str(configuration)]


def nginx(
    folder: pathlib.Path,
    port: int,
    backend: int,
    certificates: Certificates,
    ask_client: bool,
) -> list[str]:
    """nginx with its stream module."""
    path = program("nginx")
    module = pathlib.Path("/usr/lib/nginx/modules/ngx_stream_module.so")
    if not module.exists():
        missing("nginx's stream module (Debian: libnginx-mod-stream)")
    ask = f"ssl_client_certificate {certificates.ca}; ssl_verify_client on;"
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"""
load_module {module};
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/errors;
events {{ worker_connections 64; }}
stream {{
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {certificates.leaf};
    ssl_certificate_key {certificates.key};
    {ask if ask_client else ""}
    proxy_pass 127.0.0.1:{backend};
    proxy_timeout 1m;
  }}
}}
"""
    )
    return [path, "-c", str(configuration), "-e", str(folder / "errors")]


def stunnel(
    folder: pathlib.Path,
    port: int,
    backend: int,
    certificates: Certificates,
    ask_client: bool,
) -> list[str]:
    """stunnel."""
    ask = f"CAfile = {certificates.ca}\nverifyChain = yes" if ask_client else ""
    configuration = folder / "stunnel.conf"
    configuration.write_text(
        f"""
foreground = yes
pid =
[front]
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{backend}
cert = {certificates.leaf}
key = {certificates.key}
{ask}
"""
    )
    return [program("stunnel4", "stunnel"), str(configuration)]


FRONTS: dict[str, Callable[[pathlib.Path, int, int, Certificates, bool], list[str]]] = {
    "haproxy": haproxy,
    "nginx": nginx,
    "stunnel": stunnel,
}
