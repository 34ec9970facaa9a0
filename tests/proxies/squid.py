"""squid: CONNECT, with every scheme of authentication that its helpers know.

``prepare()`` writes what it reads into a folder and returns its command line.
"""

from __future__ import annotations

import dataclasses
import hashlib
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Site:
    """
    What the helpers need to know.

    Attributes:
        folder: For their files.
        user: The only one.
        password: The user's.
        domain: The user's, for NTLM.
        keytab: The keys of the proxy, for Kerberos.
        keep_alive: Whether the connection goes on after the first 407 of NTLM and
            Negotiate.
        nonce_seconds: How long a nonce of Digest is fresh.
    """

    folder: pathlib.Path
    user: str
    password: str
    domain: str
    keytab: pathlib.Path | None = None
    keep_alive: bool = True
    nonce_seconds: int = 1800


def helpers(scheme: str, command: str, site: Site) -> str:
    """Return the configuration of a scheme that authenticates connections."""
    return f"""
auth_param {scheme} program {command}
auth_param {scheme} children 4 startup=1
auth_param {scheme} keep_alive {"on" if site.keep_alive else "off"}
"""


def basic(site: Site) -> str:
    """Basic, checked against a file of one user."""
    hashed = subprocess.run(
        [program("openssl"), "passwd", "-apr1", "-stdin"],
        input=site.password,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    users = site.folder / "passwd"
    users.write_text(f"{site.user}:{hashed}\n")
    return f"""
auth_param basic program {helper("basic_ncsa_auth")} {users}
auth_param basic children 2 startup=1
auth_param basic realm lab
"""


def digest(site: Site) -> str:
    """Digest with MD5 and qop=auth; a nonce that isn't fresh gets stale=true."""
    secret = f"{site.user}:lab:{site.password}".encode()
    users = site.folder / "digest"
    users.write_text(f"{site.user}:lab:{hashlib.md5(secret).hexdigest()}\n")
    return f"""
auth_param digest program {helper("digest_file_auth")} -c {users}
auth_param digest children 2 startup=1
auth_param digest realm lab
auth_param digest nonce_max_duration {site.nonce_seconds} seconds
auth_param digest nonce_garbage_interval {min(site.nonce_seconds, 300)} seconds
"""


def samba(site: Site, protocol: str) -> str:
    """
    Return the command line of Samba's acceptor.

    With ``--password`` it checks by itself: no winbindd, no domain.
    """
    configuration = site.folder / "smb.conf"
    folders = ["state", "cache", "lock"]
    configuration.write_text(
        "\n".join(
            [
                "[global]",
                f"workgroup = {site.domain}",
                "netbios name = PROXY",
                "server role = standalone",
                "lanman auth = no",
                "ntlm auth = ntlmv2-only",
                f"private dir = {site.folder}",
                f"pid directory = {site.folder}",
                *(f"{name} directory = {site.folder}" for name in folders),
                "",
            ]
        )
    )
    return (
        f"{program('ntlm_auth')} --configfile={configuration} "
        f"--helper-protocol={protocol} --username={site.user} "
        f"--domain={site.domain} --password={site.password}"
    )


def ntlm(site: Site) -> str:
    """NTLM, real and strong: Samba's acceptor, NTLMv2 only, MIC checked."""
    return helpers("ntlm", samba(site, "squid-2.5-ntlmssp"), site)


def ntlm_fake(site: Site) -> str:
    """NTLM with any password; its Type 2 has no target info, at an absurd offset."""
    return helpers("ntlm", helper("ntlm_fake_auth"), site)


def negotiate_ntlm(site: Site) -> str:
    """Negotiate with NTLM, raw or within SPNEGO, by Samba."""
    return helpers("negotiate", samba(site, "gss-spnego"), site)


def negotiate_kerberos(site: Site) -> str:
    """Negotiate with Kerberos."""
    command = helper("negotiate_kerberos_auth")
    keytab = site.keytab or site.folder / "none.keytab"
    return helpers("negotiate", f"{command} -r -k {keytab} -s GSS_C_NO_NAME", site)


#: Writes the files of a scheme and returns its part of the configuration.
SCHEMES: dict[str, Callable[[Site], str]] = {
    "basic": basic,
    "digest": digest,
    "ntlm": ntlm,
    "ntlm-fake": ntlm_fake,
    "negotiate-ntlm": negotiate_ntlm,
    "negotiate-kerberos": negotiate_kerberos,
}


def require_tls(squid: str) -> None:
    """Skip the test when squid was built without OpenSSL, as many are."""
    version = subprocess.run([squid, "-v"], capture_output=True, text=True, check=True)
    if "--with-openssl" not in version.stdout:
        missing("squid with OpenSSL (Debian: squid-openssl)")


def prepare(
    site: Site,
    port: int,
    schemes: Sequence[str],
    *,
    hosts: pathlib.Path,
    certificates: Certificates | None,
) -> list[str]:
    """
    Write squid's configuration.

    Args:
        site: Its folder and what the schemes need. The folder becomes squid's own when
            this process is root, because squid gives up root's rights.
        port: Port of 127.0.0.1 to listen on.
        schemes: Names out of ``SCHEMES``, offered in this order.
        hosts: The names that it resolves, in the format of ``/etc/hosts``.
        certificates: For TLS between client and proxy.

    Returns:
        The command line.
    """
    squid = program("squid")
    folder = site.folder
    listen = f"http_port 127.0.0.1:{port}"
    if certificates is not None:
        require_tls(squid)
        listen = f"https_port 127.0.0.1:{port} tls-cert={certificates.leaf}"
        listen += f" tls-key={certificates.key}"
    configuration = folder / "squid.conf"
    text = CONFIGURATION.format(listen=listen, folder=folder, hosts=hosts)
    for scheme in schemes:
        text += SCHEMES[scheme](site)
    configuration.write_text(text + (AUTHENTICATED if schemes else OPEN))
    if os.geteuid() == 0:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, "proxy")
    return [squid, "-N", "-f", str(configuration)]
