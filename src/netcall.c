/*
 * netcall.c
 *		Callbacks of a transfer: headers, body, upload, connections.
 *
 * They run inside of libcurl: no palloc, no ereport, no call of libcurl that changes the
 * handle.  What is wrong is noted in the transfer, and a short count or an error is
 * returned; netresult.c finds the notes when libcurl gives the transfer back.
 */
#include "netparts.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define IS_HTTP(transfer) (((transfer)->scheme & (JO_SCHEME_HTTP | JO_SCHEME_HTTPS)) != 0)

/* ---- headers ---- */

/* "HTTP/1.1 200 OK"; a response begins, perhaps after an interim one. */
static void
begin_response(JoNetTransfer *transfer, const char *line, size_t size)
{
	size_t		i = 0;
	int			status = 0;

	while (i < size && line[i] != ' ')
		i++;
	while (i < size && line[i] == ' ')
		i++;
	for (int digits = 0; digits < 3 && i < size && line[i] >= '0' && line[i] <= '9'; digits++)
		status = status * 10 + (line[i++] - '0');
	transfer->status = status;
	transfer->in_headers = true;
	transfer->header_text.size = 0;
}

/* The empty line. */
static void
end_headers(JoNetTransfer *transfer)
{
	transfer->in_headers = false;
	if (transfer->status < 200)
		return;
	transfer->began = true;
	transfer->discards = jo_net_is_redirect(transfer, transfer->status);
	jo_net_note_deadline(transfer);
}

/* One line, its end replaced by CR LF; one that begins with a blank continues the last. */
static bool
keep_header(JoNetTransfer *transfer, const char *line, size_t size)
{
	JoNetBuffer *text = &transfer->header_text;

	if (*line == ' ' || *line == '\t')
	{
		if (text->size < 2)
			return true;
		text->size -= 2;
	}
	else if (memchr(line, ':', size) == NULL)
		return true;
	if (text->size + size + 2 > JO_NET_HEADERS_MAX)
	{
		transfer->too_large = true;
		return false;
	}
	if (!jo_net_append(text, line, size) || !jo_net_append(text, "\r\n", 2))
	{
		transfer->no_memory = true;
		return false;
	}
	return true;
}

/* FTP, SMTP: for the message; the answer to QUIT does not take the place of a refusal. */
static void
keep_reply(JoNetTransfer *transfer, const char *line, size_t size)
{
	JoNetBuffer *text = &transfer->header_text;
	bool		refused = text->size > 0 && (text->data[0] == '4' || text->data[0] == '5');

	if (size == 0 || (refused && line[0] != '4' && line[0] != '5'))
		return;
	text->size = 0;
	jo_net_append(text, line, Min(size, 200));

	/* libcurl 7.88 begins the data connection only when it is called again, and waits for no socket until then */
	if ((transfer->scheme & (JO_SCHEME_FTP | JO_SCHEME_FTPS)) != 0 && size > 3 &&
		(memcmp(line, "229", 3) == 0 || memcmp(line, "227", 3) == 0))
	{
		transfer->nudged = true;
		jo_net_note_change(transfer);
	}
}

/* CURLOPT_HEADERFUNCTION: line by line; other protocols' answers come here too. */
static size_t
take_header(char *line, size_t one, size_t size, void *arg)
{
	JoNetTransfer *transfer = arg;
	size_t		length = size;

	transfer->active_at = jo_net_now();
	transfer->header_total += size;
	if (transfer->header_total > 4 * JO_NET_HEADERS_MAX)
	{
		transfer->too_large = true;
		return 0;
	}
	while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
		length--;
	if (!IS_HTTP(transfer))
		keep_reply(transfer, line, length);
	else if (length > 5 && memcmp(line, "HTTP/", 5) == 0 && !transfer->in_headers)
		begin_response(transfer, line, length);
	else if (!transfer->in_headers)
		return size;			/* a trailer */
	else if (length == 0)
		end_headers(transfer);
	else if (!keep_header(transfer, line, length))
		return 0;
	return size;
}

/* ---- body ---- */

