/*
 * test_cron.c
 *		Calendar and cron expressions: what is refused, and the next time against a model.
 *
 * The model knows no bits and no parser: random expressions are written together with
 * tables of what they mean, and time is tried day by day and minute by minute.
 */
#include "unit.h"

#include "cron.h"

/* ---- civil ---- */

void
test_civil(void)
{
	JoCivil		civil = {1599, 12, 31, 23, 59, 59};
	JoCivil		same;
	int64		day = jo_civil_day(1599, 12, 31);

	CHECK_INT(jo_civil_day(2000, 1, 1), 0);
	CHECK_INT(jo_civil_day(1970, 1, 1), -10957);
	CHECK_INT(jo_civil_weekday(0), 6);
	CHECK_INT(jo_civil_weekday(jo_civil_day(1970, 1, 1)), 4);
	CHECK_INT(jo_civil_weekday(jo_civil_day(2026, 7, 28)), 2);
	CHECK_INT(jo_civil_seconds(&(JoCivil) {2000, 1, 2, 1, 2, 3}), 86400 + 3723);
	CHECK_INT(jo_civil_compare(&(JoCivil) {2000, 1, 2, 3, 4, 5}, &(JoCivil) {2000, 1, 2, 3, 4, 6}) < 0, 1);
	/* every day of 800 years follows the one before it */
	for (int i = 0; i < 2 * 146097; i++)
	{
		int			weekday = jo_civil_weekday(day);

		if (++civil.day > jo_civil_month_days(civil.year, civil.month))
		{
			civil.day = 1;
			civil.month = civil.month % 12 + 1;
			civil.year += civil.month == 1;
		}
		day++;
		jo_civil_from_seconds(jo_civil_seconds(&civil), &same);
		if (jo_civil_day(civil.year, civil.month, civil.day) != day || jo_civil_weekday(day) != (weekday + 1) % 7 ||
			jo_civil_compare(&civil, &same) != 0)
			CHECK_INT(day, 0);
	}
	for (int year = -4713; year <= 294276; year += 977)
	{
		int			month;

		jo_civil_from_day(jo_civil_day(year, 2, 28) + 1, &same.year, &month, &same.day);
		CHECK(same.year == year && same.day == (jo_civil_month_days(year, 2) == 29 ? 29 : 1));
	}
}

/* ---- what is refused ---- */

static void
refuse(const char *text, const char *wanted, const char *hinted)
{
	JoCron		cron;
	char	   *error = NULL;
	char	   *hint = NULL;

	if (jo_cron_parse(text, &cron, &error, &hint))
	{
		unit_check(false, __FILE__, __LINE__, "\"%s\" is taken", text);
		return;
	}
	CHECK_TEXT(error, wanted);
	unit_check(hint != NULL && strstr(hint, hinted) != NULL, __FILE__, __LINE__, "%s: hint %s", text, hint ? hint : "(null)");
}

