/* The clients that measured servers talk to.
 *
 *     peer KIND port=P pid=P [NAME=VALUE]... [frames=FILE] [spin] [tls] [raw] [deflate]
 *
 *     echo       conns, warm, ms: each connection sends its next frame when the answer
 *                to the last one is there
 *     count      n: one connection sends N, then N frames, and waits for an answer
 *     broadcast  conns, rounds, warm, stalled: when a line is on the standard input, one
 *                message, and one for every connection, and so on
 *     connect    n: opening and closing handshakes, four at a time
 *     idle       conns: open, one frame each way if there are frames, hold until the
 *                standard input ends
 *
 * One line of JSON says what was measured: n, secs, cpu (of the process pid), and more.
 *
 * Owns: what clients do and the CPU clock of the server. Doesn't know: how they connect.
 */

#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT_A_TIME 4

/* However short the time, each connection has this many turns on average: the first and
 * the last one, when all begin or end at once, are not what is measured. */
#define TURNS 5

struct asked asked = {.conns = 1, .ms = 100, .n = 1000, .rounds = 10};

static double cpu_at_start, time_at_start;

/* The CPU clock of another process goes on when that process stops running, or at ticks
 * that are far apart: it is read when the server has nothing to do. */
static double
cpu_of_idle_server(void)
{
    usleep(1000);
    return cpu_of((pid_t)asked.pid);
}

static void
start_clocks(void)
{
    received = 0;
    cpu_at_start = cpu_of_idle_server();
    time_at_start = now();
}

static void
report(long n, const char *more)
{
    double seconds = now() - time_at_start, cpu = cpu_of_idle_server() - cpu_at_start;

    printf("{\"n\": %ld, \"secs\": %.9f, \"cpu\": %.9f, \"bytes\": %llu%s}\n", n, seconds,
           cpu, received, more);
}

/* What the clients do. -------------------------------------------------------- */

static int
compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

/* Each connection sends when its answer is there, until the time is over; the last
 * answers are awaited. Return how many came, and how long each took. */
static long
converse(struct connection **connections, double seconds, double *latencies, size_t room)
{
    double end = now() + seconds;
    long waiting = asked.conns, n = 0, index, got;
    int count;

    for (index = 0; index < asked.conns; index++)
        send_frame(connections[index]);
    while (waiting > 0) {
        count = wait_for();
        for (index = 0; index < count; index++) {
            struct connection *connection = events[index].data.ptr;

            if (events[index].events & EPOLLOUT)
                flush(connection, epoll_fd);
            if (!(events[index].events & ~(uint32_t)EPOLLOUT))
                continue;
            for (got = take_messages(connection); got > 0; got--) {
                double time = now();

                if ((size_t)n < room)
                    latencies[n] = time - connection->sent_at;
                n++;
                if (time < end || n < TURNS * asked.conns)
                    send_frame(connection);
                else
                    waiting--;
            }
        }
    }
    return n;
}

static void
load_echo(void)
{
    struct connection **connections = open_all(asked.conns);
    size_t room = 1 << 20, kept;
    double *latencies = allocate(room * sizeof *latencies);
    char more[64];
    long n;

    converse(connections, (double)asked.warm * 1e-3, latencies, room);
    start_clocks();
    n = converse(connections, (double)asked.ms * 1e-3, latencies, room);
    kept = (size_t)n < room ? (size_t)n : room;
    qsort(latencies, kept, sizeof *latencies, compare);
    snprintf(more, sizeof more, ", \"p50\": %.9f, \"p99\": %.9f", latencies[kept / 2],
             latencies[kept - kept / 100 - 1]);
    report(n, more);
}

static void
load_count(void)
{
    struct connection *connection = open_all(1)[0];
    const struct frames *frames = asked.frames;
    long turn, left, got;

    for (turn = 0; turn < 2; turn++) {
        size_t position = 0, frame = 0;

        left = turn == 0 ? asked.n / 10 + 1 : asked.n;
        if (turn == 1)
            start_clocks();
        send_number(connection, left);
        while (left > 0) {
            size_t last = frame + (size_t)left;
            ssize_t done;

            last = last < frames->count ? last : frames->count;
            done = write_some(connection, frames->data + position,
                              frames->starts[last] - position);
            if (done == IO_END)
                fail("the server closed the connection");
            if (done == IO_AGAIN) {
                watch(epoll_fd, connection, EPOLLIN | EPOLLOUT);
                wait_for();
                continue;
            }
            position += (size_t)done;
            while (left > 0 && frame < frames->count
                   && frames->starts[frame + 1] <= position) {
                frame++;
                left--;
            }
            if (frame == frames->count)
                frame = position = 0;
        }
        watch(epoll_fd, connection, EPOLLIN);
        for (got = 0; got == 0; got = take_messages(connection))
            wait_for();
    }
    report(asked.n, "");
}