/* CURLOPT_WRITEFUNCTION; what it does not take for its window libcurl keeps and brings again. */
static size_t
take_body(char *data, size_t one, size_t size, void *arg)
{
	JoNetTransfer *transfer = arg;
	const JoNetRequest *request = transfer->request;

	if (size == 0)
		return 0;
	transfer->active_at = jo_net_now();
	transfer->began = true;
	if (transfer->discards)
	{
		transfer->discarded += size;
		return transfer->discarded > JO_NET_DISCARD_MAX ? 0 : size;
	}
	if (request->window > 0 && transfer->body.size > 0 && transfer->body.size + size > request->window)
	{
		transfer->receive_paused = true;
		if (!transfer->in_full)
			dlist_push_tail(&transfer->client->full, &transfer->full_node);
		transfer->in_full = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	if (request->max_response > 0 && transfer->response.received + (int64) size > request->max_response)
	{
		transfer->too_large = true;
		return 0;
	}
	if (!jo_net_append(&transfer->body, data, size))
	{
		transfer->no_memory = true;
		return 0;
	}
	transfer->response.received += size;
	return size;
}

/* ---- upload ---- */

/* CURLOPT_READFUNCTION of an upload that is fed. */
static size_t
give_feed(char *buffer, size_t one, size_t size, void *arg)
{
	JoNetTransfer *transfer = arg;
	size_t		left = transfer->feed.size - transfer->feed_position;
	size_t		n = Min(left, one * size);

	transfer->active_at = jo_net_now();
	if (n == 0)
	{
		if (transfer->feed_last)
			return 0;
		transfer->send_paused = true;
		if (!transfer->in_hungry)
			dlist_push_tail(&transfer->client->hungry, &transfer->hungry_node);
		transfer->in_hungry = true;
		return CURL_READFUNC_PAUSE;
	}
	memcpy(buffer, transfer->feed.data + transfer->feed_position, n);
	transfer->feed_position += n;
	transfer->fed = true;
	if (transfer->feed_position == transfer->feed.size)
		transfer->feed.size = transfer->feed_position = 0;
	return n;
}

/* What was fed is gone; but one that resumes is fed from there, so that libcurl's skipping is done already. */
static int
seek_feed(void *arg, curl_off_t offset, int origin)
{
	JoNetTransfer *transfer = arg;

	if (!transfer->fed && origin == SEEK_SET && offset > 0 && transfer->request->resume_from < 0)
	{
		transfer->response.resumed_at = offset;
		return CURL_SEEKFUNC_OK;
	}
	if (!transfer->fed && origin == SEEK_SET && (offset == 0 || offset == transfer->request->resume_from))
		return CURL_SEEKFUNC_OK;
	return CURL_SEEKFUNC_FAIL;
}

size_t
jo_net_read_source(char *buffer, size_t one, size_t size, void *arg)
{
	JoNetSource *source = arg;
	size_t		n = Min(source->size - source->position, one * size);

	if (n > 0)
		memcpy(buffer, source->data + source->position, n);
	source->position += n;
	return n;
}

int
jo_net_seek_source(void *arg, curl_off_t offset, int origin)
{
	JoNetSource *source = arg;

	if (origin != SEEK_SET || offset < 0 || (uint64) offset > source->size)
		return CURL_SEEKFUNC_FAIL;
	source->position = (size_t) offset;
	return CURL_SEEKFUNC_OK;
}

/* ---- connections ---- */

/* Of whom is connected, which is the proxy if there is one. */
static bool
may_connect(JoNetTransfer *transfer, const struct sockaddr *address)
{
	const JoEgressView *egress = transfer->request->egress;
	bool		proxy = transfer->proxy_host != NULL;
	unsigned	scheme = proxy ? transfer->proxy_scheme : transfer->scheme;
	const char *host = proxy ? transfer->proxy_host : transfer->host;
	int			port = proxy ? transfer->proxy_port : transfer->port;
	char	   *text = transfer->response.refused_address;
	size_t		size = sizeof(transfer->response.refused_address);
	JoEgressVerdict verdict = JO_EGRESS_NO_RULE;
	const void *bytes;

	if (egress != NULL)
		verdict = jo_egress_check_address(egress, scheme, host, port, address);
	if (verdict == JO_EGRESS_ALLOWED)
		return true;
	transfer->refused = true;
	jo_net_note_refusal(transfer, verdict, scheme, host, port);
	bytes = address->sa_family == AF_INET ? (const void *) &((const struct sockaddr_in *) address)->sin_addr :
		(const void *) &((const struct sockaddr_in6 *) address)->sin6_addr;
	if (inet_ntop(address->sa_family, bytes, text, size) == NULL)
		strlcpy(text, "an address", size);
	return false;
}

/* CURLOPT_OPENSOCKETFUNCTION: after the name was resolved, before anything is sent. */
static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	JoNetTransfer *transfer = arg;
	int			fd;

	if (purpose != CURLSOCKTYPE_IPCXN || (address->family != AF_INET && address->family != AF_INET6) ||
		!may_connect(transfer, &address->addr))
		return CURL_SOCKET_BAD;
	fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	if (fd < 0)
		return CURL_SOCKET_BAD;
	jo_net_opened_socket(transfer->client, fd);
	transfer->tried = true;
	return fd;
}

