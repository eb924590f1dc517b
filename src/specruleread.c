/*
 * specruleread.c
 *		Reads rules of RFC 5545: RRULE with DTSTART, EXDATE and RDATE.
 *
 * All that a rule may say is checked here, for libical takes much that the RFC forbids, and
 * reads something else out of it.  What remains to be asked of libical is
 * put together in specrule.c.
 */
#include "joborch.h"

#include "specparts.h"

#include "words.h"

#define MAX_TEXT 8192
#define MAX_COUNT 10000
#define MAX_INTERVAL 32767

#define RULE_HINT "A rule is the value of an RRULE of RFC 5545, such as \"FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17\"."
#define LINES_HINT "The lines may be DTSTART, RRULE, RDATE and EXDATE, as in \"DTSTART;TZID=Europe/Berlin:20270101T090000\"."

const char *const jo_rule_freqs[] = {
	"SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY", NULL
};
const char *const jo_rule_weekdays[] = {"SU", "MO", "TU", "WE", "TH", "FR", "SA", NULL};

typedef enum PartKind
{
	PART_FREQ, PART_INTERVAL, PART_COUNT, PART_UNTIL, PART_WKST, PART_BYDAY, PART_LIST
} PartKind;

typedef struct Part
{
	const char *name;
	PartKind	kind;
	size_t		list;			/* where in JoRule */
	int			low;
	int			high;
	bool		negative;		/* from -high to -low too */
} Part;

#define LIST(member) offsetof(JoRule, member)

static const Part parts[] = {
	{"FREQ", PART_FREQ, 0, 0, 0, false},
	{"INTERVAL", PART_INTERVAL, 0, 1, MAX_INTERVAL, false},
	{"COUNT", PART_COUNT, 0, 1, MAX_COUNT, false},
	{"UNTIL", PART_UNTIL, 0, 0, 0, false},
	{"WKST", PART_WKST, 0, 0, 0, false},
	{"BYDAY", PART_BYDAY, 0, 1, 53, true},
	{"BYSECOND", PART_LIST, LIST(seconds), 0, 59, false},
	{"BYMINUTE", PART_LIST, LIST(minutes), 0, 59, false},
	{"BYHOUR", PART_LIST, LIST(hours), 0, 23, false},
	{"BYMONTHDAY", PART_LIST, LIST(month_days), 1, 31, true},
	{"BYYEARDAY", PART_LIST, LIST(year_days), 1, 366, true},
	{"BYWEEKNO", PART_LIST, LIST(weeks), 1, 53, true},
	{"BYMONTH", PART_LIST, LIST(months), 1, 12, false},
	{"BYSETPOS", PART_LIST, LIST(positions), 1, 366, true}
};

typedef struct RuleReader
{
	const char *field;
	const char *text;			/* all of it, for messages */
	JoRule	   *rule;
	bool		has[lengthof(parts)];
	bool		has_rule;
	char	   *until;
} RuleReader;

static void refuse(RuleReader *reader, const char *hint, const char *format,...) pg_attribute_printf(3, 4) pg_attribute_noreturn();

static void
refuse(RuleReader *reader, const char *hint, const char *format,...)
{
	char		why[256];
	va_list		args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	jo_spec_refuse(reader->field, why, reader->text, hint);
}

/* ---- parts of an RRULE ---- */

static char *
describe_range(const Part *part)
{
	return part->negative ? psprintf("%d-%d or -%d to -%d", part->low, part->high, part->high, part->low) :
		psprintf("%d-%d", part->low, part->high);
}

/* A number that stands alone, or before a weekday, which is left in *rest then. */
static int
read_number(RuleReader *reader, const Part *part, const char *text, const char **rest)
{
	const char *digits = text + (*text == '+' || *text == '-');
	long		number = 0;
	const char *at = digits;

	/* beyond all limits is far enough */
	for (; *at >= '0' && *at <= '9'; at++)
		number = Min(number * 10 + *at - '0', 1000000);
	if (rest != NULL)
		*rest = at;
	if (at == digits || (rest == NULL && *at != '\0'))
		refuse(reader, NULL, "%s: \"%s\" is not a number of %s", part->name, jo_words_show(text), describe_range(part));
	if (number < part->low || number > part->high || (text != digits && !part->negative))
		refuse(reader, NULL, "%s: %s is not in %s", part->name, jo_words_show(text), describe_range(part));
	return *text == '-' ? (int) -number : (int) number;
}

