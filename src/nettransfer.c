/*
 * nettransfer.c
 *		The life of a transfer: opened, given to libcurl hop by hop, done, closed.
 *
 * A closed one goes to the client's spare list with its easy handle, which is reset
 * then: nothing of one request is there for the next but connections, and those are asked
 * about again (netcall.c: check_connection).
 */
#include "netparts.h"

#include <unistd.h>

/* ---- making and unmaking ---- */

static void
free_buffer(JoNetBuffer *buffer)
{
	free(buffer->data);
	*buffer = (JoNetBuffer) {0};
}

/* What libcurl pointed to during a hop; it points to nothing of that any more. */
static void
drop_hop(JoNetTransfer *transfer)
{
	if (transfer->easy)
		curl_easy_reset(transfer->easy);
	curl_mime_free(transfer->mime);
	curl_slist_free_all(transfer->headers);
	curl_slist_free_all(transfer->recipients);
	free(transfer->sources);
	if (transfer->key_file >= 0)
		close(transfer->key_file);
	transfer->mime = NULL;
	transfer->headers = NULL;
	transfer->recipients = NULL;
	transfer->sources = NULL;
	transfer->key_file = -1;
}

static void
free_secret(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	curl_free(text);
}

/* What one request has left; the handle and small buffers stay. */
static void
clear_transfer(JoNetTransfer *transfer)
{
	JoNetTransfer kept = {.client = transfer->client, .easy = transfer->easy, .key_file = -1};

	drop_hop(transfer);
	curl_url_cleanup(transfer->url);
	curl_free(transfer->url_text);
	curl_free(transfer->host);
	curl_free(transfer->proxy_host);
	free_secret(transfer->url_user);
	free_secret(transfer->url_password);
	free_buffer(&transfer->feed);
	if (transfer->body.capacity > JO_NET_KEEP_SIZE)
		free_buffer(&transfer->body);
	if (transfer->header_text.capacity > JO_NET_KEEP_SIZE)
		free_buffer(&transfer->header_text);
	kept.body.data = transfer->body.data;
	kept.body.capacity = transfer->body.capacity;
	kept.header_text.data = transfer->header_text.data;
	kept.header_text.capacity = transfer->header_text.capacity;
	*transfer = kept;
}

void
jo_net_free_transfer(JoNetTransfer *transfer)
{
	clear_transfer(transfer);
	free_buffer(&transfer->body);
	free_buffer(&transfer->header_text);
	if (transfer->easy)
		curl_easy_cleanup(transfer->easy);
	free(transfer);
}

static JoNetTransfer *
get_transfer(JoNetClient *client)
{
	JoNetTransfer *transfer;

	if (!dlist_is_empty(&client->spare))
	{
		client->nspare--;
		return dlist_container(JoNetTransfer, node, dlist_pop_head_node(&client->spare));
	}
	transfer = calloc(1, sizeof(JoNetTransfer));
	if (transfer == NULL)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
				errdetail("There is none for a network transfer."));
	transfer->client = client;
	transfer->key_file = -1;
	return transfer;
}

/* Opening and closing are cheap and block no signals: what needs libcurl is done by the next run. */
void
jo_net_clear_closed(JoNetClient *client)
{
	while (!dlist_is_empty(&client->closed))
	{
		JoNetTransfer *transfer = dlist_container(JoNetTransfer, node, dlist_pop_head_node(&client->closed));

		if (client->nspare >= client->max_spare)
		{
			jo_net_free_transfer(transfer);
			continue;
		}
		clear_transfer(transfer);
		dlist_push_head(&client->spare, &transfer->node);
		client->nspare++;
	}
}

/* ---- hops ---- */

/* What is wrong with the request itself; the message is set. */
static JoNetResult
check_request(JoNetTransfer *transfer)
{
	const JoNetRequest *request = transfer->request;
	const char *fault = jo_net_find_fault(request);
	JoNetResult result;

	if (fault != NULL)
	{
		strlcpy(transfer->response.message, fault, sizeof(transfer->response.message));
		return JO_NET_BAD_URL;
	}
	result = jo_net_set_url(transfer, request->url);
	if (result == JO_NET_OK)
		result = jo_net_set_proxy(transfer);
	if (result == JO_NET_OK && transfer->scheme == JO_SCHEME_SFTP && request->known_host == NULL &&
		!(request->insecure && request->egress &&
		  jo_egress_allows_insecure(request->egress, transfer->scheme, transfer->host, transfer->port)))
	{
		strlcpy(transfer->response.message, "the host's key is not known: nothing tells this host from another",
				sizeof(transfer->response.message));
		return JO_NET_TLS;
	}
	return result;
}