static void
test_refused(void)
{
	char		long_text[1100];

	refuse("61 * * * *", "minute field: 61 is not in 0-59", "a number from 0 to 59");
	refuse("60 * * * * *", "second field: 60 is not in 0-59", "0 to 59");
	refuse("* 24 * * *", "hour field: 24 is not in 0-23", "0 to 23");
	refuse("* * 0 * *", "day field: 0 is not in 1-31", "1 to 31");
	refuse("* * 32W * *", "day field: 32 is not in 1-31", "15W");
	refuse("* * * 13 *", "month field: 13 is not in 1-12", "JAN to DEC");
	refuse("* * * * 8", "weekday field: 8 is not in 0-7", "0 and 7 are Sunday");
	refuse("99999999999999999999 * * * *", "minute field: 99999999999999999999 is not in 0-59", "0 to 59");
	refuse("x * * * *", "minute field: \"x\" is not a number", "0 to 59");
	refuse("? * * * *", "minute field: \"?\" is not a number", "0 to 59");
	refuse("* * * JANUARY *", "month field: \"JANUARY\" is neither a number nor the name of a month", "Did you mean \"JAN\"?");
	refuse("* * * * sunday", "weekday field: \"sunday\" is neither a number nor the name of a weekday", "Did you mean \"SUN\"?");
	refuse("* * * * MNO", "weekday field: \"MNO\" is neither a number nor the name of a weekday", "Did you mean \"MON\"?");
	refuse("* * * * MON#6", "weekday field: in \"MON#6\", \"6\" is not in 1-5", "MON#2");
	refuse("* * * * MON#0", "weekday field: in \"MON#0\", \"0\" is not in 1-5", "MON#2");
	refuse("* * * * L", "weekday field: L needs a weekday before it", "5L");
	refuse("* * W * *", "day field: W needs a day before it", "15W");
	refuse("* * L-31 * *", "day field: \"L-31\" is not in L-1 to L-30", "L-3");
	refuse("* 22-2 * * *", "hour field: the range 22-2 goes backwards", "Write it as 22-23,0-2.");
	refuse("* * * * FRI-MON", "weekday field: the range FRI-MON goes backwards", "Write it as 5-6,0-1.");
	refuse("* * * * 5-0", "weekday field: the range 5-0 goes backwards", "Write it as 5-7.");
	refuse("*/0 * * * *", "minute field: the step 0 would never move on", "*/15");
	refuse("*/-5 * * * *", "minute field: the step of \"*/-5\" is not a number", "*/15");
	refuse("*/ * * * *", "minute field: the step of \"*/\" is not a number", "*/15");
	refuse("1,,2 * * * *", "minute field: the list has an empty element", "0,30");
	refuse(", * * * *", "minute field: the list has an empty element", "0,30");
	refuse("1- * * * *", "minute field: a number is missing", "10-20");
	refuse("", "the expression is empty", "minute, hour, day, month and weekday");
	refuse(" \t ", "the expression is empty", "minute, hour, day, month and weekday");
	refuse("* * * *", "there are 4 fields, not 5 or 6", "minute, hour, day, month and weekday");
	refuse("daily", "there is 1 field, not 5 or 6", "minute, hour, day, month and weekday");
	refuse("* * * * * * 2027", "there are 7 fields, not 5 or 6", "no field for the year");
	refuse("@dayly", "\"@dayly\" is not a nickname", "Did you mean \"@daily\"?");
	refuse("60 seconds", "interval: 60 is not in 1-59 seconds", "*/15");
	refuse("0 seconds", "interval: 0 is not in 1-59 seconds", "*/15");
	refuse("-5 seconds", "interval: -5 is not in 1-59 seconds", "*/15");
	refuse("5 minutes", "interval: the unit is seconds, not \"minutes\"", "*/15");
	refuse("5 secnds", "interval: the unit is seconds, not \"secnds\"", "Did you mean \"seconds\"?");
	refuse("30 2 30 2 *", "day, month and weekday fields: no date matches \"30 2 *\"", "at most 29 days in February");
	refuse("0 0 31 4,6,9,11 *", "day, month and weekday fields: no date matches \"31 4,6,9,11 *\"", "at most 30 days in these months");
	refuse("0 0 0 */31 * MON#5", "day, month and weekday fields: no date matches \"*/31 * MON#5\"", "weekday field");
	refuse("0 0 31W 2 *", "day, month and weekday fields: no date matches \"31W 2 *\"", "February");
	memset(long_text, ' ', sizeof(long_text));
	memcpy(long_text, "* * * * *", 9);
	long_text[1000] = '\0';
	refuse(long_text, "the expression has 1000 bytes", "999");
}

/* ---- what means the same ---- */

static void
same(const char *a, const char *b)
{
	JoCron		crons[2];
	char	   *error;
	char	   *hint;

	memset(crons, 0, sizeof(crons));
	if (!jo_cron_parse(a, &crons[0], &error, &hint) || !jo_cron_parse(b, &crons[1], &error, &hint))
		unit_check(false, __FILE__, __LINE__, "\"%s\", \"%s\": %s", a, b, error);
	else
		unit_check(memcmp(&crons[0], &crons[1], sizeof(JoCron)) == 0, __FILE__, __LINE__, "\"%s\" is not \"%s\"", a, b);
}

