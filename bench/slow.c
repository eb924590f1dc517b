/*
 * slow.c
 *		An HTTP server that takes its time: slow
 *
 * Listens on a free port of 127.0.0.1, which it prints.  GET /N is answered after N milliseconds, GET /hang never.
 * One process, one epoll set; it ends with its parent.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_FDS 20000
#define MAX_REQUEST 8192

/* A connection, and its place among those that will be answered, the next one first. */
typedef struct Connection
{
	int			fd;
	size_t		size;
	double		due;			/* 0: no answer is due */
	struct Connection *next;
	struct Connection *previous;
	char		request[MAX_REQUEST];
} Connection;

static Connection *connections[MAX_FDS];
static Connection *first = NULL;
static Connection *last = NULL;
static int	epoll;

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nlate\n";

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec * 1000 + (double) t.tv_nsec / 1e6;
}

static void
fail(const char *what)
{
	perror(what);
	exit(1);
}

static void
watch(int fd)
{
	struct epoll_event event = {.events = EPOLLIN,.data.fd = fd};

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		fail("epoll_ctl");
}

/* Most have the same delay, so the place is near the end. */
static void
enqueue(Connection *connection)
{
	Connection *before = last;

	while (before != NULL && before->due > connection->due)
		before = before->previous;
	connection->previous = before;
	connection->next = before != NULL ? before->next : first;
	if (before != NULL)
		before->next = connection;
	else
		first = connection;
	if (connection->next != NULL)
		connection->next->previous = connection;
	else
		last = connection;
}

static void
dequeue(Connection *connection)
{
	if (connection->due == 0)
		return;
	if (connection->previous != NULL)
		connection->previous->next = connection->next;
	else
		first = connection->next;
	if (connection->next != NULL)
		connection->next->previous = connection->previous;
	else
		last = connection->previous;
	connection->due = 0;
}

static void
close_connection(Connection *connection)
{
	dequeue(connection);
	connections[connection->fd] = NULL;
	close(connection->fd);
	free(connection);
}

static void
take_connections(int listener)
{
	int			fd;
	int			on = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
	{
		if (fd >= MAX_FDS || (connections[fd] = calloc(1, sizeof(Connection))) == NULL)
		{
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		connections[fd]->fd = fd;
		watch(fd);
	}
}

static void
read_request(Connection *connection)
{
	ssize_t		n = read(connection->fd, connection->request + connection->size, MAX_REQUEST - 1 - connection->size);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
	{
		close_connection(connection);
		return;
	}
	connection->size += (size_t) n;
	connection->request[connection->size] = '\0';
	if (strstr(connection->request, "\r\n\r\n") == NULL)
		return;
	connection->size = 0;
	if (strncmp(connection->request, "GET /hang", 9) == 0)
		return;
	connection->due = now() + atoi(connection->request + 5);
	enqueue(connection);
}

static void
answer_due(void)
{
	double		time = now();

	while (first != NULL && first->due <= time)
	{
		Connection *connection = first;

		dequeue(connection);
		if (write(connection->fd, answer, sizeof(answer) - 1) < 0)
			close_connection(connection);
	}
}

static int
listen_somewhere(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t	size = sizeof(address);
	int			fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *) &address, size) != 0 || listen(fd, 4096) != 0 ||
		getsockname(fd, (struct sockaddr *) &address, &size) != 0)
		fail("listen");
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

int
main(void)
{
	struct epoll_event events[256];
	int			listener = listen_somewhere();

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	epoll = epoll_create1(0);
	watch(listener);
	for (;;)
	{
		int			wait = first == NULL ? -1 : (int) (first->due - now()) + 1;
		int			n = epoll_wait(epoll, events, 256, first != NULL && wait < 0 ? 0 : wait);

		for (int i = 0; i < n; i++)
		{
			int			fd = events[i].data.fd;

			if (fd == listener)
				take_connections(listener);
			else if (connections[fd] != NULL)
				read_request(connections[fd]);
		}
		answer_due();
	}
}
