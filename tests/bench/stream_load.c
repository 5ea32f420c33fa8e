/* The load of `scripts/bench stream`: many clients on one epoll, each of them one stream.
 *
 *   stream_load sse|socketio PORT CLIENTS TOKEN TARGET...
 *
 * Client i opens TARGET[i % targets]: as Server-Sent Events with TOKEN as its bearer, or as a
 * WebSocket that speaks Engine.IO and Socket.IO and says TOKEN when it connects. It prints
 * {"connected": N}, then obeys lines on stdin, each answered by a line of JSON:
 *
 *   reset   forget what was counted
 *   read    tell deliveries, the nanoseconds from the first to the last, how late they were
 *
 * An event carries "ts":"<20 digits>", nanoseconds of CLOCK_MONOTONIC; it is found in the bytes
 * as they come, wherever they are cut. Frames are not parsed: nothing is compressed, a server
 * does not mask, and its pings are answered by nobody (they are further apart than a run).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define KEY "\"ts\":\""
enum {
    KEY_BYTES = sizeof KEY - 1,
    DIGITS = 20,
    MARK_BYTES = KEY_BYTES + DIGITS,
    READ_BYTES = 1 << 18,
    HANDSHAKE_BYTES = 16384,
    HANDSHAKE_SECONDS = 10,
    MICROSECONDS = 5000000, /* later than this counts as this */
    EVENTS = 512,
    STDIN = UINT32_MAX >> 1,
};

struct client {
    int fd;
    int carried;
    char carry[MARK_BYTES]; /* the beginning of a mark whose end has not come yet */
};

static struct client *clients;
static uint32_t *late; /* deliveries by microseconds */
static uint64_t count, first, last, latest;
static unsigned closed;
static char room[MARK_BYTES + READ_BYTES], *const chunk = room + MARK_BYTES;

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fail(const char *what)
{
    fprintf(stderr, "stream_load: %s (%s)\n", what, strerror(errno));
    exit(1);
}

static void note(const char *digits, uint64_t at)
{
    uint64_t sent = 0;
    for (int i = 0; i < DIGITS; i++)
        sent = sent * 10 + (uint64_t)(digits[i] - '0');
    uint64_t us = at > sent ? (at - sent) / 1000 : 0;
    if (us > latest)
        latest = us;
    late[us < MICROSECONDS ? us : MICROSECONDS - 1]++;
    if (!count++)
        first = at;
    last = at;
}

/* Count the marks in what was carried and the `length` bytes of `chunk`; carry a cut one. */
static void scan(struct client *c, size_t length, uint64_t at)
{
    char *from = chunk - c->carried, *end = chunk + length;
    memcpy(from, c->carry, (size_t)c->carried);
    char *mark;
    while ((mark = memmem(from, (size_t)(end - from), KEY, KEY_BYTES)) != NULL) {
        if (end - mark < MARK_BYTES)
            break;
        note(mark + KEY_BYTES, at);
        from = mark + MARK_BYTES;
    }
    if (mark == NULL)
        mark = end - from < KEY_BYTES ? from : end - (KEY_BYTES - 1);
    c->carried = (int)(end - mark);
    memcpy(c->carry, mark, (size_t)c->carried);
}

static uint64_t percentile(double share)
{
    uint64_t wanted = (uint64_t)((double)count * share), seen = 0;
    for (unsigned us = 0; us < MICROSECONDS; us++)
        if ((seen += late[us]) > wanted)
            return us;
    return 0;
}

static void send_all(int fd, const char *bytes, size_t length)
{
    if (write(fd, bytes, length) != (ssize_t)length)
        fail("a request was not taken");
}

/* Read until `wanted` has come; what else came with it is no event yet. */
static void await_text(int fd, const char *wanted)
{
    static char got[HANDSHAKE_BYTES];
    size_t length = 0;
    while (memmem(got, length, wanted, strlen(wanted)) == NULL) {
        ssize_t n = read(fd, got + length, sizeof got - length);
        if (n <= 0) {
            fprintf(stderr, "stream_load: no %s in: %.*s\n", wanted, (int)length, got);
            exit(1);
        }
        length += (size_t)n;
    }
}

/* A masked text frame; a mask of zeros leaves the text as it is. */
static void send_frame(int fd, const char *text)
{
    unsigned char frame[256] = {0x81};
    size_t length = strlen(text);
    if (length > 125)
        fail("the token is too long");
    frame[1] = (unsigned char)(0x80 | length);
    memcpy(frame + 6, text, length);
    send_all(fd, (char *)frame, 6 + length);
}

static int open_client(int socketio, int port, const char *token, const char *target)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval patience = {HANDSHAKE_SECONDS, 0};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&to, sizeof to))
        fail("connect");
    char request[2048], hello[200];
    const char *rest = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    char bearer[512];
    snprintf(bearer, sizeof bearer, "Accept: text/event-stream\r\nAuthorization: Bearer %s\r\n",
             token);
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n", target,
             port, socketio ? rest : bearer);
    send_all(fd, request, strlen(request));
    if (socketio) {
        await_text(fd, "0{\"sid\"");
        snprintf(hello, sizeof hello, "40{\"token\":\"%s\"}", token);
        send_frame(fd, hello);
        await_text(fd, "40{\"sid\"");
    } else {
        await_text(fd, "event: hello");
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void receive(int epoll, struct client *c)
{
    ssize_t n = recv(c->fd, chunk, READ_BYTES, 0);
    if (n > 0) {
        scan(c, (size_t)n, now());
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        epoll_ctl(epoll, EPOLL_CTL_DEL, c->fd, NULL);
        close(c->fd);
        closed++;
    }
}

static void obey(const char *line)
{
    if (!strcmp(line, "reset")) {
        count = first = last = latest = 0;
        memset(late, 0, MICROSECONDS * sizeof *late);
    }
    printf("{\"count\": %lu, \"nanoseconds\": %lu, \"p50\": %lu, \"p99\": %lu, \"most\": %lu, "
           "\"closed\": %u}\n",
           count, last - first, percentile(.5), percentile(.99), latest, closed);
    fflush(stdout);
}

static void listen_to_stdin(void)
{
    static char line[64];
    static size_t length;
    char got[256];
    ssize_t n = read(0, got, sizeof got);
    if (n <= 0)
        exit(0);
    for (ssize_t i = 0; i < n; i++) {
        if (got[i] != '\n') {
            if (length < sizeof line - 1)
                line[length++] = got[i];
            continue;
        }
        line[length] = 0;
        length = 0;
        obey(line);
    }
}

int main(int argc, char **argv)
{
    if (argc < 6)
        return 2;
    int socketio = !strcmp(argv[1], "socketio"), port = atoi(argv[2]), n = atoi(argv[3]);
    clients = calloc((size_t)n, sizeof *clients);
    late = calloc(MICROSECONDS, sizeof *late);
    int epoll = epoll_create1(0);
    if (clients == NULL || late == NULL || epoll < 0)
        fail("start");
    for (int i = 0; i < n; i++) {
        clients[i].fd = open_client(socketio, port, argv[4], argv[5 + i % (argc - 5)]);
        struct epoll_event one = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &one);
    }
    struct epoll_event orders = {.events = EPOLLIN, .data.u32 = STDIN}, events[EVENTS];
    epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &orders);
    printf("{\"connected\": %d}\n", n);
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++)
            if (events[i].data.u32 == STDIN)
                listen_to_stdin();
            else
                receive(epoll, &clients[events[i].data.u32]);
    }
}