static void
test_same(void)
{
	char		text[1000];

	same("@yearly", "0 0 1 1 *");
	same("@ANNUALLY", "0 0 1 1 *");
	same("@monthly", "0 0 1 * *");
	same(" @weekly ", "0 0 * * SUN");
	same("@daily", "0 0 * * *");
	same("@midnight", "0 0 * * *");
	same("@hourly", "0 * * * *");
	same("@restart", "@reboot");
	same("1 second", "1 SECONDS");
	same("0 5 * * * *", "5 * * * *");
	same("0\t0  L * *", "0 0 $ * *");
	same("0 0 * * 7", "0 0 * * 0");
	same("0 0 * * 7L", "0 0 * * sunL");
	same("0 0 * * 6-7", "0 0 * * SAT-SUN");
	same("0 0 * JAN,jul mon-FRI", "0 0 * 1,7 1-5");
	same("5/20 8/4 * * *", "5,25,45 8,12,16,20 * * *");
	same("10-30/10 * * * *", "10,20,30 * * * *");
	same("0 0 1 * 1/2", "0 0 1 * 1,3,5");
	same("0 0 ? * MON", "0 0 * * MON");
	same("*/90 * * * *", "*/60 * * * *");
	memset(text, ' ', 999);
	memcpy(text, "* * * * *", 9);
	text[999] = '\0';
	same(text, "* * * * *");
}

/* ---- the next time ---- */

typedef struct Model
{
	bool		second[60];
	bool		minute[60];
	bool		hour[24];
	bool		day[32];
	bool		near_day[32];
	bool		from_last[31];
	bool		last_workday;
	bool		month[13];
	bool		weekday[7];
	bool		last_weekday[7];
	bool		nth_weekday[6][7];
	bool		star_day;
	bool		star_weekday;
	char		text[999];
} Model;

static uint32 seed = 1;

static int
pick(int n)
{
	seed = seed * 1664525u + 1013904223u;
	return (int) ((seed >> 10) % (uint32) n);
}

static void
write_text(Model *model, const char *format,...)
{
	size_t		length = strlen(model->text);
	va_list		args;

	va_start(args, format);
	vsnprintf(model->text + length, sizeof(model->text) - length, format, args);
	va_end(args);
}

/* Writes a list of plain elements and sets what they mean; true: it began with a star. */
static bool
make_plain(Model *model, bool *set, int low, int high, int most)
{
	bool		star = false;
	int			n = 1 + pick(3);

	for (int i = 0; i < n; i++)
	{
		int			kind = pick(6);
		int			from = low + pick(high - low + 1);
		int			to = from + pick(high - from + 1);
		int			step = 1 + pick(most);

		if (i > 0)
			write_text(model, ",");
		if (kind == 0 && n == 1)
		{
			write_text(model, "*");
			from = low;
			to = high;
			step = 1;
			star = true;
		}
		else if (kind == 1)
		{
			write_text(model, "*/%d", step);
			star = star || i == 0;
			from = low;
			to = high;
		}
		else if (kind == 2)
		{
			write_text(model, "%d-%d", from, to);
			step = 1;
		}
		else if (kind == 3)
			write_text(model, "%d-%d/%d", from, to, step);
		else
		{
			write_text(model, "%d", from);
			to = from;
		}
		for (int value = from; value <= to; value += step)
			set[value] = true;
	}
	return star;
}

static void
make_day(Model *model)
{
	int			day = pick(3) == 0 ? 1 : 1 + pick(30);

	switch (pick(8))
	{
		case 0:
			write_text(model, pick(2) ? "L" : "$");
			model->from_last[0] = true;
			break;
		case 1:
			write_text(model, "L-%d", day);
			model->from_last[day] = true;
			break;
		case 2:
			write_text(model, "LW");
			model->last_workday = true;
			break;
		case 3:
			write_text(model, "%dW", day);
			model->near_day[day] = true;
			break;
		case 4:
			write_text(model, "%dw,", day);
			model->near_day[day] = true;
			(void) make_plain(model, model->day, 1, 31, 31);
			break;
		default:
			model->star_day = make_plain(model, model->day, 1, 31, 31);
	}
}

static void
make_weekday(Model *model)
{
	static const char *const names[] = {"SUN", "mon", "Tue", "WED", "THU", "FRI", "SAT"};
	bool		set[8] = {false};
	int			weekday = pick(7);
	int			nth = 1 + pick(5);

	switch (pick(5))
	{
		case 0:
			write_text(model, "%sL", names[weekday]);
			model->last_weekday[weekday] = true;
			break;
		case 1:
			write_text(model, "%d#%d,", weekday, nth);
			model->nth_weekday[nth][weekday] = true;
			/* fall through */
		case 2:
			write_text(model, "%s", names[weekday]);
			model->weekday[weekday] = true;
			break;
		default:
			model->star_weekday = make_plain(model, set, 0, 7, 7);
			for (int i = 0; i < 8; i++)
				if (set[i])
					model->weekday[i % 7] = true;
	}
}

