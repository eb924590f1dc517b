/*
 * nethttp.c
 *		What only HTTP has: method, body, form, authorization, version.
 */
#include "netparts.h"

#include "common/string.h"

const char *
jo_net_method(const JoNetTransfer *transfer)
{
	const JoNetRequest *request = transfer->request;

	if (transfer->as_get)
		return "GET";
	if (request->method != NULL)
		return request->method;
	if (request->no_body)
		return "HEAD";
	if (request->upload)
		return "PUT";
	return request->body != NULL || request->nparts > 0 ? "POST" : "GET";
}

static CURLcode
set_form(JoNetTransfer *transfer)
{
	const JoNetRequest *request = transfer->request;
	CURLcode	code = CURLE_OK;

	transfer->mime = curl_mime_init(transfer->easy);
	transfer->sources = calloc(request->nparts, sizeof(JoNetSource));
	if (transfer->mime == NULL || transfer->sources == NULL)
		return CURLE_OUT_OF_MEMORY;
	for (int i = 0; i < request->nparts && code == CURLE_OK; i++)
		code = jo_net_add_part(transfer, transfer->mime, &request->parts[i], &transfer->sources[i]);
	if (code == CURLE_OK)
		code = curl_easy_setopt(transfer->easy, CURLOPT_MIMEPOST, transfer->mime);
	return code;
}

/* The method's usual option decides what libcurl does, a name of its own only what it writes. */
static CURLcode
set_method(JoNetTransfer *transfer)
{
	CURL	   *easy = transfer->easy;
	CURLcode	code = CURLE_OK;
	const JoNetRequest *request = transfer->request;
	const char *method = jo_net_method(transfer);
	const char *usual;
	bool		sends = strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;

	if (transfer->as_get || (request->body == NULL && request->nparts == 0 && !request->upload && !sends))
	{
		bool		head = !transfer->as_get && (request->no_body || strcmp(method, "HEAD") == 0);

		usual = head ? "HEAD" : "GET";
		if (head)
			JO_NET_SET(CURLOPT_NOBODY, 1L);
		else
			JO_NET_SET(CURLOPT_HTTPGET, 1L);
	}
	else if (request->upload)
	{
		usual = "PUT";
		JO_NET_SET(CURLOPT_UPLOAD, 1L);
		JO_NET_SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t) (request->upload_size >= 0 ? request->upload_size : -1));
	}
	else if (request->nparts > 0)
	{
		usual = "POST";
		if (code == CURLE_OK)
			code = set_form(transfer);
	}
	else
	{
		usual = "POST";
		JO_NET_SET(CURLOPT_POST, 1L);
		JO_NET_SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) (request->body ? request->body_size : 0));
		JO_NET_SET(CURLOPT_POSTFIELDS, request->body ? request->body : "");
	}
	if (strcmp(method, usual) != 0)
		JO_NET_SET(CURLOPT_CUSTOMREQUEST, method);
	if (request->resume_from > 0)
		JO_NET_SET(CURLOPT_RESUME_FROM_LARGE, (curl_off_t) request->resume_from);
	return code;
}

static CURLcode
set_auth(JoNetTransfer *transfer)
{
	CURL	   *easy = transfer->easy;
	CURLcode	code = CURLE_OK;
	const JoNetRequest *request = transfer->request;

	if (transfer->stranger)
		return code;
	switch (request->auth)
	{
		case JO_NET_AUTH_NONE:
		case JO_NET_AUTH_BASIC:
			JO_NET_SET(CURLOPT_HTTPAUTH, (long) CURLAUTH_BASIC);
			break;
		case JO_NET_AUTH_DIGEST:
			JO_NET_SET(CURLOPT_HTTPAUTH, (long) CURLAUTH_DIGEST);
			break;
		case JO_NET_AUTH_BEARER:
			JO_NET_SET(CURLOPT_HTTPAUTH, (long) CURLAUTH_BEARER);
			if (request->token)
				JO_NET_SET(CURLOPT_XOAUTH2_BEARER, request->token);
			break;
		case JO_NET_AUTH_AWS_SIGV4:
			JO_NET_SET(CURLOPT_AWS_SIGV4, request->realm ? request->realm : "aws:amz");
			break;
	}
	return code;
}

/*
 * A stream of HTTP/2 that waits for its user holds up the others of its connection, or fills
 * memory beside the window: what may be paused has a connection of its own.
 */
static long
http_version(const JoNetTransfer *transfer)
{
	const JoNetRequest *request = transfer->request;
	bool		may_pause = request->upload ||
		(request->window > 0 && (request->max_response == 0 || request->max_response > (int64) request->window));

	if (request->http_version == 11 || !transfer->client->http2)
		return CURL_HTTP_VERSION_1_1;
	if (request->http_version == 2 && transfer->scheme == JO_SCHEME_HTTP)
		return CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
	if (request->http_version != 2 && may_pause)
		return CURL_HTTP_VERSION_1_1;
	return CURL_HTTP_VERSION_2TLS;
}

CURLcode
jo_net_set_http(JoNetTransfer *transfer)
{
	CURL	   *easy = transfer->easy;
	CURLcode	code = CURLE_OK;

	if (!jo_net_list_headers(transfer))
		return CURLE_OUT_OF_MEMORY;
	JO_NET_SET(CURLOPT_HTTPHEADER, transfer->headers);
	JO_NET_SET(CURLOPT_USERAGENT, "joborch");
	JO_NET_SET(CURLOPT_HTTP_VERSION, http_version(transfer));
	if (code == CURLE_OK)
		code = set_method(transfer);
	if (code == CURLE_OK)
		code = set_auth(transfer);
	return code;
}
