/*
 * neteasy.c
 *		A request becomes options of an easy handle: what all protocols share.
 *
 * The handle comes as new or reset, so each option that is not set here has libcurl's
 * default.  An option that libcurl refuses fails the transfer: none of them is there
 * for decoration.
 */
#include "netparts.h"

/* ---- headers ---- */

const JoNetHeader *
jo_net_find_header(const JoNetRequest *request, const char *name)
{
	for (int i = 0; i < request->nheaders; i++)
	{
		if (pg_strcasecmp(request->headers[i].name, name) == 0)
			return &request->headers[i];
	}
	return NULL;
}

/* One more header; an empty value needs another form, or libcurl would leave the header out. */
static bool
add_header(JoNetTransfer *transfer, const char *name, const char *value)
{
	size_t		size = strlen(name) + strlen(value) + 3;
	char		short_line[512];
	char	   *line = size <= sizeof(short_line) ? short_line : malloc(size);
	struct curl_slist *longer = NULL;

	if (line != NULL)
	{
		snprintf(line, size, *value ? "%s: %s" : "%s;", name, value);
		longer = curl_slist_append(transfer->headers, line);
	}
	if (line != short_line)
		free(line);
	if (longer == NULL)
		return false;
	transfer->headers = longer;
	return true;
}

/* Tells libcurl not to add this header itself. */
static bool
suppress_header(JoNetTransfer *transfer, const char *name)
{
	char		line[64];
	struct curl_slist *longer;

	snprintf(line, sizeof(line), "%s:", name);
	longer = curl_slist_append(transfer->headers, line);
	if (longer == NULL)
		return false;
	transfer->headers = longer;
	return true;
}

bool
jo_net_list_headers(JoNetTransfer *transfer)
{
	const JoNetRequest *request = transfer->request;

	for (int i = 0; i < request->nheaders; i++)
	{
		if (jo_net_header_goes(transfer, &request->headers[i]) &&
			!add_header(transfer, request->headers[i].name, request->headers[i].value))
			return false;
	}

	/* a form's type for a body of which nobody said a type would be a lie */
	if (request->body != NULL && !transfer->as_get && request->nparts == 0 &&
		jo_net_find_header(request, "Content-Type") == NULL && !suppress_header(transfer, "Content-Type"))
		return false;
	return true;
}

/* ---- values that would write lines of their own ---- */

static bool
has_control(const char *text)
{
	if (text == NULL)
		return false;
	for (const unsigned char *p = (const unsigned char *) text; *p; p++)
	{
		if ((*p < 0x20 && *p != '\t') || *p == 0x7f)
			return true;
	}
	return false;
}

static bool
is_token(const char *text)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	if (*text == '\0')
		return false;
	for (const char *p = text; *p; p++)
	{
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
			  strchr(others, *p) != NULL))
			return false;
	}
	return true;
}

const char *
jo_net_find_fault(const JoNetRequest *request)
{
	if (request->method != NULL && !is_token(request->method))
		return "the method is not a word";
	for (int i = 0; i < request->nheaders; i++)
	{
		if (!is_token(request->headers[i].name))
			return "a header's name is not a word";
		if (has_control(request->headers[i].value))
			return "a header's value has control characters";
	}
	for (int i = 0; i < request->nparts; i++)
	{
		const JoNetPart *part = &request->parts[i];

		if (has_control(part->name) || has_control(part->filename) || has_control(part->content_type) ||
			has_control(part->encoder))
			return "a part's name, file name or type has control characters";
	}
	for (int i = 0; i < request->nrecipients; i++)
	{
		if (has_control(request->recipients[i]))
			return "a recipient has control characters";
	}
	if (has_control(request->mail_from))
		return "the sender has control characters";
	if (has_control(request->user) || has_control(request->password) || has_control(request->token) ||
		has_control(request->realm))
		return "the user, password or token has control characters";
	return NULL;
}

/* ---- parts ---- */

