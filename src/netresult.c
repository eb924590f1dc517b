/*
 * netresult.c
 *		What became of a transfer: libcurl's codes and the callbacks' notes as one of
 *		our results, a message without secrets, and the figures.
 */
#include "netparts.h"

const char *
jo_net_verdict_text(JoEgressVerdict verdict)
{
	switch (verdict)
	{
		case JO_EGRESS_NO_RULE:
			return "no egress rule allows it";
		case JO_EGRESS_DENIED:
			return "an egress rule denies it";
		case JO_EGRESS_ADDRESS:
			return "the address is not public, and no egress rule names it";
		case JO_EGRESS_ALLOWED:
			break;
	}
	return "it is allowed";
}

void
jo_net_note_refusal(JoNetTransfer *transfer, JoEgressVerdict verdict, unsigned scheme, const char *host, int port)
{
	transfer->response.refused_why = verdict;
	transfer->response.refused_scheme = scheme;
	strlcpy(transfer->response.refused_host, host, sizeof(transfer->response.refused_host));
	transfer->response.refused_port = port;
}

static JoNetResult
result_of_notes(const JoNetTransfer *transfer)
{
	if (transfer->no_memory || transfer->no_socket)
		return JO_NET_MEMORY;
	if (transfer->too_large)
		return JO_NET_TOO_LARGE;
	return transfer->refused ? JO_NET_REFUSED : JO_NET_RESET;
}

/* Has the server of FTP or SMTP said no? */
static bool
was_told_no(const JoNetTransfer *transfer)
{
	long		status = 0;

	if (transfer->scheme & (JO_SCHEME_HTTP | JO_SCHEME_HTTPS))
		return false;
	return curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK && status >= 400;
}

JoNetResult
jo_net_result_of(const JoNetTransfer *transfer, CURLcode code)
{
	switch (code)
	{
		case CURLE_OK:
			return JO_NET_OK;
		case CURLE_WRITE_ERROR:
		case CURLE_ABORTED_BY_CALLBACK:
			return result_of_notes(transfer);
		case CURLE_COULDNT_CONNECT:
			return transfer->refused && !transfer->tried ? JO_NET_REFUSED : JO_NET_CONNECT;
		case CURLE_PROXY:
		case CURLE_INTERFACE_FAILED:
			return JO_NET_CONNECT;
		case CURLE_COULDNT_RESOLVE_HOST:
		case CURLE_COULDNT_RESOLVE_PROXY:
			return JO_NET_DNS;
		case CURLE_URL_MALFORMAT:
		case CURLE_UNSUPPORTED_PROTOCOL:
		case CURLE_NOT_BUILT_IN:
		case CURLE_UNKNOWN_OPTION:
		case CURLE_BAD_FUNCTION_ARGUMENT:
			return JO_NET_BAD_URL;
		case CURLE_OPERATION_TIMEDOUT:
		case CURLE_FTP_ACCEPT_TIMEOUT:
			return JO_NET_TIMEOUT;
		case CURLE_OUT_OF_MEMORY:
			return JO_NET_MEMORY;
		case CURLE_FILESIZE_EXCEEDED:
			return JO_NET_TOO_LARGE;
		case CURLE_SSL_CONNECT_ERROR:
		case CURLE_SSL_ENGINE_NOTFOUND:
		case CURLE_SSL_ENGINE_SETFAILED:
		case CURLE_SSL_CERTPROBLEM:
		case CURLE_SSL_CIPHER:
		case CURLE_PEER_FAILED_VERIFICATION:
		case CURLE_USE_SSL_FAILED:
		case CURLE_SSL_ENGINE_INITFAILED:
		case CURLE_SSL_CACERT_BADFILE:
		case CURLE_SSL_CRL_BADFILE:
		case CURLE_SSL_ISSUER_ERROR:
		case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
		case CURLE_SSL_INVALIDCERTSTATUS:
		case CURLE_SSL_CLIENTCERT:
			return JO_NET_TLS;
		case CURLE_LOGIN_DENIED:
		case CURLE_AUTH_ERROR:
			return JO_NET_LOGIN;
		case CURLE_REMOTE_ACCESS_DENIED:
		case CURLE_REMOTE_FILE_NOT_FOUND:
		case CURLE_REMOTE_FILE_EXISTS:
		case CURLE_REMOTE_DISK_FULL:
		case CURLE_QUOTE_ERROR:
		case CURLE_UPLOAD_FAILED:
		case CURLE_FTP_COULDNT_RETR_FILE:
		case CURLE_FTP_COULDNT_USE_REST:
		case CURLE_FTP_COULDNT_SET_TYPE:
		case CURLE_BAD_DOWNLOAD_RESUME:
		case CURLE_RANGE_ERROR:
			return JO_NET_REMOTE;
		default:
			return was_told_no(transfer) ? JO_NET_REMOTE : JO_NET_RESET;
	}
}

