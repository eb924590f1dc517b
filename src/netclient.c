/*
 * netclient.c
 *		The client: one multi handle of libcurl, its descriptors, its lists.
 *
 * Touches no rows and no shared memory.  All of it is malloc()ed, since libcurl's
 * callbacks add to it.  Signals that the server handles are blocked while libcurl works:
 * the thread that resolves names is started there and inherits the mask.
 */
#include "netparts.h"

#include <sys/resource.h>

#include "storage/fd.h"
#include "utils/memutils.h"

#define SPARE_FILES 64			/* resolver, epoll, keys */
#define MAX_SPARE_TRANSFERS 1024

/* ---- signals ---- */

void
jo_net_enter(JoNetClient *client)
{
	sigset_t	all;

	if (client->depth++ > 0)
		return;
	sigfillset(&all);
	/* raised by the code itself: blocked, they would kill without a word */
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGABRT);
	sigdelset(&all, SIGTRAP);
	sigprocmask(SIG_BLOCK, &all, &client->saved_mask);
}

void
jo_net_leave(JoNetClient *client)
{
	if (--client->depth == 0)
		sigprocmask(SIG_SETMASK, &client->saved_mask, NULL);
}

bool
jo_net_append(JoNetBuffer *buffer, const char *data, size_t size)
{
	size_t		capacity = Max(buffer->capacity, 512);
	char	   *grown;

	if (size > MaxAllocHugeSize / 4 || buffer->size > MaxAllocHugeSize / 4)
		return false;
	while (capacity < buffer->size + size)
		capacity *= 2;
	if (capacity > buffer->capacity)
	{
		grown = realloc(buffer->data, capacity);
		if (grown == NULL)
			return false;
		buffer->data = grown;
		buffer->capacity = capacity;
	}
	if (size > 0)
		memcpy(buffer->data + buffer->size, data, size);
	buffer->size += size;
	return true;
}

/* ---- making and unmaking ---- */

/*
 * The server's own descriptors stay within max_safe_fds; ours come on top: a socket of each
 * transfer, and as many idle ones in the cache.
 */
static int
raise_file_limit(int max)
{
	struct rlimit limit;
	rlim_t		need = (rlim_t) max_safe_fds + SPARE_FILES + 2 * (rlim_t) max;
	rlim_t		raised;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return max;
	if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < need)
	{
		raised = limit.rlim_max == RLIM_INFINITY ? need : Min(need, limit.rlim_max);
		if (raised > limit.rlim_cur)
		{
			limit.rlim_cur = raised;
			if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
				getrlimit(RLIMIT_NOFILE, &limit);
		}
	}
	if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= need)
		return max;
	if (limit.rlim_cur <= (rlim_t) max_safe_fds + SPARE_FILES + 16)
		return 8;
	return (int) ((limit.rlim_cur - max_safe_fds - SPARE_FILES) / 2);
}

static void
learn_features(JoNetClient *client)
{
	curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);

	client->http2 = (info->features & CURL_VERSION_HTTP2) != 0;
	client->default_ca_file = info->age >= CURLVERSION_TENTH && info->cainfo != NULL;
}

/* NULL or what could not be made. */
static const char *
make_multi(JoNetClient *client, int max)
{
	static bool initialized = false;

	if (!initialized && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return "libcurl";
	initialized = true;
	client->multi = curl_multi_init();
	if (client->multi == NULL)
		return "a multi handle";
	if (!jo_net_loop_create(client))
		return "an epoll descriptor";
	if (curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long) Max(client->capacity, 8)) != CURLM_OK)
		return "the cache of connections";
	learn_features(client);
	return NULL;
}

JoNetClient *
jo_net_create(int max)
{
	JoNetClient *client = calloc(1, sizeof(JoNetClient));
	const char *lacking = "memory";

	if (client != NULL)
	{
		max = Max(max, 1);
		client->epoll = -1;
		client->capacity = raise_file_limit(max);
		client->max_spare = Min(max, MAX_SPARE_TRANSFERS);
		client->curl_timer = PG_INT64_MAX;
		client->next_deadline = PG_INT64_MAX;
		client->nbuckets = 256;
		client->buckets = calloc(client->nbuckets, sizeof(JoNetHost *));
		dlist_init(&client->line);
		dlist_init(&client->open);
		dlist_init(&client->fresh);
		dlist_init(&client->closed);
		dlist_init(&client->spare);
		dlist_init(&client->done);
		dlist_init(&client->full);
		dlist_init(&client->hungry);
		dlist_init(&client->changed);
		if (client->buckets != NULL)
		{
			jo_net_enter(client);
			lacking = make_multi(client, max);
			jo_net_leave(client);
		}
		if (lacking != NULL)
			jo_net_destroy(client);
	}
	if (lacking != NULL)
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				errmsg("could not set up network transfers"),
				errdetail("Could not create %s.", lacking));
	return client;
}

void
jo_net_destroy(JoNetClient *client)
{
	dlist_mutable_iter iter;

	jo_net_enter(client);
	dlist_foreach_modify(iter, &client->open)
		jo_net_close(dlist_container(JoNetTransfer, node, iter.cur));
	jo_net_clear_closed(client);
	dlist_foreach_modify(iter, &client->spare)
		jo_net_free_transfer(dlist_container(JoNetTransfer, node, iter.cur));
	if (client->multi != NULL)
		curl_multi_cleanup(client->multi);
	jo_net_leave(client);
	jo_net_loop_destroy(client);
	jo_net_hosts_destroy(client);
	free(client->ca_file);
	free(client);
}

void
jo_net_set_ca_file(JoNetClient *client, const char *path)
{
	char	   *copy = NULL;

	if (path != NULL && *path != '\0')
	{
		copy = strdup(path);
		if (copy == NULL)
			ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	}
	free(client->ca_file);
	client->ca_file = copy;
}

/* ---- what the user of the client asks for ---- */

JoNetTransfer *
jo_net_next_done(JoNetClient *client)
{
	JoNetTransfer *transfer;

	if (dlist_is_empty(&client->done))
		return NULL;
	transfer = dlist_container(JoNetTransfer, done_node, dlist_pop_head_node(&client->done));
	transfer->in_done = false;
	return transfer;
}

JoNetTransfer *
jo_net_next_full(JoNetClient *client)
{
	JoNetTransfer *transfer;

	if (dlist_is_empty(&client->full))
		return NULL;
	transfer = dlist_container(JoNetTransfer, full_node, dlist_pop_head_node(&client->full));
	transfer->in_full = false;
	transfer->response.body = transfer->body.data;
	transfer->response.body_size = transfer->body.size;
	transfer->response.status = transfer->status;
	transfer->response.headers = transfer->header_text.data;
	transfer->response.headers_size = transfer->header_text.size;
	jo_net_note_content_type(transfer);
	return transfer;
}

JoNetTransfer *
jo_net_next_hungry(JoNetClient *client)
{
	JoNetTransfer *transfer;

	if (dlist_is_empty(&client->hungry))
		return NULL;
	transfer = dlist_container(JoNetTransfer, hungry_node, dlist_pop_head_node(&client->hungry));
	transfer->in_hungry = false;
	return transfer;
}

int
jo_net_open_count(const JoNetClient *client)
{
	return client->nopen;
}
