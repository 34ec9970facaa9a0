/* The server that measured clients talk to, until its standard input ends.
 *
 *     peer serve [spin] [tls=FILE] FRAMES...
 *
 * It prints its ports. By the path of the request, a connection
 *
 *     /echo           gets back what it sends
 *     /count?N        gets END after each N messages
 *     /flood/K?N      gets N frames of the K-th file of frames for each message
 *
 * and on the port for raw TCP, bytes come back as they are.
 *
 * Owns: the server's side of handshake and conversation. Doesn't know: time.
 */

#include "peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A connection with more than this to write isn't read. */
#define MOST_WAITING ((size_t)256 * 1024 * 1024)

struct listener {
    int fd, raw;
    unsigned port;
    void *settings;
};

static int epoll_fd;
static struct frames **floods;
static size_t flood_count;

/* Keep what couldn't be written at once. */
static int
send_bytes(struct connection *connection, const uint8_t *data, size_t size)
{
    ssize_t done = 0;

    if (connection->out.end == connection->out.start) {
        while (size > 0 && (done = write_some(connection, data, size)) > 0) {
            data += done;
            size -= (size_t)done;
        }
        if (size > 0 && done == IO_END)
            return IO_END;
    }
    if (size > 0) {
        append(&connection->out, data, size);
        return flush(connection, epoll_fd);
    }
    return 1;
}

/* Behaviours: what to do about the bytes in the buffer. ------------------------ */

static int
give_back(struct connection *connection)
{
    struct buffer *in = &connection->in;
    int result = send_bytes(connection, in->data + in->start, in->end - in->start);

    consume(in, in->end - in->start);
    return result;
}

/* Frames go on until there are no more, or the file begins anew. */
static int
go_on_flooding(struct connection *connection)
{
    const struct frames *frames = connection->frames;

    while (connection->left > 0) {
        size_t end, last = connection->frame + (size_t)connection->left;
        ssize_t done;

        last = last < frames->count ? last : frames->count;
        end = frames->starts[last];
        done = write_some(connection, frames->data + connection->position,
                          end - connection->position);
        if (done == IO_END)
            return IO_END;
        if (done == IO_AGAIN) {
            watch(epoll_fd, connection, EPOLLIN | EPOLLOUT);
            return 1;
        }
        connection->position += (size_t)done;
        while (connection->left > 0 && connection->frame < frames->count
               && frames->starts[connection->frame + 1] <= connection->position) {
            connection->frame++;
            connection->left--;
        }
        if (connection->frame == frames->count)
            connection->frame = connection->position = 0;
    }
    watch(epoll_fd, connection, EPOLLIN);
    return 1;
}

static int
answer_control(struct connection *connection, struct frame *frame)
{
    uint8_t answer[2 + 125] = {0x8a, 0};
    size_t size = frame->size;

    if (frame->opcode == 10)
        return 1;
    if (frame->opcode == 8) {
        answer[0] = 0x88;
        size = size > 2 ? 2 : size;
        connection->closing = 1;
    }
    answer[1] = (uint8_t)size;
    memcpy(answer + 2, frame->payload, size);
    return send_bytes(connection, answer, 2 + size);
}

static int
answer_message(struct connection *connection, struct frame *frame)
{
    uint8_t *head, length[10];
    size_t size;

    if (connection->frames != NULL) {
        connection->left += connection->count;
        return go_on_flooding(connection);
    }
    if (connection->count > 0) {
        if (++connection->seen < connection->count)
            return 1;
        connection->seen = 0;
        return send_bytes(connection, (const uint8_t *)"\x81\x03" "END", 5);
    }
    /* A masked frame has a longer head than the same one without mask: the answer's
     * fits in front of the payload. */
    size = write_head(length, frame->head[0], frame->size);
    head = frame->payload - size;
    memcpy(head, length, size);
    return send_bytes(connection, head, size + frame->size);
}

static int
converse(struct connection *connection)
{
    struct frame frame;
    size_t missing;

    while (!connection->closing && next_frame(&connection->in, &frame, &missing)) {
        size_t size = (size_t)(frame.payload - frame.head) + frame.size;
        int result;

        if (frame.key == NULL)
            return IO_END;
        unmask(frame.payload, frame.size, frame.key);
        result = frame.opcode >= 8 ? answer_control(connection, &frame)
                                   : answer_message(connection, &frame);
        if (result == IO_END)
            return IO_END;
        consume(&connection->in, size);
    }
    if (missing > 65536 && !connection->closing)
        reserve(&connection->in, missing + 512 * 1024);
    return 1;
}

static const char *
value_of(const char *request, const char *name)
{
    const char *field = strcasestr(request, name);

    if (field == NULL)
        return NULL;
    field += strlen(name);
    return field + strspn(field, " ");
}

