"""A Kerberos realm: MIT's KDC, proxies' keys, and the ticket of a user.

``prepare()`` makes the realm and returns the KDC's command line; ``log_in()`` gets the
ticket once it runs.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
from collections.abc import Mapping, Sequence

from tests.daemons import program


REALM = "LAB.TEST"
SERVICES = ["HTTP/localhost", "HTTP/proxy.test"]

CLIENT = """
[libdefaults]
 default_realm = {realm}
 dns_lookup_kdc = false
 dns_lookup_realm = false
 dns_canonicalize_hostname = false
 rdns = false
 udp_preference_limit = 1
[realms]
 {realm} = {{
  kdc = 127.0.0.1:{port}
 }}
[domain_realm]
 localhost = {realm}
 .test = {realm}
"""

KDC = """
[kdcdefaults]
 kdc_listen = 127.0.0.1:{port}
 kdc_tcp_listen = 127.0.0.1:{port}
[realms]
 {realm} = {{
  database_name = {folder}/principal
  key_stash_file = {folder}/stash
  acl_file = {folder}/kadm5.acl
  max_life = 12h
  supported_enctypes = aes256-cts:normal
 }}
"""


def run(command: Sequence[str], folder: pathlib.Path, text: str = "") -> None:
    """Run a program of Kerberos to its end."""
    subprocess.run(
        command,
        env={**os.environ, **environment(folder)},
        input=text,
        text=True,
        capture_output=True,
        check=True,
    )


def environment(folder: pathlib.Path) -> Mapping[str, str]:
    """Return what programs that use the realm need in their environment."""
    return {
        "KRB5_CONFIG": str(folder / "krb5.conf"),
        "KRB5_KDC_PROFILE": str(folder / "kdc.conf"),
        "KRB5CCNAME": str(folder / "user.ccache"),
    }


def prepare(folder: pathlib.Path, port: int, user: str, password: str) -> list[str]:
    """
    Make a realm.

    Args:
        folder: For its files; ``http.keytab`` is for proxies.
        port: TCP port of 127.0.0.1 for the KDC.
        user: Its only user.
        password: The user's password.

    Returns:
        The KDC's command line.
    """
    kdc = program("krb5kdc")
    names = {"realm": REALM, "port": port, "folder": folder}
    (folder / "krb5.conf").write_text(CLIENT.format(**names))
    (folder / "kdc.conf").write_text(KDC.format(**names))
    create = [program("kdb5_util"), "create", "-s", "-r", REALM, "-P", "master"]
    run(create, folder)
    keytab = folder / "http.keytab"
    commands = [f"addprinc -pw {password} {user}"]
    commands += [f"addprinc -randkey {service}" for service in SERVICES]
    commands.append(f"ktadd -k {keytab} {' '.join(SERVICES)}")
    run([program("kadmin.local"), "-r", REALM], folder, "\n".join(commands) + "\n")
    # Proxies read it when they have given up root's rights.
    keytab.chmod(0o644)
    return [kdc, "-n", "-r", REALM]


def log_in(folder: pathlib.Path, user: str, password: str) -> None:
    """Put a ticket for the user where ``environment()`` says."""
    run([program("kinit"), user], folder, f"{password}\n")
