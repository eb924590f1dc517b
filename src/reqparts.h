/*
 * reqparts.h
 *		What the files of http and webhook share, and the other kinds may use.
 *
 * What these functions make for the request is in errand->context, unless they say
 * otherwise; whatever goes out is UTF-8.
 */
#ifndef JO_REQPARTS_H
#define JO_REQPARTS_H

#include "artifact.h"
#include "httptext.h"
#include "request.h"

/* ---- reqcommon.c ---- */

/* 'step "x"', for messages; in the current context. */
extern char *jo_request_place(const JoErrand *errand);

/* A text of the database as UTF-8; raises when it cannot be. */
extern char *jo_request_utf8(const JoErrand *errand, const char *text, size_t length);

/* A number without a fraction; numbers in texts count.  Raises unless it is from low to high. */
extern int64 jo_request_int(JoErrand *errand, Jsonb *request, const char *key, int64 low, int64 high,
							int64 otherwise);

/* A string, number or boolean as text, in the current context; NULL: it is something else. */
extern char *jo_request_scalar(const JsonbValue *value);

/* An object; NULL when it is not there or null, raises for anything else. */
extern Jsonb *jo_request_object(JoErrand *errand, Jsonb *request, const char *key);

/* The i-th member of an object; false after the last one.  Names are terminated, in the current context. */
extern bool jo_request_next_member(JsonbIterator **iterator, char **name, JsonbValue *value);

/* Sets net_request.url; query: encoded already, or "".  Checks it. */
extern void jo_request_set_url(JoErrand *errand, const char *url, const char *query);

extern bool jo_request_has_header(const JoErrand *errand, const char *name);

/* ---- reqbody.c ---- */

/* The body of whichever key says it, with its Content-Type. */
extern void jo_request_body(JoErrand *errand, Jsonb *request);

/* The body is these bytes, in errand->context already. */
extern void jo_request_set_body(JoErrand *errand, const char *data, size_t size, const char *content_type);

/* Bytes of base64; raises with key when it is none. */
extern char *jo_request_base64(JoErrand *errand, const char *key, const char *text, size_t *size);

/*
 * Which artifact a value means: an id, a name in the run, or the object that describes one.
 * Opens it with the step's role; raises when the courier cannot read it.
 */
extern JoArtifactReader *jo_request_open_artifact(JoErrand *errand, const char *key, const JsonbValue *value,
												  int64 *id);

/* Its whole content, of at most max bytes, and closes it. */
extern char *jo_request_read_artifact(JoErrand *errand, const char *key, JoArtifactReader *reader,
									  size_t max, size_t *size);

/* ---- reqhttp.c ---- */

typedef enum JoResponseForm
{
	JO_RESPONSE_AUTO,
	JO_RESPONSE_JSON,
	JO_RESPONSE_TEXT,
	JO_RESPONSE_BASE64,
	JO_RESPONSE_NONE
} JoResponseForm;

#define JO_STATUS_RANGES 32

/* errand->kind_state of http and webhook. */
typedef struct JoHttpState
{
	JoResponseForm form;
	int			nexpected;
	JoStatusRange expected[JO_STATUS_RANGES];
	const char *expected_text;	/* for messages */
} JoHttpState;

/* Method (NULL: not said), URL and the step's own headers: before the body. */
extern void jo_http_begin_target(JoErrand *errand, Jsonb *request);

/* The rest of what http and webhook share; key NULL: no Idempotency-Key. */
extern void jo_http_begin_common(JoErrand *errand, JoTry *try, Jsonb *request, const char *key);

/* Raises for a status that the step does not expect; *result gets when to come again. */
extern void jo_http_require_expected(JoErrand *errand, const JoNetResponse *response, const JoHttpState *state,
									 JoErrandResult *result);

/* What "idempotency_key" says: the text, or NULL for none. */
extern const char *jo_http_idempotency_key(JoErrand *errand, Jsonb *request);

extern void jo_http_begin(JoErrand *errand, JoTry *try, Jsonb *request);
extern void jo_http_finish(JoErrand *errand, JoTry *try, const JoNetResponse *response, JoErrandResult *result);

/* ---- reqwebhook.c ---- */

extern void jo_webhook_begin(JoErrand *errand, JoTry *try, Jsonb *request);

/* ---- reqartifact.c ---- */

extern void jo_artifact_get_begin(JoErrand *errand, JoTry *try, Jsonb *request);
extern void jo_artifact_get_finish(JoErrand *errand, JoTry *try, const JoNetResponse *response, JoErrandResult *result);

/* ---- reqemail.c ---- */

extern void jo_email_begin(JoErrand *errand, JoTry *try, Jsonb *request);
extern void jo_email_finish(JoErrand *errand, JoTry *try, const JoNetResponse *response, JoErrandResult *result);

/* ---- reqfile.c ---- */

extern void jo_file_begin(JoErrand *errand, JoTry *try, Jsonb *request);
extern void jo_file_finish(JoErrand *errand, JoTry *try, const JoNetResponse *response, JoErrandResult *result);

/* ---- reqresponse.c: in the current context ---- */

/* {status, headers, body, encoding, size, elapsed_ms, url}; spooled bodies are finished. */
extern Jsonb *jo_response_output(JoErrand *errand, JoTry *try, const JoNetResponse *response, JoResponseForm form);

/* A body by itself, as it is in such an output. */
extern void jo_response_body(const JoErrand *errand, const JoNetResponse *response, JoResponseForm form,
							 JsonbValue *value, const char **encoding);

/* The artifact of a body that was larger than the window: the rest is written. */
extern Jsonb *jo_response_finish_spool(const JoErrand *errand, const JoNetResponse *response);

/* For the DETAIL of an error: status, some headers, the beginning of the body; masked. */
extern char *jo_response_describe(const JoErrand *errand, const JoNetResponse *response);

#endif
