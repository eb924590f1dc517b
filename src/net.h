/*
 * net.h
 *		Transfers through libcurl: the only file group that knows it (net*.c).
 *
 * A client is one curl multi handle of one process.  Nothing here touches rows or
 * shared memory, nothing raises but where it says so, and no function of
 * libcurl is called with signals unblocked that the server handles.  Used by the courier
 * outside of transactions.
 */
#ifndef JO_NET_H
#define JO_NET_H

#include "postgres.h"
#include "egress.h"

typedef struct JoNetClient JoNetClient;
typedef struct JoNetTransfer JoNetTransfer;

typedef struct JoNetHeader
{
	const char *name;
	const char *value;
	bool		secret;			/* has one in it: goes to the first host only, as those do that look like credentials */
} JoNetHeader;

typedef enum JoNetAuth
{
	JO_NET_AUTH_NONE,
	JO_NET_AUTH_BASIC,
	JO_NET_AUTH_DIGEST,
	JO_NET_AUTH_BEARER,
	JO_NET_AUTH_AWS_SIGV4		/* user: access key, password: secret key, realm: aws:amz:<region>:s3 */
} JoNetAuth;

typedef enum JoNetStartTls
{
	JO_NET_STARTTLS_REQUIRED,
	JO_NET_STARTTLS_OPPORTUNISTIC,
	JO_NET_STARTTLS_NONE
} JoNetStartTls;

/* A part of a multipart/form-data body or of a mail. */
typedef struct JoNetPart
{
	const char *name;			/* of the form's field; NULL in mails */
	const char *filename;		/* NULL: none */
	const char *content_type;	/* NULL: by the library */
	const char *encoder;		/* base64, quoted-printable; NULL: none */
	const char *data;
	size_t		size;
	bool		alternative;	/* mail: text and html are alternatives of one body */
} JoNetPart;

/*
 * What is to be done.  All it points to must stay until jo_net_close(), and
 * nothing of it may be changed meanwhile.
 */
typedef struct JoNetRequest
{
	const char *url;			/* http, https, ftp, ftps (on port 21: AUTH TLS), sftp, smtp, smtps; user and password in it serve when user is NULL */
	unsigned	schemes;		/* JO_SCHEME_... that are allowed, redirects included */
	const char *method;			/* HTTP: NULL: GET or by the body */
	int			nheaders;
	JoNetHeader *headers;		/* checked already: no line breaks, no forbidden names */
	const char *body;			/* NULL: none, or fed (upload) */
	size_t		body_size;
	int			nparts;			/* multipart or mail; then body is NULL */
	JoNetPart  *parts;
	bool		upload;			/* the body (PUT, FTP STOR) is fed: see jo_net_next_hungry() */
	int64		upload_size;	/* -1: not known */
	int64		resume_from;	/* 0: from the beginning; -1: an upload by ftp or sftp from where the file there ends, see
								 * resumed_at.  An upload is fed from there; upload_size is of the whole */
	bool		create_dirs;	/* ftp, sftp */
	bool		no_body;		/* HEAD */
	JoNetAuth	auth;
	const char *user;
	const char *password;
	const char *token;			/* BEARER */
	const char *realm;			/* AWS_SIGV4 */
	const char *mail_from;
	int			nrecipients;
	const char **recipients;
	JoNetStartTls starttls;		/* smtp */
	bool		insecure;		/* no check of the certificate: only if an egress rule says so */
	const char *ca;				/* PEM; NULL: the system's */
	const char *client_cert;	/* PEM */
	const char *client_key;		/* sftp: the user's key, in place of a password */
	const char *key_password;
	const char *known_host;		/* sftp: base64 SHA-256 of the host's key; NULL: refused unless insecure */
	const char *proxy;			/* NULL: none, whatever the environment says */
	int			http_version;	/* 0: by the library; 11, 2 */
	int			max_redirects;	/* each is checked as the first request is; auth and cookies go to the same host only */
	long		connect_timeout;	/* milliseconds; 0: of the library's user, 10 s */
	long		first_byte_timeout; /* from the end of the request until the response begins; 0: none */
	long		idle_timeout;	/* without a byte of the response or the upload; 0: none */
	long		total_timeout;	/* redirects and the wait for a connection included; 0: none */
	int64		max_response;	/* bytes; more is JO_NET_TOO_LARGE */
	size_t		window;			/* response bytes kept in memory; with more it is "full": jo_net_next_full().  0: no limit but max_response */
	const JoEgressView *egress; /* what the step's role may reach; stays until close */
	bool		cleartext_ok;	/* a redirect may lead from https to http (never true for now) */
} JoNetRequest;

