/*
 * nethosts.c
 *		Places: so many transfers to one host, and in all.
 *
 * libcurl's own limits let one host's transfers stand before those of all others.  Here a
 * transfer without a place is not with libcurl at all: it waits in a list of its host,
 * and hosts that may start one stand in a line, each for one transfer at a time.  A
 * transfer holds at most one connection, so what is counted is transfers.
 */
#include "netparts.h"

#include "common/hashfn.h"

static JoNetHost *
find_host(JoNetClient *client, const char *name, uint32 hash)
{
	JoNetHost  *host = client->buckets[hash % client->nbuckets];

	while (host != NULL && (host->hash != hash || strcmp(host->name, name) != 0))
		host = host->next;
	return host;
}

static JoNetHost *
make_host(JoNetClient *client, const char *name, uint32 hash)
{
	size_t		length = strlen(name);
	JoNetHost  *host = calloc(1, offsetof(JoNetHost, name) + length + 1);

	if (host == NULL)
		return NULL;
	memcpy(host->name, name, length);
	host->hash = hash;
	dlist_init(&host->waiting);
	host->next = client->buckets[hash % client->nbuckets];
	client->buckets[hash % client->nbuckets] = host;
	return host;
}

static void
forget_host(JoNetClient *client, JoNetHost *host)
{
	JoNetHost **link = &client->buckets[host->hash % client->nbuckets];

	while (*link != host)
		link = &(*link)->next;
	*link = host->next;
	free(host);
}

/* It stands in line exactly when it has one waiting and a place for it; it goes when nobody needs it. */
static void
settle_host(JoNetClient *client, JoNetHost *host)
{
	bool		could = !dlist_is_empty(&host->waiting) &&
		(client->per_host == 0 || host->active < client->per_host);

	if (could && !host->in_line)
		dlist_push_tail(&client->line, &host->line_node);
	else if (!could && host->in_line)
		dlist_delete(&host->line_node);
	host->in_line = could;
	if (host->active == 0 && dlist_is_empty(&host->waiting))
		forget_host(client, host);
}

bool
jo_net_enqueue(JoNetTransfer *transfer)
{
	JoNetClient *client = transfer->client;
	char		name[300];
	uint32		hash;

	jo_net_format_place(transfer, name, sizeof(name));
	hash = hash_bytes((const unsigned char *) name, (int) strlen(name));
	transfer->place = find_host(client, name, hash);
	if (transfer->place == NULL)
		transfer->place = make_host(client, name, hash);
	if (transfer->place == NULL)
		return false;
	transfer->state = JO_NET_WAITING;
	dlist_push_tail(&transfer->place->waiting, &transfer->wait_node);
	settle_host(client, transfer->place);
	return true;
}

bool
jo_net_can_admit(JoNetClient *client)
{
	return !dlist_is_empty(&client->line) && client->nactive < client->capacity &&
		(client->total == 0 || client->nactive < client->total);
}

void
jo_net_admit(JoNetClient *client)
{
	while (jo_net_can_admit(client))
	{
		JoNetHost  *host = dlist_container(JoNetHost, line_node, dlist_pop_head_node(&client->line));
		JoNetTransfer *transfer = dlist_container(JoNetTransfer, wait_node, dlist_pop_head_node(&host->waiting));

		host->in_line = false;
		host->active++;
		client->nactive++;
		transfer->state = JO_NET_RUNNING;
		settle_host(client, host);
		jo_net_start(transfer);
	}
}

void
jo_net_leave_host(JoNetTransfer *transfer)
{
	JoNetClient *client = transfer->client;

	if (transfer->state == JO_NET_FRESH)
		dlist_delete(&transfer->wait_node);
	if (transfer->place == NULL)
		return;
	if (transfer->state == JO_NET_WAITING)
		dlist_delete(&transfer->wait_node);
	else
	{
		transfer->place->active--;
		client->nactive--;
	}
	settle_host(client, transfer->place);
	transfer->place = NULL;
}

void
jo_net_set_limits(JoNetClient *client, int per_host, int total)
{
	client->per_host = Max(per_host, 0);
	client->total = Max(total, 0);
	for (int i = 0; i < client->nbuckets; i++)
	{
		JoNetHost  *next;

		for (JoNetHost *host = client->buckets[i]; host != NULL; host = next)
		{
			next = host->next;
			settle_host(client, host);
		}
	}
}

void
jo_net_hosts_destroy(JoNetClient *client)
{
	for (int i = 0; i < client->nbuckets && client->buckets != NULL; i++)
	{
		while (client->buckets[i] != NULL)
			forget_host(client, client->buckets[i]);
	}
	free(client->buckets);
}
