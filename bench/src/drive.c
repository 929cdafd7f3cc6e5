// A closed loop of HTTP/1.1 requests over keep-alive connections: one thread, epoll.
//
//   drive PORT PATH BODY_FILE CONNECTIONS WARMUP_S SECONDS
//
// Prints one JSON object. `all` counts the answers of the warm-up too; the rest is of what was sent after it. Times
// are microseconds: `first` to the first byte of the body, `whole` to its last. `bad` counts every answer but 200 and
// every connection that broke. Where the body has `########`, each request has its own number there.
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD, COUNTED, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILER }; // which part of an answer comes next

typedef struct {
  int fd, part, line; // `line`: characters of a trailer line
  long left;          // bytes of the body, or of this chunk
  char head[16384];
  int have;
  double sent_at, first_at;
} Connection;

static int port, poller, request_length;
static char *request, *serial;
static float *first, *whole;
static long measured, room, all, bad;
static double measure_from;

static double now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec + at.tv_nsec * 1e-9;
}

static void number(void) {
  static unsigned asked;
  char digits[9];
  if (!serial) return;
  snprintf(digits, sizeof digits, "%08u", asked++ % 100000000);
  memcpy(serial, digits, 8);
}

static void ask(Connection *c) {
  number();
  c->part = HEAD;
  c->have = 0;
  c->first_at = 0;
  c->sent_at = now();
  if (send(c->fd, request, request_length, MSG_NOSIGNAL) != request_length) bad++;
}

static void dial(Connection *c) {
  int yes = 1;
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (connect(c->fd, (void *)&address, sizeof address)) { perror("connect"); exit(1); }
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
}

static void note(Connection *c) {
  double at = now();
  all++;
  if (memcmp(c->head + 8, " 200", 4)) bad++;
  if (c->sent_at < measure_from) return;
  if (measured == room) {
    room = room ? room * 2 : 65536;
    first = realloc(first, room * sizeof *first);
    whole = realloc(whole, room * sizeof *whole);
  }
  first[measured] = (float)(((c->first_at ? c->first_at : at) - c->sent_at) * 1e6);
  whole[measured++] = (float)((at - c->sent_at) * 1e6);
}

// Takes the head from the data; gives how much of the data belongs to it, -1 where the head has not ended.
static int take_head(Connection *c, const char *data, int length) {
  int before = c->have, most = (int)sizeof c->head - 1 - before;
  int taken = length < most ? length : most;
  memcpy(c->head + before, data, taken);
  c->have += taken;
  c->head[c->have] = 0;
  char *blank = memmem(c->head, c->have, "\r\n\r\n", 4);
  if (!blank) return -1;
  blank[2] = 0;
  char *said = strcasestr(c->head, "\r\ncontent-length:");
  c->part = said ? COUNTED : CHUNK_SIZE;
  c->left = said ? atol(said + 17) : 0;
  return (int)(blank + 4 - c->head) - before;
}

// Takes bytes of an answer; gives 1 when it is whole.
static int take(Connection *c, const char *data, int length) {
  if (c->part == HEAD) {
    int used = take_head(c, data, length);
    if (used < 0) return 0;
    data += used;
    length -= used;
    if (c->part == COUNTED && c->left == 0) return 1;
  }
  if (length > 0 && !c->first_at) c->first_at = now();
  while (length > 0) {
    long step = 1;
    switch (c->part) {
      case COUNTED:
        return (c->left -= length) <= 0;
      case CHUNK_SIZE:
        if (*data == '\n') { c->part = c->left ? CHUNK : TRAILER; c->line = 0; }
        else if (*data != '\r') c->left = c->left * 16 + (*data <= '9' ? *data - '0' : (*data | 32) - 'a' + 10);
        break;
      case CHUNK:
        step = length < c->left ? length : c->left;
        if (!(c->left -= step)) c->part = CHUNK_END;
        break;
      case CHUNK_END:
        if (*data == '\n') c->part = CHUNK_SIZE;
        break;
      case TRAILER:
        if (*data == '\n') { if (!c->line) return 1; c->line = 0; }
        else if (*data != '\r') c->line++;
        break;
    }
    data += step;
    length -= step;
  }
  return 0;
}

static int ascending(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static double quantile(const float *sorted, double share) {
  return measured ? sorted[(long)(share * (measured - 1) + 0.5)] : 0;
}

static void compose(const char *path, const char *file) {
  static char body[1 << 20];
  FILE *opened = fopen(file, "rb");
  if (!opened) { perror(file); exit(1); }
  int length = (int)fread(body, 1, sizeof body - 1, opened);
  fclose(opened);
  request_length = asprintf(&request,
      "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: OpenAI/Python 3.0\r\nAccept: application/json\r\n"
      "Accept-Encoding: identity\r\nAuthorization: Bearer sk-of-a-caller\r\nContent-Type: application/json\r\n"
      "Content-Length: %d\r\n\r\n%s", path, port, length, body);
  serial = strstr(request, "########");
}

int main(int argc, char **argv) {
  if (argc != 7) { fprintf(stderr, "usage: drive PORT PATH BODY_FILE CONNECTIONS WARMUP_S SECONDS\n"); return 2; }
  port = atoi(argv[1]);
  compose(argv[2], argv[3]);
  int count = atoi(argv[4]);
  Connection *connections = calloc(count, sizeof *connections);
  poller = epoll_create1(0);
  measure_from = now() + atof(argv[5]);
  double end = measure_from + atof(argv[6]);
  for (int i = 0; i < count; i++) { dial(&connections[i]); ask(&connections[i]); }
  static char data[262144];
  struct epoll_event events[256];
  while (now() < end) {
    int ready = epoll_wait(poller, events, 256, 50);
    for (int i = 0; i < ready; i++) {
      Connection *c = events[i].data.ptr;
      ssize_t got = recv(c->fd, data, sizeof data, MSG_DONTWAIT);
      if (got < 0 && errno == EAGAIN) continue;
      if (got <= 0) { bad++; close(c->fd); dial(c); ask(c); continue; }
      if (take(c, data, (int)got)) { note(c); ask(c); }
    }
  }
  double seconds = now() - measure_from;
  if (measured) {
    qsort(first, measured, sizeof *first, ascending);
    qsort(whole, measured, sizeof *whole, ascending);
  }
  printf("{\"all\": %ld, \"bad\": %ld, \"requests_per_s\": %.1f, \"first_p50_us\": %.1f, \"first_p99_us\": %.1f, "
         "\"whole_p50_us\": %.1f, \"whole_p99_us\": %.1f}\n",
         all, bad, measured / seconds, quantile(first, .5), quantile(first, .99), quantile(whole, .5),
         quantile(whole, .99));
  return 0;
}
