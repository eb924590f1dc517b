/*
 * netloop.c
 *		Sockets and timers: curl_multi_socket_action() over an epoll descriptor.
 *
 * The descriptor is one event of a WaitEventSet, beside the latch: a WaitEventSet cannot
 * drop a socket, and libcurl's own waiting does not see latches.  A socket of a connection
 * that goes back to the cache stays registered until it is closed or something
 * comes in that nobody wants: the next transfer on it costs no system call.
 */
#include "netparts.h"

#include <sys/epoll.h>
#include <unistd.h>

#include "compat.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#define EVENTS_AT_A_TIME 128

/* ---- the set ---- */

/* The entry of a descriptor; NULL: no memory. */
static JoNetSocket *
find_socket(JoNetClient *client, int fd)
{
	int			n = Max(client->nsockets, 64);
	JoNetSocket *grown;

	if (fd < client->nsockets)
		return &client->sockets[fd];
	while (n <= fd)
		n *= 2;
	grown = realloc(client->sockets, n * sizeof(JoNetSocket));
	if (grown == NULL)
		return NULL;
	memset(grown + client->nsockets, 0, (n - client->nsockets) * sizeof(JoNetSocket));
	client->sockets = grown;
	client->nsockets = n;
	return &client->sockets[fd];
}

/* False: the kernel would not. */
static bool
register_socket(JoNetClient *client, int fd, JoNetSocket *socket, uint32 events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};
	int			operation = socket->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (events == 0)
	{
		/* it may be closed already */
		epoll_ctl(client->epoll, EPOLL_CTL_DEL, fd, &event);
		socket->registered = 0;
		return true;
	}
	if (epoll_ctl(client->epoll, operation, fd, &event) != 0)
	{
		/* closed by libcurl itself and opened again, or the other way round */
		operation = errno == ENOENT ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
		if (epoll_ctl(client->epoll, operation, fd, &event) != 0)
		{
			socket->registered = 0;
			return false;
		}
	}
	socket->registered = events;
	return true;
}

/* CURLMOPT_SOCKETFUNCTION.  To fail here would end the whole multi handle. */
static int
watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
	JoNetClient *client = arg;
	JoNetSocket *socket = find_socket(client, fd);
	JoNetTransfer *transfer = NULL;
	uint32		events = 0;
	bool		ok = socket != NULL;

	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		events |= EPOLLIN;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		events |= EPOLLOUT;
	if (ok)
	{
		socket->wanted = events;
		if (events == 0 && socket->ours && socket->registered == EPOLLIN)
			return 0;
		if (events != socket->registered)
			ok = register_socket(client, fd, socket, events);
	}
	if (!ok && curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer) == CURLE_OK && transfer != NULL)
	{
		transfer->no_socket = true;
		jo_net_note_change(transfer);
	}
	return 0;
}

void
jo_net_opened_socket(JoNetClient *client, int fd)
{
	JoNetSocket *socket = find_socket(client, fd);

	if (socket != NULL)
		*socket = (JoNetSocket) {.ours = true};
}

/* CURLOPT_CLOSESOCKETFUNCTION; closing also takes it out of the epoll set. */
int
jo_net_close_socket(void *arg, curl_socket_t fd)
{
	JoNetClient *client = arg;

	if (fd < client->nsockets)
		client->sockets[fd] = (JoNetSocket) {0};
	return close(fd);
}

/* CURLMOPT_TIMERFUNCTION */
static int
set_curl_timer(CURLM *multi, long milliseconds, void *arg)
{
	JoNetClient *client = arg;

	client->curl_timer = milliseconds < 0 ? PG_INT64_MAX : jo_net_now() + (int64) milliseconds * 1000;
	return 0;
}

bool
jo_net_loop_create(JoNetClient *client)
{
	client->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (client->epoll < 0)
		return false;
	return curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, watch_socket) == CURLM_OK &&
		curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client) == CURLM_OK &&
		curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, set_curl_timer) == CURLM_OK &&
		curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client) == CURLM_OK;
}

