/* Memory, clocks, files and epoll.
 *
 * Owns: how this program waits and how it gives up. Doesn't know: WebSocket.
 */

#include "peer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

/* How long to poll without blocking after an event, in seconds. */
#define SPIN 3e-3

static int spinning;
static double last_event;

void
fail(const char *what, ...)
{
    va_list arguments;

    va_start(arguments, what);
    vfprintf(stderr, what, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

void *
allocate(size_t size)
{
    void *memory = calloc(1, size ? size : 1);

    if (memory == NULL)
        fail("no memory for %zu bytes", size);
    return memory;
}

static double
seconds(clockid_t clock)
{
    struct timespec time;

    if (clock_gettime(clock, &time) < 0)
        fail("clock_gettime: %s", strerror(errno));
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

double
now(void)
{
    return seconds(CLOCK_MONOTONIC);
}

/* User and system time of a process, in seconds. */
double
cpu_of(pid_t pid)
{
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0)
        fail("no CPU clock of process %d", (int)pid);
    return seconds(clock);
}

void
set_spinning(int on)
{
    spinning = on;
}

/* Return the number of events; 0 when nothing happened for too long. */
int
wait_for_events(int epoll, struct epoll_event *events, int room)
{
    int count;

    while (spinning) {
        count = epoll_wait(epoll, events, room, 0);
        if (count > 0) {
            last_event = now();
            return count;
        }
        if (now() - last_event > SPIN)
            break;
    }
    do
        count = epoll_wait(epoll, events, room, PATIENCE * 1000);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        fail("epoll_wait: %s", strerror(errno));
    last_event = now();
    return count;
}

void
watch(int epoll, struct connection *connection, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    int operation = connection->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

    if (connection->events == events)
        return;
    connection->events = events;
    if (epoll_ctl(epoll, operation, connection->fd, &event) < 0)
        fail("epoll_ctl: %s", strerror(errno));
}

/* Raise the limit of open files as far as it goes; exit when that isn't enough. */
void
allow_descriptors(long count)
{
    struct rlimit limit;

    count += 32;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        fail("getrlimit: %s", strerror(errno));
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < (rlim_t)count) {
        fprintf(stderr, "%ld open files are needed, %lu are allowed", count,
                (unsigned long)limit.rlim_cur);
        exit(NOT_ALLOWED);
    }
}

struct frames *
read_frames(const char *path)
{
    struct frames *frames = allocate(sizeof *frames);
    FILE *file = fopen(path, "rb");
    struct buffer content = {0};
    size_t got, read = 0, filled = 0;

    if (file == NULL)
        fail("%s: %s", path, strerror(errno));
    do {
        reserve(&content, 1 << 20);
        got = fread(content.data + content.end, 1, 1 << 20, file);
        content.end += got;
    } while (got > 0);
    fclose(file);
    frames->data = allocate(content.end);
    frames->starts = allocate((content.end / 4 + 1) * sizeof *frames->starts);
    while (content.end - read >= 4) {
        const uint8_t *at = content.data + read;
        size_t size = at[0] | at[1] << 8 | at[2] << 16 | (size_t)at[3] << 24;

        if (content.end - read - 4 < size)
            fail("%s ends within a frame", path);
        memcpy(frames->data + filled, at + 4, size);
        read += 4 + size;
        filled += size;
        frames->starts[++frames->count] = filled;
    }
    free(content.data);
    if (frames->count == 0)
        fail("%s has no frames", path);
    return frames;
}

/* Make room for more bytes at the end. */
void
reserve(struct buffer *buffer, size_t room)
{
    size_t size = buffer->end - buffer->start, capacity;

    if (buffer->capacity - buffer->end >= room)
        return;
    if (buffer->start > 0) {
        memmove(buffer->data, buffer->data + buffer->start, size);
        buffer->start = 0;
        buffer->end = size;
    }
    if (buffer->capacity - buffer->end >= room)
        return;
    capacity = 2 * buffer->capacity > size + room ? 2 * buffer->capacity : size + room;
    buffer->data = realloc(buffer->data, capacity);
    if (buffer->data == NULL)
        fail("no memory for %zu bytes", capacity);
    buffer->capacity = capacity;
}

void
append(struct buffer *buffer, const void *data, size_t size)
{
    reserve(buffer, size);
    memcpy(buffer->data + buffer->end, data, size);
    buffer->end += size;
}

void
consume(struct buffer *buffer, size_t size)
{
    buffer->start += size;
    if (buffer->start == buffer->end)
        buffer->start = buffer->end = 0;
}
