/*
 * request.h
 *		Between the courier and the kinds of network steps.
 *
 * An errand is one network step under way.  The courier calls begin in a transaction
 * (with others' in the same one), sends net_request when that is durable, and calls finish
 * in a later transaction with the response.  Both raise what goes wrong: the courier makes
 * a failed attempt of it.  What must outlive the transaction is allocated in errand->context.
 */
#ifndef JO_REQUEST_H
#define JO_REQUEST_H

#include "net.h"
#include "secret.h"
#include "steptry.h"

typedef struct JoArtifactWriter JoArtifactWriter;

typedef struct JoErrand
{
	MemoryContext context;		/* until the errand is over */
	Oid			role;			/* whose rights the step has */
	int64		run_id;
	int32		step;
	int32		item;
	int32		attempt;
	int32		epoch;
	const char *step_name;
	const char *idempotency_key;	/* the default one; the same for every attempt of the epoch */
	const char *callback_token; /* NULL: the step has no "callback" */
	int64		timeout;		/* the step's own, microseconds; 0: the kind's default */

	/* made by begin; host, port and rule by jo_request_common() */
	JoNetRequest net_request;
	const char *host;			/* lower case; NULL: nothing is sent */
	int			port;
	const JoEgressRule *rule;	/* that lets it through, whose limits count; NULL: none */
	JoSecretList secrets;
	void	   *kind_state;		/* what finish needs again */
	bool		nothing_to_send;	/* finish is called at once, with response NULL */
	bool		spools;			/* the response may be larger than the window: it goes to a file or an artifact */
	const char *spool_name;		/* of that artifact, and its type; NULL: the step's name, "response" */
	const char *spool_type;
	JoArtifactWriter *spool;	/* made by the courier when the window was full for the first time, unless take is set */
	Jsonb	   *spooled;		/* what jo_artifact_finish() gave, if the courier did that in a transaction of its own */

	/* what has come by now, until the errand is over; of HTTP also status and headers when take is called; NULL: nothing is sent */
	const JoNetResponse *response;

	/* kinds with a sink or a source of their own (files): called outside of transactions, may raise */
	void		(*take) (struct JoErrand *errand, const char *data, size_t size);
	size_t		(*give) (struct JoErrand *errand, char *buffer, size_t size, bool *last);

	/* an upload from an artifact: the courier feeds it, reading in a transaction */
	int64		source_artifact;	/* 0: none */

	/* whatever became of it, outside of a transaction, never raises; NULL: nothing to do */
	void		(*cleanup) (struct JoErrand *errand);
} JoErrand;

/* What a kind's finish says beside raising. */
typedef struct JoErrandResult
{
	Jsonb	   *output;			/* NULL with callback_wait */
	bool		callback_wait;	/* 202: the step waits for complete_claim() */
	TimestampTz not_before;		/* Retry-After, also when finish raises; 0: none */
} JoErrandResult;

/*
 * request is the rendered object, secrets filled in.  Checks every value: templates can
 * bring anything.  Raises ERRCODE_JO_REQUEST, ERRCODE_JO_EGRESS, ....
 */
typedef void (*JoErrandBegin) (JoErrand *errand, JoTry *try, Jsonb *request);

/* response: what came, whatever its result. */
typedef void (*JoErrandFinish) (JoErrand *errand, JoTry *try, const JoNetResponse *response,
								JoErrandResult *result);

typedef struct JoErrandKind
{
	JoErrandBegin begin;
	JoErrandFinish finish;
} JoErrandKind;

/* reqkinds.c: the one table, by JoOutsideKind. */
extern const JoErrandKind *jo_request_kind(JoOutsideKind kind);

/* ---- shared by the kinds (reqcommon.c) ---- */

/* Raises ERRCODE_JO_REQUEST "<place>: <key> ...". */
extern void jo_request_refuse(const JoErrand *errand, const char *key, const char *problem, const char *hint) pg_attribute_noreturn();

/* A member of the request; NULL when it is not there or null. *text* raises unless it is a string (numbers and booleans are printed). */
extern bool jo_request_member(Jsonb *request, const char *key, JsonbValue *value);
extern char *jo_request_text(JoErrand *errand, Jsonb *request, const char *key);
extern bool jo_request_flag(JoErrand *errand, Jsonb *request, const char *key, bool otherwise);
extern int64 jo_request_duration(JoErrand *errand, Jsonb *request, const char *key, int64 otherwise);	/* microseconds */
extern int64 jo_request_bytes(JoErrand *errand, Jsonb *request, const char *key, int64 otherwise);	/* 1000, "10 MB" */

/* auth, TLS, proxy, time-outs, egress: what all kinds with a URL have; url is set before. */
extern void jo_request_common(JoErrand *errand, Jsonb *request);

/* Header names are tokens, values have no control characters; framing headers are refused. */
extern void jo_request_add_header(JoErrand *errand, const char *name, const char *value);

/*
 * Raises for a result other than JO_NET_OK: connection, time-out, refused, ... with the
 * address, the phase and a HINT.
 */
extern void jo_request_check_result(JoErrand *errand, const JoNetResponse *response);

#endif
