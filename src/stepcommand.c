/*
 * stepcommand.c
 *		Steps of type command and script: runs the program and judges its end.
 *
 * Carried out by an executor, as the role that it is, with no transaction open while the program
 * runs.  Reads the run document in a transaction of its own; writes nothing: the books
 * are the executor's.
 */
#include "joborch.h"

#include "access/xact.h"
#include "command.h"
#include "errors.h"
#include "jsonbuild.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "steptypes.h"
#include "txn.h"

/* ---- texts of outputs ---- */

/* How many bytes from the beginning are text in the database's encoding. */
static size_t
count_valid(const char *data, size_t size)
{
	return size == 0 ? 0 : pg_encoding_verifymbstr(GetDatabaseEncoding(), data, size);
}

/* What was cut off may have been half a character. */
static size_t
text_size(const JoProcessOutput *output)
{
	size_t		valid = count_valid(output->data, output->size);

	if (output->total > (int64) output->size && output->size - valid < MAX_MULTIBYTE_CHAR_LEN)
		return valid;
	return output->size;
}

/* As text if that is what it is, else as base64, and then says so. */
static void
add_output(JsonbParseState **state, const char *key, const JoProcessOutput *output)
{
	size_t		size = text_size(output);

	if (count_valid(output->data, size) == size)
		jo_jsonb_add_string(state, key, size > 0 ? pnstrdup(output->data, size) : "");
	else
	{
		jo_jsonb_add_string(state, key, jo_base64(output->data, output->size));
		jo_jsonb_add_string(state, psprintf("%s_encoding", key), "base64");
	}
}

/* For messages: whatever is no text becomes a question mark. */
static char *
make_readable(const char *data, size_t size)
{
	char	   *text = palloc(size + 1);
	char	   *to = text;

	for (size_t i = 0; i < size;)
	{
		int			length = data[i] == '\0' ? -1 :
			pg_encoding_verifymbchar(GetDatabaseEncoding(), data + i, size - i);

		if (length <= 0)
			*to++ = '?';
		else
			memcpy(to, data + i, length), to += length;
		i += Max(length, 1);
	}
	*to = '\0';
	return text;
}

/* The last of it, from the first whole character on. */
static char *
read_tail(const JoProcessOutput *output)
{
	size_t		before = Min(JO_PROCESS_TAIL - output->tail_size, output->size);
	size_t		size = before + output->tail_size;
	char	   *bytes = palloc(size + 1);
	char	   *text = bytes;

	if (before > 0)
		memcpy(bytes, output->data + output->size - before, before);
	if (output->tail_size > 0)
		memcpy(bytes + before, output->tail, output->tail_size);
	if ((int64) size < output->total && GetDatabaseEncoding() == PG_UTF8)
		for (; size > 0 && (*text & 0xc0) == 0x80; text++)
			size--;
	return make_readable(text, size);
}

/* What it said last, for the DETAIL of an error. */
static char *
describe_outputs(const JoCommand *command, const JoProcessResult *result)
{
	StringInfoData text;
	const struct
	{
		const char *name;
		const JoProcessOutput *output;
	}			outputs[] = {{"error", &result->err}, {"output", &result->out}};

	initStringInfo(&text);
	for (size_t i = 0; i < lengthof(outputs); i++)
	{
		if (outputs[i].output->total == 0)
			continue;
		appendStringInfo(&text, "%sStandard %s%s:\n%s", text.len > 0 ? "\n" : "", outputs[i].name,
						 outputs[i].output->total > JO_PROCESS_TAIL ? " ends with" : "",
						 read_tail(outputs[i].output));
		while (text.len > 0 && text.data[text.len - 1] == '\n')
			text.data[--text.len] = '\0';
	}
	if (text.len == 0)
		appendStringInfoString(&text, "It wrote nothing.");
	return jo_secret_mask_text(&command->secrets, text.data);
}

/* ---- what went wrong ---- */

static const char *
describe_stage(const JoCommand *command, JoProcessStage stage)
{
	switch (stage)
	{
		case JO_PROCESS_DIRECTORY:
			return psprintf("could not change to directory \"%s\"", command->spec.cwd);
		case JO_PROCESS_PROGRAM:
			return psprintf("could not execute program \"%s\"", command->spec.program);
		default:
			return "could not prepare the new process";
	}
}

static const char *
advise(const JoProcessResult *result)
{
	if (result->failed_at == JO_PROCESS_DIRECTORY)
		return "The directory must exist, and the operating system's user of the server must be allowed to enter it.";
	switch (result->error)
	{
		case ENOENT:
			return "Neither the program nor the interpreter that its first line names may be missing.";
		case EACCES:
			return "The operating system's user of the server must be allowed to execute it.";
		case ENOEXEC:
			return "Let a script begin with #! and its interpreter, or use a step of type script.";
		case E2BIG:
			return "Hand large values over in \"stdin\".";
		default:
			return "Look at the server's limits and at what the operating system logged.";
	}
}

static void
raise_not_begun(const JoCommand *command, const JoProcessResult *result)
{
	errno = result->error;
	ereport(ERROR,
			(errcode(ERRCODE_JO_COMMAND),
			 errmsg("%s: %m", describe_stage(command, result->failed_at)),
			 errhint("%s", advise(result))));
}