static void
make_model(Model *model)
{
	memset(model, 0, sizeof(*model));
	if (pick(3) == 0)
	{
		(void) make_plain(model, model->second, 0, 59, 60);
		write_text(model, " ");
	}
	else
		model->second[0] = true;
	(void) make_plain(model, model->minute, 0, 59, 60);
	write_text(model, " ");
	(void) make_plain(model, model->hour, 0, 23, 24);
	write_text(model, " ");
	make_day(model);
	write_text(model, " ");
	(void) make_plain(model, model->month, 1, 12, 12);
	write_text(model, " ");
	make_weekday(model);
}

static bool
is_workday(const JoCivil *date, int day)
{
	int			weekday = jo_civil_weekday(jo_civil_day(date->year, date->month, day));

	return weekday >= 1 && weekday <= 5;
}

/* The workday of the month with the smallest distance. */
static int
nearest(const JoCivil *date, int day, int length)
{
	if (day > length)
		return 0;
	for (int distance = 0;; distance++)
	{
		if (day - distance >= 1 && is_workday(date, day - distance))
			return day - distance;
		if (day + distance <= length && is_workday(date, day + distance))
			return day + distance;
	}
}

static bool
model_day(const Model *model, const JoCivil *date)
{
	int			length = jo_civil_month_days(date->year, date->month);
	int			weekday = jo_civil_weekday(jo_civil_day(date->year, date->month, date->day));
	bool		by_day = model->day[date->day];
	bool		by_weekday = model->weekday[weekday];

	by_day = by_day || (length - date->day < 31 && model->from_last[length - date->day]);
	for (int day = 1; day <= 31; day++)
		by_day = by_day || (model->near_day[day] && nearest(date, day, length) == date->day);
	if (model->last_workday)
	{
		bool		later = false;

		for (int day = date->day + 1; day <= length; day++)
			later = later || is_workday(date, day);
		by_day = by_day || (is_workday(date, date->day) && !later);
	}
	by_weekday = by_weekday || (model->last_weekday[weekday] && date->day + 7 > length) ||
		model->nth_weekday[(date->day - 1) / 7 + 1][weekday];
	if (!model->month[date->month])
		return false;
	return model->star_day || model->star_weekday ? by_day && by_weekday : by_day || by_weekday;
}

/* The next time within a number of days; false: none. */
static bool
model_next(const Model *model, const JoCivil *after, int days, JoCivil *next)
{
	int64		first = jo_civil_day(after->year, after->month, after->day);

	for (int i = 0; i <= days; i++)
	{
		jo_civil_from_day(first + i, &next->year, &next->month, &next->day);
		if (!model_day(model, next))
			continue;
		for (next->hour = 0; next->hour < 24; next->hour++)
			for (next->minute = 0; next->minute < 60 && model->hour[next->hour]; next->minute++)
				for (next->second = 0; next->second < 60 && model->minute[next->minute]; next->second++)
					if (model->second[next->second] && jo_civil_compare(next, after) > 0)
						return true;
	}
	return false;
}

static void
test_against_model(void)
{
	static Model model;
	int			compared = 0;

	for (int i = 0; i < 3000; i++)
	{
		JoCron		cron;
		JoCivil		t;
		char	   *error;
		char	   *hint;

		make_model(&model);
		jo_civil_from_seconds((int64) pick(1 << 20) * 2053, &t);
		if (!jo_cron_parse(model.text, &cron, &error, &hint))
		{
			JoCivil		none;

			unit_check(!model_next(&model, &t, 1500, &none), __FILE__, __LINE__, "%s: %s", model.text, error);
			continue;
		}
		for (int k = 0; k < 4; k++)
		{
			JoCivil		wanted;
			JoCivil		got;

			if (!model_next(&model, &t, 1500, &wanted))
				break;
			if (!jo_cron_next(&cron, &t, &got) || jo_civil_compare(&got, &wanted) != 0)
			{
				unit_check(false, __FILE__, __LINE__, "%s: %04d-%02d-%02d %02d:%02d:%02d, not %04d-%02d-%02d %02d:%02d:%02d",
						   model.text, got.year, got.month, got.day, got.hour, got.minute, got.second,
						   wanted.year, wanted.month, wanted.day, wanted.hour, wanted.minute, wanted.second);
				return;
			}
			compared++;
			t = wanted;
			/* far from the one before too */
			if (k == 1)
				jo_civil_from_seconds(jo_civil_seconds(&t) + pick(40) * JO_SECONDS_PER_DAY, &t);
		}
	}
	CHECK(compared > 8000);
}

