/*
 * cron.c
 *		Reads cron expressions and says what is wrong with one.  A leaf.
 *
 * A text is an interval ("30 seconds"), a nickname, or fields; a field is a list of
 * elements, each of which adds bits.  Every finding names the field and ends
 * with what may stand there.
 */
#include "cron.h"

#include <ctype.h>
#include <string.h>

#include "words.h"

#define MAX_FIELDS 7			/* one more than there may be: a year gets a hint of its own */
#define MOST_WEEKDAYS 5			/* of one name in a month: FRI#5 */

typedef enum FieldKind
{
	FIELD_SECOND,
	FIELD_MINUTE,
	FIELD_HOUR,
	FIELD_DAY,
	FIELD_MONTH,
	FIELD_WEEKDAY
} FieldKind;

typedef struct Field
{
	const char *name;
	int			low;
	int			high;
	int			high_of_step;	/* x/n goes up to here */
	const char *const *words;	/* names of low, low + 1 and so on */
	const char *allowed;
} Field;

static const char *const month_words[] = {
	"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC", NULL
};
static const char *const weekday_words[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", NULL};

static const Field fields[] = {
	[FIELD_SECOND] = {"second", 0, 59, 59, NULL,
	"Write a number from 0 to 59, a range such as 10-20, a list such as 0,30, or a step such as */15."},
	[FIELD_MINUTE] = {"minute", 0, 59, 59, NULL,
	"Write a number from 0 to 59, a range such as 10-20, a list such as 0,30, or a step such as */15."},
	[FIELD_HOUR] = {"hour", 0, 23, 23, NULL,
	"Write a number from 0 to 23, a range such as 9-17, a list such as 6,18, or a step such as */2."},
	[FIELD_DAY] = {"day", 1, 31, 31, NULL,
		"Write a number from 1 to 31, a range, a list, a step such as */2, L or $ for the last day, L-3 for the third day before it, "
	"15W for the weekday nearest to the 15th, LW for the last weekday, or ?."},
	[FIELD_MONTH] = {"month", 1, 12, 12, month_words,
	"Write a number from 1 to 12 or JAN to DEC, a range such as APR-SEP, a list such as 1,7, or a step such as */3."},
	[FIELD_WEEKDAY] = {"weekday", 0, 7, 6, weekday_words,
		"Write a number from 0 to 7 (0 and 7 are Sunday) or SUN to SAT, a range such as MON-FRI, a list, a step, "
	"5L or FRIL for the last Friday of the month, MON#2 for the second Monday, or ?."},
};

static const char *const nicknames[] = {
	"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly", "@reboot", "@restart", NULL
};
static const char *const nickname_fields[] = {
	"0 0 1 1 *", "0 0 1 1 *", "0 0 1 * *", "0 0 * * 0", "0 0 * * *", "0 0 * * *", "0 * * * *", NULL, NULL
};

#define FIELDS_HINT "The fields are minute, hour, day, month and weekday, as in \"30 9 * * MON-FRI\"; with six fields the first is the second."

typedef struct Parser
{
	JoCron	   *cron;
	const Field *field;			/* NULL: of no field */
	FieldKind	kind;
	char	  **error;
	char	  **hint;
} Parser;

/* A piece of the text. */
typedef struct Piece
{
	const char *start;
	int			length;
} Piece;

/* ---- findings ---- */

/* Remembers what is wrong; the field's name comes first, and what it allows is the hint (after a better one, if any). */
static bool
fail(Parser *parser, char *error, const char *hint)
{
	const Field *field = parser->field;

	*parser->error = field ? psprintf("%s field: %s", field->name, error) : error;
	if (field == NULL)
		*parser->hint = pstrdup(hint);
	else
		*parser->hint = hint ? psprintf("%s %s", hint, field->allowed) : pstrdup(field->allowed);
	return false;
}

static char *
show(Piece piece)
{
	return jo_words_clip(piece.start, piece.length);
}

/* ---- values ---- */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char
upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char) (c - 'a' + 'A') : c;
}

/* Case does not matter. */
static bool
is_word(Piece piece, const char *word)
{
	for (int i = 0; i < piece.length; i++)
		if (word[i] == '\0' || upper(piece.start[i]) != upper(word[i]))
			return false;
	return word[piece.length] == '\0';
}

/* Splits at the first of a character; false: it is not there. */
static bool
split(Piece piece, char at, Piece *before, Piece *behind)
{
	const char *found = memchr(piece.start, at, piece.length);

	if (found == NULL)
		return false;
	*before = (Piece) {piece.start, (int) (found - piece.start)};
	*behind = (Piece) {found + 1, piece.length - before->length - 1};
	return true;
}

