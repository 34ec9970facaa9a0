"""dante: SOCKS4 and SOCKS5, with IPv6 targets and user names. It has no SOCKS4a.

``prepare()`` writes what it reads into a folder and returns its command line. dante
checks passwords of Unix accounts; :func:`account` makes one, which takes root.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import pathlib
import subprocess
from collections.abc import Iterator

from tests.daemons import missing, program


CONFIGURATION = """
logoutput: {folder}/log
internal: 127.0.0.1 port = {port}
external: 127.0.0.1
external: ::1
external.rotation: route
clientmethod: none
socksmethod: {method}
{privileged}
user.unprivileged: {user}
client pass {{
 from: 127.0.0.0/8 to: 0.0.0.0/0
}}
socks pass {{
 from: 127.0.0.0/8 to: 0.0.0.0/0
 protocol: tcp
 socksmethod: {method}
}}
socks pass {{
 from: 127.0.0.0/8 to: ::/0
 protocol: tcp
 socksmethod: {method}
}}
"""


@contextlib.contextmanager
def account(user: str, password: str) -> Iterator[None]:
    """
    Let a Unix account exist while the block runs. It can't log in.

    Without root's rights, the test is skipped.
    """
    if os.geteuid() != 0:
        missing("a Unix account that dante knows (only root can make one)")
    # One may be left over from a run that was killed.
    subprocess.run(["userdel", user], capture_output=True, check=False)
    shell = ["--no-create-home", "--shell", "/usr/sbin/nologin"]
    subprocess.run(["useradd", *shell, user], check=True, capture_output=True)
    try:
        line = f"{user}:{password}\n".encode()
        subprocess.run(["chpasswd"], input=line, check=True, capture_output=True)
        yield
    finally:
        subprocess.run(["userdel", user], capture_output=True, check=True)


def prepare(folder: pathlib.Path, port: int, *, passwords: bool) -> list[str]:
    """
    Write dante's configuration.

    Args:
        folder: For its files.
        port: Port of 127.0.0.1 to listen on.
        passwords: Whether RFC 1929 is demanded.

    Returns:
        The command line.
    """
    danted = program("danted", "sockd")
    root = os.geteuid() == 0
    configuration = folder / "danted.conf"
    configuration.write_text(
        CONFIGURATION.format(
            folder=folder,
            port=port,
            method="username" if passwords else "none",
            privileged="user.privileged: root" if root else "",
            user="nobody" if root else getpass.getuser(),
        )
    )
    return [danted, "-f", str(configuration), "-p", str(folder / "pid"), "-N", "1"]