/* The data is read from where it is: libcurl would copy it otherwise. */
CURLcode
jo_net_add_part(JoNetTransfer *transfer, curl_mime *mime, const JoNetPart *part, JoNetSource *source)
{
	curl_mimepart *made = curl_mime_addpart(mime);
	CURLcode	code = made ? CURLE_OK : CURLE_OUT_OF_MEMORY;

	*source = (JoNetSource) {.data = part->data, .size = part->size};
	if (code == CURLE_OK)
		code = curl_mime_data_cb(made, (curl_off_t) part->size, jo_net_read_source, jo_net_seek_source, NULL, source);
	if (code == CURLE_OK && part->name)
		code = curl_mime_name(made, part->name);
	if (code == CURLE_OK && part->filename)
		code = curl_mime_filename(made, part->filename);
	if (code == CURLE_OK && part->content_type)
		code = curl_mime_type(made, part->content_type);
	if (code == CURLE_OK && part->encoder)
		code = curl_mime_encoder(made, part->encoder);
	return code;
}

/* ---- options ---- */

/* Only the scheme of this hop: redirects are followed by our own code. */
static const char *
scheme_name(unsigned scheme)
{
	switch (scheme)
	{
		case JO_SCHEME_HTTP:
			return "http";
		case JO_SCHEME_HTTPS:
			return "https";
		case JO_SCHEME_FTP:
			return "ftp";
		case JO_SCHEME_FTPS:
			/* on the port of ftp, TLS is asked for in ftp's own words */
			return "ftp,ftps";
		case JO_SCHEME_SFTP:
			return "sftp";
		case JO_SCHEME_SMTP:
			return "smtp";
		case JO_SCHEME_SMTPS:
			return "smtps";
	}
	return "";
}

/* Libcurl needs it to share it out among the addresses of a host; all other time is kept by netloop.c. */
static long
connect_time(const JoNetTransfer *transfer)
{
	const JoNetRequest *request = transfer->request;
	long		limit = request->connect_timeout > 0 ? request->connect_timeout : 10000;
	int64		left;

	if (request->total_timeout == 0)
		return limit;
	left = request->total_timeout - (jo_net_now() - transfer->begun) / 1000;
	return (long) Max(Min(left, limit), 1);
}

/* What no request can change. */
static CURLcode
set_always(JoNetTransfer *transfer)
{
	CURL	   *easy = transfer->easy;
	CURLcode	code = CURLE_OK;
	const JoNetRequest *request = transfer->request;

	JO_NET_SET(CURLOPT_NOSIGNAL, 1L);
	JO_NET_SET(CURLOPT_QUICK_EXIT, 1L);
	JO_NET_SET(CURLOPT_ERRORBUFFER, transfer->error);
	JO_NET_SET(CURLOPT_PROTOCOLS_STR, scheme_name(transfer->scheme));
	JO_NET_SET(CURLOPT_REDIR_PROTOCOLS_STR, scheme_name(transfer->scheme));
	JO_NET_SET(CURLOPT_FOLLOWLOCATION, 0L);
	JO_NET_SET(CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
	JO_NET_SET(CURLOPT_BUFFERSIZE, (long) JO_NET_BUFFER_SIZE);
	JO_NET_SET(CURLOPT_UPLOAD_BUFFERSIZE, (long) JO_NET_BUFFER_SIZE);
	JO_NET_SET(CURLOPT_NOPROGRESS, 1L);
	JO_NET_SET(CURLOPT_TCP_KEEPALIVE, 1L);
	JO_NET_SET(CURLOPT_CURLU, transfer->url);
	JO_NET_SET(CURLOPT_CONNECTTIMEOUT_MS, connect_time(transfer));
	if (request->max_response > 0 && strcmp(jo_net_method(transfer), "HEAD") != 0)
		JO_NET_SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t) request->max_response);
	return code;
}

