/* The peer of every measured process: an epoll server and load generators.
 *
 * Owns: what the files of this program share. Doesn't know: which library it talks to.
 *
 * It is made not to be the slower side: no allocation and no needless system call per
 * message, frames that are prepared by the harness, and polling without blocking for
 * some milliseconds after each event, so that the measured process isn't charged for
 * waking another core.
 */

#ifndef PEER_H
#define PEER_H

#define _GNU_SOURCE

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

/* Exit status: the machine doesn't allow what was asked for. */
#define NOT_ALLOWED 3

/* Longest silence, in seconds, of somebody who is being waited for. */
#define PATIENCE 30

struct buffer {
    uint8_t *data;
    size_t start, end, capacity;
};

struct connection {
    int fd;
    void *tls;
    int opened, closing, wants_write;
    uint32_t events;
    struct buffer in, out;
    /* of a server's connection */
    int (*behaviour)(struct connection *);
    long count, seen, left;
    size_t frame, position;
    const struct frames *frames;
    /* of a client's connection */
    double sent_at;
};

/* A file of prepared frames: each is preceded by its length in four bytes. */
struct frames {
    uint8_t *data;
    size_t *starts; /* one more than there are frames */
    size_t count;
};

/* system.c */
void fail(const char *what, ...) __attribute__((noreturn, format(printf, 1, 2)));
void *allocate(size_t size);
double now(void);
double cpu_of(pid_t pid);
void set_spinning(int on);
int wait_for_events(int epoll, struct epoll_event *events, int room);
void watch(int epoll, struct connection *connection, uint32_t events);
void allow_descriptors(long count);
struct frames *read_frames(const char *path);
void reserve(struct buffer *buffer, size_t room);
void append(struct buffer *buffer, const void *data, size_t size);
void consume(struct buffer *buffer, size_t size);

/* tls.c: without OpenSSL each of these fails, and TLS_AVAILABLE is 0 */
extern const int TLS_AVAILABLE;
void *tls_server_settings(const char *certificate);
void *tls_client_settings(void);
void tls_start(struct connection *connection, void *settings, int server);
int tls_handshake(struct connection *connection);
ssize_t tls_read(struct connection *connection, void *data, size_t size);
ssize_t tls_write(struct connection *connection, const void *data, size_t size);
void tls_free(struct connection *connection);

/* connection.c */
enum { IO_END = 0, IO_AGAIN = -1 };
struct connection *new_connection(int fd);
void free_connection(struct connection *connection, int reset);
ssize_t read_some(struct connection *connection, void *data, size_t size);
ssize_t write_some(struct connection *connection, const void *data, size_t size);
int fill(struct connection *connection);
int flush(struct connection *connection, int epoll);
void set_nonblocking(int fd);

/* frames.c */
struct frame {
    uint8_t *head, *payload, *key; /* key is NULL when it isn't masked */
    size_t size;
    int opcode;
};
int next_frame(struct buffer *buffer, struct frame *frame, size_t *missing);
void unmask(uint8_t *data, size_t size, const uint8_t *key);
size_t write_head(uint8_t *head, uint8_t first, size_t size);
void accept_value(const char *key, char value[29]);

/* server.c and load.c */
int serve(int argc, char **argv);
int load(int argc, char **argv);

#endif
