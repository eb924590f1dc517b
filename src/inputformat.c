/*
 * inputformat.c
 *		The "format" keyword of input schemas.
 *
 * Checked by hand, by the letter of RFC 3339 and its like: the server's input
 * functions accept far more ("tomorrow", "epoch") and raise instead of answering.
 * Touches memory only.
 */
#include "joborch.h"

#include <arpa/inet.h>

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

/* HH:MM:SS with an optional fraction */
static bool
take_clock(const char **input)
{
	int			hour;
	int			minute;
	int			second;

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
	return true;
}

/* Z or +HH:MM */
static bool
take_offset(const char **input)
{
	int			hours;
	int			minutes;

	if (take_char(input, 'Z') || take_char(input, 'z'))
		return true;
	return (take_char(input, '+') || take_char(input, '-')) &&
		take_number(input, 2, &hours) && take_char(input, ':') &&
		take_number(input, 2, &minutes) && hours <= 23 && minutes <= 59;
}

static bool
is_date(const char *input)
{
	return take_date(&input) && *input == '\0';
}

static bool
is_time(const char *input)
{
	return take_clock(&input) && (*input == '\0' || (take_offset(&input) && *input == '\0'));
}

static bool
is_date_time(const char *input)
{
	return take_date(&input) &&
		(take_char(&input, 'T') || take_char(&input, 't') || take_char(&input, ' ')) &&
		take_clock(&input) && take_offset(&input) && *input == '\0';
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

/* One @ between a name and a domain, no blanks: more only the mail server knows. */
static bool
is_email(const char *input)
{
	const char *at = strchr(input, '@');

	return at != NULL && at > input && at[1] != '\0' && at[1] != '.' &&
		strchr(at + 1, '@') == NULL && strpbrk(input, " \t\r\n<>,") == NULL;
}

/* A scheme, a colon, and something without blanks. */
static bool
is_uri(const char *input)
{
	const char *at = input;

	if (!isalpha((unsigned char) *at))
		return false;
	while (isalnum((unsigned char) *at) || strchr("+-.", *at) != NULL)
	{
		if (*at == '\0')
			return false;
		at++;
	}
	return *at == ':' && at[1] != '\0' && strpbrk(at, " \t\r\n<>\"") == NULL;
}

static bool
is_ipv4(const char *input)
{
	struct in_addr address;

	return inet_pton(AF_INET, input, &address) == 1;
}

static bool
is_ipv6(const char *input)
{
	struct in6_addr address;

	return inet_pton(AF_INET6, input, &address) == 1;
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
		{"date", is_date}, {"time", is_time}, {"date-time", is_date_time}, {"uuid", is_uuid},
		{"email", is_email}, {"uri", is_uri}, {"ipv4", is_ipv4}, {"ipv6", is_ipv6}
	};
	int			i;

	for (i = 0; i < (int) lengthof(formats); i++)
	{
		if (strcmp(format, formats[i].name) == 0)
			return formats[i].check(input);
	}
	return true;				/* refused when the job was saved */
}
