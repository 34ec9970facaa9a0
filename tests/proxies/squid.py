"""squid: CONNECT, with every scheme of authentication that its helpers know.

``prepare()`` writes what it reads into a folder and returns its command line.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
from collections.abc import Callable, Sequence

from tests.daemons import Certificates, missing, program


#: Where distributions keep the helpers that check credentials.
HELPERS = ["/usr/lib/squid", "/usr/lib64/squid", "/usr/libexec/squid"]

CONFIGURATION = """
{listen}
pid_filename {folder}/squid.pid
access_log stdio:{folder}/access.log
cache_log {folder}/cache.log
coredump_dir {folder}
hosts_file {hosts}
visible_hostname localhost
cache deny all
cache_mem 0 MB
max_filedescriptors 1024
pinger_enable off
shutdown_lifetime 0 seconds
negative_ttl 0 seconds
"""

OPEN = """
http_access allow all
"""

AUTHENTICATED = """
acl known proxy_auth REQUIRED
http_access deny !known
http_access allow known
"""


def helper(name: str) -> str:
    """Return the path of one of squid's helpers, or skip the test."""
    path = shutil.which(name, path=os.pathsep.join(HELPERS))
    if path is None:
        missing(f"squid's {name}")
    return path


def basic(folder: pathlib.Path, user: str, password: str) -> str:
    """Offer Basic, checked against a file of one user."""
    hashed = subprocess.run(
        [program("openssl"), "passwd", "-apr1", "-stdin"],
        input=password,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    users = folder / "passwd"
    users.write_text(f"{user}:{hashed}\n")
    return f"""
auth_param basic program {helper("basic_ncsa_auth")} {users}
auth_param basic children 2 startup=1
auth_param basic realm lab
"""


#: Writes the files of a scheme and returns its part of the configuration.
SCHEMES: dict[str, Callable[[pathlib.Path, str, str], str]] = {"basic": basic}


def require_tls(squid: str) -> None:
    """Skip the test when squid was built without OpenSSL, as many are."""
    version = subprocess.run([squid, "-v"], capture_output=True, text=True, check=True)
    if "--with-openssl" not in version.stdout:
        missing("squid with OpenSSL (Debian: squid-openssl)")


def prepare(
    folder: pathlib.Path,
    port: int,
    schemes: Sequence[str],
    *,
    hosts: pathlib.Path,
    credentials: tuple[str, str],
    certificates: Certificates | None,
) -> list[str]:
    """
    Write squid's configuration.

    Args:
        folder: For its files; squid's own when this process is root, because it
            gives up root's rights.
        port: Port of 127.0.0.1 to listen on.
        schemes: Names out of ``SCHEMES``, offered in this order.
        hosts: The names that it resolves, in the format of ``/etc/hosts``.
        credentials: The user and password that it accepts.
        certificates: For TLS between client and proxy.

    Returns:
        The command line.
    """
    squid = program("squid")
    listen = f"http_port 127.0.0.1:{port}"
    if certificates is not None:
        require_tls(squid)
        listen = f"https_port 127.0.0.1:{port} tls-cert={certificates.leaf}"
        listen += f" tls-key={certificates.key}"
    configuration = folder / "squid.conf"
    text = CONFIGURATION.format(listen=listen, folder=folder, hosts=hosts)
    for scheme in schemes:
        text += SCHEMES[scheme](folder, *credentials)
    configuration.write_text(text + (AUTHENTICATED if schemes else OPEN))
    if os.geteuid() == 0:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, "proxy")
    return [squid, "-N", "-f", str(configuration)]
