"""Opening and accepting connections, written once for every face (layer 3).

``network``    what a face provides: streams and a way to open them; ``drive()``
``settings``   what a user asks a client connection to be like
``choice``     which proxies to go through
``progress``   how far a ceremony came
``route``      the way to one URI: TCP, Unix socket, proxies, TLS
``connect``    the client's ceremony: route, upgrade, redirects
``accept``     the server's ceremony: request, callbacks, response
``headers``    header fields that users give
``redirects``  which redirects are followed
``retry``      when to connect again, and what to log
``proxies``    which proxy to use, and how to get through it

Nothing here knows asyncio, threads, trio, sockets or the clock.
"""
