/*
 * reqemail.c
 *		Mails: from the step's keys to head, parts and envelope, and what the server said.
 *
 * All or nothing: when the server refuses one recipient nobody gets the mail, so that the
 * next attempt sends to none twice.  The Message-ID is the same at every attempt, by which
 * receivers tell a repetition.  Touches memory, and reads the run's steps and artifacts.
 */
#include "joborch.h"

#include "clock.h"
#include "errors.h"
#include "guc.h"
#include "jsonbuild.h"
#include "mailtext.h"
#include "reqparts.h"
#include "store.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "words.h"

#define DEFAULT_TIMEOUT 60000	/* milliseconds */
#define MOST_RECIPIENTS 500
#define MOST_ATTACHMENTS 50
#define MOST_BYTES (25 * 1024 * 1024)	/* of attachments, as memory holds them; most servers take less */

typedef struct MailState
{
	bool		wanted;			/* by "send_on" */
	const char *message_id;
	const char *sender_domain;
	StringInfoData recipients;	/* addresses, each terminated, of "to", "cc" and "bcc" */
} MailState;

/* ---- whether ---- */

/* What a race stops did not go wrong. */
static bool
is_in_race(const JoDefinition *definition, int step)
{
	for (int scope = definition->steps[step].scope; scope >= 0; scope = definition->steps[scope].scope)
	{
		int			open = definition->steps[scope].open;

		if (open >= 0 && definition->steps[open].type == JO_STEP_RACE)
			return true;
	}
	return false;
}

/* Has the run gone wrong so far?  Steps with "on_error": "continue" do not count. */
static bool
has_failed(const JoTry *try)
{
	const JoDefinition *definition = try->job->definition;
	JoStepRow  *rows;
	int			n;

	if (try->step->phase == JO_PHASE_ON_FAILURE || try->step->phase == JO_PHASE_COMPENSATE)
		return true;
	n = jo_store_steps(try->run_id, jo_store_latest(), false, &rows);
	for (int i = 0; i < n; i++)
	{
		if (rows[i].item != JO_NO_ITEM || rows[i].step < 0 || rows[i].step >= definition->nsteps ||
			definition->steps[rows[i].step].on_error == JO_ON_ERROR_CONTINUE)
			continue;
		if (rows[i].status == JO_STEP_FAILED ||
			(rows[i].status == JO_STEP_CANCELLED && !is_in_race(definition, rows[i].step)))
			return true;
	}
	return false;
}

static bool
fits_occasion(JoErrand *errand, const JoTry *try, const JsonbValue *value)
{
	static const char *const words[] = {"success", "failure", "always", NULL};
	char	   *word = value->type == jbvString ? jo_request_scalar(value) : NULL;

	switch (word == NULL ? -1 : jo_words_find(word, words))
	{
		case 0:
			return !has_failed(try);
		case 1:
			return has_failed(try);
		case 2:
			return true;
		default:
			jo_request_refuse(errand, "send_on", "is no occasion",
							  psprintf("It is one of %s, or an array of these.", jo_words_join(words)));
	}
}

static bool
is_wanted(JoErrand *errand, const JoTry *try, Jsonb *request)
{
	JsonbValue	value;
	bool		wanted = false;

	if (!jo_request_member(request, "send_on", &value))
		return true;
	if (value.type != jbvBinary || !JsonContainerIsArray(value.val.binary.data))
		return fits_occasion(errand, try, &value);
	for (uint32 i = 0; i < JsonContainerSize(value.val.binary.data); i++)
		wanted |= fits_occasion(errand, try, getIthJsonbValueFromContainer(value.val.binary.data, i));
	return wanted;
}

/* ---- head ---- */

/* A line of the head that is ASCII by now. */
static void
add_line(JoErrand *errand, const char *name, const char *value)
{
	jo_request_add_header(errand, name, value);
}

/* A text that is one line, as UTF-8; NULL: it is not there. */
static char *
read_line(JoErrand *errand, Jsonb *request, const char *key, const char *shown)
{
	char	   *text = jo_request_text(errand, request, key);

	if (text == NULL)
		return NULL;
	if (jo_http_check_header("X", text) != JO_HEADER_OK)
		jo_request_refuse(errand, shown, "has a line break or another control character", NULL);
	return jo_request_utf8(errand, text, strlen(text));
}

