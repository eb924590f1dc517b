/*
 * visualexpr.c
 *		Expressions of visual definitions: read, with what their names mean.
 *
 * A leaf.  Takes the operators of JavaScript and the words of Python that real
 * definitions mix; {{ }} and ${ } are no more than parentheses here.
 */
#include "visualparse.h"

#include <string.h>

#define MAX_DEPTH 60
#define MAX_SEGMENTS 32
#define MAX_OPERATORS 1000

typedef struct Parser
{
	const JoVisualPlace *place;
	const char *start;
	const char *p;
	const char *end;
	int			depth;
	int			noperators;
} Parser;

static JoExpr *parse_choice(Parser *parser);

static JoExpr *
make_expr(JoExprKind kind, const char *text, JoExpr *a, JoExpr *b)
{
	JoExpr	   *expr = palloc0(sizeof(JoExpr));

	expr->kind = kind;
	expr->text = text ? pstrdup(text) : NULL;
	expr->args[0] = a;
	expr->args[1] = b;
	return expr;
}

static JoExpr *
refuse_text(Parser *parser, const char *reason)
{
	jo_visual_report_at(parser->place, "invalid_template",
						"Operators are == != < <= > >= && || ! contains + - * / % and ? :.",
						"%s at \"%s\"", reason, jo_words_clip(parser->p, parser->end - parser->p));
	return NULL;
}

static void
skip_blanks(Parser *parser)
{
	while (parser->p < parser->end && strchr(" \t\r\n", *parser->p) != NULL)
		parser->p++;
}

static bool
is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
		(unsigned char) c >= 0x80;
}

static bool
is_digit_char(char c)
{
	return c >= '0' && c <= '9';
}

/* Steps over an operator; one that is a word must end there. */
static bool
take_sign(Parser *parser, const char *sign)
{
	size_t		length = strlen(sign);

	skip_blanks(parser);
	if ((size_t) (parser->end - parser->p) < length || memcmp(parser->p, sign, length) != 0)
		return false;
	if (is_word_char(*sign) && (size_t) (parser->end - parser->p) > length &&
		(is_word_char(parser->p[length]) || parser->p[length] == '-' || parser->p[length] == '.'))
		return false;
	parser->p += length;
	return true;
}

/* ---- operands ---- */

static JoExpr *
parse_string(Parser *parser)
{
	char		quote = *parser->p++;
	StringInfoData buf;

	initStringInfo(&buf);
	for (; parser->p < parser->end; parser->p++)
	{
		char		c = *parser->p;

		if (c == quote)
		{
			parser->p++;
			return make_expr(JO_EXPR_STRING, buf.data, NULL, NULL);
		}
		if (c == '\\' && parser->p + 1 < parser->end)
		{
			c = *++parser->p;
			c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
		}
		appendStringInfoChar(&buf, c);
	}
	return refuse_text(parser, "a text has no closing quote");
}

/* '{{ x }}' is what x is, not a text. */
static JoExpr *
parse_quoted(Parser *parser)
{
	JoExpr	   *string = parse_string(parser);
	size_t		length;

	if (string == NULL || strstr(string->text, "{{") == NULL)
		return string;
	length = strlen(string->text);
	if (strncmp(string->text, "{{", 2) == 0 && strcmp(string->text + length - 2, "}}") == 0 &&
		strstr(string->text + 2, "{{") == NULL)
		return jo_expr_parse(parser->place, string->text + 2, length - 4);
	jo_visual_report_at(parser->place, "invalid_template", "Write the template without quotes.",
						"a text in an expression cannot hold templates and other text: '%s'",
						jo_words_show(string->text));
	return NULL;
}

static JoExpr *
parse_number(Parser *parser)
{
	const char *start = parser->p;

	while (parser->p < parser->end && is_digit_char(*parser->p))
		parser->p++;
	if (parser->end - parser->p > 1 && *parser->p == '.' && is_digit_char(parser->p[1]))
		for (parser->p++; parser->p < parser->end && is_digit_char(*parser->p);)
			parser->p++;
	while (parser->p - start > 1 && *start == '0' && is_digit_char(start[1]))
		start++;
	return make_expr(JO_EXPR_NUMBER, pnstrdup(start, parser->p - start), NULL, NULL);
}

/* A name; a hyphen belongs to it when a name goes on behind it. */
static char *
read_word(Parser *parser)
{
	const char *start = parser->p;

	while (parser->p < parser->end &&
		   (is_word_char(*parser->p) ||
			(*parser->p == '-' && parser->p > start && parser->p + 1 < parser->end && is_word_char(parser->p[1]))))
		parser->p++;
	return pnstrdup(start, parser->p - start);
}

