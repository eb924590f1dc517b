/*
 * spectime.c
 *		Times in specs: reading, sorting, and writing them down.
 *
 * ISO 8601 and the form of iCalendar, nothing else: what "tomorrow" or "01/02/2027" means
 * depends on the session that asks, and a spec is read by the dispatcher too.
 */
#include "joborch.h"

#include "specparts.h"

#include "words.h"

#define TIME_HINT "Write it as 2027-01-31T09:00 (local time of the schedule's zone), 2027-01-31T09:00+02:00, or 2027-01-31."

static const char *const month_names[] = {
	"January", "February", "March", "April", "May", "June",
	"July", "August", "September", "October", "November", "December"
};

/* ---- reading ---- */

/* Exactly n digits. */
static bool
take_number(const char **at, int n, int *number)
{
	*number = 0;
	for (int i = 0; i < n; i++)
	{
		char		c = *(*at)++;

		if (c < '0' || c > '9')
			return false;
		*number = *number * 10 + c - '0';
	}
	return true;
}

static void
skip_one(const char **at, char c)
{
	if (**at == c)
		(*at)++;
}

static bool
take_date(const char **at, JoCivil *civil)
{
	if (!take_number(at, 4, &civil->year))
		return false;
	skip_one(at, '-');
	if (!take_number(at, 2, &civil->month))
		return false;
	skip_one(at, '-');
	return take_number(at, 2, &civil->day) && civil->year >= 1 && civil->month >= 1 && civil->month <= 12 &&
		civil->day >= 1 && civil->day <= jo_civil_month_days(civil->year, civil->month);
}

/* Digits after the point; those beyond microseconds do not count. */
static bool
take_fraction(const char **at, int *micros)
{
	int			digits = 0;

	*micros = 0;
	for (; **at >= '0' && **at <= '9'; (*at)++, digits++)
		if (digits < 6)
			*micros = *micros * 10 + **at - '0';
	for (int i = digits; i < 6; i++)
		*micros *= 10;
	return digits > 0;
}

static bool
take_clock(const char **at, JoCivil *civil, int *micros)
{
	if (!take_number(at, 2, &civil->hour))
		return false;
	skip_one(at, ':');
	if (!take_number(at, 2, &civil->minute))
		return false;
	if (**at == ':')
		(*at)++;
	if (**at >= '0' && **at <= '9')
	{
		if (!take_number(at, 2, &civil->second))
			return false;
		if (**at == '.' && ((*at)++, !take_fraction(at, micros)))
			return false;
	}
	return civil->hour < 24 && civil->minute < 60 && civil->second < 60 && (*at)[-1] != ':';
}

/* "Z", "+02", "+0530", "-03:30" */
static bool
take_offset(const char **at, int *offset)
{
	int			sign = **at == '-' ? -1 : 1;
	int			hours;
	int			minutes = 0;

	*offset = 0;
	if (**at == 'Z' || **at == 'z')
	{
		(*at)++;
		return true;
	}
	(*at)++;
	if (!take_number(at, 2, &hours))
		return false;
	skip_one(at, ':');
	if (**at != '\0' && !take_number(at, 2, &minutes))
		return false;
	*offset = sign * (hours * 3600 + minutes * 60);
	return hours < 16 && minutes < 60;
}

bool
jo_spectime_read(const char *text, JoSpecTime *time)
{
	JoCivil		civil = {0};

	memset(time, 0, sizeof(JoSpecTime));
	if (!take_date(&text, &civil))
		return false;
	time->is_date = *text == '\0';
	if (*text == 'T' || *text == 't' || *text == ' ')
	{
		text++;
		if (!take_clock(&text, &civil, &time->micros))
			return false;
		skip_one(&text, ' ');
		if (*text == 'Z' || *text == 'z' || *text == '+' || *text == '-')
		{
			time->has_offset = true;
			if (!take_offset(&text, &time->offset))
				return false;
		}
	}
	time->local = jo_civil_seconds(&civil);
	return *text == '\0';
}