/* Adds to the line what the value says; envelope: its address gets the mail. */
static void
append_address(JoErrand *errand, const char *key, const JsonbValue *value, StringInfo line, bool envelope)
{
	MailState  *state = errand->kind_state;
	char	   *text = value->type == jbvString ? jo_request_scalar(value) : NULL;
	const char *problem = "is no text";
	char	   *name;
	char	   *address;

	if (text == NULL ||
		!jo_mail_parse_address(jo_request_utf8(errand, text, strlen(text)), &name, &address, &problem))
		jo_request_refuse(errand, key, problem,
						  "Write \"ann@example.com\" or \"Ann <ann@example.com>\"; several are an array.");
	if (line->len > 0)
		appendStringInfoString(line, ", ");
	jo_mail_append_address(line, name, address);
	if (!envelope)
		return;
	if (errand->net_request.nrecipients++ >= MOST_RECIPIENTS)
		jo_request_refuse(errand, key, psprintf("brings the mail to more than %d recipients", MOST_RECIPIENTS),
						  "Send several mails, for example by \"foreach\".");
	appendBinaryStringInfo(&state->recipients, address, strlen(address) + 1);
}

/* One or an array; the line of the head, NULL: it is not there. */
static char *
read_addresses(JoErrand *errand, Jsonb *request, const char *key, bool envelope)
{
	JsonbValue	value;
	StringInfoData line;

	if (!jo_request_member(request, key, &value))
		return NULL;
	initStringInfo(&line);
	if (value.type != jbvBinary || !JsonContainerIsArray(value.val.binary.data))
		append_address(errand, key, &value, &line, envelope);
	else
		for (uint32 i = 0; i < JsonContainerSize(value.val.binary.data); i++)
			append_address(errand, key, getIthJsonbValueFromContainer(value.val.binary.data, i), &line, envelope);
	return line.len > 0 ? line.data : NULL;
}

/* From, and the sender of the envelope. */
static void
read_sender(JoErrand *errand, Jsonb *request)
{
	MailState  *state = errand->kind_state;
	char	   *text = jo_request_text(errand, request, "from");
	StringInfoData line;
	const char *problem;
	char	   *name;
	char	   *address;

	if (text == NULL)
		text = jo_guc_mail_from;
	if (text == NULL || text[0] == '\0')
		jo_request_refuse(errand, "from", "is missing",
						  "Write it into the step, or let the administrator set joborch.mail_from.");
	if (!jo_mail_parse_address(jo_request_utf8(errand, text, strlen(text)), &name, &address, &problem))
		jo_request_refuse(errand, "from", problem, "Write \"ann@example.com\" or \"Ann <ann@example.com>\".");
	initStringInfo(&line);
	jo_mail_append_address(&line, name, address);
	add_line(errand, "From", line.data);
	errand->net_request.mail_from = address;
	state->sender_domain = strrchr(address, '@') + 1;
}

static void
read_recipients(JoErrand *errand, Jsonb *request)
{
	MailState  *state = errand->kind_state;
	JoNetRequest *net = &errand->net_request;
	char	   *line;
	char	   *at;

	initStringInfo(&state->recipients);
	if ((line = read_addresses(errand, request, "to", true)) != NULL)
		add_line(errand, "To", line);
	if ((line = read_addresses(errand, request, "cc", true)) != NULL)
		add_line(errand, "Cc", line);
	(void) read_addresses(errand, request, "bcc", true);
	if ((line = read_addresses(errand, request, "reply_to", false)) != NULL)
		add_line(errand, "Reply-To", line);
	if (net->nrecipients == 0)
		jo_request_refuse(errand, "to", "names nobody", NULL);
	net->recipients = palloc(net->nrecipients * sizeof(char *));
	at = state->recipients.data;
	for (int i = 0; i < net->nrecipients; i++, at += strlen(at) + 1)
		net->recipients[i] = at;
}

/* The key has letters, digits and hyphens only. */
static void
add_message_id(JoErrand *errand)
{
	MailState  *state = errand->kind_state;

	state->message_id = psprintf("<%s@%s>", errand->idempotency_key, state->sender_domain);
	add_line(errand, "Message-ID", state->message_id);
}

