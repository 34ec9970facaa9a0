/* Addresses of sockets, as Python writes them.

   Owns: the tuples and strings of socket.getsockname(), for the families that streams
   usually have.
   Doesn't know: who has these addresses. */

#ifndef WEBSOCKETS_ADDRESS_H
#define WEBSOCKETS_ADDRESS_H

#include "transport.h"

#ifdef WS_SOCKETS

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

typedef union {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
    struct sockaddr_un local;
    struct sockaddr_storage storage;
} WsAddress;

/* Return an address as Python has it; None for families that aren't known here. */
PyObject *ws_address(const WsAddress *address, socklen_t size);

/* Whether ws_address knows a family. */
int ws_known_family(int family);

#endif
#endif