/* Cuts the next one off a list; NULL: there is no more. */
static char *
next_word(char **rest, char separator)
{
	char	   *word = *rest;
	char	   *end;

	if (word == NULL)
		return NULL;
	end = strchr(word, separator);
	if (end != NULL)
		*end++ = '\0';
	*rest = end;
	return word;
}

static int
read_weekday(RuleReader *reader, const Part *part, const char *text)
{
	int			weekday = -1;

	for (int i = 0; jo_rule_weekdays[i] != NULL; i++)
		if (pg_strcasecmp(text, jo_rule_weekdays[i]) == 0)
			weekday = i;
	if (weekday < 0)
		refuse(reader, NULL, "%s: \"%s\" is not one of MO, TU, WE, TH, FR, SA, SU", part->name, jo_words_show(text));
	return weekday;
}

static int
compare_numbers(const void *a, const void *b)
{
	return *(const int16 *) a - *(const int16 *) b;
}

static void
read_list(RuleReader *reader, const Part *part, char *value)
{
	JoRuleList *list = (JoRuleList *) ((char *) reader->rule + part->list);
	char	   *word;
	int			kept = 0;

	list->values = palloc((strlen(value) / 2 + 1) * sizeof(int16));
	while ((word = next_word(&value, ',')) != NULL)
		list->values[list->n++] = (int16) read_number(reader, part, word, NULL);
	qsort(list->values, list->n, sizeof(int16), compare_numbers);
	for (int i = 0; i < list->n; i++)
		if (kept == 0 || list->values[i] != list->values[kept - 1])
			list->values[kept++] = list->values[i];
	list->n = kept;
}

static int
compare_days(const void *a, const void *b)
{
	const JoRuleDay *x = a;
	const JoRuleDay *y = b;

	/* a week begins with Monday for readers */
	if (x->position != y->position)
		return x->position - y->position;
	return (x->weekday + 6) % 7 - (y->weekday + 6) % 7;
}

static void
read_days(RuleReader *reader, const Part *part, char *value)
{
	JoRule	   *rule = reader->rule;
	char	   *word;
	int			kept = 0;

	rule->days = palloc((strlen(value) / 3 + 1) * sizeof(JoRuleDay));
	while ((word = next_word(&value, ',')) != NULL)
	{
		JoRuleDay  *day = &rule->days[rule->n_days++];
		const char *name = word;

		day->position = 0;
		if (*word == '+' || *word == '-' || (*word >= '0' && *word <= '9'))
			day->position = (int16) read_number(reader, part, word, &name);
		day->weekday = (int16) read_weekday(reader, part, name);
	}
	qsort(rule->days, rule->n_days, sizeof(JoRuleDay), compare_days);
	for (int i = 0; i < rule->n_days; i++)
		if (kept == 0 || compare_days(&rule->days[i], &rule->days[kept - 1]) != 0)
			rule->days[kept++] = rule->days[i];
	rule->n_days = kept;
}

static void
read_freq(RuleReader *reader, const char *value)
{
	char	   *upper = pstrdup(value);
	char	   *near;
	int			found;

	for (char *c = upper; *c != '\0'; c++)
		*c = pg_toupper((unsigned char) *c);
	found = jo_words_find(upper, jo_rule_freqs);
	near = found < 0 ? jo_words_suggest(upper, jo_rule_freqs) : NULL;
	if (found < 0)
		refuse(reader, psprintf("%s%sFREQ is one of %s.", near != NULL ? near : "", near != NULL ? " " : "", jo_words_join(jo_rule_freqs)),
			   "FREQ: \"%s\" is not a frequency", jo_words_show(value));
	reader->rule->freq = (JoRuleFreq) found;
}