static void
add_own_header(JoErrand *errand, const char *name, const JsonbValue *value)
{
	static const char *const taken[] = {
		"From", "To", "Cc", "Bcc", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type",
		"Content-Transfer-Encoding", "Content-Disposition", "Received", "Return-Path", NULL
	};
	char	   *text = jo_request_scalar(value);

	if (text == NULL)
		jo_request_refuse(errand, "headers", psprintf("has no text in \"%s\"", jo_words_show(name)), NULL);
	for (const char *const *word = taken; *word != NULL; word++)
		if (pg_strcasecmp(*word, name) == 0)
			jo_request_refuse(errand, "headers", psprintf("may not set \"%s\"", *word),
							  "It is made from the step's other keys, such as \"to\", \"subject\" and \"reply_to\".");
	if (jo_http_check_header("X", text) == JO_HEADER_OK)
		text = jo_mail_head_text(jo_request_utf8(errand, text, strlen(text)));
	add_line(errand, name, text);
}

static void
read_own_headers(JoErrand *errand, Jsonb *request)
{
	Jsonb	   *headers = jo_request_object(errand, request, "headers");
	JsonbIterator *iterator = headers == NULL ? NULL : JsonbIteratorInit(&headers->root);
	JsonbValue	value;
	char	   *name;

	while (iterator != NULL && jo_request_next_member(&iterator, &name, &value))
	{
		if (value.type == jbvNull)
			continue;
		if (value.type == jbvBinary && JsonContainerIsArray(value.val.binary.data))
			for (uint32 i = 0; i < JsonContainerSize(value.val.binary.data); i++)
				add_own_header(errand, name, getIthJsonbValueFromContainer(value.val.binary.data, i));
		else
			add_own_header(errand, name, &value);
	}
}

static void
read_head(JoErrand *errand, Jsonb *request)
{
	char	   *subject = read_line(errand, request, "subject", "subject");

	read_sender(errand, request);
	read_recipients(errand, request);
	if (subject != NULL)
		add_line(errand, "Subject", jo_mail_head_text(subject));
	add_line(errand, "Date", jo_mail_date(timestamptz_to_time_t(jo_clock_now())));
	add_message_id(errand);
	read_own_headers(errand, request);
}

/* ---- parts ---- */

static JoNetPart *
next_part(JoErrand *errand)
{
	return &errand->net_request.parts[errand->net_request.nparts++];
}

static void
add_text_part(JoErrand *errand, const char *text, const char *content_type, bool alternative)
{
	JoNetPart  *part = next_part(errand);

	part->data = jo_mail_lines(jo_request_utf8(errand, text, strlen(text)), &part->size);
	part->content_type = content_type;
	part->encoder = "quoted-printable";
	part->alternative = alternative;
}

static void
read_attachment_content(JoErrand *errand, Jsonb *source, JoNetPart *part, size_t room)
{
	JsonbValue	value;
	char	   *text;
	int64		id;

	if ((text = jo_request_text(errand, source, "content_base64")) != NULL)
		part->data = jo_request_base64(errand, "attachments.content_base64", text, &part->size);
	else if (jo_request_member(source, "artifact", &value))
	{
		JoArtifactReader *reader = jo_request_open_artifact(errand, "attachments.artifact", &value, &id);

		if (part->filename == NULL)
			part->filename = jo_mail_head_text(jo_request_utf8(errand, jo_artifact_name(reader),
															   strlen(jo_artifact_name(reader))));
		if (part->content_type == NULL && jo_artifact_content_type(reader) != NULL &&
			jo_http_check_header("X", jo_artifact_content_type(reader)) == JO_HEADER_OK)
			part->content_type = MemoryContextStrdup(errand->context, jo_artifact_content_type(reader));
		part->data = jo_request_read_artifact(errand, "attachments.artifact", reader, room, &part->size);
	}
	else if (jo_request_member(source, "content", &value))
	{
		text = jo_jsonb_text(jo_jsonb_from_value(&value));
		part->data = jo_request_utf8(errand, text, strlen(text));
		part->size = strlen(part->data);
		if (part->content_type == NULL)
			part->content_type = value.type == jbvString ? "text/plain; charset=utf-8" : "application/json";
	}
	else
		jo_request_refuse(errand, "attachments", "has one without \"content\", \"content_base64\" or \"artifact\"", NULL);
}

