/*
 * stepnotify.c
 *		The step type notify: NOTIFY as part of the step's transaction.
 *
 * Who listens hears it only when the step's work is committed, and it is not told
 * before it is on the disk.
 */
#include "joborch.h"

#include "access/xact.h"
#include "commands/async.h"
#include "errors.h"
#include "jsonbuild.h"
#include "steptypes.h"

/* What NOTIFY can send; async.c keeps its own limit to itself. */
#define MAX_PAYLOAD_BYTES 7999

static void
check_channel(JoTry *try, const char *channel)
{
	if (channel != NULL && channel[0] != '\0' && strlen(channel) < NAMEDATALEN)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 channel == NULL || channel[0] == '\0' ?
			 errmsg("%s has no channel to notify", jo_document_place(try->document)) :
			 errmsg("channel of %s is too long", jo_document_place(try->document)),
			 channel == NULL || channel[0] == '\0' ?
			 errdetail("\"channel\" is null or an empty text.") :
			 errdetail("It has %zu bytes, the limit is %d.", strlen(channel), NAMEDATALEN - 1),
			 errhint("Name a channel as in LISTEN.")));
}

static const char *
get_payload(JoTry *try)
{
	JsonbValue	scalar;
	Jsonb	   *value;
	char	   *payload;

	if (!jo_step_is_given(&try->step->data->value))
		return "";
	value = jo_step_value(try, &try->step->data->value);
	if (JsonbExtractScalar(&value->root, &scalar) && scalar.type == jbvNull)
		return "";
	payload = jo_jsonb_text(value);
	if (strlen(payload) > MAX_PAYLOAD_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("payload of %s is too long", jo_document_place(try->document)),
				 errdetail("It has %zu bytes, NOTIFY sends at most %d.", strlen(payload), MAX_PAYLOAD_BYTES),
				 errhint("Send a key, such as {{ run.id }}, and let the listener read the rest.")));
	return payload;
}

JoVerdict
jo_step_notify(JoTry *try)
{
	char	   *channel = jo_step_text(try, try->step->data->channel);
	const char *payload;
	JsonbParseState *state = NULL;

	check_channel(try, channel);
	payload = get_payload(try);
	Async_Notify(channel, payload);
	ForceSyncCommit();

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_string(&state, "channel", channel);
	jo_jsonb_add_string(&state, "payload", payload);
	try->output = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	return JO_VERDICT_COMPLETED;
}