static const Part *
find_part(RuleReader *reader, const char *name)
{
	const char *names[lengthof(parts) + 1] = {0};
	char	   *near;

	for (int i = 0; i < (int) lengthof(parts); i++)
	{
		names[i] = parts[i].name;
		if (pg_strcasecmp(name, parts[i].name) == 0)
		{
			if (reader->has[i])
				refuse(reader, "Several values of a part are separated by commas; several rules are several specs.",
					   "%s is there twice", parts[i].name);
			reader->has[i] = true;
			return &parts[i];
		}
	}
	near = jo_words_suggest(name, names);
	refuse(reader, psprintf("%s%sParts are %s.", near != NULL ? near : "", near != NULL ? " " : "", jo_words_join(names)),
		   "\"%s\" is not a part of a rule", jo_words_show(name));
}

static void
read_part(RuleReader *reader, char *text)
{
	char	   *value = text;
	char	   *name = next_word(&value, '=');
	const Part *part;

	if (value == NULL)
		refuse(reader, RULE_HINT, "\"%s\" is not of the form NAME=VALUE", jo_words_show(text));
	part = find_part(reader, name);
	if (*value == '\0')
		refuse(reader, RULE_HINT, "%s has no value", part->name);
	switch (part->kind)
	{
		case PART_FREQ:
			read_freq(reader, value);
			break;
		case PART_INTERVAL:
			reader->rule->interval = read_number(reader, part, value, NULL);
			break;
		case PART_COUNT:
			reader->rule->count = read_number(reader, part, value, NULL);
			break;
		case PART_UNTIL:
			reader->until = value;
			break;
		case PART_WKST:
			reader->rule->week_start = read_weekday(reader, part, value);
			break;
		case PART_BYDAY:
			read_days(reader, part, value);
			break;
		case PART_LIST:
			read_list(reader, part, value);
			break;
	}
}

/* Table 1 of RFC 5545, 3.3.10, and the sentences around it. */
static void
check_parts(RuleReader *reader)
{
	const JoRule *rule = reader->rule;
	const char *freq = jo_rule_freqs[rule->freq];
	bool		numbered = false;

	for (int i = 0; i < rule->n_days; i++)
		numbered |= rule->days[i].position != 0;
	if (numbered && rule->freq != JO_FREQ_MONTHLY && rule->freq != JO_FREQ_YEARLY)
		refuse(reader, "Numbers say which one of a month or year: use FREQ=MONTHLY or YEARLY, or weekdays without numbers.",
			   "BYDAY cannot have numbers with FREQ=%s", freq);
	if (numbered && rule->weeks.n > 0)
		refuse(reader, NULL, "BYDAY cannot have numbers beside BYWEEKNO");
	if (numbered && rule->freq == JO_FREQ_YEARLY && rule->month_days.n + rule->year_days.n > 0)
		refuse(reader, "Leave out one of them.", "BYDAY with numbers beside %s is not supported",
			   rule->month_days.n > 0 ? "BYMONTHDAY" : "BYYEARDAY");
	if (rule->weeks.n > 0 && rule->year_days.n + rule->month_days.n > 0)
		refuse(reader, "Leave out one of them.", "BYWEEKNO beside %s is not supported",
			   rule->month_days.n > 0 ? "BYMONTHDAY" : "BYYEARDAY");
	if (numbered && (rule->freq == JO_FREQ_MONTHLY || rule->months.n > 0))
		for (int i = 0; i < rule->n_days; i++)
			if (abs(rule->days[i].position) > 5)
				refuse(reader, NULL, "BYDAY: no month has a weekday %d times", abs(rule->days[i].position));
	if (rule->weeks.n > 0 && rule->freq != JO_FREQ_YEARLY)
		refuse(reader, NULL, "BYWEEKNO needs FREQ=YEARLY, not %s", freq);
	if (rule->year_days.n > 0 && rule->freq >= JO_FREQ_DAILY && rule->freq <= JO_FREQ_MONTHLY)
		refuse(reader, "Use FREQ=YEARLY.", "BYYEARDAY cannot be used with FREQ=%s", freq);
	if (rule->month_days.n > 0 && rule->freq == JO_FREQ_WEEKLY)
		refuse(reader, "Use FREQ=MONTHLY, or FREQ=DAILY with BYDAY.", "BYMONTHDAY cannot be used with FREQ=WEEKLY");
	if (rule->positions.n > 0 && rule->n_days + rule->seconds.n + rule->minutes.n + rule->hours.n + rule->month_days.n +
		rule->year_days.n + rule->weeks.n + rule->months.n == 0)
		refuse(reader, NULL, "BYSETPOS needs another part to choose from, such as BYDAY");
	if (rule->count > 0 && reader->until != NULL)
		refuse(reader, "Say one of them.", "COUNT and UNTIL exclude each other");
}