static void
add_attachment(JoErrand *errand, const JsonbValue *value, int number, size_t *room)
{
	JoNetPart  *part = next_part(errand);
	Jsonb	   *source;
	char	   *name;

	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		jo_request_refuse(errand, "attachments", "has one that is no object",
						  "Write {\"artifact\": ..., \"filename\": \"report.pdf\"}.");
	source = jo_jsonb_from_value(unconstify(JsonbValue *, value));
	name = read_line(errand, source, "filename", "attachments.filename");
	part->filename = name != NULL ? jo_mail_head_text(name) : NULL;
	part->content_type = read_line(errand, source, "content_type", "attachments.content_type");
	part->encoder = "base64";
	read_attachment_content(errand, source, part, *room);
	if (part->size > *room)
		jo_request_refuse(errand, "attachments", psprintf("has more than %d MB in all", MOST_BYTES / (1024 * 1024)),
						  "Store what is larger as an artifact or a file, and send a link.");
	*room -= part->size;
	if (part->filename == NULL)
		part->filename = psprintf("attachment-%d", number);
	if (part->content_type == NULL)
		part->content_type = "application/octet-stream";
}

static void
read_attachments(JoErrand *errand, Jsonb *request)
{
	JsonbValue	value;
	size_t		room = MOST_BYTES;

	if (!jo_request_member(request, "attachments", &value))
		return;
	if (value.type != jbvBinary)
		jo_request_refuse(errand, "attachments", "is no array of objects", NULL);
	if (JsonContainerIsObject(value.val.binary.data))
	{
		add_attachment(errand, &value, 1, &room);
		return;
	}
	if (JsonContainerSize(value.val.binary.data) > MOST_ATTACHMENTS)
		jo_request_refuse(errand, "attachments", psprintf("are more than %d", MOST_ATTACHMENTS), NULL);
	for (uint32 i = 0; i < JsonContainerSize(value.val.binary.data); i++)
		add_attachment(errand, getIthJsonbValueFromContainer(value.val.binary.data, i), i + 1, &room);
}

static void
read_parts(JoErrand *errand, Jsonb *request)
{
	char	   *html = jo_request_text(errand, request, "html");
	JsonbValue	value;
	bool		has_body = jo_request_member(request, "body", &value);
	char	   *body = has_body ? jo_jsonb_text(jo_jsonb_from_value(&value)) : "";

	errand->net_request.parts = palloc0((2 + MOST_ATTACHMENTS) * sizeof(JoNetPart));
	if (has_body || html == NULL)
		add_text_part(errand, body, "text/plain; charset=utf-8", html != NULL);
	if (html != NULL)
		add_text_part(errand, html, "text/html; charset=utf-8", has_body);
	read_attachments(errand, request);
}

/* ---- server ---- */

static void
read_server(JoErrand *errand, Jsonb *request)
{
	const char *server = jo_request_text(errand, request, "server");
	JoUrl		url;
	char	   *error;
	char	   *hint;

	if (server == NULL)
		server = jo_guc_smtp_url;
	if (server == NULL || server[0] == '\0')
		jo_request_refuse(errand, "server", "is missing",
						  "Write it as \"smtp://host:port\" or \"smtps://host\", or let the administrator set joborch.smtp_url.");
	if (!jo_url_parse(server, &url, &error, &hint))
		jo_request_refuse(errand, "server", error, hint);
	if (strcmp(url.scheme, "smtp") != 0 && strcmp(url.scheme, "smtps") != 0)
		jo_request_refuse(errand, "server", "is no mail server", "Write it as \"smtp://host:port\" or \"smtps://host\".");
	errand->net_request.schemes = JO_SCHEME_SMTP | JO_SCHEME_SMTPS;
	jo_request_set_url(errand, server, "");
}

/* A key in a header would go to whoever gets the mail. */
static void
check_login(JoErrand *errand, Jsonb *request)
{
	Jsonb	   *auth = jo_request_object(errand, request, "auth");
	JsonbValue	value;
	char	   *type;

	if (auth == NULL)
		return;
	type = jo_request_text(errand, auth, "type");
	if (type != NULL ? strcmp(type, "api_key") == 0 : jo_request_member(auth, "key", &value))
		jo_request_refuse(errand, "auth.type", "is not one of mail servers",
						  "It is \"basic\" with \"username\" and \"password\", or \"bearer\" with \"username\" and \"token\".");
}