void
jo_spectime_require(const char *field, const char *text, JoSpecTime *time)
{
	if (!jo_spectime_read(text, time))
		jo_spec_refuse(field, psprintf("\"%s\" is not a time", jo_words_show(text)), NULL, TIME_HINT);
}

TimestampTz
jo_spectime_instant(const JoSpecTime *time, const JoZone *zone)
{
	int64		second = time->has_offset ? time->local - time->offset : jo_zone_first_second(zone, time->local);

	return second * USECS_PER_SEC + time->micros;
}

int64
jo_spectime_shown(const JoZone *zone, TimestampTz at)
{
	JoCivil		civil;

	jo_zone_local(zone, at, &civil);
	return jo_civil_seconds(&civil);
}

int64
jo_spectime_day(int64 local)
{
	int64		day = local / SECS_PER_DAY;

	return local < 0 && local % SECS_PER_DAY != 0 ? day - 1 : day;
}

int64
jo_spectime_local(const JoSpecTime *time, const JoZone *zone)
{
	return time->has_offset ? jo_spectime_shown(zone, jo_spectime_instant(time, zone)) : time->local;
}

/* ---- lists ---- */

static int
compare_times(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

int
jo_spectime_sort(int64 *times, int n)
{
	int			kept = 0;

	if (n > 1)
		qsort(times, n, sizeof(int64), compare_times);
	for (int i = 0; i < n; i++)
		if (kept == 0 || times[i] != times[kept - 1])
			times[kept++] = times[i];
	return kept;
}

int
jo_spectime_above(const int64 *times, int n, int64 time)
{
	int			low = 0;

	while (low < n)
	{
		int			middle = low + (n - low) / 2;

		if (times[middle] > time)
			n = middle;
		else
			low = middle + 1;
	}
	return low;
}

bool
jo_spectime_is_in(const int64 *times, int n, int64 time)
{
	int			above = jo_spectime_above(times, n, time);

	return above > 0 && times[above - 1] == time;
}

/* ---- writing ---- */

char *
jo_spectime_local_text(int64 local)
{
	JoCivil		civil;

	jo_civil_from_seconds(local, &civil);
	return psprintf("%04d-%02d-%02dT%02d:%02d:%02d", civil.year, civil.month, civil.day,
					civil.hour, civil.minute, civil.second);
}

char *
jo_spectime_instant_text(TimestampTz at, const JoZone *zone)
{
	int64		local = jo_spectime_shown(zone, at);
	int64		second = at / USECS_PER_SEC;
	int			micros = (int) (at % USECS_PER_SEC);
	int			offset;
	char		fraction[8] = "";

	if (micros < 0)
	{
		micros += USECS_PER_SEC;
		second--;
	}
	if (micros != 0)
		snprintf(fraction, sizeof(fraction), ".%06d", micros);
	offset = (int) (local - second);
	/* old offsets have seconds, which nobody writes */
	if (offset % 60 != 0)
		return psprintf("%s%sZ", jo_spectime_local_text(second), fraction);
	return psprintf("%s%s%c%02d:%02d", jo_spectime_local_text(local), fraction,
					offset < 0 ? '-' : '+', abs(offset) / 3600, abs(offset) / 60 % 60);
}

char *
jo_spectime_day_words(int64 day)
{
	int			year;
	int			month;
	int			number;

	jo_civil_from_day(day, &year, &month, &number);
	return psprintf("%d %s %d", number, month_names[month - 1], year);
}

char *
jo_spectime_words(int64 local)
{
	JoCivil		civil;
	char	   *day;

	jo_civil_from_seconds(local, &civil);
	day = jo_spectime_day_words(jo_civil_day(civil.year, civil.month, civil.day));
	if (civil.second != 0)
		return psprintf("%s at %02d:%02d:%02d", day, civil.hour, civil.minute, civil.second);
	return psprintf("%s at %02d:%02d", day, civil.hour, civil.minute);
}
