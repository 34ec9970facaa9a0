"""nginx stands in front of our server, as it does in most deployments."""

from __future__ import annotations

import asyncio
import http
import http.client
import pathlib
from collections.abc import Iterator

import pytest

from tests.daemons import Certificates, free_port, program, running
from tests.interop.scenarios import EXPECTED, OurClient, our_server
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import InvalidStatus
from websockets.http11 import Request, Response


CONFIGURATION = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $http_upgrade $connection_upgrade {{
        default upgrade;
        '' close;
    }}
    server {{
        listen 127.0.0.1:{port};
        listen 127.0.0.1:{tls_port} ssl;
        ssl_certificate {certificates.leaf};
        ssl_certificate_key {certificates.key};
        location / {{
            proxy_pass http://127.0.0.1:{backend};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"""


class Front:
    """A running nginx: where it listens, and where it looks for our server."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.certificates = Certificates(folder)
        self.port, self.tls_port, self.backend = free_port(), free_port(), free_port()
        self.configuration = folder / "nginx.conf"
        self.configuration.write_text(CONFIGURATION.format(folder=folder, **vars(self)))

    def client(self, scheme: str) -> OurClient:
        """Return our client with a URI of this nginx."""
        if scheme == "ws":
            return OurClient(f"ws://localhost:{self.port}")
        context = self.certificates.client_context()
        return OurClient(f"wss://localhost:{self.tls_port}", ssl=context)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A running nginx."""
    nginx = program("nginx")
    folder = tmp_path_factory.mktemp("nginx")
    front = Front(folder)
    command = [nginx, "-p", str(folder), "-c", str(front.configuration)]
    with running(command, log=folder / "nginx.log", port=front.port):
        yield front


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.parametrize("scenario", sorted(EXPECTED.keys() - {"fragments_counted"}))
def test_through_nginx(front: Front, scheme: str, scenario: str) -> None:
    """Our client and our server don't notice that nginx stands between them."""

    async def run() -> object:
        async with our_server(port=front.backend):
            return await front.client(scheme).run(scenario)

    assert asyncio.run(run()) == EXPECTED[scenario]


def test_headers_of_nginx(front: Front) -> None:
    """The host that the client asked for, and what nginx adds, reach our server."""
    seen: list[Request] = []

    def remember(connection: ServerConnection, request: Request) -> None:
        seen.append(request)

    async def run() -> None:
        async with our_server(process_request=remember, port=front.backend):
            await front.client("wss").run("text")

    asyncio.run(run())
    [request] = seen
    assert request.headers["Host"] == f"localhost:{front.tls_port}"
    assert request.headers["X-Forwarded-Proto"] == "https"


def test_health_check_through_nginx(front: Front) -> None:
    """An ordinary HTTP request through nginx gets the response of process_request."""

    def healthy(connection: ServerConnection, request: Request) -> Response | None:
        return connection.respond(http.HTTPStatus.OK, "healthy\n")

    def get() -> tuple[int, bytes]:
        client = http.client.HTTPConnection("127.0.0.1", front.port, timeout=30)
        try:
            client.request("GET", "/healthz")
            response = client.getresponse()
            return response.status, response.read()
        finally:
            client.close()

    async def run() -> tuple[int, bytes]:
        async with our_server(process_request=healthy, port=front.backend):
            return await asyncio.to_thread(get)

    assert asyncio.run(run()) == (200, b"healthy\n")


def test_refusal_through_nginx(front: Front) -> None:
    """A handshake that our server refuses is refused through nginx, with its body."""

    def refuse(connection: ServerConnection, request: Request) -> Response | None:
        return connection.respond(http.HTTPStatus.FORBIDDEN, "not you\n")

    async def run() -> InvalidStatus:
        async with our_server(process_request=refuse, port=front.backend):
            with pytest.raises(InvalidStatus) as caught:
                await front.client("ws").run("text")
            return caught.value

    error = asyncio.run(run())
    assert error.response.status_code == 403
    assert error.response.body == b"not you\n"


def test_absent_server_behind_nginx(front: Front) -> None:
    """When our server is down, nginx answers 502, which says the status."""
    with pytest.raises(InvalidStatus) as caught:
        asyncio.run(front.client("ws").run("text"))
    assert str(caught.value) == "server rejected WebSocket connection: HTTP 502"