static void
raise_timeout(const JoTry *try, const JoCommand *command, const JoProcessResult *result)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_STEP_TIMEOUT),
			 errmsg("step \"%s\" timed out after " INT64_FORMAT " ms",
					jo_step_name(try), command->spec.timeout / 1000),
			 errdetail_internal("%s", describe_outputs(command, result)),
			 errhint("Raise the step's \"timeout\", or make its program faster.")));
}

static char *
list_expected(const JoCommand *command)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < JO_MAX_EXPECTED; i++)
		if (command->expected[i])
			appendStringInfo(&text, "%s%d", text.len > 0 ? ", " : "", i);
	return text.data;
}

static void
check_end(const JoTry *try, const JoCommand *command, const JoProcessResult *result)
{
	if (result->failed_at != JO_PROCESS_BEGUN)
		raise_not_begun(command, result);
	if (result->timed_out)
		raise_timeout(try, command, result);
	if (result->stuck)
		ereport(ERROR,
				(errcode(ERRCODE_JO_COMMAND),
				 errmsg("the program of %s did not end when it was killed", jo_document_place(try->document)),
				 errdetail_internal("%s", describe_outputs(command, result)),
				 errhint("It probably waits for a device or a network file system; look for it with ps.")));
	if (result->signal != 0)
		ereport(ERROR,
				(errcode(ERRCODE_JO_COMMAND),
				 errmsg("the program of %s was ended by signal %d (%s)",
						jo_document_place(try->document), result->signal, pg_strsignal(result->signal)),
				 errdetail_internal("%s", describe_outputs(command, result))));
	if (!command->expected[result->exit_code])
		ereport(ERROR,
				(errcode(ERRCODE_JO_COMMAND),
				 errmsg("the program of %s ended with exit code %d",
						jo_document_place(try->document), result->exit_code),
				 errdetail_internal("%s", describe_outputs(command, result)),
				 errhint("What counts as success is in \"expected_exit\": %s.", list_expected(command))));
}

/* ---- result ---- */

static void
add_parse_context(void *arg)
{
	errcontext("JSON that %s wrote to its standard output", jo_document_place(((JoTry *) arg)->document));
}

/* "stdout_json": it is one JSON text. */
static Jsonb *
parse_output(JoTry *try, const JoProcessOutput *output)
{
	ErrorContextCallback callback = {error_context_stack, add_parse_context, try};
	Jsonb	   *json;

	if (output->total > (int64) output->size)
		ereport(ERROR,
				(errcode(ERRCODE_JO_RESPONSE),
				 errmsg("standard output of %s is too large", jo_document_place(try->document)),
				 errdetail("It has " INT64_FORMAT " bytes; \"max_output\" allows %zu.",
						   output->total, output->size),
				 errhint("Raise \"max_output\", or let the program write less.")));
	if (count_valid(output->data, output->size) != output->size || output->size == 0)
		ereport(ERROR,
				(errcode(ERRCODE_JO_RESPONSE),
				 errmsg("standard output of %s is not JSON", jo_document_place(try->document)),
				 errdetail(output->size == 0 ? "It is empty." :
						   "It is no text in the database's encoding."),
				 errhint("Leave out \"stdout_json\" to have it as it is.")));
	error_context_stack = &callback;
	json = jo_jsonb_from_text(pnstrdup(output->data, output->size));
	error_context_stack = callback.previous;
	return json;
}

static Jsonb *
build_output(JoTry *try, const JoCommand *command, const JoProcessResult *result)
{
	JsonbParseState *state = NULL;
	JsonbValue	none = {.type = jbvNull};
	int64		dropped = result->out.total - (int64) result->out.size +
		result->err.total - (int64) result->err.size;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_int(&state, "exit_code", result->exit_code);
	jo_jsonb_add(&state, "signal", &none);
	if (command->parse_json)
		jo_jsonb_add_jsonb(&state, "json", parse_output(try, &result->out));
	else
		add_output(&state, "stdout", &result->out);
	add_output(&state, "stderr", &result->err);
	jo_jsonb_add_bool(&state, "truncated", dropped > 0);
	if (dropped > 0)
		jo_jsonb_add_int(&state, "dropped", dropped);
	jo_jsonb_add_int(&state, "elapsed_ms", result->elapsed / 1000);
	return jo_secret_mask_jsonb(&command->secrets,
								JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}

/* The only part that needs a transaction: rows that templates read, rights. */
static void
read_step(JoTry *try, JoCommand *command)
{
	MemoryContext caller = CurrentMemoryContext;

	jo_txn_begin();
	MemoryContextSwitchTo(caller);
	jo_command_check_rights();
	jo_command_read(try, command);
	jo_txn_commit();
	MemoryContextSwitchTo(caller);
}

/* Not inlined: its variables are none that an error finds half changed. */
static pg_noinline Jsonb *
carry_out(JoTry *try, JoCommand *command)
{
	JoProcessResult result;

	read_step(try, command);
	jo_process_run(&command->spec, &result);
	check_end(try, command, &result);
	return build_output(try, command, &result);
}

Jsonb *
jo_step_command(JoTry *try)
{
	JoCommand	command = {0};
	Jsonb	   *volatile output = NULL;

	Assert(!IsTransactionState());
	PG_TRY();
	{
		output = carry_out(try, &command);
	}
	PG_CATCH();
	{
		jo_secret_forget(&command.secrets);
		PG_RE_THROW();
	}
	PG_END_TRY();
	jo_secret_forget(&command.secrets);
	return output;
}