/* A number of digits only; those too large for any field become a large one. */
static bool
read_number(Piece piece, int *number)
{
	*number = 0;
	for (int i = 0; i < piece.length; i++)
	{
		if (!is_digit(piece.start[i]))
			return false;
		if (*number < 1000000)
			*number = *number * 10 + (piece.start[i] - '0');
	}
	return piece.length > 0;
}

/* A word that is no name of the field's: perhaps one that begins like it, or one misspelt. */
static bool
fail_word(Parser *parser, Piece piece)
{
	const Field *field = parser->field;
	char	   *word = show(piece);
	const char *meant = NULL;

	if (field->words == NULL)
		return fail(parser, psprintf("\"%s\" is not a number", word), NULL);
	for (int i = 0; field->words[i] != NULL && piece.length > 3; i++)
		if (is_word((Piece) {piece.start, 3}, field->words[i]))
			meant = field->words[i];
	if (meant == NULL)
		meant = jo_words_nearest(word, field->words);
	return fail(parser, psprintf("\"%s\" is neither a number nor the name of a %s", word, field->name),
				meant ? psprintf("Did you mean \"%s\"?", meant) : NULL);
}

/* A number or a name. */
static bool
read_value(Parser *parser, Piece piece, int *value)
{
	const Field *field = parser->field;

	if (piece.length == 0)
		return fail(parser, pstrdup("a number is missing"), NULL);
	for (int i = 0; field->words != NULL && field->words[i] != NULL; i++)
		if (is_word(piece, field->words[i]))
		{
			*value = field->low + i;
			return true;
		}
	if (!read_number(piece, value))
		return fail_word(parser, piece);
	if (*value < field->low || *value > field->high)
		return fail(parser, psprintf("%s is not in %d-%d", show(piece), field->low, field->high), NULL);
	return true;
}

/* ---- elements ---- */

static uint64
bit(int n)
{
	return UINT64CONST(1) << n;
}

static void
add_range(Parser *parser, int from, int to, int step)
{
	JoCron	   *cron = parser->cron;

	for (int i = from; i <= to; i += step)
		switch (parser->kind)
		{
			case FIELD_SECOND:
				cron->seconds |= bit(i);
				break;
			case FIELD_MINUTE:
				cron->minutes |= bit(i);
				break;
			case FIELD_HOUR:
				cron->hours |= (uint32) bit(i);
				break;
			case FIELD_DAY:
				cron->days |= (uint32) bit(i);
				break;
			case FIELD_MONTH:
				cron->months |= (uint32) bit(i);
				break;
			case FIELD_WEEKDAY:
				cron->weekdays |= (uint32) bit(i % 7);
				break;
		}
}

/* Ranges do not go over the end of the hour, the day or the year: two of them say the same. */
static bool
fail_backwards(Parser *parser, Piece piece, int from, int to)
{
	const Field *field = parser->field;
	char	   *meant;

	if (parser->kind == FIELD_WEEKDAY && to == 0)
		meant = psprintf("%d-7", from);
	else if (parser->kind == FIELD_WEEKDAY)
		meant = psprintf("%d-6,0-%d", from, to);
	else
		meant = psprintf("%d-%d,%d-%d", from, field->high, field->low, to);
	return fail(parser, psprintf("the range %s goes backwards", show(piece)), psprintf("Write it as %s.", meant));
}

static bool
read_range(Parser *parser, Piece piece, int *from, int *to, bool *single)
{
	const Field *field = parser->field;
	Piece		before;
	Piece		behind;

	*single = false;
	if (is_word(piece, "*"))
	{
		*from = field->low;
		*to = field->high;
		return true;
	}
	if (!split(piece, '-', &before, &behind))
	{
		*single = true;
		if (!read_value(parser, piece, from))
			return false;
		*to = *from;
		return true;
	}
	if (!read_value(parser, before, from) || !read_value(parser, behind, to))
		return false;
	/* SAT-SUN: a week may end with Sunday too */
	if (parser->kind == FIELD_WEEKDAY && *to == 0 && *from > 0 && is_word(behind, "SUN"))
		*to = 7;
	return *from <= *to || fail_backwards(parser, piece, *from, *to);
}

static bool
read_plain(Parser *parser, Piece piece)
{
	Piece		range = piece;
	Piece		behind;
	int			from;
	int			to;
	int			step = 1;
	bool		single;
	bool		stepped = split(piece, '/', &range, &behind);

	if (!read_range(parser, range, &from, &to, &single))
		return false;
	if (stepped)
	{
		if (!read_number(behind, &step))
			return fail(parser, psprintf("the step of \"%s\" is not a number", show(piece)), NULL);
		if (step == 0)
			return fail(parser, pstrdup("the step 0 would never move on"), NULL);
		if (single)
			to = Max(from, parser->field->high_of_step);
	}
	add_range(parser, from, to, step);
	return true;
}

