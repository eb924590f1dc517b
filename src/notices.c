/*
 * notices.c
 *		The NOTICE and WARNING messages of a step, for its history.
 *
 * A background worker has no client, so the server drops a NOTICE before any
 * hook sees it, unless log_min_messages asks for it.  While a step runs this file
 * lowers that variable itself (a plain store; the setting's machinery would cost
 * more than the step) and its emit_log_hook keeps out of the log what the
 * server's own setting would not have logged.  Touches memory and that variable.
 */
#include "joborch.h"

#include "failure.h"
#include "jsonbuild.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#define MAX_NOTICES 100
#define MAX_NOTICE_BYTES (64 * 1024)

typedef struct Notice
{
	int			level;
	int			sqlstate;
	char	   *message;
	char	   *detail;
	char	   *hint;
} Notice;

static emit_log_hook_type previous_hook = NULL;
static void (*fatal_callback) (const ErrorData *error) = NULL;
static bool collecting = false;
static bool lowered = false;	/* log_min_messages is, or will be again, ours */
static int	server_level;		/* log_min_messages as it was before that */
static MemoryContext notice_context = NULL;
static Notice notices[MAX_NOTICES];
static int	n_notices = 0;
static int	n_dropped = 0;
static Size notice_bytes = 0;

/* The server's own rule, for the level that was in force before begin. */
static bool
is_for_server_log(int level)
{
	if (level == LOG || level == LOG_SERVER_ONLY)
		return server_level == LOG || server_level <= ERROR;
	if (server_level == LOG)
		return level >= FATAL;
	return level >= server_level;
}

/* A copy of a text, or NULL when it is NULL, does not fit or memory is out: never raises. */
static char *
keep_text(const char *text)
{
	Size		length;
	char	   *copy;

	if (text == NULL)
		return NULL;
	length = strlen(text) + 1;
	if (notice_bytes + length > MAX_NOTICE_BYTES)
		return NULL;
	copy = MemoryContextAllocExtended(notice_context, length, MCXT_ALLOC_NO_OOM);
	if (copy == NULL)
		return NULL;
	memcpy(copy, text, length);
	notice_bytes += length;
	return copy;
}

static void
keep_notice(const ErrorData *error)
{
	Notice	   *notice = &notices[n_notices];

	notice->message = NULL;
	if (n_notices < MAX_NOTICES)
		notice->message = keep_text(error->message);
	if (notice->message == NULL)
	{
		n_dropped++;
		return;
	}
	notice->level = error->elevel;
	notice->sqlstate = error->sqlerrcode;
	notice->detail = keep_text(error->detail);
	notice->hint = keep_text(error->hint);
	n_notices++;
}

/* Runs inside error reporting: must not raise. */
static void
emit_log(ErrorData *error)
{
	if (error->elevel == FATAL && fatal_callback != NULL)
		fatal_callback(error);
	if (collecting)
	{
		bool		asked = error->elevel == INFO ||
			(error->elevel >= NOTICE && error->elevel >= client_min_messages);

		if (asked && error->elevel < ERROR)
			keep_notice(error);
		if (log_min_messages == INFO && !is_for_server_log(error->elevel))
			error->output_to_server = false;
	}
	if (previous_hook != NULL && error->output_to_server)
		previous_hook(error);
}

/* Once per process.  on_fatal runs inside error reporting and must not raise. */
void
jo_notices_install(void (*on_fatal) (const ErrorData *error))
{
	fatal_callback = on_fatal;
	notice_context = AllocSetContextCreate(TopMemoryContext, "joborch notices",
										   ALLOCSET_SMALL_SIZES);
	previous_hook = emit_log_hook;
	emit_log_hook = emit_log;
}

/* From here to jo_notices_end() messages are kept.  Never raises; a second call starts anew. */
void
jo_notices_begin(void)
{
	if (n_notices > 0 || n_dropped > 0)
		MemoryContextReset(notice_context);
	n_notices = 0;
	n_dropped = 0;
	notice_bytes = 0;
	if (collecting)
		return;
	collecting = true;
	/* a SET LOCAL of the last step may have brought our level back after its end */
	if (!lowered || log_min_messages != INFO)
		server_level = log_min_messages;
	if (log_min_messages > INFO || log_min_messages == LOG)
	{
		log_min_messages = INFO;
		lowered = true;
	}
}

static const char *
name_level(int level)
{
	if (level == INFO)
		return "INFO";
	return level >= WARNING ? "WARNING" : "NOTICE";
}

static Jsonb *
build_notices(void)
{
	JsonbParseState *state = NULL;
	int			i;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (i = 0; i < n_notices; i++)
	{
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		jo_jsonb_add_string(&state, "severity", name_level(notices[i].level));
		if (notices[i].sqlstate != 0)
			jo_jsonb_add_string(&state, "sqlstate",
								pstrdup(unpack_sql_state(notices[i].sqlstate)));
		jo_jsonb_add_string(&state, "message", notices[i].message);
		jo_jsonb_add_string(&state, "detail", notices[i].detail);
		jo_jsonb_add_string(&state, "hint", notices[i].hint);
		pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	if (n_dropped > 0)
	{
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		jo_jsonb_add_string(&state, "severity", "INFO");
		jo_jsonb_add_string(&state, "message",
							psprintf("%d more messages were not kept", n_dropped));
		pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

/*
 * Ends the collection and puts the server's level back, unless the step has set
 * another one since.  The result is allocated in the current context.
 */
Jsonb *
jo_notices_end(void)
{
	if (collecting)
	{
		if (log_min_messages == INFO)
		{
			log_min_messages = server_level;
			lowered = false;
		}
		collecting = false;
	}
	if (n_notices == 0 && n_dropped == 0)
		return NULL;
	return build_notices();
}
