/* One connection: its socket, perhaps TLS, and what waits in both directions.
 *
 * Owns: reading and writing without blocking. Doesn't know: frames.
 */

#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What one read asks for. */
#define READ_SIZE ((size_t)256 * 1024)

void
set_nonblocking(int fd)
{
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
        fail("fcntl: %s", strerror(errno));
}

struct connection *
new_connection(int fd)
{
    struct connection *connection = allocate(sizeof *connection);
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connection->fd = fd;
    return connection;
}

/* A reset leaves no TIME_WAIT: ten thousand connections, again and again, would use up
 * the ports of this machine. */
void
free_connection(struct connection *connection, int reset)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (reset)
        setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    if (connection->tls != NULL)
        tls_free(connection);
    close(connection->fd);
    free(connection->in.data);
    free(connection->out.data);
    free(connection);
}

/* Return how many bytes, IO_AGAIN, or IO_END for the end and for any error. */
ssize_t
read_some(struct connection *connection, void *data, size_t size)
{
    ssize_t got;

    if (connection->tls != NULL)
        return tls_read(connection, data, size);
    got = recv(connection->fd, data, size, 0);
    if (got >= 0)
        return got;
    return errno == EAGAIN || errno == EINTR ? IO_AGAIN : IO_END;
}

ssize_t
write_some(struct connection *connection, const void *data, size_t size)
{
    ssize_t done;

    if (connection->tls != NULL)
        return tls_write(connection, data, size);
    done = send(connection->fd, data, size, MSG_NOSIGNAL);
    if (done >= 0)
        return done;
    return errno == EAGAIN || errno == EINTR ? IO_AGAIN : IO_END;
}

/* Read once into the buffer: 1 when there may be more, IO_AGAIN when there isn't,
 * IO_END at the end. */
int
fill(struct connection *connection)
{
    struct buffer *in = &connection->in;
    static uint8_t scratch[READ_SIZE];
    size_t room = in->capacity - in->end;
    int direct = room >= READ_SIZE;
    ssize_t got;

    /* Thousands of idle connections don't need a large buffer each. */
    if (!direct)
        room = READ_SIZE;
    got = read_some(connection, direct ? in->data + in->end : scratch, room);
    if (got <= 0)
        return (int)got;
    if (direct)
        in->end += (size_t)got;
    else
        append(in, scratch, (size_t)got);
    return connection->tls != NULL || (size_t)got == room ? 1 : IO_AGAIN;
}

/* Write what waits, and ask for an event when something is left. IO_END at the end. */
int
flush(struct connection *connection, int epoll)
{
    struct buffer *out = &connection->out;
    ssize_t done = IO_AGAIN;

    while (out->end > out->start) {
        done = write_some(connection, out->data + out->start, out->end - out->start);
        if (done < 0)
            break;
        if (done == IO_END)
            return IO_END;
        consume(out, (size_t)done);
    }
    connection->wants_write = out->end > out->start;
    watch(epoll, connection, EPOLLIN | (connection->wants_write ? EPOLLOUT : 0));
    return 1;
}
