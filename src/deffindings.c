/*
 * deffindings.c
 *		The list of everything that is wrong with a definition.
 *
 * A leaf.  Findings are results, not errors: nothing here raises.
 */
#include "defparse.h"

#include <string.h>

/* A finding's path shows at most so many levels: paths come from the document. */
#define LONGEST_PATH 66

static char *
copy_or_null(const char *text)
{
	return text ? pstrdup(text) : NULL;
}

static void
append_finding(JoFindings *findings, const char *code, JoSeverity severity, const char *path,
			   const char *step, const char *message, const char *suggestion)
{
	JoFinding  *finding;

	if (findings->n >= findings->capacity)
	{
		findings->capacity = findings->capacity ? findings->capacity * 2 : 8;
		findings->list = findings->list
			? repalloc(findings->list, findings->capacity * sizeof(JoFinding))
			: palloc(findings->capacity * sizeof(JoFinding));
	}
	finding = &findings->list[findings->n++];
	finding->code = code;
	finding->severity = severity;
	finding->path = pstrdup(path);
	finding->step = copy_or_null(step);
	finding->message = pstrdup(message);
	finding->suggestion = copy_or_null(suggestion);
}

void
jo_findings_add(JoFindings *findings, const char *code, JoSeverity severity, const char *path,
				const char *step, const char *message, const char *suggestion)
{
	if (severity == JO_SEVERITY_ERROR)
		findings->nerrors++;
	if (findings->n < JO_MAX_FINDINGS)
		append_finding(findings, code, severity, path, step, message, suggestion);
	else if (findings->n == JO_MAX_FINDINGS)
		append_finding(findings, "limit_exceeded", JO_SEVERITY_ERROR, "$", NULL,
					   "there are more findings than are listed", NULL);
}

static bool
is_plain_key(const char *key)
{
	if (*key >= '0' && *key <= '9')
		return false;
	return *key != '\0' &&
		strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == strlen(key);
}

char *
jo_def_path_text(const JoPath *path)
{
	const JoPath *levels[LONGEST_PATH];
	int			n = 0;
	StringInfoData buf;

	for (; path != NULL && path->up != NULL && n < LONGEST_PATH; path = path->up)
		levels[n++] = path;
	initStringInfo(&buf);
	appendStringInfoChar(&buf, '$');
	while (n-- > 0)
	{
		if (levels[n]->key == NULL)
			appendStringInfo(&buf, "[%d]", levels[n]->index);
		else if (is_plain_key(levels[n]->key))
			appendStringInfo(&buf, ".%s", jo_words_show(levels[n]->key));
		else
		{
			appendStringInfoChar(&buf, '.');
			jo_json_append_string(&buf, jo_words_show(levels[n]->key));
		}
	}
	return buf.data;
}

/* The common part of report and warn; a long list costs no formatting once it is full. */
static void
add_formatted(JoDefReader *reader, JoSeverity severity, const char *code, const JoPath *path,
			  const char *suggestion, const char *format, va_list args) pg_attribute_printf(6, 0);

static void
add_formatted(JoDefReader *reader, JoSeverity severity, const char *code, const JoPath *path,
			  const char *suggestion, const char *format, va_list args)
{
	JoFindings *findings = reader->findings;
	StringInfoData buf;
	va_list		copy;
	int			needed;

	if (findings->n > JO_MAX_FINDINGS)
	{
		findings->nerrors += (severity == JO_SEVERITY_ERROR);
		return;
	}
	initStringInfo(&buf);
	for (;;)
	{
		va_copy(copy, args);
		needed = appendStringInfoVA(&buf, format, copy);
		va_end(copy);
		if (needed == 0)
			break;
		enlargeStringInfo(&buf, needed);
	}
	jo_findings_add(findings, code, severity, jo_def_path_text(path), reader->step, buf.data,
					suggestion);
	pfree(buf.data);
}

void
jo_def_report(JoDefReader *reader, const char *code, const JoPath *path,
			  const char *suggestion, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	add_formatted(reader, JO_SEVERITY_ERROR, code, path, suggestion, format, args);
	va_end(args);
}

void
jo_def_warn(JoDefReader *reader, const char *code, const JoPath *path,
			const char *suggestion, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	add_formatted(reader, JO_SEVERITY_WARNING, code, path, suggestion, format, args);
	va_end(args);
}

void
jo_def_report_fault(JoDefReader *reader, const JoPath *path, const JoTemplateFault *fault)
{
	jo_def_report(reader, fault->code, path, fault->hint, "%s", fault->message);
}
