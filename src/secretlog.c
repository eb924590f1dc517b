/*
 * secretlog.c
 *		Keeps the values that create_secret() and alter_secret() are called with out of the
 *		server's log and out of pg_stat_activity.
 *
 * A statement is logged as it was sent: by log_statement before it is executed, by
 * log_min_error_statement when it has an error (also one of syntax, when no function of
 * ours was called yet), by log_min_duration_statement and auto_explain after it.  So what
 * goes to the log is looked at, and where a statement with a value in it would be
 * written, the same is written without its literals.  What is sent to the client
 * stays as it is.  A statement is recognized by the functions' names, or because they were
 * called in it.  Touches memory only; in every process of the server.
 */
#include "joborch.h"

#include <ctype.h>

#include "access/xact.h"
#include "parser/parser.h"
#include "pgstat.h"
#include "secretlog.h"
#include "secretmask.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/elog.h"
#include "utils/errcodes.h"

/* Bodies within bodies that are looked into. */
#define MAX_BODIES 8

#define HIDDEN "<statement with the value of a secret, hidden by joborch>"

static emit_log_hook_type next_hook;

/* Of the last statement in which a value was given; 0: none. */
static TimestampTz hidden_statement;

/* What is being written is ours. */
static bool writing;

void
jo_secretlog_hide_statement(void)
{
	hidden_statement = GetCurrentStatementStartTimestamp();
	pgstat_report_activity(STATE_RUNNING, HIDDEN);
}

/* ---- texts ---- */

static const char *const functions[] = {"create_secret", "alter_secret"};

static bool
names_function(const char *text)
{
	for (size_t i = 0; text != NULL && i < lengthof(functions); i++)
	{
		if (strcasestr(text, functions[i]) != NULL)
			return true;
	}
	return false;
}

/* The length of such a name that begins at p; 0: none does. */
static size_t
get_function_length(const char *p)
{
	for (size_t i = 0; i < lengthof(functions); i++)
	{
		if (pg_strncasecmp(p, functions[i], strlen(functions[i])) == 0)
			return strlen(functions[i]);
	}
	return 0;
}

/* Behind what is in quotes and opens at p; with escapes, a backslash may hide a quote. */
static const char *
skip_quoted(const char *p, bool escapes)
{
	char		quote = *p;

	for (p++; *p != '\0'; p++)
	{
		if (escapes && *p == '\\' && p[1] != '\0')
			p++;
		else if (*p == quote)
		{
			if (p[1] != quote)
				return p + 1;
			p++;
		}
	}
	return p;
}

/* Behind a comment that opens at p; p itself when none does. */
static const char *
skip_comment(const char *p)
{
	int			depth = 0;

	if (p[0] == '-' && p[1] == '-')
		return p + strcspn(p, "\r\n");
	if (p[0] != '/' || p[1] != '*')
		return p;
	while (*p != '\0')
	{
		if (p[0] == '/' && p[1] == '*')
		{
			depth++;
			p += 2;
		}
		else if (p[0] == '*' && p[1] == '/')
		{
			p += 2;
			if (--depth == 0)
				return p;
		}
		else
			p++;
	}
	return p;
}

/* The length of the tag, as $body$, that opens a text at p; 0: none does. */
static size_t
get_tag_length(const char *p)
{
	const char *end = p + 1;

	if (*p != '$' || (*end >= '0' && *end <= '9'))
		return 0;
	while (isalnum((unsigned char) *end) || *end == '_' || IS_HIGHBIT_SET(*end))
		end++;
	return *end == '$' ? end + 1 - p : 0;
}

/* Where the text ends that a tag opens at p: before the same tag, or at the end of all. */
static const char *
find_tag(const char *p, size_t length)
{
	char	   *tag = pnstrdup(p, length);
	const char *end = strstr(p + length, tag);

	pfree(tag);
	return end != NULL ? end : p + strlen(p);
}

/* Behind what begins at p: a comment, a literal, a name in quotes, or a character. */
static const char *
skip_one(const char *start, const char *p)
{
	size_t		tag = get_tag_length(p);
	const char *end = skip_comment(p);

	if (end > p)
		return end;
	if (*p == '\'' || *p == '"')
		return skip_quoted(p, *p == '\'' && (!standard_conforming_strings ||
											 (p > start && (p[-1] == 'E' || p[-1] == 'e'))));
	if (tag == 0)
		return p + 1;
	end = find_tag(p, tag);
	return *end != '\0' ? end + tag : end;
}

