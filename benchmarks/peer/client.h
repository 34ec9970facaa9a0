/* What the clients of a load share: the arguments, the events, and connections.
 *
 * Owns: nothing; client.c and load.c do. Doesn't know: the server.
 */

#ifndef CLIENT_H
#define CLIENT_H

#include "peer.h"

#define EVENTS 512

struct asked {
    long port, pid, conns, warm, ms, n, rounds, stalled;
    int raw, deflate;
    void *tls;
    struct frames *frames;
};

extern struct asked asked;
extern int epoll_fd;
extern struct epoll_event events[EVENTS];
extern unsigned long long received; /* bytes of frames */

int wait_for(void);
struct connection *dial(int small);
size_t write_request(char *request, size_t room);
int take_response(struct connection *connection);
struct connection **open_all(long count);
void send_frame(struct connection *connection);
void send_number(struct connection *connection, long number);
long take_messages(struct connection *connection);

#endif
