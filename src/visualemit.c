/*
 * visualemit.c
 *		Expressions of visual definitions as SQL/JSON paths, or as SQL where no
 *		path can say them.
 *
 * A leaf.  In SQL every value is a jsonb parameter; nothing of a value becomes code.
 */
#include "visualparse.h"

#include <string.h>

static bool emit_predicate(StringInfo buf, const JoExpr *expr);
static char *emit_sql(const JoExpr *expr, bool lenient);

/* Visual words for the end of a step; NULL: it is none. */
static const char *
native_status(const char *word)
{
	static const char *const words[][2] = {
		{"success", "completed"}, {"succeeded", "completed"}, {"completed", "completed"},
		{"ok", "completed"}, {"failed", "failed"}, {"failure", "failed"}, {"error", "failed"},
		{"skipped", "skipped"}, {"cancelled", "cancelled"}, {"canceled", "cancelled"},
		{"aborted", "cancelled"}
	};

	for (int i = 0; i < (int) lengthof(words); i++)
		if (strcmp(word, words[i][0]) == 0)
			return words[i][1];
	return NULL;
}

bool
jo_expr_reads_status(const JoExpr *expr, int node)
{
	if (expr == NULL)
		return false;
	if (expr->ref != NULL && expr->ref->node == node && expr->ref->n >= 3 &&
		(expr->ref->is_status || strcmp(expr->ref->native[2], "error") == 0))
		return true;
	return jo_expr_reads_status(expr->args[0], node) || jo_expr_reads_status(expr->args[1], node) ||
		jo_expr_reads_status(expr->args[2], node);
}

/* Does it compare by order: may it bound a loop? */
bool
jo_expr_is_bound(const JoExpr *expr)
{
	if (expr == NULL)
		return false;
	if (expr->kind == JO_EXPR_COMPARE && (*expr->text == '<' || *expr->text == '>'))
		return true;
	return jo_expr_is_bound(expr->args[0]) || jo_expr_is_bound(expr->args[1]);
}

/* ---- paths ---- */

static bool
is_null(const JoExpr *expr)
{
	return expr->kind == JO_EXPR_WORD && strcmp(expr->text, "null") == 0;
}

static bool
emit_operand(StringInfo buf, const JoExpr *expr)
{
	switch (expr->kind)
	{
		case JO_EXPR_STRING:
			jo_json_append_string(buf, expr->text);
			return true;
		case JO_EXPR_NUMBER:
		case JO_EXPR_WORD:
			appendStringInfoString(buf, expr->text);
			return true;
		case JO_EXPR_REF:
			if (expr->ref->computed != NULL)
				return false;
			appendStringInfoString(buf, jo_visual_ref_path(expr->ref));
			return true;
		case JO_EXPR_ARITHMETIC:
			if (expr->args[0]->kind == JO_EXPR_STRING || expr->args[1]->kind == JO_EXPR_STRING)
				return false;
			appendStringInfoChar(buf, '(');
			if (!emit_operand(buf, expr->args[0]))
				return false;
			appendStringInfo(buf, " %s ", expr->text);
			if (!emit_operand(buf, expr->args[1]))
				return false;
			appendStringInfoChar(buf, ')');
			return true;
		default:
			return false;
	}
}

/*
 * <node>.status == "success".  A script's own result may have a status too: then
 * that is meant, since the step's own is the same on every edge but those for errors.
 */
static void
emit_status(StringInfo buf, const JoExpr *ref, const char *operator, const char *word)
{
	char	   *status = jo_visual_ref_path(ref->ref);
	char	   *own = psprintf("%.*s.output.status", (int) (strlen(status) - strlen(".status")), status);

	appendStringInfo(buf, "(%s %s %s || !exists(%s) && %s %s %s)", own, operator, jo_visual_string(word),
					 own, status, operator, jo_visual_string(native_status(word)));
}

static bool
emit_comparison(StringInfo buf, const JoExpr *expr)
{
	const JoExpr *left = expr->args[0];
	const JoExpr *right = expr->args[1];
	bool		equal = strcmp(expr->text, "==") == 0;
	StringInfoData operands[2];

	if (left->kind != JO_EXPR_REF && right->kind == JO_EXPR_REF && (equal || strcmp(expr->text, "!=") == 0))
	{
		left = expr->args[1];
		right = expr->args[0];
	}
	if (left->kind == JO_EXPR_REF && left->ref->is_status && right->kind == JO_EXPR_STRING &&
		native_status(right->text) != NULL)
	{
		if (left->ref->may_have_own)
			emit_status(buf, left, expr->text, right->text);
		else
			appendStringInfo(buf, "%s %s %s", jo_visual_ref_path(left->ref), expr->text,
							 jo_visual_string(native_status(right->text)));
		return true;
	}
	for (int i = 0; i < 2; i++)
	{
		initStringInfo(&operands[i]);
		if (!emit_operand(&operands[i], i == 0 ? left : right))
			return false;
	}
	/* what is not there is null, as in the designers' languages */
	if (is_null(right) && left->kind == JO_EXPR_REF)
		appendStringInfo(buf, equal ? "(!exists(%s) || %s == null)" : "(exists(%s) && %s != null)",
						 operands[0].data, operands[0].data);
	else
		appendStringInfo(buf, "%s %s %s", operands[0].data, expr->text, operands[1].data);
	return true;
}