typedef enum JoNetResult
{
	JO_NET_OK,					/* the protocol's exchange was complete; status says what came */
	JO_NET_BAD_URL,
	JO_NET_REFUSED,				/* by egress: host, redirect or address */
	JO_NET_DNS,
	JO_NET_CONNECT,
	JO_NET_TLS,
	JO_NET_RESET,				/* broken off: reset, half a body, protocol error */
	JO_NET_TIMEOUT,
	JO_NET_TOO_LARGE,
	JO_NET_REDIRECTS,			/* too many */
	JO_NET_LOGIN,				/* remote side refuses user or key */
	JO_NET_REMOTE,				/* FTP, SFTP, SMTP say no (no such file, mailbox, ...) */
	JO_NET_ABORTED,				/* jo_net_abort() */
	JO_NET_MEMORY
} JoNetResult;

typedef struct JoNetResponse
{
	JoNetResult result;
	char		message[512];	/* what went wrong, without secrets; empty with JO_NET_OK */
	int			status;			/* HTTP, FTP, SMTP code; SFTP: 550 for no, 452 for no room; 0: none */
	const char *headers;		/* of the last response, as "Name: value\r\n" lines; not terminated */
	size_t		headers_size;
	const char *body;			/* what is in the window; not terminated */
	size_t		body_size;
	int64		received;		/* bytes in all */
	int64		sent;
	int64		resumed_at;		/* where an upload goes on, known when it is hungry first */
	const char *url;			/* where it ended, after redirects, without user and password; NULL: it began nowhere */
	const char *content_type;	/* NULL: none */
	char		address[64];	/* that was connected; empty: none */
	int			nredirects;
	int64		elapsed;		/* microseconds, from open to the end */
	int64		connected;		/* microseconds; 0: the connection was there already */
	int64		first_byte;

	/* JO_NET_REFUSED: by which rule, of whom; JO_EGRESS_ALLOWED: a redirect's scheme, by none */
	JoEgressVerdict refused_why;
	unsigned	refused_scheme;
	char		refused_host[256];
	int			refused_port;
	char		refused_address[64];	/* empty: by name */
} JoNetResponse;

/* Raises when libcurl cannot be set up. max: transfers open at a time, for the cache of connections. */
extern JoNetClient *jo_net_create(int max);

/* CA certificates for transfers without their own; NULL or empty: the system's.  For transfers that begin later. */
extern void jo_net_set_ca_file(JoNetClient *client, const char *path);

/* Closes everything at once, transfers too. */
extern void jo_net_destroy(JoNetClient *client);

/* So many connections to one host, and in all; 0: no limit. */
extern void jo_net_set_limits(JoNetClient *client, int per_host, int total);

/*
 * Begins a transfer.  Always gives one; what cannot begin is done in the next jo_net_run(),
 * with its result.  owner is given back by jo_net_owner().  Raises only when there is no
 * memory for the transfer itself.
 */
extern JoNetTransfer *jo_net_open(JoNetClient *client, const JoNetRequest *request, void *owner);

/*
 * Moves bytes, then waits for sockets, MyLatch or the time-out (milliseconds; 0: does not
 * wait), and moves bytes.  Returns when something may be done or full or hungry, the
 * latch is set (it resets nothing) or the time (below 0: no limit) is over.  Does not run interrupts.
 */
extern void jo_net_run(JoNetClient *client, long timeout);

/* Each is given once; NULL: none. Those that are done stay until jo_net_close(). */
extern JoNetTransfer *jo_net_next_done(JoNetClient *client);

/* Its window is full: the caller takes response->body away, then jo_net_resume().  HTTP: status, headers and type are there. */
extern JoNetTransfer *jo_net_next_full(JoNetClient *client);
extern void jo_net_resume(JoNetTransfer *transfer);

/* An upload wants more: jo_net_feed() copies; last: nothing follows. */
extern JoNetTransfer *jo_net_next_hungry(JoNetClient *client);
extern void jo_net_feed(JoNetTransfer *transfer, const char *data, size_t size, bool last);

extern void *jo_net_owner(const JoNetTransfer *transfer);
extern const JoNetResponse *jo_net_response(const JoNetTransfer *transfer);

/* Breaks it off: it is done, with JO_NET_ABORTED unless it was done before. */
extern void jo_net_abort(JoNetTransfer *transfer);

/* Forgets it, done or not. */
extern void jo_net_close(JoNetTransfer *transfer);

/* How many are open and not done. */
extern int	jo_net_open_count(const JoNetClient *client);

#endif
