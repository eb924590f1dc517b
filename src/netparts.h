/*
 * netparts.h
 *		What the files of the libcurl client (net*.c) share among themselves.
 *
 * Callbacks of libcurl (netcall.c, and those of sockets in netloop.c) allocate with
 * malloc() only and never raise: a jump out of one would leave handles that can never be
 * freed.  What goes wrong there is noted in the transfer, and the callback fails.
 */
#ifndef JO_NETPARTS_H
#define JO_NETPARTS_H

#include "net.h"

#include <curl/curl.h>
#include <signal.h>
#include <time.h>

#include "lib/ilist.h"
#include "storage/latch.h"

#define JO_NET_HEADERS_MAX (64 * 1024)	/* of one response; four times that of all of a hop, interim ones too */
#define JO_NET_BUFFER_SIZE (16 * 1024)	/* libcurl's, of each open transfer */
#define JO_NET_KEEP_SIZE (16 * 1024)	/* buffers up to this stay with a spare transfer */
#define JO_NET_DISCARD_MAX (64 * 1024)	/* of the body of a redirect; more is not waited for */

/* Grows by malloc(). */
typedef struct JoNetBuffer
{
	char	   *data;
	size_t		size;
	size_t		capacity;
} JoNetBuffer;

/* Something in memory that libcurl reads: a mail, a part of a form. */
typedef struct JoNetSource
{
	const char *data;
	size_t		size;
	size_t		position;
} JoNetSource;

/* A descriptor in the epoll set. */
typedef struct JoNetSocket
{
	uint32		registered;		/* EPOLLIN, EPOLLOUT; 0: not in the set */
	uint32		wanted;
	bool		ours;			/* opened and closed by our callbacks: may stay registered unwanted */
} JoNetSocket;

/* A host and port to which transfers are open or wait for a place. */
typedef struct JoNetHost
{
	struct JoNetHost *next;		/* in its bucket */
	uint32		hash;
	int			active;
	bool		in_line;		/* in client->line */
	dlist_node	line_node;
	dlist_head	waiting;
	char		name[FLEXIBLE_ARRAY_MEMBER];
} JoNetHost;

typedef enum JoNetState
{
	JO_NET_FRESH,				/* nothing of it was looked at */
	JO_NET_WAITING,				/* for a place of its host */
	JO_NET_RUNNING,				/* in the multi handle */
	JO_NET_DONE
} JoNetState;

struct JoNetTransfer
{
	JoNetClient *client;
	const JoNetRequest *request;
	void	   *owner;
	JoNetState	state;
	JoNetResponse response;
	CURL	   *easy;			/* stays for the next transfer */
	char		error[CURL_ERROR_SIZE];

	/* where the current hop leads */
	CURLU	   *url;
	char	   *url_text;		/* without user, password and fragment */
	char	   *url_user;		/* that the first URL named; NULL: none */
	char	   *url_password;
	char	   *host;			/* lower case, no brackets */
	unsigned	scheme;
	int			port;
	JoNetHost  *place;
	bool		first_hop;
	bool		stranger;		/* a redirect has led to another host: no credentials any more */
	bool		as_get;			/* a redirect has made a GET of it */

	/* who is connected: the host, or the proxy */
	char	   *proxy_host;		/* NULL: no proxy */
	unsigned	proxy_scheme;
	int			proxy_port;

	/* what libcurl does not copy */
	struct curl_slist *headers;
	struct curl_slist *recipients;
	curl_mime  *mime;
	JoNetSource *sources;		/* of the parts */
	JoNetSource source;			/* of a mail that is one text */
	int			key_file;		/* memfd of a key for SFTP; -1: none */