/* Some text within the value contains the other one; a number is one of the value's members. */
static bool
emit_contains(StringInfo buf, const JoExpr *expr)
{
	const JoExpr *value = expr->args[0];
	const JoExpr *part = expr->args[1];

	if (value->kind != JO_EXPR_REF || value->ref->computed != NULL ||
		(part->kind != JO_EXPR_STRING && part->kind != JO_EXPR_NUMBER))
		return false;
	appendStringInfo(buf, "exists(%s.** ? (@ %s ", jo_visual_ref_path(value->ref),
					 part->kind == JO_EXPR_STRING ? "like_regex" : "==");
	if (!emit_operand(buf, part))
		return false;
	appendStringInfoString(buf, part->kind == JO_EXPR_STRING ? " flag \"q\"))" : "))");
	return true;
}

/* A value alone: false, null, 0, "" and what is not there are false. */
static bool
emit_truth(StringInfo buf, const JoExpr *expr)
{
	char	   *path;

	if (expr->kind == JO_EXPR_WORD || expr->kind == JO_EXPR_NUMBER || expr->kind == JO_EXPR_STRING)
	{
		bool		truth = strcmp(expr->text, "false") != 0 && strcmp(expr->text, "null") != 0 &&
			strcmp(expr->text, "0") != 0 && *expr->text != '\0';

		appendStringInfoString(buf, truth ? "1 == 1" : "1 == 0");
		return true;
	}
	if (expr->kind != JO_EXPR_REF || expr->ref->computed != NULL)
		return false;
	path = jo_visual_ref_path(expr->ref);
	appendStringInfo(buf, "(exists(%s) && !exists(%s ? (@ == false || @ == null || @ == \"\" || @ == 0)))",
					 path, path);
	return true;
}

static bool
emit_pair(StringInfo buf, const JoExpr *expr)
{
	for (int i = 0; i < 2; i++)
	{
		bool		group = expr->args[i]->kind == JO_EXPR_OR && expr->kind == JO_EXPR_AND;

		if (i > 0)
			appendStringInfo(buf, " %s ", expr->text);
		appendStringInfoString(buf, group ? "(" : "");
		if (!emit_predicate(buf, expr->args[i]))
			return false;
		appendStringInfoString(buf, group ? ")" : "");
	}
	return true;
}

static bool
emit_predicate(StringInfo buf, const JoExpr *expr)
{
	switch (expr->kind)
	{
		case JO_EXPR_AND:
		case JO_EXPR_OR:
			return emit_pair(buf, expr);
		case JO_EXPR_NOT:
			appendStringInfoString(buf, "!(");
			if (!emit_predicate(buf, expr->args[0]))
				return false;
			appendStringInfoChar(buf, ')');
			return true;
		case JO_EXPR_COMPARE:
			return emit_comparison(buf, expr);
		case JO_EXPR_CONTAINS:
			return emit_contains(buf, expr);
		case JO_EXPR_LENGTH:
		case JO_EXPR_CHOICE:
		case JO_EXPR_ARITHMETIC:
			return false;
		default:
			return emit_truth(buf, expr);
	}
}

char *
jo_expr_path(const JoExpr *expr)
{
	StringInfoData buf;

	initStringInfo(&buf);
	return emit_predicate(&buf, expr) ? buf.data : NULL;
}

/* ---- SQL ---- */

static char *
quote_text(const char *text)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "to_jsonb('");
	for (; *text != '\0'; text++)
	{
		if (*text == '\'')
			appendStringInfoChar(&buf, '\'');
		appendStringInfoChar(&buf, *text);
	}
	appendStringInfoString(&buf, "'::text)");
	return buf.data;
}

/* lenient: what is not there is null. */
static char *
emit_sql_ref(const JoVisualRef *ref, bool lenient)
{
	if (ref->computed != NULL)
		return psprintf("to_jsonb(%s)", ref->computed);
	return psprintf("{{ %s%s }}::jsonb", jo_visual_ref_template(ref), lenient ? " | default(null)" : "");
}

