/*
 * netmail.c
 *		What only SMTP has: envelope, TLS that is asked for, the mail's head and parts.
 */
#include "netparts.h"

#define LINE_LENGTH 76			/* of the head, where it has blanks to break at; servers take 998 */

/* ---- head ---- */

/* The header as lines of a mail, broken at blanks; malloc'ed, NULL: no memory. */
static char *
fold(const char *name, const char *value)
{
	size_t		size = strlen(name) + 3 * strlen(value) + 3;
	char	   *lines = malloc(size);
	size_t		column = strlen(name) + 1;
	char	   *to;

	if (lines == NULL)
		return NULL;
	to = lines + snprintf(lines, size, "%s:", name);
	while (*value != '\0')
	{
		size_t		word = strcspn(value, " \t");
		size_t		blanks = strspn(value + word, " \t");

		if (column + 1 + word > LINE_LENGTH && column > strlen(name) + 1)
		{
			*to++ = '\r';
			*to++ = '\n';
			column = 0;
		}
		*to++ = ' ';
		memcpy(to, value, word);
		to += word;
		column += word + 1;
		value += word + blanks;
	}
	*to = '\0';
	return lines;
}

static CURLcode
set_head(JoNetTransfer *transfer)
{
	const JoNetRequest *request = transfer->request;

	for (int i = 0; i < request->nheaders; i++)
	{
		char	   *lines = fold(request->headers[i].name, request->headers[i].value);
		struct curl_slist *longer = lines ? curl_slist_append(transfer->headers, lines) : NULL;

		free(lines);
		if (longer == NULL)
			return CURLE_OUT_OF_MEMORY;
		transfer->headers = longer;
	}
	return curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
}

/* ---- envelope and parts ---- */

static CURLcode
set_recipients(JoNetTransfer *transfer)
{
	const JoNetRequest *request = transfer->request;

	for (int i = 0; i < request->nrecipients; i++)
	{
		struct curl_slist *longer = curl_slist_append(transfer->recipients, request->recipients[i]);

		if (longer == NULL)
			return CURLE_OUT_OF_MEMORY;
		transfer->recipients = longer;
	}
	return curl_easy_setopt(transfer->easy, CURLOPT_MAIL_RCPT, transfer->recipients);
}

/* Text and html are alternatives of one part, which comes first; attachments follow. */
static CURLcode
set_parts(JoNetTransfer *transfer)
{
	CURL	   *easy = transfer->easy;
	const JoNetRequest *request = transfer->request;
	curl_mime  *alternatives = NULL;
	curl_mimepart *part;
	CURLcode	code = CURLE_OK;

	transfer->mime = curl_mime_init(easy);
	transfer->sources = calloc(request->nparts, sizeof(JoNetSource));
	if (transfer->mime == NULL || transfer->sources == NULL)
		return CURLE_OUT_OF_MEMORY;
	for (int i = 0; i < request->nparts && code == CURLE_OK; i++)
	{
		curl_mime  *into = transfer->mime;

		if (request->parts[i].alternative && alternatives == NULL)
		{
			part = curl_mime_addpart(transfer->mime);
			alternatives = curl_mime_init(easy);
			code = part && alternatives ? CURLE_OK : CURLE_OUT_OF_MEMORY;
			if (code == CURLE_OK)
				code = curl_mime_subparts(part, alternatives);
			if (code != CURLE_OK)
				curl_mime_free(alternatives);
			else
				code = curl_mime_type(part, "multipart/alternative");
		}
		if (request->parts[i].alternative)
			into = alternatives;
		if (code == CURLE_OK)
			code = jo_net_add_part(transfer, into, &request->parts[i], &transfer->sources[i]);
	}
	JO_NET_SET(CURLOPT_MIMEPOST, transfer->mime);
	return code;
}

/*
 * Only connections whose TLS was required are kept: libcurl does not ask how one in the
 * cache came to be, and one in clear must not serve a mail that needs TLS.
 */
static CURLcode
set_starttls(JoNetTransfer *transfer)
{
	CURL	   *easy = transfer->easy;
	CURLcode	code = CURLE_OK;
	JoNetStartTls starttls = transfer->request->starttls;

	if (transfer->scheme == JO_SCHEME_SMTPS || starttls == JO_NET_STARTTLS_REQUIRED)
	{
		JO_NET_SET(CURLOPT_USE_SSL, (long) CURLUSESSL_ALL);
		return code;
	}
	JO_NET_SET(CURLOPT_USE_SSL, (long) (starttls == JO_NET_STARTTLS_OPPORTUNISTIC ? CURLUSESSL_TRY : CURLUSESSL_NONE));
	JO_NET_SET(CURLOPT_FRESH_CONNECT, 1L);
	JO_NET_SET(CURLOPT_FORBID_REUSE, 1L);
	return code;
}

CURLcode
jo_net_set_mail(JoNetTransfer *transfer)
{
	CURL	   *easy = transfer->easy;
	CURLcode	code = set_starttls(transfer);
	const JoNetRequest *request = transfer->request;

	JO_NET_SET(CURLOPT_MAIL_FROM, request->mail_from ? request->mail_from : "");
	if (code == CURLE_OK)
		code = set_recipients(transfer);
	if (code == CURLE_OK && request->auth == JO_NET_AUTH_BEARER && request->token)
		JO_NET_SET(CURLOPT_XOAUTH2_BEARER, request->token);
	if (code != CURLE_OK)
		return code;
	if (request->nparts > 0)
	{
		code = set_head(transfer);
		if (code == CURLE_OK)
			code = set_parts(transfer);
		return code;
	}
	JO_NET_SET(CURLOPT_UPLOAD, 1L);
	if (!request->upload)
	{
		transfer->source = (JoNetSource) {.data = request->body, .size = request->body ? request->body_size : 0};
		JO_NET_SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t) transfer->source.size);
	}
	else
		JO_NET_SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t) (request->upload_size >= 0 ? request->upload_size : -1));
	return code;
}
