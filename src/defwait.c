/*
 * defwait.c
 *		The keys of steps that wait: delay, wait_signal, wait_sql, approval.
 *
 * A leaf.  Their "timeout" is that of the wait, and is read with the other keys
 * that steps share.
 */
#include "defparse.h"

#include <string.h>

#define SECOND INT64CONST(1000000)
#define SHORTEST_INTERVAL (SECOND / 10)
#define MAX_APPROVERS 100

/* In the order of JoOnTimeout. */
static const char *const outcomes[] = {"fail", "skip", "continue", "reject", NULL};
static const char *const plain_outcomes[] = {"fail", "skip", "continue", NULL};

static JoWaitDef *
make_wait(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	bool		approval = (step->type == JO_STEP_APPROVAL);
	const cJSON *member;
	JoPath		at;
	int			word;

	step->wait = palloc0(sizeof(JoWaitDef));
	if ((member = jo_def_get(json, path, "on_timeout", &at)) == NULL || step->type == JO_STEP_DELAY)
		return step->wait;
	if (jo_def_word(reader, member, &at, approval ? outcomes : plain_outcomes, &word))
		step->wait->on_timeout = (JoOnTimeout) word;
	if (step->timeout == 0)
		jo_def_report(reader, "missing_key", &at, "Write \"timeout\": \"1 hour\".",
					  "there is \"on_timeout\" but no \"timeout\"");
	return step->wait;
}

void
jo_def_read_delay(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	JoWaitDef  *wait = make_wait(reader, json, path, step);
	JoPath		until_at;
	JoPath		at;
	const cJSON *duration = jo_def_get(json, path, "duration", &at);
	const cJSON *until = jo_def_get(json, path, "until", &until_at);

	if ((duration == NULL) == (until == NULL))
		jo_def_report(reader, duration == NULL ? "missing_key" : "invalid_value", path,
					  "Write \"duration\": \"5 min\", or \"until\": a time.",
					  "a delay has exactly one of \"duration\" and \"until\"");
	else if (duration != NULL)
		jo_def_duration(reader, duration, &at, &wait->duration);
	else
		wait->until = jo_def_read_template_text(reader, until, &until_at);
}

void
jo_def_read_wait_signal(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	JoWaitDef  *wait = make_wait(reader, json, path, step);
	const cJSON *member;
	JoPath		at;
	int			count;

	if ((member = jo_def_get(json, path, "signal", &at)) != NULL)
		wait->signal = jo_def_read_template_text(reader, member, &at);
	if ((member = jo_def_get(json, path, "count", &at)) != NULL &&
		jo_def_integer(reader, member, &at, 1, 1000, &count) && count != 1)
		jo_def_report(reader, "not_supported", &at, "Use a loop of wait_signal steps.",
					  "a step waits for one signal");
}

static void
read_lock_free(JoDefReader *reader, const cJSON *json, const JoPath *path, JoWaitDef *wait)
{
	static const char *const keys[] = {"key", NULL};
	JoPath		at;
	const cJSON *member;

	if (!jo_def_object(reader, json, path))
		return;
	jo_def_check_keys(reader, json, path, "\"lock_free\"", keys, NULL);
	member = jo_def_get(json, path, "key", &at);
	if (member == NULL)
		jo_def_report(reader, "missing_key", path, "Write {\"key\": 42}.", "\"lock_free\" has no \"key\"");
	else if (!cJSON_IsNumber(member) && !cJSON_IsString(member))
		jo_def_report(reader, "schema_error", &at, NULL, "a number or a template was expected, not %s",
					  jo_def_describe_type(member));
	else
		wait->lock_key = jo_def_read_template(reader, member, &at, 0);
}

void
jo_def_read_wait_sql(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	JoWaitDef  *wait = make_wait(reader, json, path, step);
	const cJSON *member;
	JoPath		at;
	int			n = 0;

	if ((member = jo_def_get(json, path, "sql", &at)) != NULL && ++n == 1)
	{
		wait->condition.sql = jo_def_read_query(reader, member, &at, 0);
		wait->condition.plan = jo_def_next_plan(step);
	}
	if ((member = jo_def_get(json, path, "lsn", &at)) != NULL && ++n == 1)
		wait->lsn = jo_def_read_template_text(reader, member, &at);
	if ((member = jo_def_get(json, path, "lock_free", &at)) != NULL && ++n == 1)
		read_lock_free(reader, member, &at, wait);
	if (n != 1)
		jo_def_report(reader, n == 0 ? "missing_key" : "invalid_value", path, NULL,
					  "a wait_sql step has exactly one of \"sql\", \"lsn\" and \"lock_free\"");
	wait->interval = 5 * SECOND;
	if ((member = jo_def_get(json, path, "interval", &at)) != NULL &&
		jo_def_duration(reader, member, &at, &wait->interval) && wait->interval < SHORTEST_INTERVAL)
		jo_def_report(reader, "invalid_value", &at, NULL, "the interval is shorter than 100 ms");
}

static void
read_approvers(JoDefReader *reader, const cJSON *json, const JoPath *path, JoWaitDef *wait)
{
	if (!jo_def_strings(reader, json, path, &wait->napprovers, &wait->approvers))
		return;
	if (wait->napprovers == 0)
		jo_def_report(reader, "empty_value", path, "Leave it out for the owner and the members of joborch_operator.",
					  "nobody may approve");
	else if (wait->napprovers > MAX_APPROVERS)
		jo_def_report(reader, "limit_exceeded", path, "Grant them one role and name that.",
					  "more than %d approvers", MAX_APPROVERS);
	for (int i = 0; i < wait->napprovers; i++)
		if (*wait->approvers[i] == '\0' || strlen(wait->approvers[i]) > JO_MAX_NAME)
			jo_def_report(reader, "invalid_name", path, NULL, "\"%s\" is no name of a role",
						  jo_words_show(wait->approvers[i]));
	jo_def_refuse_templates(reader, json, path, "\"approvers\"");
}

void
jo_def_read_approval(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	JoWaitDef  *wait = make_wait(reader, json, path, step);
	const cJSON *member;
	JoPath		at;
	int			word;

	if ((member = jo_def_get(json, path, "approvers", &at)) != NULL)
		read_approvers(reader, member, &at, wait);
	if ((member = jo_def_get(json, path, "message", &at)) != NULL)
		wait->message = jo_def_read_template_text(reader, member, &at);
	if ((member = jo_def_get(json, path, "on_reject", &at)) != NULL &&
		jo_def_word(reader, member, &at, plain_outcomes, &word))
		wait->on_reject = (JoOnTimeout) word;
}