static void
read_rule(RuleReader *reader, char *value)
{
	char	   *word;

	if (reader->has_rule)
		refuse(reader, "Several rules are several specs.", "there is more than one RRULE");
	reader->has_rule = true;
	if (*value == '\0')
		refuse(reader, RULE_HINT, "the rule is empty");
	while ((word = next_word(&value, ';')) != NULL)
		read_part(reader, word);
	if (!reader->has[0])
		refuse(reader, RULE_HINT, "FREQ is missing");
	check_parts(reader);
}

/* ---- other lines ---- */

/* The zone of a line; *is_date if it says so. */
static const JoZone *
read_parameters(RuleReader *reader, const char *name, char *parameters, bool *is_date)
{
	const JoZone *zone = reader->rule->zone;
	char	   *parameter;

	*is_date = false;
	while ((parameter = next_word(&parameters, ';')) != NULL)
	{
		char	   *value = parameter;
		char	   *error;
		char	   *hint;

		(void) next_word(&value, '=');
		if (value != NULL && pg_strcasecmp(parameter, "TZID") == 0)
		{
			/* a leading slash says that the name is one of the whole world's */
			zone = jo_zone_look_up(value + (*value == '/'), &error, &hint);
			if (zone == NULL)
				refuse(reader, hint, "%s: %s", name, error);
		}
		else if (value != NULL && pg_strcasecmp(parameter, "VALUE") == 0 && pg_strcasecmp(value, "DATE") == 0)
			*is_date = true;
		else if (value == NULL || pg_strcasecmp(parameter, "VALUE") != 0 || pg_strcasecmp(value, "DATE-TIME") != 0)
			refuse(reader, "Parameters may be TZID=zone and VALUE=DATE or DATE-TIME.",
				   "%s: parameter \"%s\" is not known", name, jo_words_show(parameter));
	}
	return zone;
}

static void
read_time(RuleReader *reader, const char *name, const char *text, bool is_date, JoSpecTime *time)
{
	if (!jo_spectime_read(text, time) || (is_date && !time->is_date))
		refuse(reader, "Write it as 20270131T090000, 20270131T080000Z or 20270131.",
			   "%s: \"%s\" is not a %s", name, jo_words_show(text), is_date ? "date" : "time");
}

static void
set_start(JoRule *rule, const JoSpecTime *time, const JoZone *zone)
{
	rule->zone = time->has_offset && time->offset == 0 ? jo_zone_find("UTC") : zone;
	rule->start = jo_spectime_local(time, rule->zone);
	rule->has_start = true;
}

static void
add_date(JoRule *rule, const JoSpecTime *time, const JoZone *zone, bool excluded)
{
	int64	  **times = !excluded ? &rule->rdates : time->is_date ? &rule->exdays : &rule->exdates;
	int		   *n = !excluded ? &rule->n_rdates : time->is_date ? &rule->n_exdays : &rule->n_exdates;

	/* grows at powers of two */
	if (*n == 0)
		*times = palloc(sizeof(int64));
	else if ((*n & (*n - 1)) == 0)
		*times = repalloc(*times, 2 * *n * sizeof(int64));
	(*times)[(*n)++] = excluded && time->is_date ? jo_spectime_day(time->local) : jo_spectime_instant(time, zone);
}

static void
read_dates(RuleReader *reader, const char *name, char *values, bool is_date, const JoZone *zone, bool excluded)
{
	char	   *word;
	JoSpecTime	time;

	while ((word = next_word(&values, ',')) != NULL)
	{
		read_time(reader, name, word, is_date, &time);
		add_date(reader->rule, &time, zone, excluded);
	}
}

