/*
 * neturl.c
 *		URLs of hops and proxies: taken apart by libcurl, allowed by egress.
 *
 * The same parsed handle is then given to the transfer, so what was checked is what is
 * connected.  User and password are taken out first: no text made of the URL has them.
 */
#include "netparts.h"

#include "common/string.h"

void
jo_net_format_place(const JoNetTransfer *transfer, char *buffer, size_t size)
{
	const char *host = transfer->host ? transfer->host : "?";

	snprintf(buffer, size, strchr(host, ':') ? "[%.255s]:%d" : "%.255s:%d", host, transfer->port);
}

/* A part of the URL, to be freed by curl_free(); NULL: none. */
static char *
get_part(CURLU *url, CURLUPart part, unsigned flags)
{
	char	   *text = NULL;

	return curl_url_get(url, part, &text, flags) == CURLUE_OK ? text : NULL;
}

/* As the DNS and egress know it: lower case, xn--, no brackets, no dot at the end. */
static char *
get_host(CURLU *url)
{
	char	   *text = get_part(url, CURLUPART_HOST, CURLU_PUNYCODE);
	size_t		length;

	if (text == NULL)
		return NULL;
	length = strlen(text);
	if (length > 2 && text[0] == '[' && text[length - 1] == ']')
	{
		memmove(text, text + 1, length - 2);
		text[length - 2] = '\0';
	}
	else if (length > 1 && text[length - 1] == '.')
		text[length - 1] = '\0';
	for (char *p = text; *p; p++)
		*p = pg_ascii_tolower((unsigned char) *p);
	return text;
}

static int
get_port(CURLU *url, int usual)
{
	char	   *text = get_part(url, CURLUPART_PORT, 0);
	int			port = text ? atoi(text) : usual;

	curl_free(text);
	return port;
}

static JoNetResult
refuse_url(JoNetTransfer *transfer, const char *problem)
{
	snprintf(transfer->response.message, sizeof(transfer->response.message), "%s%s",
			 transfer->first_hop ? "" : "the redirect's ", problem);
	return JO_NET_BAD_URL;
}

/* A relative one is taken from where the last hop led. */
static CURLU *
parse_url(JoNetTransfer *transfer, const char *text, CURLUcode *code)
{
	CURLU	   *url = transfer->url ? curl_url_dup(transfer->url) : curl_url();

	if (url == NULL)
	{
		*code = CURLUE_OUT_OF_MEMORY;
		return NULL;
	}

	/* servers do write blanks into Location; users do not get away with it */
	*code = curl_url_set(url, CURLUPART_URL, text,
						 CURLU_NON_SUPPORT_SCHEME | (transfer->first_hop ? 0 : CURLU_URLENCODE));
	if (*code != CURLUE_OK)
	{
		curl_url_cleanup(url);
		return NULL;
	}
	return url;
}

/* The user of the first URL is as good as one that the request names; those of redirects are nobody's. */
static void
take_credentials(JoNetTransfer *transfer, CURLU *url)
{
	char	   *user = get_part(url, CURLUPART_USER, CURLU_URLDECODE);
	char	   *password = get_part(url, CURLUPART_PASSWORD, CURLU_URLDECODE);

	if (transfer->first_hop)
	{
		transfer->url_user = user;
		transfer->url_password = password;
	}
	else
	{
		curl_free(user);
		curl_free(password);
	}
	curl_url_set(url, CURLUPART_USER, NULL, 0);
	curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
	curl_url_set(url, CURLUPART_OPTIONS, NULL, 0);
	curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
}

static JoNetResult
check_egress(JoNetTransfer *transfer, unsigned scheme, const char *host, int port, const char *what)
{
	const JoEgressRule *rule;
	JoEgressVerdict verdict = JO_EGRESS_NO_RULE;

	if (transfer->request->egress)
		verdict = jo_egress_check_host(transfer->request->egress, scheme, host, port, &rule);
	if (verdict == JO_EGRESS_ALLOWED)
		return JO_NET_OK;
	jo_net_note_refusal(transfer, verdict, scheme, host, port);
	snprintf(transfer->response.message, sizeof(transfer->response.message), "%s%.255s port %d may not be reached: %s",
			 what, host, port, jo_net_verdict_text(verdict));
	return JO_NET_REFUSED;
}