static void
read_starttls(JoErrand *errand, Jsonb *request)
{
	static const char *const words[] = {"required", "opportunistic", "none", NULL};
	char	   *word = jo_request_text(errand, request, "starttls");
	int			found = word == NULL ? JO_NET_STARTTLS_REQUIRED : jo_words_find(word, words);

	if (found < 0)
		jo_request_refuse(errand, "starttls", "is no such choice",
						  psprintf("It is one of %s.", jo_words_join(words)));
	errand->net_request.starttls = found;
}

void
jo_email_begin(JoErrand *errand, JoTry *try, Jsonb *request)
{
	MailState  *state = palloc0(sizeof(MailState));

	errand->kind_state = state;
	state->wanted = is_wanted(errand, try, request);
	if (!state->wanted)
	{
		errand->nothing_to_send = true;
		return;
	}
	read_head(errand, request);
	read_parts(errand, request);
	read_server(errand, request);
	check_login(errand, request);
	read_starttls(errand, request);
	errand->net_request.total_timeout = DEFAULT_TIMEOUT;
	jo_request_common(errand, request);
	/* OAuth names the mailbox, which is mostly the sender's */
	if (errand->net_request.auth == JO_NET_AUTH_BEARER)
		errand->net_request.user = errand->net_request.mail_from;
}

/* ---- finish ---- */

/* 4xx: the server may take it later.  5xx: it never will. */
static void
raise_refusal(JoErrand *errand, const JoNetResponse *response)
{
	bool		login = response->result == JO_NET_LOGIN;
	bool		final = response->status >= 500 || (login && response->status < 400);
	char	   *detail = jo_secret_mask_text(&errand->secrets, response->message);

	ereport(ERROR,
			(errcode(final ? ERRCODE_JO_HTTP_STATUS : ERRCODE_JO_REMOTE),
			 login ? errmsg("%s could not log in to the mail server", jo_request_place(errand)) :
			 errmsg("%s was refused by the mail server", jo_request_place(errand)),
			 errdetail_internal("%s.", detail),
			 login ? errhint("Check \"auth\" of the step.") :
			 final ? errhint("Check the addresses of the step; when one recipient is refused nobody gets the mail.") :
			 errhint("\"retry\" of the step sends it again.")));
}

static void
raise_no_tls(JoErrand *errand, const JoNetResponse *response)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_CONNECTION),
			 errmsg("%s cannot agree on TLS with the mail server", jo_request_place(errand)),
			 errdetail_internal("%s.", jo_secret_mask_text(&errand->secrets, response->message)),
			 errhint("Check the server's certificate; one that has no STARTTLS needs \"smtps://\", or \"starttls\": \"none\" on a line that nobody else hears.")));
}

static void
add_recipients(JsonbParseState **output, const char *key, const JoNetRequest *net, int n)
{
	JsonbValue	value;

	jo_jsonb_string_value(&value, key);
	pushJsonbValue(output, WJB_KEY, &value);
	pushJsonbValue(output, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < n; i++)
	{
		jo_jsonb_string_value(&value, net->recipients[i]);
		pushJsonbValue(output, WJB_ELEM, &value);
	}
	pushJsonbValue(output, WJB_END_ARRAY, NULL);
}

void
jo_email_finish(JoErrand *errand, JoTry *try, const JoNetResponse *response, JoErrandResult *result)
{
	MailState  *state = errand->kind_state;
	JsonbParseState *output = NULL;

	pushJsonbValue(&output, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_bool(&output, "sent", state->wanted);
	if (state->wanted)
	{
		if (response->result == JO_NET_LOGIN || response->result == JO_NET_REMOTE)
			raise_refusal(errand, response);
		if (response->result == JO_NET_TLS)
			raise_no_tls(errand, response);
		jo_request_check_result(errand, response);
		jo_jsonb_add_string(&output, "message_id", state->message_id);
		add_recipients(&output, "accepted", &errand->net_request, errand->net_request.nrecipients);
		add_recipients(&output, "rejected", &errand->net_request, 0);
		jo_jsonb_add_int(&output, "elapsed_ms", response->elapsed / 1000);
	}
	result->output = jo_secret_mask_jsonb(&errand->secrets, JsonbValueToJsonb(pushJsonbValue(&output, WJB_END_OBJECT, NULL)));
}
