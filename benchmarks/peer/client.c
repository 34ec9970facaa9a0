/* A client's connections: dialling, the opening handshake, frames both ways.
 *
 * Owns: the client's side of RFC 6455. Doesn't know: what is measured.
 */

#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int epoll_fd;
struct epoll_event events[EVENTS];
unsigned long long received;

int
wait_for(void)
{
    int count = wait_for_events(epoll_fd, events, EVENTS);

    if (count == 0)
        fail("the server was silent for %d seconds", PATIENCE);
    return count;
}

struct connection *
dial(int small)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(asked.port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), size = 4096;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (small)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail("cannot connect: %s", strerror(errno));
    return new_connection(fd);
}

size_t
write_request(char *request, size_t room)
{
    return (size_t)snprintf(
        request, room,
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:%ld\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n%s\r\n",
        asked.port,
        asked.deflate ? "Sec-WebSocket-Extensions: permessage-deflate; "
                        "client_max_window_bits\r\n"
                      : "");
}

/* Return whether the response is complete; what follows it stays in the buffer. */
int
take_response(struct connection *connection)
{
    struct buffer *in = &connection->in;
    char *response, *end;

    append(in, "", 1);
    in->end--;
    response = (char *)in->data + in->start;
    end = strstr(response, "\r\n\r\n");
    if (end == NULL)
        return 0;
    end[2] = '\0';
    if (strncmp(response, "HTTP/1.1 101", 12) != 0)
        fail("the server answered %.60s", response);
    if (asked.deflate && strstr(response, "permessage-deflate") == NULL)
        fail("the server doesn't compress");
    consume(in, (size_t)(end + 4 - response));
    connection->opened = 1;
    return 1;
}

/* Open, one after the other: blocking, so that the server isn't flooded. */
static struct connection *
open_connection(int small)
{
    struct connection *connection = dial(small);
    char request[512];
    size_t size = write_request(request, sizeof request);

    if (asked.tls != NULL) {
        tls_start(connection, asked.tls, 0);
        if (tls_handshake(connection) <= 0)
            fail("the TLS handshake failed");
    }
    if (!asked.raw) {
        if (write_some(connection, request, size) != (ssize_t)size)
            fail("cannot send the request");
        do
            if (fill(connection) == IO_END)
                fail("the server closed during the handshake");
        while (!take_response(connection));
    }
    set_nonblocking(connection->fd);
    watch(epoll_fd, connection, EPOLLIN);
    return connection;
}

struct connection **
open_all(long count)
{
    struct connection **connections = allocate((size_t)count * sizeof *connections);
    long index;

    allow_descriptors(count);
    for (index = 0; index < count; index++)
        connections[index] = open_connection(index < asked.stalled);
    return connections;
}

void
send_frame(struct connection *connection)
{
    const struct frames *frames = asked.frames;
    size_t start = frames->starts[connection->frame];
    size_t end = frames->starts[++connection->frame];

    if (connection->frame == frames->count)
        connection->frame = 0;
    append(&connection->out, frames->data + start, end - start);
    connection->sent_at = now();
    if (!connection->wants_write && flush(connection, epoll_fd) == IO_END)
        fail("the server closed the connection");
}

/* Take what has arrived; return how many messages that is. */
long
take_messages(struct connection *connection)
{
    struct buffer *in = &connection->in;
    struct frame frame;
    size_t missing = 0;
    long count = 0;
    int result;

    do {
        result = fill(connection);
        if (result == IO_END)
            fail("the server closed the connection");
        while (!asked.raw && next_frame(in, &frame, &missing)) {
            size_t size = (size_t)(frame.payload - frame.head) + frame.size;
            uint8_t pong[6] = {0x8a, 0x80};

            received += size;
            if (frame.opcode == 8)
                fail("the server closed with code %d",
                     frame.size >= 2 ? frame.payload[0] << 8 | frame.payload[1] : 1005);
            if (frame.opcode == 9) {
                pong[1] |= (uint8_t)frame.size;
                append(&connection->out, pong, 6);
                append(&connection->out, frame.payload, frame.size);
                flush(connection, epoll_fd);
            }
            else
                count += frame.head[0] >> 7;
            consume(in, size);
        }
        if (missing > 65536)
            reserve(in, missing + 512 * 1024);
    } while (result > 0);
    if (asked.raw) {
        size_t size = asked.frames->starts[1];

        count = (long)((in->end - in->start) / size);
        consume(in, (size_t)count * size);
    }
    return count;
}

void
send_number(struct connection *connection, long number)
{
    uint8_t frame[6 + 32] = {0x81, 0x80};
    int size = snprintf((char *)frame + 6, 32, "%ld", number);

    frame[1] |= (uint8_t)size;
    append(&connection->out, frame, 6 + (size_t)size);
    if (flush(connection, epoll_fd) == IO_END)
        fail("the server closed the connection");
}
