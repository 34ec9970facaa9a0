"""Which proxy to use, and how to get through it.

``url``           a proxy's address: ``Proxy``, ``parse_proxy``
``discovery``     what the environment and the operating system say
``pac``           PAC files, which ``pac_child`` runs in a process of its own
``no_proxy``      which hosts are reached without a proxy
``dialogue``      how an exchange with a proxy asks for bytes: sans-I/O
``http_connect``  CONNECT, for ``http://`` and ``https://`` proxies
``socks``         SOCKS4, SOCKS4a and SOCKS5
``traces``        what the log shows of it
``bodies``        the body of a refusal
"""