/* The day before W, or before L in the weekday field. */
static Piece
without_last(Piece piece)
{
	return (Piece) {piece.start, piece.length - 1};
}

static bool
ends_with(Piece piece, char letter)
{
	return piece.length > 1 && upper(piece.start[piece.length - 1]) == letter;
}

/* L, $, L-3, LW, 15W; *done: it was one of them. */
static bool
read_special_day(Parser *parser, Piece piece, bool *done)
{
	JoCron	   *cron = parser->cron;
	Piece		before;
	Piece		behind;
	int			value;

	*done = true;
	if (is_word(piece, "L") || is_word(piece, "$"))
		cron->from_last |= 1;
	else if (is_word(piece, "LW") || is_word(piece, "WL"))
		cron->last_workday = true;
	else if (split(piece, '-', &before, &behind) && is_word(before, "L"))
	{
		if (!read_number(behind, &value) || value < 1 || value > 30)
			return fail(parser, psprintf("\"%s\" is not in L-1 to L-30", show(piece)), NULL);
		cron->from_last |= (uint32) bit(value);
	}
	else if (is_word(piece, "W"))
		return fail(parser, pstrdup("W needs a day before it"), NULL);
	else if (ends_with(piece, 'W') && read_number(without_last(piece), &value))
	{
		if (!read_value(parser, without_last(piece), &value))
			return false;
		cron->near_days |= (uint32) bit(value);
	}
	else
		*done = false;
	return true;
}

/* 5L, FRIL, MON#2; *done: it was one of them. */
static bool
read_special_weekday(Parser *parser, Piece piece, bool *done)
{
	JoCron	   *cron = parser->cron;
	Piece		before;
	Piece		behind;
	int			value;
	int			nth;

	*done = true;
	if (is_word(piece, "L"))
		return fail(parser, pstrdup("L needs a weekday before it"), NULL);
	if (split(piece, '#', &before, &behind))
	{
		if (!read_value(parser, before, &value))
			return false;
		if (!read_number(behind, &nth) || nth < 1 || nth > MOST_WEEKDAYS)
			return fail(parser, psprintf("in \"%s\", \"%s\" is not in 1-%d", show(piece), show(behind), MOST_WEEKDAYS), NULL);
		cron->nth_weekdays[nth] |= (uint32) bit(value % 7);
	}
	else if (ends_with(piece, 'L'))
	{
		if (!read_value(parser, without_last(piece), &value))
			return false;
		cron->last_weekdays |= (uint32) bit(value % 7);
	}
	else
		*done = false;
	return true;
}

static bool
read_element(Parser *parser, Piece piece)
{
	bool		done = false;

	if (piece.length == 0)
		return fail(parser, pstrdup("the list has an empty element"), NULL);
	if (parser->kind == FIELD_DAY && !read_special_day(parser, piece, &done))
		return false;
	if (parser->kind == FIELD_WEEKDAY && !read_special_weekday(parser, piece, &done))
		return false;
	return done || read_plain(parser, piece);
}

/* ---- fields ---- */

static bool
read_field(Parser *parser, FieldKind kind, Piece piece)
{
	JoCron	   *cron = parser->cron;
	bool		any = piece.start[0] == '*' || piece.start[0] == '?';
	Piece		rest = piece;
	Piece		element;

	parser->kind = kind;
	parser->field = &fields[kind];
	if (kind == FIELD_DAY)
		cron->any_day = any;
	if (kind == FIELD_WEEKDAY)
		cron->any_weekday = any;
	if ((kind == FIELD_DAY || kind == FIELD_WEEKDAY) && is_word(piece, "?"))
	{
		add_range(parser, parser->field->low, parser->field->high, 1);
		return true;
	}
	while (split(rest, ',', &element, &rest))
		if (!read_element(parser, element))
			return false;
	return read_element(parser, rest);
}

/* The next piece between white space; false: none. */
static bool
next_piece(const char **position, Piece *piece)
{
	const char *p = *position;

	while (isspace((unsigned char) *p))
		p++;
	piece->start = p;
	while (*p != '\0' && !isspace((unsigned char) *p))
		p++;
	piece->length = (int) (p - piece->start);
	*position = p;
	return piece->length > 0;
}

/* What matches no day of any of the 400 years after which the calendar repeats. */
static bool
is_impossible(const JoCron *cron)
{
	for (int year = 2000; year < 2400; year++)
		for (int month = 1; month <= 12; month++)
			if (((cron->months >> month) & 1) && jo_cron_days(cron, year, month) != 0)
				return false;
	return true;
}