/* May the hop have this scheme? */
static JoNetResult
check_scheme(JoNetTransfer *transfer, unsigned before, const char *word)
{
	JoNetResponse *response = &transfer->response;

	if (transfer->first_hop)
	{
		if (transfer->scheme != 0 && transfer->scheme != JO_SCHEME_FILE &&
			(transfer->scheme & transfer->request->schemes) != 0)
			return JO_NET_OK;
		snprintf(response->message, sizeof(response->message), "scheme \"%.20s\" is not possible here", word);
		return JO_NET_BAD_URL;
	}
	if ((transfer->scheme & transfer->request->schemes & (JO_SCHEME_HTTP | JO_SCHEME_HTTPS)) == 0)
		snprintf(response->message, sizeof(response->message), "a redirect leads to scheme \"%.20s\"", word);
	else if (before == JO_SCHEME_HTTPS && transfer->scheme == JO_SCHEME_HTTP && !transfer->request->cleartext_ok)
		snprintf(response->message, sizeof(response->message), "a redirect leads from https to http");
	else
		return JO_NET_OK;
	return JO_NET_REFUSED;
}

/* Takes the parts that we need out of the URL. */
static JoNetResult
take_parts(JoNetTransfer *transfer)
{
	unsigned	before = transfer->scheme;
	char	   *word = get_part(transfer->url, CURLUPART_SCHEME, 0);
	int			usual = 0;
	JoNetResult result;

	if (word == NULL)
		return refuse_url(transfer, "URL has no scheme");
	transfer->scheme = jo_egress_scheme(word, &usual);
	result = check_scheme(transfer, before, word);
	curl_free(word);
	if (result != JO_NET_OK)
		return result;
	transfer->port = get_port(transfer->url, usual);
	transfer->host = get_host(transfer->url);
	if (transfer->host == NULL || *transfer->host == '\0')
		return refuse_url(transfer, "URL has no host, or one that is no name");
	transfer->url_text = get_part(transfer->url, CURLUPART_URL, 0);
	if (transfer->url_text == NULL)
		return refuse_url(transfer, "URL cannot be read");
	return JO_NET_OK;
}

JoNetResult
jo_net_set_url(JoNetTransfer *transfer, const char *text)
{
	char	   *host_before = transfer->host;
	unsigned	scheme_before = transfer->scheme;
	int			port_before = transfer->port;
	CURLUcode	code;
	CURLU	   *url = parse_url(transfer, text, &code);
	JoNetResult result;

	if (url == NULL)
	{
		if (code == CURLUE_OUT_OF_MEMORY)
			return JO_NET_MEMORY;
		snprintf(transfer->response.message, sizeof(transfer->response.message), "the %sURL cannot be read: %s",
				 transfer->first_hop ? "" : "redirect's ", curl_url_strerror(code));
		return JO_NET_BAD_URL;
	}
	curl_url_cleanup(transfer->url);
	transfer->url = url;
	transfer->host = NULL;
	curl_free(transfer->url_text);
	transfer->url_text = NULL;
	take_credentials(transfer, url);
	result = take_parts(transfer);
	if (!transfer->first_hop &&
		(result != JO_NET_OK || transfer->scheme != scheme_before || transfer->port != port_before ||
		 strcmp(transfer->host, host_before) != 0))
		transfer->stranger = true;
	curl_free(host_before);
	if (result == JO_NET_OK)
		result = check_egress(transfer, transfer->scheme, transfer->host, transfer->port,
							  transfer->first_hop ? "" : "a redirect's target ");
	return result;
}

JoNetResult
jo_net_set_proxy(JoNetTransfer *transfer)
{
	const char *text = transfer->request->proxy;
	CURLU	   *url;
	char	   *word;
	int			usual = 0;
	JoNetResult result = JO_NET_BAD_URL;

	if (text == NULL || *text == '\0')
		return JO_NET_OK;
	url = curl_url();
	if (url == NULL)
		return JO_NET_MEMORY;
	if (curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK)
	{
		word = get_part(url, CURLUPART_SCHEME, 0);
		transfer->proxy_scheme = word ? jo_egress_scheme(word, &usual) : 0;
		curl_free(word);
		transfer->proxy_port = get_port(url, usual);
		transfer->proxy_host = get_host(url);
		if ((transfer->proxy_scheme & (JO_SCHEME_HTTP | JO_SCHEME_HTTPS)) != 0 && transfer->proxy_host != NULL)
			result = check_egress(transfer, transfer->proxy_scheme, transfer->proxy_host, transfer->proxy_port,
								  "the proxy ");
	}
	curl_url_cleanup(url);
	if (result == JO_NET_BAD_URL)
		strlcpy(transfer->response.message, "the proxy's URL is not one of scheme http or https with a host",
				sizeof(transfer->response.message));
	return result;
}
