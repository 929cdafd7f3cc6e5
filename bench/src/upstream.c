// A provider that costs nothing: one thread, epoll, keep-alive, canned answers.
//
//   upstream DIRECTORY
//
// Prints the loopback port that it was given, then answers every request from DIRECTORY: with `chat` or `messages` by
// the last word of the path, with `chat.stream` or `messages.stream` where the body asks for a stream. The files hold
// whole HTTP responses. A request must say its length.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST_CONNECTIONS 4096
#define LARGEST_REQUEST (1 << 20)

typedef struct {
  const char *bytes;
  int length;
} Answer;

typedef struct {
  char *in;
  int have;
  Answer left; // what the socket did not take yet
} Connection;

static Connection connections[MOST_CONNECTIONS];
static Answer chat, chat_stream, messages, messages_stream;
static int poller;

static Answer load(const char *directory, const char *name) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  FILE *file = fopen(path, "rb");
  if (!file) { perror(path); exit(1); }
  char *bytes = malloc(1 << 20);
  Answer answer = {bytes, (int)fread(bytes, 1, 1 << 20, file)};
  fclose(file);
  return answer;
}

static void watch(int fd, int operation, unsigned events) {
  struct epoll_event event = {.events = events, .data.fd = fd};
  epoll_ctl(poller, operation, fd, &event);
}

static void drop(int fd) {
  connections[fd].have = 0;
  connections[fd].left.length = 0;
  close(fd);
}

static void send_left(int fd) {
  Answer *left = &connections[fd].left;
  ssize_t sent = send(fd, left->bytes, left->length, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) { drop(fd); return; }
  if (sent > 0) { left->bytes += sent; left->length -= sent; }
  watch(fd, EPOLL_CTL_MOD, left->length ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static Answer answer_to(const char *head, int head_length, const char *body, int body_length) {
  const char *end = memchr(head, '\r', head_length);
  int streams = memmem(body, body_length, "\"stream\":true", 13) || memmem(body, body_length, "\"stream\": true", 14);
  if (memmem(head, end - head, "/messages", 9)) return streams ? messages_stream : messages;
  return streams ? chat_stream : chat;
}

static void serve(int fd) {
  Connection *connection = &connections[fd];
  connection->in[connection->have] = 0;
  char *blank = memmem(connection->in, connection->have, "\r\n\r\n", 4);
  if (!blank) return;
  int head_length = blank + 4 - connection->in;
  char *said = strcasestr(connection->in, "\r\ncontent-length:");
  int body_length = said && said < blank ? atoi(said + 17) : 0;
  if (connection->have < head_length + body_length) return;
  Answer answer = answer_to(connection->in, head_length, connection->in + head_length, body_length);
  connection->have = 0; // no pipelining: a client waits for its answer
  ssize_t sent = send(fd, answer.bytes, answer.length, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) { drop(fd); return; }
  if (sent < 0) sent = 0;
  if (sent == answer.length) return;
  connection->left = (Answer){answer.bytes + sent, answer.length - sent};
  watch(fd, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

static void receive(int fd) {
  Connection *connection = &connections[fd];
  ssize_t got = recv(fd, connection->in + connection->have, LARGEST_REQUEST - connection->have, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) { drop(fd); return; }
  connection->have += got;
  serve(fd);
}

static void admit(int listener) {
  int fd, yes = 1;
  while ((fd = accept4(listener, 0, 0, SOCK_NONBLOCK)) >= 0) {
    if (fd >= MOST_CONNECTIONS) { close(fd); continue; }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (!connections[fd].in) connections[fd].in = malloc(LARGEST_REQUEST + 1);
    watch(fd, EPOLL_CTL_ADD, EPOLLIN);
  }
}

int main(int argc, char **argv) {
  if (argc != 2) { fprintf(stderr, "usage: upstream DIRECTORY\n"); return 2; }
  chat = load(argv[1], "chat");
  chat_stream = load(argv[1], "chat.stream");
  messages = load(argv[1], "messages");
  messages_stream = load(argv[1], "messages.stream");
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (bind(listener, (void *)&address, size) || listen(listener, 1024)) { perror("listen"); return 1; }
  getsockname(listener, (void *)&address, &size);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  poller = epoll_create1(0);
  watch(listener, EPOLL_CTL_ADD, EPOLLIN);
  struct epoll_event events[256];
  for (;;) {
    int ready = epoll_wait(poller, events, 256, -1);
    for (int i = 0; i < ready; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) admit(listener);
      else if (events[i].events & EPOLLOUT && connections[fd].left.length) send_left(fd);
      else receive(fd);
    }
  }
}