/* An empty proxy also keeps the environment's away. */
static CURLcode
set_proxy(JoNetTransfer *transfer)
{
	CURL	   *easy = transfer->easy;
	CURLcode	code = CURLE_OK;

	JO_NET_SET(CURLOPT_NOPROXY, "");
	if (transfer->proxy_host == NULL)
	{
		JO_NET_SET(CURLOPT_PROXY, "");
		return code;
	}
	JO_NET_SET(CURLOPT_PROXY, transfer->request->proxy);
	JO_NET_SET(CURLOPT_PROXYPORT, (long) transfer->proxy_port);
	JO_NET_SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	return code;
}

static CURLcode
set_blob(CURL *easy, CURLoption option, const char *text)
{
	struct curl_blob blob = {.data = unconstify(char *, text), .len = strlen(text), .flags = CURL_BLOB_NOCOPY};

	return curl_easy_setopt(easy, option, &blob);
}

/* False only where an egress rule says so, of each hop. */
static bool
must_verify(const JoNetTransfer *transfer)
{
	return !transfer->request->insecure ||
		!jo_egress_allows_insecure(transfer->request->egress, transfer->scheme, transfer->host, transfer->port);
}

static CURLcode
set_tls(JoNetTransfer *transfer)
{
	CURL	   *easy = transfer->easy;
	CURLcode	code = CURLE_OK;
	const JoNetRequest *request = transfer->request;
	bool		verify = must_verify(transfer);

	JO_NET_SET(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	JO_NET_SET(CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
	JO_NET_SET(CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
	if (transfer->client->ca_file)
		JO_NET_SET(CURLOPT_CAINFO, transfer->client->ca_file);

	/* libcurl keeps the parsed bundle for all connections only when no directory is named too */
	if (transfer->client->ca_file || transfer->client->default_ca_file || request->ca)
		JO_NET_SET(CURLOPT_CAPATH, NULL);
	if (request->ca && code == CURLE_OK)
		code = set_blob(easy, CURLOPT_CAINFO_BLOB, request->ca);
	if (transfer->stranger || request->client_cert == NULL || transfer->scheme == JO_SCHEME_SFTP)
		return code;
	if (code == CURLE_OK)
		code = set_blob(easy, CURLOPT_SSLCERT_BLOB, request->client_cert);
	if (request->client_key && code == CURLE_OK)
		code = set_blob(easy, CURLOPT_SSLKEY_BLOB, request->client_key);
	if (request->key_password)
		JO_NET_SET(CURLOPT_KEYPASSWD, request->key_password);
	return code;
}

/* User and password; how they are shown is HTTP's business. */
static CURLcode
set_user(JoNetTransfer *transfer)
{
	CURL	   *easy = transfer->easy;
	CURLcode	code = CURLE_OK;
	const char *user = transfer->request->user ? transfer->request->user : transfer->url_user;
	const char *password = transfer->request->user ? transfer->request->password : transfer->url_password;

	if (transfer->stranger || user == NULL)
		return code;
	JO_NET_SET(CURLOPT_USERNAME, user);
	if (password != NULL)
		JO_NET_SET(CURLOPT_PASSWORD, password);
	return code;
}

CURLcode
jo_net_set_options(JoNetTransfer *transfer)
{
	CURLcode	code = set_always(transfer);

	if (code == CURLE_OK)
		code = jo_net_set_callbacks(transfer);
	if (code == CURLE_OK)
		code = set_proxy(transfer);
	if (code == CURLE_OK)
		code = set_user(transfer);
	if (code == CURLE_OK && (transfer->scheme != JO_SCHEME_HTTP || transfer->proxy_host))
		code = set_tls(transfer);
	if (code != CURLE_OK)
		return code;
	if (transfer->scheme & (JO_SCHEME_HTTP | JO_SCHEME_HTTPS))
		return jo_net_set_http(transfer);
	if (transfer->scheme & (JO_SCHEME_SMTP | JO_SCHEME_SMTPS))
		return jo_net_set_mail(transfer);
	return jo_net_set_files(transfer);
}