static void
read_line(RuleReader *reader, char *line)
{
	char	   *value = line;
	char	   *parameters;
	char	   *name = next_word(&value, ':');
	const JoZone *zone;
	bool		is_date;
	JoSpecTime	time;

	if (value == NULL)
		refuse(reader, LINES_HINT, "the line \"%s\" has no colon", jo_words_show(line));
	parameters = name;
	name = next_word(&parameters, ';');
	zone = read_parameters(reader, name, parameters, &is_date);
	if (pg_strcasecmp(name, "RRULE") == 0)
		read_rule(reader, value);
	else if (pg_strcasecmp(name, "EXDATE") == 0)
		read_dates(reader, "EXDATE", value, is_date, zone, true);
	else if (pg_strcasecmp(name, "RDATE") == 0)
		read_dates(reader, "RDATE", value, is_date, zone, false);
	else if (pg_strcasecmp(name, "DTSTART") != 0)
		refuse(reader, pg_strcasecmp(name, "EXRULE") == 0 ? "A rule of times to leave out is an entry of \"exclude\"." : LINES_HINT,
			   "the line \"%s\" is not known", jo_words_show(name));
	else
	{
		if (reader->rule->has_start)
			refuse(reader, NULL, "there is more than one DTSTART");
		read_time(reader, "DTSTART", value, is_date, &time);
		set_start(reader->rule, &time, zone);
		reader->rule->in_text = true;
	}
}

/* Line breaks of all kinds, also as \n in a string that does not know it; folded lines put together. */
static char *
unfold(const char *text)
{
	char	   *lines = palloc(strlen(text) + 1);
	char	   *to = lines;

	while (*text != '\0')
	{
		if (*text == '\r' && text[1] == '\n')
			text++;
		else if (*text == '\\' && text[1] == 'n')
			text++;
		else if (*text != '\n')
		{
			*to++ = *text++;
			continue;
		}
		text++;
		if (*text == ' ' || *text == '\t')
			text++;
		else
			*to++ = '\n';
	}
	*to = '\0';
	return lines;
}

/* UNTIL is a local time, an instant, or a day that belongs to it. */
static void
read_until(RuleReader *reader)
{
	JoRule	   *rule = reader->rule;
	JoSpecTime	time;

	rule->last = PG_INT64_MAX;
	if (reader->until == NULL)
		return;
	read_time(reader, "UNTIL", reader->until, false, &time);
	rule->last = jo_spectime_local(&time, rule->zone) + (time.is_date ? SECS_PER_DAY - 1 : 0);
	if (rule->has_start && rule->last < rule->start)
		refuse(reader, NULL, "UNTIL is before DTSTART");
}

JoRule *
jo_rule_read(const char *field, const char *text, const JoZone *zone)
{
	RuleReader	reader = {.field = field, .text = text};
	char	   *rest;
	char	   *line;

	reader.rule = palloc0(sizeof(JoRule));
	reader.rule->zone = zone;
	reader.rule->interval = 1;
	reader.rule->week_start = 1;
	if (strlen(text) > MAX_TEXT)
		refuse(&reader, NULL, "the text is longer than %d bytes", MAX_TEXT);
	rest = unfold(text);
	if (strchr(rest, ':') == NULL && strchr(rest, '\n') == NULL)
		read_rule(&reader, rest);
	else
		while ((line = next_word(&rest, '\n')) != NULL)
			if (*line != '\0')
				read_line(&reader, line);
	if (!reader.has_rule)
		refuse(&reader, RULE_HINT, "there is no RRULE");
	read_until(&reader);
	return reader.rule;
}

/* ---- what is said beside the rule ---- */

void
jo_rule_set_start(JoRule *rule, const char *field, const char *text)
{
	JoSpecTime	time;

	if (rule->has_start)
		jo_spec_refuse(field, "the rule has a DTSTART already", text, "Say it once.");
	jo_spectime_require(field, text, &time);
	rule->start = jo_spectime_local(&time, rule->zone);
	rule->has_start = true;
	if (rule->last < rule->start)
		jo_spec_refuse(field, "the rule's UNTIL is before it", text, NULL);
}

void
jo_rule_add_date(JoRule *rule, const char *field, const char *text, bool excluded)
{
	JoSpecTime	time;

	jo_spectime_require(field, text, &time);
	add_date(rule, &time, rule->zone, excluded);
}