/* Those that stall ask for more than their sockets hold, and read nothing. */
static void
load_broadcast(void)
{
    struct connection **connections = open_all(asked.conns + asked.stalled);
    struct connection *caller = connections[asked.stalled];
    long round, index, got;
    char line[64];

    /* A server may begin to serve a connection after it has answered: the harness asks
     * it whether it knows all. */
    printf("{\"conns\": %ld}\n", asked.conns + asked.stalled);
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) == NULL)
        return;
    for (index = 0; index < asked.stalled; index++) {
        watch(epoll_fd, connections[index], EPOLLHUP);
        send_number(connections[index], 4);
        watch(epoll_fd, connections[index], EPOLLHUP);
    }
    for (round = 0; round < asked.warm + asked.rounds; round++) {
        if (round == asked.warm)
            start_clocks();
        send_number(caller, 0);
        for (got = 0; got < asked.conns;) {
            int count = wait_for();

            for (index = 0; index < count; index++) {
                struct connection *connection = events[index].data.ptr;

                if (events[index].events & EPOLLHUP)
                    fail("the server closed a connection");
                got += take_messages(connection);
            }
        }
    }
    report(asked.conns * asked.rounds, "");
}

static void
begin_to_connect(void)
{
    struct connection *connection = dial(0);
    char request[512];
    size_t size = write_request(request, sizeof request);

    set_nonblocking(connection->fd);
    if (write_some(connection, request, size) != (ssize_t)size)
        fail("cannot send the request");
    watch(epoll_fd, connection, EPOLLIN);
}

static void
load_connect(void)
{
    static const uint8_t close_frame[8] = {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8};
    long warm = asked.n / 10 + AT_A_TIME, total = warm + asked.n, begun, ended = 0;
    int count, index;

    for (begun = 0; begun < AT_A_TIME; begun++)
        begin_to_connect();
    while (ended < total) {
        count = wait_for();
        for (index = 0; index < count; index++) {
            struct connection *connection = events[index].data.ptr;

            if (fill(connection) == IO_END) {
                if (!connection->opened)
                    fail("the server closed during the handshake");
                free_connection(connection, 0);
                if (++ended == warm)
                    start_clocks();
                if (begun < total) {
                    begin_to_connect();
                    begun++;
                }
            }
            else if (!connection->opened && take_response(connection))
                write_some(connection, close_frame, sizeof close_frame);
        }
    }
    report(asked.n, "");
}

static void
load_idle(void)
{
    struct connection **connections = open_all(asked.conns);
    struct epoll_event event = {.events = EPOLLIN};
    long answers = 0, index;
    int count;

    for (index = 0; asked.frames != NULL && index < asked.conns; index++)
        send_frame(connections[index]);
    while (asked.frames != NULL && answers < asked.conns) {
        count = wait_for();
        for (index = 0; index < count; index++)
            answers += take_messages(events[index].data.ptr);
    }
    printf("{\"conns\": %ld}\n", asked.conns);
    fflush(stdout);
    event.data.ptr = NULL;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &event) < 0)
        fail("standard input must be a pipe");
    for (;;) {
        count = wait_for_events(epoll_fd, events, EVENTS);
        for (index = 0; index < count; index++) {
            if (events[index].data.ptr == NULL)
                return;
            take_messages(events[index].data.ptr);
        }
    }
}

int
load(int argc, char **argv)
{
    static const struct {
        const char *name;
        long *value;
    } numbers[] = {
        {"port", &asked.port}, {"pid", &asked.pid},       {"conns", &asked.conns},
        {"warm", &asked.warm}, {"ms", &asked.ms},         {"n", &asked.n},
        {"rounds", &asked.rounds}, {"stalled", &asked.stalled},
    };
    static const struct {
        const char *name;
        void (*run)(void);
    } kinds[] = {
        {"echo", load_echo},       {"count", load_count}, {"broadcast", load_broadcast},
        {"connect", load_connect}, {"idle", load_idle},
    };
    size_t known;
    int index;

    for (index = 1; index < argc; index++) {
        const char *value = strchr(argv[index], '=');
        size_t length = value ? (size_t)(value - argv[index]) : 0;

        if (strcmp(argv[index], "spin") == 0)
            set_spinning(1);
        else if (strcmp(argv[index], "raw") == 0)
            asked.raw = 1;
        else if (strcmp(argv[index], "deflate") == 0)
            asked.deflate = 1;
        else if (strcmp(argv[index], "tls") == 0)
            asked.tls = tls_client_settings();
        else if (value != NULL && strncmp(argv[index], "frames=", 7) == 0)
            asked.frames = read_frames(value + 1);
        else {
            for (known = 0; known < sizeof numbers / sizeof *numbers; known++)
                if (value != NULL && strlen(numbers[known].name) == length
                    && strncmp(argv[index], numbers[known].name, length) == 0)
                    break;
            if (known == sizeof numbers / sizeof *numbers)
                fail("%s: not an argument", argv[index]);
            *numbers[known].value = atol(value + 1);
        }
    }
    epoll_fd = epoll_create1(0);
    for (known = 0; known < sizeof kinds / sizeof *kinds; known++)
        if (strcmp(argv[0], kinds[known].name) == 0) {
            kinds[known].run();
            return 0;
        }
    fail("%s: not a kind of load", argv[0]);
}