static int
upgrade(struct connection *connection)
{
    static const char end_of_head[] = "\r\n\r\n";
    struct buffer *in = &connection->in;
    char *request, *end, path[64] = "", value[29], response[512];
    const char *key;
    int deflate, size;
    unsigned file = 0;

    append(in, "", 1);
    in->end--;
    request = (char *)in->data + in->start;
    end = strstr(request, end_of_head);
    if (end == NULL)
        return 1;
    end[2] = '\0';
    key = value_of(request, "\r\nSec-WebSocket-Key:");
    if (key == NULL || strcspn(key, " \r") != 24 || sscanf(request, "GET %63s", path) != 1)
        return IO_END;
    accept_value(key, value);
    deflate = strstr(request, "permessage-deflate") != NULL;
    if (sscanf(path, "/flood/%u?%ld", &file, &connection->count) == 2) {
        if (file >= flood_count)
            return IO_END;
        connection->frames = floods[file];
    }
    else
        sscanf(path, "/count?%ld", &connection->count);
    size = snprintf(response, sizeof response,
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s\r\n",
                    value,
                    deflate ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : "");
    consume(in, (size_t)(end + 4 - request));
    connection->behaviour = converse;
    if (send_bytes(connection, (uint8_t *)response, (size_t)size) == IO_END)
        return IO_END;
    return converse(connection);
}

/* The loop. ------------------------------------------------------------------- */

static int
handle(struct connection *connection, uint32_t events)
{
    int result;

    if (connection->tls != NULL && !connection->opened) {
        result = tls_handshake(connection);
        if (result < 0)
            return 1;
        if (result == IO_END)
            return IO_END;
        connection->opened = 1;
    }
    if (events & EPOLLOUT) {
        if (flush(connection, epoll_fd) == IO_END)
            return IO_END;
        if (connection->left > 0 && !connection->wants_write
            && go_on_flooding(connection) == IO_END)
            return IO_END;
    }
    if (connection->out.end - connection->out.start > MOST_WAITING)
        return 1;
    do {
        result = fill(connection);
        if (result == IO_END || (connection->in.end > connection->in.start
                                 && connection->behaviour(connection) == IO_END))
            return IO_END;
    } while (result > 0 && !connection->closing);
    return connection->closing && !connection->wants_write ? IO_END : 1;
}

static void
accept_all(struct listener *listener)
{
    int fd;

    while ((fd = accept(listener->fd, NULL, NULL)) >= 0) {
        struct connection *connection = new_connection(fd);

        set_nonblocking(fd);
        connection->behaviour = listener->raw ? give_back : upgrade;
        if (listener->settings != NULL)
            tls_start(connection, listener->settings, 1);
        watch(epoll_fd, connection, EPOLLIN);
    }
}

static void
listen_for(struct listener *listener)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = listener};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (listener->fd < 0 || bind(listener->fd, (struct sockaddr *)&address, size) < 0
        || listen(listener->fd, 4096) < 0
        || getsockname(listener->fd, (struct sockaddr *)&address, &size) < 0)
        fail("cannot listen: %s", strerror(errno));
    listener->port = ntohs(address.sin_port);
    set_nonblocking(listener->fd);
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener->fd, &event);
}

int
serve(int argc, char **argv)
{
    static struct listener plain, raw = {.raw = 1}, secure;
    struct epoll_event events[256], stdin_event = {.events = EPOLLIN};
    int index, count;

    epoll_fd = epoll_create1(0);
    floods = allocate((size_t)argc * sizeof *floods);
    for (index = 0; index < argc; index++) {
        if (strcmp(argv[index], "spin") == 0)
            set_spinning(1);
        else if (strncmp(argv[index], "tls=", 4) == 0)
            secure.settings = tls_server_settings(argv[index] + 4);
        else
            floods[flood_count++] = read_frames(argv[index]);
    }
    listen_for(&plain);
    listen_for(&raw);
    if (secure.settings != NULL)
        listen_for(&secure);
    stdin_event.data.ptr = NULL;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &stdin_event) < 0)
        fail("standard input must be a pipe");
    printf("{\"ws\": %u, \"raw\": %u, \"wss\": %u}\n", plain.port, raw.port, secure.port);
    fflush(stdout);
    for (;;) {
        count = wait_for_events(epoll_fd, events, 256);
        for (index = 0; index < count; index++) {
            void *owner = events[index].data.ptr;

            if (owner == NULL)
                return 0; /* whoever started this has ended */
            if (owner == &plain || owner == &raw || owner == &secure)
                accept_all(owner);
            else if (handle(owner, events[index].events) == IO_END)
                free_connection(owner, 0);
        }
    }
}