/* Length of a list, an object, a text. */
static char *
emit_sql_length(const JoExpr *expr)
{
	return psprintf("(SELECT to_jsonb(CASE jsonb_typeof(t.v) WHEN 'array' THEN jsonb_array_length(t.v) "
					"WHEN 'object' THEN (SELECT count(*)::int FROM jsonb_object_keys(t.v)) "
					"ELSE length(t.v #>> '{}') END) FROM (SELECT %s) AS t (v))",
					emit_sql_ref(expr->ref, false));
}

static char *
emit_sql_truth(const JoExpr *expr)
{
	return psprintf("coalesce(%s, 'null'::jsonb) NOT IN ('null'::jsonb, 'false'::jsonb, '0'::jsonb, '\"\"'::jsonb)",
					emit_sql(expr, true));
}

static char *
emit_sql_comparison(const JoExpr *expr)
{
	const JoExpr *left = expr->args[0];
	const JoExpr *right = expr->args[1];
	const char *operator = strcmp(expr->text, "==") == 0 ? "=" : strcmp(expr->text, "!=") == 0 ? "<>" : expr->text;

	if (is_null(right) && (*operator == '=' || strcmp(operator, "<>") == 0))
		return psprintf("%s IS %sNULL", emit_sql(left, true), *operator == '=' ? "" : "NOT ");
	if (left->kind == JO_EXPR_REF && left->ref->is_status && right->kind == JO_EXPR_STRING &&
		native_status(right->text) != NULL)
	{
		char	   *status = jo_visual_ref_template(left->ref);
		char	   *own = psprintf("{{ %.*s.output.status | default(null) }}::jsonb",
								   (int) (strlen(status) - strlen(".status")), status);
		char	   *native = psprintf("{{ %s }}::jsonb %s %s", status, operator,
									  quote_text(native_status(right->text)));

		return left->ref->may_have_own
			? psprintf("CASE WHEN %s IS NULL THEN %s ELSE %s %s %s END", own, native, own, operator,
					   quote_text(right->text))
			: native;
	}
	return psprintf("coalesce(%s %s %s, false)", emit_sql(left, false), operator, emit_sql(right, false));
}

char *
jo_expr_sql_predicate(const JoExpr *expr)
{
	switch (expr->kind)
	{
		case JO_EXPR_AND:
		case JO_EXPR_OR:
			return psprintf("(%s %s %s)", jo_expr_sql_predicate(expr->args[0]),
							expr->kind == JO_EXPR_AND ? "AND" : "OR", jo_expr_sql_predicate(expr->args[1]));
		case JO_EXPR_NOT:
			return psprintf("NOT (%s)", jo_expr_sql_predicate(expr->args[0]));
		case JO_EXPR_COMPARE:
			return emit_sql_comparison(expr);
		case JO_EXPR_CONTAINS:
			return psprintf("strpos(coalesce(%s #>> '{}', ''), coalesce(%s #>> '{}', '')) > 0",
							emit_sql(expr->args[0], false), emit_sql(expr->args[1], false));
		default:
			return emit_sql_truth(expr);
	}
}

static char *
emit_sql_arithmetic(const JoExpr *expr)
{
	bool		texts = *expr->text == '+' &&
		(expr->args[0]->kind == JO_EXPR_STRING || expr->args[1]->kind == JO_EXPR_STRING);

	return psprintf(texts ? "to_jsonb((%s #>> '{}') %s (%s #>> '{}'))" : "to_jsonb((%s)::numeric %s (%s)::numeric)",
					emit_sql(expr->args[0], false), texts ? "||" : expr->text, emit_sql(expr->args[1], false));
}

/* As a jsonb. */
static char *
emit_sql(const JoExpr *expr, bool lenient)
{
	switch (expr->kind)
	{
		case JO_EXPR_STRING:
			return quote_text(expr->text);
		case JO_EXPR_NUMBER:
		case JO_EXPR_WORD:
			return psprintf("'%s'::jsonb", expr->text);
		case JO_EXPR_REF:
			return emit_sql_ref(expr->ref, lenient);
		case JO_EXPR_LENGTH:
			return emit_sql_length(expr);
		case JO_EXPR_ARITHMETIC:
			return emit_sql_arithmetic(expr);
		case JO_EXPR_CHOICE:
			return psprintf("CASE WHEN %s THEN %s ELSE %s END", jo_expr_sql_predicate(expr->args[0]),
							emit_sql(expr->args[1], false), emit_sql(expr->args[2], false));
		case JO_EXPR_OR:
			/* a || b: the first that is not empty */
			return psprintf("CASE WHEN %s THEN %s ELSE %s END", emit_sql_truth(expr->args[0]),
							emit_sql(expr->args[0], true), emit_sql(expr->args[1], lenient));
		default:
			return psprintf("to_jsonb(%s)", jo_expr_sql_predicate(expr));
	}
}

char *
jo_expr_sql_value(const JoExpr *expr)
{
	return emit_sql(expr, false);
}