void
jo_net_check_fresh(JoNetClient *client)
{
	while (!dlist_is_empty(&client->fresh))
	{
		JoNetTransfer *transfer = dlist_container(JoNetTransfer, wait_node, dlist_pop_head_node(&client->fresh));
		JoNetResult result;

		transfer->state = JO_NET_WAITING;
		result = check_request(transfer);
		if (result == JO_NET_OK && !jo_net_enqueue(transfer))
			result = JO_NET_MEMORY;
		if (result != JO_NET_OK)
			jo_net_finish(transfer, result);
		else
			jo_net_note_deadline(transfer);
	}
}

void
jo_net_start(JoNetTransfer *transfer)
{
	CURLcode	code = CURLE_OUT_OF_MEMORY;
	CURLMcode	multi_code;

	transfer->header_text.size = 0;
	transfer->header_total = 0;
	transfer->discarded = 0;
	transfer->status = 0;
	transfer->in_headers = false;
	transfer->connected = false;
	transfer->began = false;
	transfer->refused = false;
	transfer->tried = false;
	transfer->discards = false;
	transfer->uploaded = 0;
	transfer->error[0] = '\0';
	if (transfer->easy == NULL)
		transfer->easy = curl_easy_init();
	if (transfer->easy != NULL)
		code = jo_net_set_options(transfer);
	if (code == CURLE_OK)
	{
		multi_code = curl_multi_add_handle(transfer->client->multi, transfer->easy);
		if (multi_code == CURLM_OK)
			return;
		strlcpy(transfer->error, curl_multi_strerror(multi_code), sizeof(transfer->error));
		code = CURLE_FAILED_INIT;
	}
	jo_net_ended(transfer, code);
}

/* The next hop waits for its place like the first. */
static JoNetResult
take_next_hop(JoNetTransfer *transfer)
{
	JoNetResult result = jo_net_follow(transfer);

	if (result != JO_NET_OK)
		return result;
	curl_multi_remove_handle(transfer->client->multi, transfer->easy);
	jo_net_leave_host(transfer);
	drop_hop(transfer);
	transfer->body.size = 0;
	if (!jo_net_enqueue(transfer))
		return JO_NET_MEMORY;
	jo_net_note_deadline(transfer);
	return JO_NET_OK;
}

void
jo_net_ended(JoNetTransfer *transfer, CURLcode code)
{
	JoNetResult result;

	if (transfer->state == JO_NET_DONE)
		return;
	if (transfer->discards &&
		(code == CURLE_OK || (code == CURLE_WRITE_ERROR && transfer->discarded > JO_NET_DISCARD_MAX)))
	{
		result = take_next_hop(transfer);
		if (result != JO_NET_OK)
			jo_net_finish(transfer, result);
		return;
	}
	result = jo_net_result_of(transfer, code);
	jo_net_tell(transfer, result, code);
	jo_net_finish(transfer, result);
}

static void
leave_lists(JoNetTransfer *transfer)
{
	if (transfer->in_done)
		dlist_delete(&transfer->done_node);
	if (transfer->in_full)
		dlist_delete(&transfer->full_node);
	if (transfer->in_hungry)
		dlist_delete(&transfer->hungry_node);
	if (transfer->in_changed)
		dlist_delete(&transfer->changed_node);
	transfer->in_done = transfer->in_full = transfer->in_hungry = transfer->in_changed = false;
}

void
jo_net_finish(JoNetTransfer *transfer, JoNetResult result)
{
	JoNetClient *client = transfer->client;

	if (transfer->state == JO_NET_DONE)
		return;
	transfer->response.result = result;
	if (result == JO_NET_MEMORY && transfer->response.message[0] == '\0')
		strlcpy(transfer->response.message, "out of memory", sizeof(transfer->response.message));
	jo_net_fill_response(transfer);
	if (transfer->state == JO_NET_RUNNING && transfer->easy)
		curl_multi_remove_handle(client->multi, transfer->easy);
	jo_net_leave_host(transfer);
	leave_lists(transfer);
	transfer->state = JO_NET_DONE;
	client->nopen--;
	dlist_push_tail(&client->done, &transfer->done_node);
	transfer->in_done = true;
}