void
jo_net_loop_destroy(JoNetClient *client)
{
	if (client->wait_set != NULL)
		FreeWaitEventSet(client->wait_set);
	if (client->epoll >= 0)
		close(client->epoll);
	free(client->sockets);
}

/* ---- deadlines of our own: total, first byte, idle ---- */

/* The next time at which something may be over; PG_INT64_MAX: never. */
static int64
deadline_of(JoNetTransfer *transfer)
{
	const JoNetRequest *request = transfer->request;
	bool		http = (transfer->scheme & (JO_SCHEME_HTTP | JO_SCHEME_HTTPS)) != 0;
	int64		deadline = PG_INT64_MAX;
	int64		limit;

	if (request->total_timeout > 0)
		deadline = transfer->begun + (int64) request->total_timeout * 1000;
	if (transfer->state != JO_NET_RUNNING || !transfer->connected || transfer->receive_paused || transfer->send_paused)
		return deadline;

	/* the others speak from the beginning: only silence counts there */
	limit = http && !transfer->began ? request->first_byte_timeout : request->idle_timeout;
	if (!http && !transfer->began && request->first_byte_timeout > 0 && (limit == 0 || request->first_byte_timeout < limit))
		limit = request->first_byte_timeout;
	if (limit > 0)
		deadline = Min(deadline, transfer->active_at + limit * 1000);
	return deadline;
}

void
jo_net_note_deadline(JoNetTransfer *transfer)
{
	int64		deadline = deadline_of(transfer);

	if (deadline < transfer->client->next_deadline)
		transfer->client->next_deadline = deadline;
}

/* What is sent from memory tells us nothing, so it is looked up when time seems to be over. */
static bool
has_sent(JoNetTransfer *transfer)
{
	curl_off_t	sent = 0;

	if (transfer->state != JO_NET_RUNNING ||
		curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_UPLOAD_T, &sent) != CURLE_OK ||
		sent == transfer->uploaded)
		return false;
	transfer->uploaded = sent;
	transfer->active_at = jo_net_now();
	return true;
}

static void
time_out(JoNetTransfer *transfer, int64 now)
{
	const JoNetRequest *request = transfer->request;
	char		message[128];
	char		place[300];

	jo_net_format_place(transfer, place, sizeof(place));
	if (request->total_timeout > 0 && now >= transfer->begun + (int64) request->total_timeout * 1000)
		snprintf(message, sizeof(message), "not finished within %ld ms%s", request->total_timeout,
				 transfer->state == JO_NET_WAITING ? " (it waited for a connection)" : "");
	else if (!transfer->began)
		snprintf(message, sizeof(message), "no response within %ld ms", request->first_byte_timeout > 0 ?
				 request->first_byte_timeout : request->idle_timeout);
	else
		snprintf(message, sizeof(message), "no byte came for %ld ms", request->idle_timeout);
	snprintf(transfer->response.message, sizeof(transfer->response.message), "%s: %s", place, message);
	jo_net_finish(transfer, JO_NET_TIMEOUT);
}

/* Looks at all transfers, but only when the nearest deadline of an earlier look is over. */
static void
check_deadlines(JoNetClient *client)
{
	int64		now = jo_net_now();
	dlist_mutable_iter iter;

	if (now < client->next_deadline)
		return;
	client->next_deadline = PG_INT64_MAX;
	dlist_foreach_modify(iter, &client->open)
	{
		JoNetTransfer *transfer = dlist_container(JoNetTransfer, node, iter.cur);

		if (transfer->state == JO_NET_DONE)
			continue;
		if (deadline_of(transfer) <= now)
			has_sent(transfer);
		if (deadline_of(transfer) <= now)
			time_out(transfer, now);
		else
			jo_net_note_deadline(transfer);
	}
}

/* ---- moving ---- */

static void
act(JoNetClient *client, curl_socket_t fd, int what)
{
	int			running;

	curl_multi_socket_action(client->multi, fd, what, &running);
}

