/* Addresses of sockets, as Python writes them. */

#include "address.h"

#ifdef WS_SOCKETS

#include <arpa/inet.h>

static PyObject *
unix_path(const struct sockaddr_un *address, socklen_t size)
{
    size_t room = 0;
    size_t length = 0;

    if (size > offsetof(struct sockaddr_un, sun_path)) {
        room = size - offsetof(struct sockaddr_un, sun_path);
    }
#ifdef __linux__
    if (room > 0 && address->sun_path[0] == 0) {
        /* Not a path, but a name in a space of its own. */
        return PyBytes_FromStringAndSize(address->sun_path, (Py_ssize_t)room);
    }
#endif
    while (length < room && address->sun_path[length] != 0) {
        length++;
    }
    return PyUnicode_DecodeFSDefaultAndSize(address->sun_path, (Py_ssize_t)length);
}

int
ws_known_family(int family)
{
    return family == AF_INET || family == AF_INET6 || family == AF_UNIX;
}

PyObject *
ws_address(const WsAddress *address, socklen_t size)
{
    char text[INET6_ADDRSTRLEN];

    switch (address->any.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &address->ipv4.sin_addr, text, sizeof(text));
        return Py_BuildValue("(si)", text, (int)ntohs(address->ipv4.sin_port));
    case AF_INET6:
        inet_ntop(AF_INET6, &address->ipv6.sin6_addr, text, sizeof(text));
        return Py_BuildValue("(siII)", text, (int)ntohs(address->ipv6.sin6_port),
                             (unsigned int)ntohl(address->ipv6.sin6_flowinfo),
                             (unsigned int)address->ipv6.sin6_scope_id);
    case AF_UNIX:
        return unix_path(&address->local, size);
    default:
        Py_RETURN_NONE;
    }
}

#endif
