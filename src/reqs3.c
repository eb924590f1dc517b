/*
 * reqs3.c
 *		Requests to the S3 service that the settings name.
 *
 * Any service that speaks S3 and knows signature version 4 will do; objects are named
 * by path (https://endpoint/bucket/key), which all of them understand.  The keys are the
 * administrator's: who owns an artifact needs no right to the secret, and never sees it.
 */
#include "joborch.h"

#include "access/xlog.h"
#include "artifact.h"
#include "catalog/pg_authid.h"
#include "errors.h"
#include "guc.h"
#include "jsonbuild.h"
#include "miscadmin.h"
#include "reqparts.h"
#include "reqs3.h"

#define KEY_PREFIX "joborch/"

/* SHA-256 of nothing. */
#define NO_PAYLOAD "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* ---- names ---- */

static char *
own_prefix(void)
{
	return psprintf("/" KEY_PREFIX UINT64_FORMAT "-%u/", GetSystemIdentifier(), MyDatabaseId);
}

char *
jo_s3_url(int64 artifact_id)
{
	int			length = strlen(jo_guc_s3_endpoint);

	while (length > 0 && jo_guc_s3_endpoint[length - 1] == '/')
		length--;
	return psprintf("%.*s/%s%s" INT64_FORMAT, length, jo_guc_s3_endpoint, jo_guc_s3_bucket,
					own_prefix(), artifact_id);
}

bool
jo_s3_is_own(const char *url)
{
	return url != NULL && strstr(url, own_prefix()) != NULL;
}

/* ---- sending ---- */

/* A member of the secret, in errand->context. */
static char *
get_key(JoErrand *errand, Jsonb *secret, const char *name)
{
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(secret) || !jo_jsonb_member(&secret->root, name, strlen(name), &value) ||
		value.type != jbvString || value.val.string.len == 0)
		ereport(ERROR,
				(errcode(ERRCODE_JO_SECRET),
				 errmsg("secret \"%s\" has no \"%s\"", jo_guc_s3_secret, name),
				 errdetail("The setting joborch.s3_secret names it."),
				 errhint("It is to be {\"access_key\": \"...\", \"secret_key\": \"...\"}.")));
	return pnstrdup(value.val.string.val, value.val.string.len);
}

/* What is wrong with its text is not to be told: it would show a part of it. */
static Jsonb *
parse_secret(const char *text)
{
	MemoryContext context = CurrentMemoryContext;
	Jsonb	   *volatile secret = NULL;

	PG_TRY();
	{
		secret = jo_jsonb_from_text(text);
	}
	PG_CATCH();
	{
		int			category = ERRCODE_TO_CATEGORY(geterrcode());

		if (category != ERRCODE_DATA_EXCEPTION && category != ERRCODE_PROGRAM_LIMIT_EXCEEDED)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
	if (secret == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_JO_SECRET),
				 errmsg("secret \"%s\" is no JSON", jo_guc_s3_secret),
				 errdetail("The setting joborch.s3_secret names it."),
				 errhint("It is to be {\"access_key\": \"...\", \"secret_key\": \"...\"}.")));
	return secret;
}

static Jsonb *
empty_object(void)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

void
jo_s3_begin(JoErrand *errand, const char *method, const char *url, const char *sha256)
{
	MemoryContext old = MemoryContextSwitchTo(errand->context);
	JoNetRequest *net = &errand->net_request;
	Jsonb	   *secret;

	jo_artifact_require_s3();
	net->schemes = JO_SCHEME_HTTP | JO_SCHEME_HTTPS;
	net->method = method;
	jo_request_set_url(errand, url, "");
	jo_request_common(errand, empty_object());
	secret = parse_secret(jo_secret_resolve(BOOTSTRAP_SUPERUSERID, jo_guc_s3_secret, &errand->secrets));
	net->auth = JO_NET_AUTH_AWS_SIGV4;
	net->user = get_key(errand, secret, "access_key");
	net->password = get_key(errand, secret, "secret_key");
	net->realm = psprintf("aws:amz:%s:s3", jo_guc_s3_region);
	jo_request_add_header(errand, "x-amz-content-sha256", sha256 != NULL ? sha256 : NO_PAYLOAD);
	net->max_redirects = 0;
	MemoryContextSwitchTo(old);
}

/* ---- what came ---- */

/* Of the error that the service sent: the text of an element, as the database can keep it; NULL: there is none. */
static char *
find_element(const JoNetResponse *response, const char *name)
{
	char	   *body = pnstrdup(response->body != NULL ? response->body : "",
								response->body != NULL ? response->body_size : 0);
	char	   *tag = psprintf("<%s>", name);
	char	   *from = strstr(body, tag);
	char	   *to = from != NULL ? strstr(from, "</") : NULL;

	if (to == NULL || to - from > 512)
		return NULL;
	from += strlen(tag);
	body = pnstrdup(from, to - from);
	for (char *p = body; *p != '\0'; p++)
		if ((unsigned char) *p < ' ' || (unsigned char) *p > '~')
			*p = '?';
	return body;
}

void
jo_s3_check(JoErrand *errand, const JoNetResponse *response)
{
	int			sqlstate = ERRCODE_JO_HTTP_STATUS;
	char	   *code;
	char	   *message;

	jo_request_check_result(errand, response);
	if (response->status >= 200 && response->status < 300)
		return;
	code = find_element(response, "Code");
	message = find_element(response, "Message");
	if (response->status == 404 && code != NULL && strcmp(code, "NoSuchKey") == 0)
		sqlstate = ERRCODE_JO_ARTIFACT;
	else if (response->status == 503 || response->status == 429)
		sqlstate = ERRCODE_JO_RATE_LIMITED;
	else if (response->status >= 500)
		sqlstate = ERRCODE_JO_REMOTE;
	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg("S3 answered %d%s%s", response->status, code != NULL ? " " : "",
					code != NULL ? code : ""),
			 errdetail_internal("%s%s%s", response->url != NULL ? response->url : errand->net_request.url,
								message != NULL ? ": " : "",
								message != NULL ? jo_secret_mask_text(&errand->secrets, message) : ""),
			 response->status == 403 ? errhint("Check the keys in the secret \"%s\", joborch.s3_region, and what they may do in the bucket \"%s\".",
											   jo_guc_s3_secret, jo_guc_s3_bucket) :
			 code != NULL && strcmp(code, "NoSuchBucket") == 0 ? errhint("Make the bucket \"%s\", or set joborch.s3_bucket.", jo_guc_s3_bucket) : 0));
}
