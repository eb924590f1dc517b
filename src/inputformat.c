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

/* Reads exactly n digits; moves *text behind them. */
static bool
take_number(const char **text, int n, int *number)
{
	int			i;

	*number = 0;
	for (i = 0; i < n; i++)
	{
		if ((*text)[i] < '0' || (*text)[i] > '9')
			return false;
		*number = *number * 10 + ((*text)[i] - '0');
	}
	*text += n;
	return true;
}

static bool
take_char(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

/* YYYY-MM-DD */
static bool
take_date(const char **text)
{
	int			year;
	int			month;
	int			day;

	return take_number(text, 4, &year) && take_char(text, '-') &&
		take_number(text, 2, &month) && take_char(text, '-') &&
		take_number(text, 2, &day) &&
		year >= 1 && month >= 1 && month <= MONTHS_PER_YEAR && day >= 1 &&
		day <= day_tab[isleap(year)][month - 1];
}

/* HH:MM:SS with an optional fraction */
static bool
take_clock(const char **text)
{
	int			hour;
	int			minute;
	int			second;

	if (!take_number(text, 2, &hour) || !take_char(text, ':') ||
		!take_number(text, 2, &minute) || !take_char(text, ':') ||
		!take_number(text, 2, &second) || hour > 23 || minute > 59 || second > 60)
		return false;
	if (take_char(text, '.'))
	{
		if (**text < '0' || **text > '9')
			return false;
		while (**text >= '0' && **text <= '9')
			(*text)++;
	}
	return true;
}

/* Z or +HH:MM */
static bool
take_offset(const char **text)
{
	int			hours;
	int			minutes;

	if (take_char(text, 'Z') || take_char(text, 'z'))
		return true;
	return (take_char(text, '+') || take_char(text, '-')) &&
		take_number(text, 2, &hours) && take_char(text, ':') &&
		take_number(text, 2, &minutes) && hours <= 23 && minutes <= 59;
}

static bool
is_date(const char *text)
{
	return take_date(&text) && *text == '\0';
}

static bool
is_time(const char *text)
{
	return take_clock(&text) && (*text == '\0' || (take_offset(&text) && *text == '\0'));
}

static bool
is_date_time(const char *text)
{
	return take_date(&text) &&
		(take_char(&text, 'T') || take_char(&text, 't') || take_char(&text, ' ')) &&
		take_clock(&text) && take_offset(&text) && *text == '\0';
}

static bool
is_uuid(const char *text)
{
	int			i;

	for (i = 0; i < 36; i++)
	{
		bool		dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !isxdigit((unsigned char) text[i]))
			return false;
	}
	return text[36] == '\0';
}

/* One @ between a name and a domain, no blanks: more only the mail server knows. */
static bool
is_email(const char *text)
{
	const char *at = strchr(text, '@');

	return at != NULL && at > text && at[1] != '\0' && at[1] != '.' &&
		strchr(at + 1, '@') == NULL && strpbrk(text, " \t\r\n<>,") == NULL;
}

/* A scheme, a colon, and something without blanks. */
static bool
is_uri(const char *text)
{
	const char *at = text;

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
is_ipv4(const char *text)
{
	struct in_addr address;

	return inet_pton(AF_INET, text, &address) == 1;
}

static bool
is_ipv6(const char *text)
{
	struct in6_addr address;

	return inet_pton(AF_INET6, text, &address) == 1;
}

bool
jo_input_has_format(const char *format, const char *text)
{
	static const struct
	{
		const char *name;
		bool		(*check) (const char *text);
	}			formats[] =
	{
		{"date", is_date}, {"time", is_time}, {"date-time", is_date_time}, {"uuid", is_uuid},
		{"email", is_email}, {"uri", is_uri}, {"ipv4", is_ipv4}, {"ipv6", is_ipv6}
	};
	int			i;

	for (i = 0; i < (int) lengthof(formats); i++)
	{
		if (strcmp(format, formats[i].name) == 0)
			return formats[i].check(text);
	}
	return true;				/* refused when the job was saved */
}
