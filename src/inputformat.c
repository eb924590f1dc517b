/*
 * inputformat.c
 *		The "format" keyword of schemas, and those formats that are about time.
 *
 * Checked by hand, by the letter of RFC 3339 and its like: the server's input
 * functions accept far more ("tomorrow", "epoch") and raise instead of answering.
 * Touches memory only.
 */
#include "joborch.h"

#include "inputcheck.h"
#include "utils/datetime.h"

/* Reads exactly n digits; moves *input behind them. */
static bool
take_number(const char **input, int n, int *number)
{
	int			i;

	*number = 0;
	for (i = 0; i < n; i++)
	{
		if ((*input)[i] < '0' || (*input)[i] > '9')
			return false;
		*number = *number * 10 + ((*input)[i] - '0');
	}
	*input += n;
	return true;
}

static bool
take_char(const char **input, char c)
{
	if (**input != c)
		return false;
	(*input)++;
	return true;
}

/* YYYY-MM-DD */
static bool
take_date(const char **input)
{
	int			year;
	int			month;
	int			day;

	return take_number(input, 4, &year) && take_char(input, '-') &&
		take_number(input, 2, &month) && take_char(input, '-') &&
		take_number(input, 2, &day) &&
		year >= 1 && month >= 1 && month <= MONTHS_PER_YEAR && day >= 1 &&
		day <= day_tab[isleap(year)][month - 1];
}

/* Z or +HH:MM */
static bool
take_offset(const char **input, int *offset)
{
	int			sign;
	int			hours;
	int			minutes;

	*offset = 0;
	if (take_char(input, 'Z') || take_char(input, 'z'))
		return true;
	sign = (**input == '-') ? -1 : 1;
	if ((!take_char(input, '+') && !take_char(input, '-')) ||
		!take_number(input, 2, &hours) || !take_char(input, ':') ||
		!take_number(input, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*offset = sign * (hours * 60 + minutes);
	return true;
}

/* HH:MM:SS with an optional fraction and Z or +HH:MM; a leap second only where one can be. */
static bool
take_time(const char **input)
{
	int			hour;
	int			minute;
	int			second;
	int			minutes;

	if (!take_number(input, 2, &hour) || !take_char(input, ':') ||
		!take_number(input, 2, &minute) || !take_char(input, ':') ||
		!take_number(input, 2, &second) || hour > 23 || minute > 59 || second > 60)
		return false;
	if (take_char(input, '.'))
	{
		if (**input < '0' || **input > '9')
			return false;
		while (**input >= '0' && **input <= '9')
			(*input)++;
	}
	if (!take_offset(input, &minutes))
		return false;
	/* a day has 1440 minutes; leap seconds end a day of UTC */
	return second < 60 || (hour * 60 + minute - minutes + 1440) % 1440 == 1439;
}

static bool
is_date(const char *input)
{
	return take_date(&input) && *input == '\0';
}

static bool
is_time(const char *input)
{
	return take_time(&input) && *input == '\0';
}

static bool
is_date_time(const char *input)
{
	return take_date(&input) &&
		(take_char(&input, 'T') || take_char(&input, 't') || take_char(&input, ' ')) &&
		take_time(&input) && *input == '\0';
}

/* Numbers with these units, each at most once and in this order, none left out between. */
static bool
take_units(const char **input, const char *units)
{
	const char *last = NULL;

	while (**input >= '0' && **input <= '9')
	{
		const char *unit;

		*input += strspn(*input, "0123456789");
		unit = (**input != '\0') ? strchr(units, **input) : NULL;
		if (unit == NULL || (last != NULL && unit != last + 1))
			return false;
		last = unit;
		(*input)++;
	}
	return last != NULL;
}

/* P1Y2M3DT4H5M6S or P1W: ISO 8601 as RFC 3339, appendix A, has it */
static bool
is_duration(const char *input)
{
	const char *weeks;

	if (!take_char(&input, 'P'))
		return false;
	weeks = input;
	if (take_units(&weeks, "W"))
		return *weeks == '\0';
	if (*input != 'T' && !take_units(&input, "YMD"))
		return false;
	return *input == '\0' ||
		(take_char(&input, 'T') && take_units(&input, "HMS") && *input == '\0');
}

static bool
is_uuid(const char *input)
{
	int			i;

	for (i = 0; i < 36; i++)
	{
		bool		dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? input[i] != '-' : !isxdigit((unsigned char) input[i]))
			return false;
	}
	return input[36] == '\0';
}

bool
jo_input_has_format(const char *format, const char *input)
{
	static const struct
	{
		const char *name;
		bool		(*check) (const char *input);
	}			formats[] =
	{
		{"date", is_date}, {"time", is_time}, {"date-time", is_date_time},
		{"duration", is_duration}, {"uuid", is_uuid}, {"email", jo_format_is_email},
		{"hostname", jo_format_is_hostname}, {"uri", jo_format_is_uri},
		{"ipv4", jo_format_is_ipv4}, {"ipv6", jo_format_is_ipv6}
	};
	int			i;

	for (i = 0; i < (int) lengthof(formats); i++)
	{
		if (strcmp(format, formats[i].name) == 0)
			return formats[i].check(input);
	}
	return true;				/* refused when the job was saved */
}