static bool
add_segment(Parser *parser, JoVisualRef *ref, char *segment, bool is_index)
{
	if (ref->nsegments >= MAX_SEGMENTS)
		return refuse_text(parser, "a name has too many parts") != NULL;
	if (ref->segments == NULL)
	{
		ref->segments = palloc(MAX_SEGMENTS * sizeof(char *));
		ref->is_index = palloc(MAX_SEGMENTS * sizeof(bool));
	}
	ref->segments[ref->nsegments] = segment;
	ref->is_index[ref->nsegments++] = is_index;
	return true;
}

/* At a [: [0] or ["name"]. */
static bool
parse_bracket(Parser *parser, JoVisualRef *ref)
{
	JoExpr	   *inside;

	parser->p++;
	skip_blanks(parser);
	if (parser->p < parser->end && (*parser->p == '"' || *parser->p == '\''))
		inside = parse_string(parser);
	else if (parser->p < parser->end && is_digit_char(*parser->p))
		inside = parse_number(parser);
	else
		inside = refuse_text(parser, "a number or a name in quotes was expected");
	if (inside == NULL)
		return false;
	if (!take_sign(parser, "]"))
		return refuse_text(parser, "] was expected") != NULL;
	return add_segment(parser, ref, inside->text, inside->kind == JO_EXPR_NUMBER);
}

/* Behind name.includes or name.contains: the argument in parentheses. */
static JoExpr *
parse_method(Parser *parser, JoVisualRef *ref)
{
	static const char *const methods[] = {"includes", "contains", "toLowerCase", "trim", NULL};
	const char *name = ref->segments[--ref->nsegments];
	JoExpr	   *subject = make_expr(JO_EXPR_REF, NULL, NULL, NULL);
	JoExpr	   *argument;

	subject->ref = ref;
	if (ref->nsegments == 0 || jo_words_find(name, methods) < 0 || jo_words_find(name, methods) > 1)
		return refuse_text(parser, psprintf("the function \"%s\" is not supported", name));
	parser->p++;
	argument = parse_choice(parser);
	if (argument == NULL)
		return NULL;
	if (!take_sign(parser, ")"))
		return refuse_text(parser, ") was expected");
	return make_expr(JO_EXPR_CONTAINS, NULL, subject, argument);
}

static JoExpr *
parse_name(Parser *parser)
{
	static const char *const words[] = {
		"true", "True", "false", "False", "null", "None", "undefined", NULL
	};
	static const char *const plain[] = {"true", "true", "false", "false", "null", "null", "null"};
	JoVisualRef *ref = palloc0(sizeof(JoVisualRef));
	JoExpr	   *expr = make_expr(JO_EXPR_REF, NULL, NULL, NULL);
	char	   *word = read_word(parser);
	int			found = jo_words_find(word, words);

	if (found >= 0)
		return make_expr(JO_EXPR_WORD, plain[found], NULL, NULL);
	expr->ref = ref;
	add_segment(parser, ref, word, false);
	for (;;)
	{
		if (parser->p < parser->end && parser->p[0] == '?' && parser->p + 1 < parser->end && parser->p[1] == '.')
			parser->p++;
		if (parser->p < parser->end && *parser->p == '[')
		{
			if (!parse_bracket(parser, ref))
				return NULL;
		}
		else if (parser->p + 1 < parser->end && *parser->p == '.' && is_word_char(parser->p[1]))
		{
			parser->p++;
			word = read_word(parser);
			if (!add_segment(parser, ref, word, strspn(word, "0123456789") == strlen(word)))
				return NULL;
		}
		else
			break;
	}
	if (parser->p < parser->end && *parser->p == '(')
		return parse_method(parser, ref);
	if (ref->nsegments > 1 && strcmp(ref->segments[ref->nsegments - 1], "length") == 0)
	{
		ref->nsegments--;
		expr->kind = JO_EXPR_LENGTH;
	}
	return jo_visual_resolve(parser->place, ref) ? expr : NULL;
}

static JoExpr *
parse_group(Parser *parser, const char *close)
{
	JoExpr	   *inside = parse_choice(parser);

	if (inside == NULL)
		return NULL;
	return take_sign(parser, close) ? inside : refuse_text(parser, psprintf("%s was expected", close));
}

static JoExpr *
parse_operand(Parser *parser)
{
	JoExpr	   *expr;

	skip_blanks(parser);
	if (parser->p >= parser->end)
		return refuse_text(parser, "a value was expected");
	if (take_sign(parser, "{{"))
		return parse_group(parser, "}}");
	if (take_sign(parser, "${"))
		return parse_group(parser, "}");
	if (take_sign(parser, "("))
		return parse_group(parser, ")");
	if (*parser->p == '"' || *parser->p == '\'')
		return parse_quoted(parser);
	if (is_digit_char(*parser->p))
		return parse_number(parser);
	if (*parser->p == '-' && parser->p + 1 < parser->end && is_digit_char(parser->p[1]))
	{
		parser->p++;
		expr = parse_number(parser);
		expr->text = psprintf("-%s", expr->text);
		return expr;
	}
	if (is_word_char(*parser->p))
		return parse_name(parser);
	return refuse_text(parser, "a value was expected");
}