	/* what callbacks note */
	JoNetBuffer header_text;	/* not of HTTP: what the server said last, or no to */
	JoNetBuffer body;
	JoNetBuffer feed;
	size_t		feed_position;
	size_t		header_total;
	size_t		discarded;
	int			status;			/* HTTP: of the response whose headers come or came */
	bool		in_headers;
	bool		connected;		/* the request went out: first byte and idle time count */
	bool		began;			/* the final response's headers are complete */
	bool		discards;		/* a redirect's body is thrown away */
	bool		feed_last;
	bool		fed;			/* something was read of the feed */
	bool		receive_paused;
	bool		send_paused;
	bool		nudged;			/* libcurl is to look at it soon, whatever its sockets say */
	bool		refused;		/* an address, by egress */
	bool		tried;			/* another address of the host was allowed */
	bool		too_large;
	bool		no_memory;
	bool		no_socket;		/* libcurl's socket could not be watched */

	int64		begun;			/* microseconds of the monotonic clock */
	int64		active_at;		/* when bytes moved last */
	int64		uploaded;		/* what had been sent at the last look */

	dlist_node	node;			/* in client->open, ->closed or ->spare */
	dlist_node	wait_node;		/* in client->fresh or place->waiting */
	dlist_node	done_node;
	dlist_node	full_node;
	dlist_node	hungry_node;
	dlist_node	changed_node;
	bool		in_done;
	bool		in_full;
	bool		in_hungry;
	bool		in_changed;
};

struct JoNetClient
{
	CURLM	   *multi;
	int			epoll;
	WaitEventSet *wait_set;
	char	   *ca_file;		/* NULL: libcurl's own */
	bool		default_ca_file;	/* libcurl knows a bundle: its directory is not needed */
	bool		http2;
	bool		ssh_key_hash;

	JoNetSocket *sockets;		/* by descriptor */
	int			nsockets;
	int64		curl_timer;		/* PG_INT64_MAX: none */
	int64		next_deadline;	/* not after any transfer's own; PG_INT64_MAX: none */

	JoNetHost **buckets;
	int			nbuckets;
	dlist_head	line;			/* hosts that have a transfer waiting and a place for it */
	int			per_host;
	int			total;
	int			capacity;		/* by descriptors */
	int			nactive;		/* transfers that have a place */

	dlist_head	open;			/* all that are not closed */
	dlist_head	fresh;			/* opened since the last run */
	dlist_head	closed;			/* since then, with what their requests left in them */
	dlist_head	spare;
	int			nspare;
	int			max_spare;
	int			nopen;			/* not done */
	dlist_head	done;
	dlist_head	full;
	dlist_head	hungry;
	dlist_head	changed;		/* to be resumed or given up outside of callbacks */

	int			depth;			/* of jo_net_enter() */
	sigset_t	saved_mask;
};

/* In functions that have `easy` and `code`: nothing more is set after what failed. */
#define JO_NET_SET(option, value) \
	do { if (code == CURLE_OK) code = curl_easy_setopt(easy, option, value); } while (0)

static inline int64
jo_net_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- netclient.c ---- */

/* Around every call of libcurl: its resolver's thread inherits the mask, and must run no handler.  Nothing between may raise. */
extern void jo_net_enter(JoNetClient *client);
extern void jo_net_leave(JoNetClient *client);

/* False: no memory.  No raising; also called in callbacks. */
extern bool jo_net_append(JoNetBuffer *buffer, const char *data, size_t size);

/* ---- netloop.c: sockets and timers ---- */
extern bool jo_net_loop_create(JoNetClient *client);
extern void jo_net_loop_destroy(JoNetClient *client);
extern void jo_net_opened_socket(JoNetClient *client, int fd);
extern int	jo_net_close_socket(void *client, curl_socket_t fd);

/* A transfer's own deadlines may have come nearer. */
extern void jo_net_note_deadline(JoNetTransfer *transfer);

/* ---- nethosts.c: places ---- */

/* False: no memory.  The transfer waits; jo_net_admit() starts what has a place. */
extern bool jo_net_enqueue(JoNetTransfer *transfer);
extern void jo_net_admit(JoNetClient *client);
extern bool jo_net_can_admit(JoNetClient *client);

/* Gives its place or its turn back. */
extern void jo_net_leave_host(JoNetTransfer *transfer);
extern void jo_net_hosts_destroy(JoNetClient *client);

