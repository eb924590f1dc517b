/*
 * multi.c
 *		What libcurl itself does in a second: multi URL COUNT CONCURRENCY
 *
 * The floor of the measure `http`: GET requests with nothing around them, one multi handle, so many at a time,
 * connections kept.  Both ways to drive a multi handle are tried; prints the requests a second of
 * the faster one.  Handles are used again, as a program would that wants to be fast.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

static const char *url;
static int	count;				/* requests in all */
static int	begun;
static int	done;
static int	epoll;
static long timer = -1;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void
fail(const char *what)
{
	fprintf(stderr, "multi: %s\n", what);
	exit(1);
}

static size_t
take(char *data, size_t size, size_t n, void *sum)
{
	(void) data;
	*(size_t *) sum += size * n;
	return size * n;
}

static void
begin(CURLM *multi, CURL *easy)
{
	if (begun == count)
		return;
	begun++;
	if (curl_multi_add_handle(multi, easy) != CURLM_OK)
		fail("cannot add a handle");
}

static CURL *
make_easy(size_t *sum)
{
	CURL	   *easy = curl_easy_init();

	if (easy == NULL)
		fail("no memory");
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, sum);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	return easy;
}

/* Those that are over make room for the next. */
static void
turn_over(CURLM *multi)
{
	CURLMsg    *message;
	int			left;

	while ((message = curl_multi_info_read(multi, &left)) != NULL)
	{
		CURL	   *easy = message->easy_handle;
		long		status = 0;

		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
		if (message->data.result != CURLE_OK || status != 200)
			fail(message->data.result != CURLE_OK ? curl_easy_strerror(message->data.result) : "another status than 200");
		done++;
		curl_multi_remove_handle(multi, easy);
		begin(multi, easy);
	}
}

static void
drive_by_perform(CURLM *multi)
{
	int			running;

	while (done < count)
	{
		curl_multi_perform(multi, &running);
		turn_over(multi);
		if (done < count)
			curl_multi_poll(multi, NULL, 0, 1000, NULL);
	}
}

static int
watch(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user)
{
	struct epoll_event event = {.data.fd = fd};

	(void) easy;
	(void) user;
	(void) socket_user;
	if (what == CURL_POLL_REMOVE)
		return epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL), 0;
	event.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
	if (epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) != 0)
		epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
	return 0;
}

static int
note_timer(CURLM *multi, long milliseconds, void *user)
{
	(void) multi;
	(void) user;
	timer = milliseconds;
	return 0;
}

static void
drive_by_sockets(CURLM *multi)
{
	struct epoll_event events[256];
	int			running;

	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, note_timer);
	curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
	while (done < count)
	{
		int			n = epoll_wait(epoll, events, 256, timer < 0 || timer > 1000 ? 1000 : (int) timer);

		if (n == 0 || timer == 0)
			curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
		for (int i = 0; i < n; i++)
			curl_multi_socket_action(multi, events[i].data.fd,
									 (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0),
									 &running);
		turn_over(multi);
	}
}

static double
rate_of(void (*drive) (CURLM *multi), int concurrency)
{
	CURLM	   *multi = curl_multi_init();
	CURL	  **easies = malloc(sizeof(CURL *) * (size_t) concurrency);
	size_t		sum = 0;
	double		start;

	if (multi == NULL || easies == NULL)
		fail("no memory");
	begun = done = 0;
	timer = -1;
	epoll = epoll_create1(0);
	for (int i = 0; i < concurrency; i++)
		easies[i] = make_easy(&sum);
	start = now();
	for (int i = 0; i < concurrency; i++)
		begin(multi, easies[i]);
	drive(multi);
	start = now() - start;
	for (int i = 0; i < concurrency; i++)
		curl_easy_cleanup(easies[i]);
	curl_multi_cleanup(multi);
	close(epoll);
	free(easies);
	return count / start;
}

int
main(int argc, char **argv)
{
	double		by_perform;
	double		by_sockets;

	if (argc != 4)
		fail("usage: multi URL COUNT CONCURRENCY");
	url = argv[1];
	count = atoi(argv[2]);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	by_perform = rate_of(drive_by_perform, atoi(argv[3]));
	by_sockets = rate_of(drive_by_sockets, atoi(argv[3]));
	printf("%.0f\n", by_perform > by_sockets ? by_perform : by_sockets);
	return 0;
}