/* ---- operators, the tightest first ---- */

/* Left to right over operators of one rank; signs ends with NULL. */
static JoExpr *
parse_chain(Parser *parser, JoExprKind kind, const char *const *signs, const char *const *native,
			JoExpr *(*operand) (Parser *))
{
	JoExpr	   *left = operand(parser);

	while (left != NULL)
	{
		JoExpr	   *right;
		int			found = -1;

		for (int i = 0; signs[i] != NULL && found < 0; i++)
			if (take_sign(parser, signs[i]))
				found = i;
		if (found < 0)
			break;
		if (++parser->noperators > MAX_OPERATORS)
			return refuse_text(parser, "the expression has too many operators");
		right = operand(parser);
		left = right ? make_expr(kind, native[found], left, right) : NULL;
	}
	return left;
}

static JoExpr *
parse_product(Parser *parser)
{
	static const char *const signs[] = {"*", "/", "%", NULL};

	return parse_chain(parser, JO_EXPR_ARITHMETIC, signs, signs, parse_operand);
}

static JoExpr *
parse_sum(Parser *parser)
{
	static const char *const signs[] = {"+", "-", NULL};

	return parse_chain(parser, JO_EXPR_ARITHMETIC, signs, signs, parse_product);
}

static JoExpr *
parse_comparison(Parser *parser)
{
	static const char *const signs[] = {
		"===", "!==", "==", "!=", "<=", ">=", "<", ">", "contains", "includes", "in", NULL
	};
	static const char *const native[] = {"==", "!=", "==", "!=", "<=", ">=", "<", ">"};
	JoExpr	   *left = parse_sum(parser);
	JoExpr	   *right;

	for (int i = 0; left != NULL && signs[i] != NULL; i++)
	{
		if (!take_sign(parser, signs[i]))
			continue;
		right = parse_sum(parser);
		if (right == NULL)
			return NULL;
		if (i < (int) lengthof(native))
			return make_expr(JO_EXPR_COMPARE, native[i], left, right);
		return strcmp(signs[i], "in") == 0 ? make_expr(JO_EXPR_CONTAINS, NULL, right, left)
			: make_expr(JO_EXPR_CONTAINS, NULL, left, right);
	}
	return left;
}

static JoExpr *
parse_not(Parser *parser)
{
	int			count = 0;
	JoExpr	   *expr;

	for (skip_blanks(parser);; count++)
	{
		if (parser->p + 1 < parser->end && *parser->p == '!' && parser->p[1] != '=')
			parser->p++;
		else if (!take_sign(parser, "not"))
			break;
		skip_blanks(parser);
	}
	expr = parse_comparison(parser);
	return (expr && count % 2 == 1) ? make_expr(JO_EXPR_NOT, NULL, expr, NULL) : expr;
}

static JoExpr *
parse_and(Parser *parser)
{
	static const char *const signs[] = {"&&", "and", "AND", NULL};
	static const char *const native[] = {"&&", "&&", "&&"};

	return parse_chain(parser, JO_EXPR_AND, signs, native, parse_not);
}

static JoExpr *
parse_or(Parser *parser)
{
	static const char *const signs[] = {"||", "or", "OR", NULL};
	static const char *const native[] = {"||", "||", "||"};

	return parse_chain(parser, JO_EXPR_OR, signs, native, parse_and);
}

static JoExpr *
parse_choice(Parser *parser)
{
	JoExpr	   *expr;
	JoExpr	   *choice;

	if (++parser->depth > MAX_DEPTH)
		return refuse_text(parser, "the expression is nested too deep");
	expr = parse_or(parser);
	if (expr != NULL && take_sign(parser, "?"))
	{
		choice = make_expr(JO_EXPR_CHOICE, NULL, expr, parse_choice(parser));
		if (choice->args[1] == NULL)
			expr = NULL;
		else if (!take_sign(parser, ":"))
			expr = refuse_text(parser, ": was expected");
		else
		{
			choice->args[2] = parse_choice(parser);
			expr = choice->args[2] ? choice : NULL;
		}
	}
	parser->depth--;
	return expr;
}

JoExpr *
jo_expr_parse(const JoVisualPlace *place, const char *text, size_t length)
{
	Parser		parser;
	JoExpr	   *expr;

	memset(&parser, 0, sizeof(parser));
	parser.place = place;
	parser.start = parser.p = text;
	parser.end = text + length;
	if (length > JO_MAX_PATH_BYTES)
	{
		jo_visual_report_at(place, "limit_exceeded", NULL, "an expression is longer than %d bytes",
							JO_MAX_PATH_BYTES);
		return NULL;
	}
	expr = parse_choice(&parser);
	skip_blanks(&parser);
	if (expr != NULL && parser.p < parser.end)
		return refuse_text(&parser, "an operator was expected");
	return expr;
}
