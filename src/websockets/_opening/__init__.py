"""Opening and accepting connections, written once for every face (layer 3).

``network``    what a face provides: streams and a way to open them; ``drive()``
``connect``    the client's ceremony: proxy, TLS, upgrade, redirects
``accept``     the server's ceremony: request, callbacks, response
``redirects``  which redirects are followed, and what is dropped on the way
``retry``      when to connect again, and what to log
``proxies``    which proxy to use, and how to talk to it

Nothing here knows asyncio, threads, trio, sockets or the clock.
"""