/* ---- pauses ---- */

void
jo_net_note_change(JoNetTransfer *transfer)
{
	if (transfer->in_changed || transfer->state == JO_NET_DONE)
		return;
	dlist_push_tail(&transfer->client->changed, &transfer->changed_node);
	transfer->in_changed = true;
}

/* libcurl may call back at once: with what it kept, or for what was fed. */
void
jo_net_apply_changes(JoNetClient *client)
{
	while (!dlist_is_empty(&client->changed))
	{
		JoNetTransfer *transfer = dlist_container(JoNetTransfer, changed_node, dlist_pop_head_node(&client->changed));
		CURLcode	code;

		transfer->in_changed = false;
		if (transfer->no_memory || transfer->no_socket)
		{
			jo_net_tell(transfer, JO_NET_MEMORY, CURLE_OUT_OF_MEMORY);
			jo_net_finish(transfer, JO_NET_MEMORY);
			continue;
		}
		if (transfer->state != JO_NET_RUNNING)
			continue;
		transfer->active_at = jo_net_now();
		/* a change of what is paused makes libcurl look */
		if (transfer->nudged)
			curl_easy_pause(transfer->easy, CURLPAUSE_RECV);
		transfer->nudged = false;
		code = curl_easy_pause(transfer->easy, (transfer->receive_paused ? CURLPAUSE_RECV : 0) |
							   (transfer->send_paused ? CURLPAUSE_SEND : 0));
		if (code != CURLE_OK)
			jo_net_ended(transfer, code);
		else
			jo_net_note_deadline(transfer);
	}
}

void
jo_net_resume(JoNetTransfer *transfer)
{
	transfer->body.size = 0;
	transfer->response.body_size = 0;
	if (!transfer->receive_paused)
		return;
	transfer->receive_paused = false;
	jo_net_note_change(transfer);
}

void
jo_net_feed(JoNetTransfer *transfer, const char *data, size_t size, bool last)
{
	if (transfer->state == JO_NET_DONE)
		return;
	if (!jo_net_append(&transfer->feed, data, size))
		transfer->no_memory = true;
	transfer->feed_last = transfer->feed_last || last;
	if (!transfer->send_paused && !transfer->no_memory)
		return;
	transfer->send_paused = false;
	jo_net_note_change(transfer);
}

/* ---- for the client's user ---- */

JoNetTransfer *
jo_net_open(JoNetClient *client, const JoNetRequest *request, void *owner)
{
	JoNetTransfer *transfer = get_transfer(client);

	transfer->request = request;
	transfer->owner = owner;
	transfer->begun = jo_net_now();
	transfer->first_hop = true;
	transfer->state = JO_NET_FRESH;
	dlist_push_tail(&client->open, &transfer->node);
	dlist_push_tail(&client->fresh, &transfer->wait_node);
	client->nopen++;
	return transfer;
}

void *
jo_net_owner(const JoNetTransfer *transfer)
{
	return transfer->owner;
}

const JoNetResponse *
jo_net_response(const JoNetTransfer *transfer)
{
	return &transfer->response;
}

void
jo_net_abort(JoNetTransfer *transfer)
{
	JoNetClient *client = transfer->client;

	if (transfer->state == JO_NET_DONE)
		return;
	jo_net_enter(client);
	strlcpy(transfer->response.message, "it was broken off", sizeof(transfer->response.message));
	jo_net_finish(transfer, JO_NET_ABORTED);
	jo_net_leave(client);
}

void
jo_net_close(JoNetTransfer *transfer)
{
	JoNetClient *client = transfer->client;

	if (transfer->state != JO_NET_DONE)
	{
		jo_net_enter(client);
		jo_net_finish(transfer, JO_NET_ABORTED);
		jo_net_leave(client);
	}
	leave_lists(transfer);
	dlist_delete(&transfer->node);
	dlist_push_tail(&client->closed, &transfer->node);
}