/* libcurl tells a time only when it is another than before: what came too early is asked for. */
static void
run_curl_timer(JoNetClient *client)
{
	long		milliseconds = -1;

	if (client->curl_timer > jo_net_now())
		return;
	client->curl_timer = PG_INT64_MAX;
	act(client, CURL_SOCKET_TIMEOUT, 0);
	if (client->curl_timer == PG_INT64_MAX && curl_multi_timeout(client->multi, &milliseconds) == CURLM_OK)
		set_curl_timer(client->multi, milliseconds, client);
}

static void
sweep_sockets(JoNetClient *client)
{
	struct epoll_event events[EVENTS_AT_A_TIME];
	int			n = epoll_wait(client->epoll, events, EVENTS_AT_A_TIME, 0);

	for (int i = 0; i < n; i++)
	{
		int			fd = events[i].data.fd;
		int			what = 0;	/* an error alone: libcurl looks itself */

		if (client->sockets[fd].wanted == 0)
		{
			/* a connection in the cache was closed by the other side; libcurl sees it when it would use it */
			if (client->sockets[fd].registered != 0)
				register_socket(client, fd, &client->sockets[fd], 0);
			continue;
		}
		if (events[i].events & EPOLLIN)
			what |= CURL_CSELECT_IN;
		if (events[i].events & EPOLLOUT)
			what |= CURL_CSELECT_OUT;
		act(client, fd, what);
	}
}

static void
read_messages(JoNetClient *client)
{
	CURLMsg    *message;
	int			left;

	while ((message = curl_multi_info_read(client->multi, &left)) != NULL)
	{
		JoNetTransfer *transfer = NULL;

		if (message->msg == CURLMSG_DONE &&
			curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer) == CURLE_OK && transfer != NULL)
			jo_net_ended(transfer, message->data.result);
	}
}

static void
move_bytes(JoNetClient *client)
{
	jo_net_clear_closed(client);
	jo_net_check_fresh(client);
	jo_net_apply_changes(client);
	jo_net_admit(client);
	run_curl_timer(client);
	sweep_sockets(client);
	read_messages(client);
	jo_net_apply_changes(client);
	check_deadlines(client);
}

static bool
has_news(JoNetClient *client)
{
	return !dlist_is_empty(&client->done) || !dlist_is_empty(&client->full) || !dlist_is_empty(&client->hungry);
}

/* Until a socket, the latch, a timer or that time; true: the latch. */
static bool
wait_for_events(JoNetClient *client, int64 until)
{
	WaitEvent	event;
	int64		now = jo_net_now();
	int64		milliseconds;
	int			n;

	until = Min(until, Min(client->curl_timer, client->next_deadline));
	if (until <= now || jo_net_can_admit(client) || !dlist_is_empty(&client->changed))
		milliseconds = 0;
	else if (until == PG_INT64_MAX)
		milliseconds = -1;
	else
		milliseconds = Min((until - now + 999) / 1000, INT_MAX);

	/* the wait may raise, and handlers must run in it */
	jo_net_leave(client);
	n = WaitEventSetWait(client->wait_set, (long) milliseconds, &event, 1, PG_WAIT_EXTENSION);
	jo_net_enter(client);
	return n > 0 && (event.events & WL_LATCH_SET) != 0;
}

static void
make_wait_set(JoNetClient *client)
{
	WaitEventSet *set = jo_compat_create_wait_event_set(3);

	AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(set, WL_SOCKET_READABLE, client->epoll, NULL, NULL);
	client->wait_set = set;
}

void
jo_net_run(JoNetClient *client, long timeout)
{
	int64		until = timeout < 0 ? PG_INT64_MAX : jo_net_now() + (int64) timeout * 1000;
	bool		latch = false;

	if (client->wait_set == NULL)
		make_wait_set(client);
	jo_net_enter(client);
	move_bytes(client);
	while (timeout != 0 && !latch && !has_news(client) && jo_net_now() < until)
	{
		latch = wait_for_events(client, until);
		move_bytes(client);
	}
	jo_net_leave(client);
}