/* Texts of servers and libraries may be anything; rows are text of the database's encoding. */
static void
make_printable(char *text)
{
	for (char *p = text; *p; p++)
	{
		if ((unsigned char) *p < 0x20 || (unsigned char) *p > 0x7e)
			*p = '?';
	}
}

/* SFTP has no numbers that libcurl tells: the one that FTP would say. */
static int
status_of_code(CURLcode code)
{
	switch (code)
	{
		case CURLE_REMOTE_FILE_NOT_FOUND:
		case CURLE_REMOTE_ACCESS_DENIED:
		case CURLE_REMOTE_FILE_EXISTS:
			return 550;
		case CURLE_REMOTE_DISK_FULL:
			return 452;
		default:
			return 0;
	}
}

static void
tell_too_large(JoNetTransfer *transfer, char *text, size_t size)
{
	if (transfer->header_total > JO_NET_HEADERS_MAX && !transfer->began)
		snprintf(text, size, "the response's headers are longer than %d bytes", JO_NET_HEADERS_MAX);
	else
		snprintf(text, size, "the response is larger than " INT64_FORMAT " bytes", transfer->request->max_response);
}

void
jo_net_tell(JoNetTransfer *transfer, JoNetResult result, CURLcode code)
{
	char		place[300];
	char		text[512];
	JoNetResponse *response = &transfer->response;
	bool		http = (transfer->scheme & (JO_SCHEME_HTTP | JO_SCHEME_HTTPS)) != 0;

	if (result == JO_NET_OK)
		return;
	if (transfer->scheme == JO_SCHEME_SFTP)
		response->status = status_of_code(code);
	jo_net_format_place(transfer, place, sizeof(place));
	if (result == JO_NET_REFUSED)
		snprintf(text, sizeof(text), "%s%s may not be connected: %s", transfer->proxy_host ? "its proxy at " : "",
				 response->refused_address, jo_net_verdict_text(response->refused_why));
	else if (result == JO_NET_TOO_LARGE)
		tell_too_large(transfer, text, sizeof(text));
	else if (result == JO_NET_MEMORY)
		strlcpy(text, "out of memory", sizeof(text));
	else
	{
		strlcpy(text, transfer->error[0] ? transfer->error : curl_easy_strerror(code), sizeof(text));
		if (!http && transfer->header_text.size > 0)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "; the server said: %.*s",
					 (int) transfer->header_text.size, transfer->header_text.data);
	}
	make_printable(text);
	snprintf(response->message, sizeof(response->message), "%s: %s", place, text);
}

static int64
get_number(CURL *easy, CURLINFO info)
{
	curl_off_t	value = 0;

	return curl_easy_getinfo(easy, info, &value) == CURLE_OK ? (int64) value : 0;
}

void
jo_net_note_content_type(JoNetTransfer *transfer)
{
	char	   *text = NULL;

	if (curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_TYPE, &text) == CURLE_OK)
		transfer->response.content_type = text;
}

/* While libcurl still knows; what it points to stays until the handle is reset. */
void
jo_net_fill_response(JoNetTransfer *transfer)
{
	JoNetResponse *response = &transfer->response;
	CURL	   *easy = transfer->easy;
	bool		http = (transfer->scheme & (JO_SCHEME_HTTP | JO_SCHEME_HTTPS)) != 0;
	long		status = 0;
	long		connects = 0;
	char	   *text = NULL;

	response->elapsed = jo_net_now() - transfer->begun;
	response->url = transfer->url_text;
	response->body = transfer->body.data;
	response->body_size = transfer->body.size;
	if (transfer->state != JO_NET_RUNNING || easy == NULL)
		return;
	if (curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK && status != 0)
		response->status = (int) status;
	if (http && transfer->began)
	{
		response->headers = transfer->header_text.data;
		response->headers_size = transfer->header_text.size;
	}
	jo_net_note_content_type(transfer);
	if (curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &text) == CURLE_OK && text != NULL)
		strlcpy(response->address, text, sizeof(response->address));
	response->sent = get_number(easy, CURLINFO_SIZE_UPLOAD_T);
	if (curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connects) == CURLE_OK && connects > 0)
		response->connected = Max(get_number(easy, CURLINFO_CONNECT_TIME_T), get_number(easy, CURLINFO_APPCONNECT_TIME_T));
	response->first_byte = get_number(easy, CURLINFO_STARTTRANSFER_TIME_T);
}