/* The rarest of what is taken: 29 February on a certain weekday, over the year 2100 too. */
static void
test_rare(void)
{
	for (int weekday = 0; weekday < 7; weekday++)
	{
		JoCron		cron;
		JoCivil		next;
		char	   *error;
		char	   *hint;
		int			longest = 0;

		CHECK(jo_cron_parse(psprintf("0 0 */28 2 %d#5", weekday), &cron, &error, &hint));
		for (int year = 2000; year < 2400; year++)
		{
			if (!jo_cron_next(&cron, &(JoCivil) {year, 3, 1, 0, 0, 0}, &next))
			{
				CHECK_INT(year, 0);
				break;
			}
			longest = Max(longest, next.year - year);
		}
		CHECK_INT(longest, JO_CRON_MAX_YEARS);
	}
}

/* The first day, from a date on, of an expression that fires at noon. */
static void
check_day(const char *days, int year, int month, int wanted_month, int wanted_day)
{
	JoCron		cron;
	JoCivil		next = {0};
	char	   *error;
	char	   *hint;

	CHECK(jo_cron_parse(psprintf("0 12 %s", days), &cron, &error, &hint));
	CHECK(jo_cron_next(&cron, &(JoCivil) {year, month, 1, 0, 0, 0}, &next));
	unit_check(next.month == wanted_month && next.day == wanted_day && next.hour == 12, __FILE__, __LINE__,
			   "%s: %d-%d-%d", days, next.year, next.month, next.day);
}

static void
test_days(void)
{
	check_day("1W * *", 2026, 8, 8, 3); /* Saturday the 1st */
	check_day("1W * *", 2026, 11, 11, 2);	/* Sunday the 1st */
	check_day("15W * *", 2026, 8, 8, 14);	/* Saturday */
	check_day("15W * *", 2026, 11, 11, 16); /* Sunday */
	check_day("31W * *", 2026, 1, 1, 30);	/* Saturday */
	check_day("31W * *", 2026, 5, 5, 29);	/* Sunday */
	check_day("31W * *", 2026, 6, 7, 31);	/* June has 30 days */
	check_day("LW * *", 2026, 5, 5, 29);
	check_day("L * *", 2028, 2, 2, 29);
	check_day("$ * *", 2027, 2, 2, 28);
	check_day("L-28 * *", 2027, 2, 3, 3);
	check_day("* * FRI#5", 2026, 2, 5, 29);
	check_day("* * 5L", 2026, 2, 2, 27);
	check_day("13 * FRI", 2026, 2, 2, 6);
	check_day("*/2 * FRI", 2026, 2, 2, 13);
	check_day("? * 0", 2026, 2, 2, 1);
	check_day("29 2 ?", 2097, 1, 2, 29);
}

static void
test_other_forms(void)
{
	JoCron		cron;
	JoCivil		next;
	char	   *error;
	char	   *hint;

	CHECK(jo_cron_parse("@reboot", &cron, &error, &hint) && cron.reboot);
	CHECK(!jo_cron_next(&cron, &(JoCivil) {2026, 1, 1, 0, 0, 0}, &next));
	CHECK(jo_cron_parse("25 seconds", &cron, &error, &hint));
	CHECK_INT(cron.every_seconds, 25);
	CHECK(jo_cron_next(&cron, &(JoCivil) {2000, 1, 1, 0, 0, 25}, &next));
	CHECK_INT(jo_civil_seconds(&next), 50);
	CHECK(jo_cron_next(&cron, &(JoCivil) {1999, 12, 31, 23, 59, 59}, &next));
	CHECK_INT(jo_civil_seconds(&next), 0);
	CHECK(jo_cron_parse("0 */2 * * *", &cron, &error, &hint) && !cron.star_hour && !cron.star_minute);
	CHECK(jo_cron_parse("*/1 0-23 * * *", &cron, &error, &hint) && cron.star_hour && cron.star_minute);
}

void
test_cron(void)
{
	test_refused();
	test_same();
	test_against_model();
	test_days();
	test_rare();
	test_other_forms();
}
