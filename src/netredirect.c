/*
 * netredirect.c
 *		Redirects, each checked as the first request was.
 *
 * libcurl follows none: it would ask no egress rule about the name, and it has its own mind
 * about what goes along.  Here credentials stay with the host, port and scheme that the
 * request names, and nothing leads from https to http.
 */
#include "netparts.h"

#include "common/string.h"

/* The value of the response's first header of that name, not terminated; NULL: none. */
static const char *
find_response_header(const JoNetTransfer *transfer, const char *name, size_t *length)
{
	const char *text = transfer->header_text.data;
	const char *end = text + transfer->header_text.size;
	size_t		n = strlen(name);

	while (text < end)
	{
		const char *next = memchr(text, '\n', end - text);
		const char *stop = next ? next : end;

		if ((size_t) (stop - text) > n && text[n] == ':' && pg_strncasecmp(text, name, n) == 0)
		{
			text += n + 1;
			while (text < stop && (*text == ' ' || *text == '\t'))
				text++;
			while (stop > text && (stop[-1] == '\r' || stop[-1] == ' ' || stop[-1] == '\t'))
				stop--;
			*length = stop - text;
			return text;
		}
		text = next ? next + 1 : end;
	}
	return NULL;
}

bool
jo_net_is_redirect(const JoNetTransfer *transfer, int status)
{
	size_t		length;

	if (transfer->request->max_redirects <= 0)
		return false;
	if (status != 301 && status != 302 && status != 303 && status != 307 && status != 308)
		return false;
	return find_response_header(transfer, "Location", &length) != NULL && length > 0;
}

/* What browsers do: 303 asks for a GET, and a POST becomes one. */
static bool
becomes_get(const JoNetTransfer *transfer)
{
	const char *method = jo_net_method(transfer);

	if (transfer->status == 303)
		return strcmp(method, "HEAD") != 0;
	return (transfer->status == 301 || transfer->status == 302) && strcmp(method, "POST") == 0;
}

JoNetResult
jo_net_follow(JoNetTransfer *transfer)
{
	JoNetResponse *response = &transfer->response;
	size_t		length = 0;
	const char *value = find_response_header(transfer, "Location", &length);
	char	   *location;
	bool		get = becomes_get(transfer);
	JoNetResult result;

	if (response->nredirects >= transfer->request->max_redirects)
	{
		snprintf(response->message, sizeof(response->message), "more than %d redirects", transfer->request->max_redirects);
		return JO_NET_REDIRECTS;
	}
	if (transfer->request->upload && !transfer->as_get && !get)
	{
		strlcpy(response->message, "a redirect asks for the upload once more", sizeof(response->message));
		return JO_NET_REDIRECTS;
	}
	location = malloc(length + 1);
	if (location == NULL)
		return JO_NET_MEMORY;
	memcpy(location, value, length);
	location[length] = '\0';
	transfer->first_hop = false;
	result = jo_net_set_url(transfer, location);
	free(location);
	if (result == JO_NET_OK)
	{
		response->nredirects++;
		transfer->as_get = transfer->as_get || get;
	}
	return result;
}

/* Does the name look like that of a credential? */
static bool
is_credential(const char *name)
{
	static const char *const words[] = {"auth", "cookie", "token", "secret", "api-key", "apikey", "api_key",
	"password", "credential", "signature", "session"};

	for (const char *p = name; *p; p++)
	{
		for (size_t i = 0; i < lengthof(words); i++)
		{
			if (pg_strncasecmp(p, words[i], strlen(words[i])) == 0)
				return true;
		}
	}
	return false;
}

bool
jo_net_header_goes(const JoNetTransfer *transfer, const JoNetHeader *header)
{
	if (transfer->as_get && pg_strncasecmp(header->name, "Content-", 8) == 0)
		return false;
	if (!transfer->stranger)
		return true;
	if (header->secret)
		return false;
	return !is_credential(header->name);
}