/* Behind the arguments that begin at p, if any. */
static const char *
skip_arguments(const char *start, const char *p)
{
	const char *open = p + strspn(p, " \t\r\n");
	int			depth = 0;

	if (*open != '(')
		return p;
	for (p = open; *p != '\0'; p = skip_one(start, p))
	{
		if (*p == '(')
			depth++;
		else if (*p == ')' && --depth == 0)
			return p + 1;
	}
	return p;
}

/*
 * A copy in which comments, literals and the arguments of the functions are hidden.  The rest stays,
 * so that nobody hides from the log what he does by naming one of them; so does the body of a DO.
 */
static void
append_hidden(StringInfo out, const char *text, int depth)
{
	const char *p = text;

	while (*p != '\0')
	{
		size_t		name = get_function_length(p);
		size_t		tag = get_tag_length(p);
		const char *end = name > 0 ? skip_arguments(text, p + name) : skip_one(text, p);

		if (name > 0)
			appendStringInfo(out, "%.*s%s", (int) name, p, end > p + name ? "(" JO_MASK ")" : "");
		else if (skip_comment(p) > p)
			appendStringInfoString(out, "/*" JO_MASK "*/");
		else if (tag > 0)
		{
			const char *close = find_tag(p, tag);
			char	   *body = pnstrdup(p + tag, close - p - tag);

			appendBinaryStringInfo(out, p, tag);
			if (depth < MAX_BODIES && names_function(body))
				append_hidden(out, body, depth + 1);
			else
				appendStringInfoString(out, JO_MASK);
			appendBinaryStringInfo(out, p, tag);
		}
		else if (end > p + 1)
			appendStringInfo(out, "%c" JO_MASK "%c", *p, *p);
		else
			appendStringInfoChar(out, *p);
		p = end;
	}
}

static char *
hide_values(const char *text)
{
	StringInfoData out;

	initStringInfo(&out);
	append_hidden(&out, text, 0);
	return out.data;
}

/* ---- the log ---- */

/* Writes another entry in its place. */
static void
write_instead(ErrorData *edata, const char *message, const char *detail)
{
	edata->output_to_server = false;
	writing = true;
	PG_TRY();
	{
		ereport(LOG_SERVER_ONLY,
				(errmsg_internal("%s", message),
				 detail != NULL ? errdetail_internal("%s", detail) : 0,
				 errhidestmt(true),
				 errhidecontext(true)));
	}
	PG_FINALLY();
	{
		writing = false;
	}
	PG_END_TRY();
}

/* What a parser or an input function refuses it quotes, and that may be the value. */
static bool
quotes_statement(const ErrorData *edata)
{
	int			category = ERRCODE_TO_CATEGORY(edata->sqlerrcode);

	if (edata->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE || edata->sqlerrcode == ERRCODE_DUPLICATE_OBJECT ||
		edata->sqlerrcode == ERRCODE_INVALID_NAME)
		return false;
	return edata->internalquery != NULL || category == ERRCODE_DATA_EXCEPTION ||
		category == ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION;
}

static void
hide_error(ErrorData *edata)
{
	/* it would stay there until the next one begins */
	pgstat_report_activity(STATE_RUNNING, HIDDEN);
	if (quotes_statement(edata))
		write_instead(edata, psprintf("error %s in a statement that names create_secret or alter_secret",
									  unpack_sql_state(edata->sqlerrcode)),
					  "The error's text is not shown here, since it may quote the secret.");
}

static void
hide_secrets(ErrorData *edata)
{
	bool		given;

	if (next_hook != NULL)
		next_hook(edata);
	if (writing || !edata->output_to_server)
		return;
	given = (hidden_statement != 0 && hidden_statement == GetCurrentStatementStartTimestamp()) ||
		names_function(debug_query_string) || names_function(edata->context);
	if (given)
	{
		edata->hide_stmt = true;
		edata->hide_ctx = true;
	}
	if (edata->elevel <= LOG_SERVER_ONLY)
	{
		if (given || names_function(edata->message) || names_function(edata->detail) || names_function(edata->detail_log))
		{
			const char *detail = edata->detail_log != NULL ? edata->detail_log : edata->detail;

			write_instead(edata, hide_values(edata->message), detail != NULL ? hide_values(detail) : NULL);
		}
	}
	else if (given)
		hide_error(edata);
}

void
jo_secretlog_init(void)
{
	next_hook = emit_log_hook;
	emit_log_hook = hide_secrets;
}