/* CURLOPT_PREREQFUNCTION: before each request, also over a connection that was there already. */
static int
check_connection(void *arg, char *remote, char *local, int remote_port, int local_port)
{
	JoNetTransfer *transfer = arg;
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16) remote_port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16) remote_port)};
	char		text[64];
	bool		allowed;

	strlcpy(text, remote ? remote : "", sizeof(text));
	text[strcspn(text, "%")] = '\0';	/* an interface */
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		allowed = may_connect(transfer, (struct sockaddr *) &v4);
	else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
		allowed = may_connect(transfer, (struct sockaddr *) &v6);
	else
	{
		transfer->refused = true;
		allowed = false;
	}
	if (!allowed)
		return CURL_PREREQFUNC_ABORT;
	transfer->connected = true;
	transfer->active_at = jo_net_now();
	jo_net_note_deadline(transfer);
	return CURL_PREREQFUNC_OK;
}

/* ---- setting them ---- */

CURLcode
jo_net_set_callbacks(JoNetTransfer *transfer)
{
	CURL	   *easy = transfer->easy;
	CURLcode	code = CURLE_OK;

	JO_NET_SET(CURLOPT_PRIVATE, transfer);
	JO_NET_SET(CURLOPT_HEADERFUNCTION, take_header);
	JO_NET_SET(CURLOPT_HEADERDATA, transfer);
	JO_NET_SET(CURLOPT_WRITEFUNCTION, take_body);
	JO_NET_SET(CURLOPT_WRITEDATA, transfer);
	JO_NET_SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	JO_NET_SET(CURLOPT_OPENSOCKETDATA, transfer);
	JO_NET_SET(CURLOPT_CLOSESOCKETFUNCTION, jo_net_close_socket);
	JO_NET_SET(CURLOPT_CLOSESOCKETDATA, transfer->client);
	JO_NET_SET(CURLOPT_PREREQFUNCTION, check_connection);
	JO_NET_SET(CURLOPT_PREREQDATA, transfer);
	if (transfer->request->upload && !transfer->as_get)
	{
		JO_NET_SET(CURLOPT_READFUNCTION, give_feed);
		JO_NET_SET(CURLOPT_READDATA, transfer);
		JO_NET_SET(CURLOPT_SEEKFUNCTION, seek_feed);
		JO_NET_SET(CURLOPT_SEEKDATA, transfer);
	}
	else
	{
		JO_NET_SET(CURLOPT_READFUNCTION, jo_net_read_source);
		JO_NET_SET(CURLOPT_READDATA, &transfer->source);
		JO_NET_SET(CURLOPT_SEEKFUNCTION, jo_net_seek_source);
		JO_NET_SET(CURLOPT_SEEKDATA, &transfer->source);
	}
	return code;
}
