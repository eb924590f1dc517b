/*
 * netfiles.c
 *		What only FTP, FTPS and SFTP have.
 */
#include "netparts.h"

#include <sys/mman.h>
#include <unistd.h>

/* Writes all of it; false: could not. */
static bool
write_whole(int fd, const char *text)
{
	size_t		left = strlen(text);

	while (left > 0)
	{
		ssize_t		n = write(fd, text, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text += n;
		left -= n;
	}
	return true;
}

/* libcurl takes keys of SSH only from files: this one has no name, and nobody inherits it. */
static CURLcode
set_key(JoNetTransfer *transfer)
{
	CURL	   *easy = transfer->easy;
	CURLcode	code = CURLE_OK;
	char		path[64];

	transfer->key_file = memfd_create("joborch key", MFD_CLOEXEC);
	if (transfer->key_file < 0)
		return CURLE_OUT_OF_MEMORY;
	if (!write_whole(transfer->key_file, transfer->request->client_key))
		return CURLE_OUT_OF_MEMORY;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", transfer->key_file);
	JO_NET_SET(CURLOPT_SSH_PRIVATE_KEYFILE, path);
	if (transfer->request->key_password)
		JO_NET_SET(CURLOPT_KEYPASSWD, transfer->request->key_password);
	return code;
}

/* As OpenSSH prints it, "SHA256:...", or without the word; libcurl compares without the padding. */
static CURLcode
set_host_key(JoNetTransfer *transfer)
{
	CURL	   *easy = transfer->easy;
	CURLcode	code = CURLE_OK;
	const char *text = transfer->request->known_host;
	char		hash[64];
	size_t		length;

	if (strncmp(text, "SHA256:", 7) == 0)
		text += 7;
	strlcpy(hash, text, sizeof(hash));
	length = strlen(hash);
	while (length > 0 && hash[length - 1] == '=')
		hash[--length] = '\0';
	JO_NET_SET(CURLOPT_SSH_HOST_PUBLIC_KEY_SHA256, hash);
	return code;
}

/*
 * Connections are not shared: libcurl does not compare the host's key with that which this
 * request asks for.  Keys and agents of the server's own account are nobody's.
 */
static CURLcode
set_sftp(JoNetTransfer *transfer)
{
	CURL	   *easy = transfer->easy;
	CURLcode	code = CURLE_OK;
	const JoNetRequest *request = transfer->request;

	JO_NET_SET(CURLOPT_FRESH_CONNECT, 1L);
	JO_NET_SET(CURLOPT_FORBID_REUSE, 1L);
	JO_NET_SET(CURLOPT_SSH_AUTH_TYPES, (long) (request->client_key ? CURLSSH_AUTH_PUBLICKEY :
											   CURLSSH_AUTH_PASSWORD | CURLSSH_AUTH_KEYBOARD));
	if (request->known_host && code == CURLE_OK)
		code = set_host_key(transfer);
	if (request->client_key && code == CURLE_OK)
		code = set_key(transfer);
	return code;
}

/* TLS is there from the beginning, but on the port of ftp, where it is asked for. */
static CURLcode
set_ftps(JoNetTransfer *transfer)
{
	CURL	   *easy = transfer->easy;
	CURLcode	code = CURLE_OK;

	if (transfer->port == 21)
	{
		if (curl_url_set(transfer->url, CURLUPART_SCHEME, "ftp", 0) != CURLUE_OK)
			return CURLE_OUT_OF_MEMORY;
		JO_NET_SET(CURLOPT_FTPSSLAUTH, (long) CURLFTPAUTH_TLS);
	}
	JO_NET_SET(CURLOPT_USE_SSL, (long) CURLUSESSL_ALL);
	return code;
}

CURLcode
jo_net_set_files(JoNetTransfer *transfer)
{
	CURL	   *easy = transfer->easy;
	CURLcode	code = CURLE_OK;
	const JoNetRequest *request = transfer->request;

	if (transfer->scheme == JO_SCHEME_SFTP)
		code = set_sftp(transfer);
	else if (transfer->scheme == JO_SCHEME_FTPS)
		code = set_ftps(transfer);

	/* data come from the host that was allowed, whatever it says */
	JO_NET_SET(CURLOPT_FTP_SKIP_PASV_IP, 1L);
	if (request->create_dirs)
		JO_NET_SET(CURLOPT_FTP_CREATE_MISSING_DIRS, (long) CURLFTP_CREATE_DIR);
	if (request->no_body)
		JO_NET_SET(CURLOPT_NOBODY, 1L);
	if (request->upload)
	{
		JO_NET_SET(CURLOPT_UPLOAD, 1L);
		JO_NET_SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t) (request->upload_size >= 0 ? request->upload_size : -1));
	}
	else if (request->body != NULL)
	{
		JO_NET_SET(CURLOPT_UPLOAD, 1L);
		JO_NET_SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t) request->body_size);
		transfer->source = (JoNetSource) {.data = request->body, .size = request->body_size};
	}
	if (request->resume_from != 0)
		JO_NET_SET(CURLOPT_RESUME_FROM_LARGE, (curl_off_t) request->resume_from);
	return code;
}
