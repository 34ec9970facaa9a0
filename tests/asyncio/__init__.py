"""The asyncio face: clients and servers over real loopback sockets."""