/* ---- nettransfer.c ---- */

/* Gives it to libcurl; it has a place. */
extern void jo_net_start(JoNetTransfer *transfer);

/* libcurl is through with it: a redirect, or the end. */
extern void jo_net_ended(JoNetTransfer *transfer, CURLcode code);

/* It is done with this result; the message is there already.  Not inside of callbacks. */
extern void jo_net_finish(JoNetTransfer *transfer, JoNetResult result);

/* Takes up what was opened, closed, resumed, fed or given up. */
extern void jo_net_check_fresh(JoNetClient *client);
extern void jo_net_clear_closed(JoNetClient *client);
extern void jo_net_apply_changes(JoNetClient *client);
extern void jo_net_note_change(JoNetTransfer *transfer);
extern void jo_net_free_transfer(JoNetTransfer *transfer);

/* ---- neturl.c ---- */

/* Where the next hop leads, allowed or not: JO_NET_OK or what is wrong, with the message in the response. */
extern JoNetResult jo_net_set_url(JoNetTransfer *transfer, const char *text);
extern JoNetResult jo_net_set_proxy(JoNetTransfer *transfer);

/* "api.example.com:443" */
extern void jo_net_format_place(const JoNetTransfer *transfer, char *buffer, size_t size);

/* ---- netredirect.c ---- */

/* Does the response whose headers came lead elsewhere, and is that to be followed?  No raising, no allocation. */
extern bool jo_net_is_redirect(const JoNetTransfer *transfer, int status);

/* After a response that is one.  JO_NET_OK: the next hop is set. */
extern JoNetResult jo_net_follow(JoNetTransfer *transfer);

/* May the header go along on this hop? */
extern bool jo_net_header_goes(const JoNetTransfer *transfer, const JoNetHeader *header);

/* ---- neteasy.c, nethttp.c, netfiles.c, netmail.c: a request as options ---- */
extern CURLcode jo_net_set_options(JoNetTransfer *transfer);
extern CURLcode jo_net_set_http(JoNetTransfer *transfer);
extern CURLcode jo_net_set_files(JoNetTransfer *transfer);
extern CURLcode jo_net_set_mail(JoNetTransfer *transfer);

/* NULL in the request: by the body. */
extern const char *jo_net_method(const JoNetTransfer *transfer);

/* The request's headers that go along on this hop, in transfer->headers.  False: no memory. */
extern bool jo_net_list_headers(JoNetTransfer *transfer);
extern CURLcode jo_net_add_part(JoNetTransfer *transfer, curl_mime *mime, const JoNetPart *part, JoNetSource *source);
extern const JoNetHeader *jo_net_find_header(const JoNetRequest *request, const char *name);

/* NULL or what no request may have: line breaks and other control characters. */
extern const char *jo_net_find_fault(const JoNetRequest *request);

/* ---- netcall.c: callbacks of a transfer ---- */
extern CURLcode jo_net_set_callbacks(JoNetTransfer *transfer);
extern size_t jo_net_read_source(char *buffer, size_t one, size_t size, void *source);
extern int	jo_net_seek_source(void *source, curl_off_t offset, int origin);

/* ---- netresult.c ---- */
extern JoNetResult jo_net_result_of(const JoNetTransfer *transfer, CURLcode code);

/* "host:port: what is wrong", without anything of the URL that may be secret. */
extern void jo_net_tell(JoNetTransfer *transfer, JoNetResult result, CURLcode code);
extern void jo_net_fill_response(JoNetTransfer *transfer);

/* Asks libcurl for what it keeps, so it may be called anywhere while the transfer has its handle. */
extern void jo_net_note_content_type(JoNetTransfer *transfer);
extern const char *jo_net_verdict_text(JoEgressVerdict verdict);

/* Notes it in the response; also called in callbacks. */
extern void jo_net_note_refusal(JoNetTransfer *transfer, JoEgressVerdict verdict, unsigned scheme,
								const char *host, int port);

#endif