static bool
fail_impossible(Parser *parser, const Piece *pieces)
{
	int			longest = 0;
	char	   *hint;

	for (int month = 1; month <= 12; month++)
		if ((parser->cron->months >> month) & 1)
			longest = Max(longest, jo_civil_month_days(2000, month));
	hint = longest == 31 ? pstrdup("Change the day or the weekday field.") :
		psprintf("There are at most %d days in %s; change the day or the month field.", longest,
				 longest == 29 ? "February" : "these months");
	parser->field = NULL;
	return fail(parser, psprintf("day, month and weekday fields: no date matches \"%s %s %s\"", show(pieces[0]),
								 show(pieces[1]), show(pieces[2])), hint);
}

static bool
read_fields(Parser *parser, const char *text)
{
	Piece		pieces[MAX_FIELDS];
	Piece		piece;
	JoCron	   *cron = parser->cron;
	int			n = 0;
	int			first;

	while (next_piece(&text, &piece))
	{
		if (n < MAX_FIELDS)
			pieces[n] = piece;
		n++;
	}
	if (n != 5 && n != 6)
		return fail(parser, psprintf("there %s %d field%s, not 5 or 6", n == 1 ? "is" : "are", n, n == 1 ? "" : "s"),
					n == 7 ? FIELDS_HINT " There is no field for the year." : FIELDS_HINT);
	first = n == 5 ? FIELD_MINUTE : FIELD_SECOND;
	if (n == 5)
		cron->seconds = 1;
	for (int i = 0; i < n; i++)
		if (!read_field(parser, first + i, pieces[i]))
			return false;
	cron->star_hour = cron->hours == JO_CRON_ALL_HOURS;
	cron->star_minute = cron->minutes == JO_CRON_ALL_MINUTES;
	return !is_impossible(cron) || fail_impossible(parser, &pieces[n - 3]);
}

/* ---- other texts ---- */

static bool
read_nickname(Parser *parser, Piece piece)
{
	char	   *word = show(piece);
	char	   *suggestion = jo_words_suggest(word, nicknames);

	for (int i = 0; nicknames[i] != NULL; i++)
		if (is_word(piece, nicknames[i]))
		{
			if (nickname_fields[i] != NULL)
				return read_fields(parser, nickname_fields[i]);
			parser->cron->reboot = true;
			return true;
		}
	return fail(parser, psprintf("\"%s\" is not a nickname", word),
				psprintf("%s%sThe nicknames are %s.", suggestion ? suggestion : "", suggestion ? " " : "", jo_words_join(nicknames)));
}

/* "30 seconds": a number, perhaps a wrong one, and a word. */
static bool
read_interval(Parser *parser, Piece number, Piece unit)
{
	static const char *const units[] = {"seconds", "second", NULL};
	char	   *suggestion = jo_words_suggest(show(unit), units);
	int			value;

	if (!is_word(unit, "second") && !is_word(unit, "seconds"))
		return fail(parser, psprintf("interval: the unit is seconds, not \"%s\"", show(unit)),
					suggestion ? suggestion :
					"Only 1 to 59 seconds can be written so; a longer interval is a step, such as \"*/15 * * * *\" for 15 minutes.");
	if (!read_number(number, &value) || value < 1 || value > 59)
		return fail(parser, psprintf("interval: %s is not in 1-59 seconds", show(number)),
					"A longer interval is a step, such as \"*/15 * * * *\" for 15 minutes.");
	parser->cron->every_seconds = value;
	return true;
}

static bool
is_interval(Piece number, Piece unit)
{
	if (!is_digit(number.start[0]) && !(number.length > 1 && strchr("+-.", number.start[0]) != NULL && is_digit(number.start[1])))
		return false;
	for (int i = 0; i < unit.length; i++)
		if (!is_letter(unit.start[i]))
			return false;
	return true;
}

bool
jo_cron_parse(const char *text, JoCron *cron, char **error, char **hint)
{
	Parser		parser = {.cron = cron, .error = error, .hint = hint};
	const char *position = text;
	Piece		first;
	Piece		second;
	Piece		third;
	int			n;

	memset(cron, 0, sizeof(*cron));
	if (strlen(text) > JO_CRON_MAX_LENGTH)
		return fail(&parser, psprintf("the expression has %zu bytes", strlen(text)), "It may have at most 999.");
	if (!next_piece(&position, &first))
		return fail(&parser, pstrdup("the expression is empty"), FIELDS_HINT);
	n = !next_piece(&position, &second) ? 1 : !next_piece(&position, &third) ? 2 : 3;
	if (n == 1 && first.start[0] == '@')
		return read_nickname(&parser, first);
	if (n == 2 && is_interval(first, second))
		return read_interval(&parser, first, second);
	return read_fields(&parser, text);
}
