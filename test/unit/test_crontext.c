/*
 * test_crontext.c
 *		Cron expressions in plain words.
 */
#include "unit.h"

#include "cron.h"

static void
describe(const char *text, const char *wanted)
{
	JoCron		cron;
	char	   *error;
	char	   *hint;

	if (jo_cron_parse(text, &cron, &error, &hint))
		CHECK_TEXT(jo_cron_describe(&cron), wanted);
	else
		unit_check(false, __FILE__, __LINE__, "%s: %s", text, error);
}

static void
test_times(void)
{
	describe("* * * * *", "every minute");
	describe("*/15 * * * *", "every 15 minutes");
	describe("*/7 * * * *", "every 7th minute from 0 to 56 of every hour");
	describe("*/90 * * * *", "every hour");
	describe("0-58/2 * * * *", "every 2 minutes");
	describe("5 * * * *", "at minute 5 of every hour");
	describe("0 * * * *", "every hour");
	describe("5,35 * * * *", "at minutes 5 and 35 of every hour");
	describe("5,25,45 * * * *", "at minutes 5, 25 and 45 of every hour");
	describe("10-20 * * * *", "every minute from 10 to 20 of every hour");
	describe("0 9-17 * * *", "every hour from 09:00 to 17:00");
	describe("15 9-17 * * *", "every hour from 09:15 to 17:15");
	describe("*/15 9-17 * * *", "every 15 minutes from 09:00 to 17:45");
	describe("* 9 * * *", "every minute from 09:00 to 09:59");
	describe("*/20 9 * * *", "at 09:00, 09:20 and 09:40 every day");
	describe("0 */2 * * *", "every 2 hours");
	describe("30 */2 * * *", "every 2 hours from 00:30 to 22:30");
	describe("0 1-23/2 * * *", "every 2 hours from 01:00 to 23:00");
	describe("0 6,18 * * *", "at 06:00 and 18:00 every day");
	describe("0 6,12,18 * * *", "every 6 hours from 06:00 to 18:00");
	describe("0 6,12,19 * * *", "at 06:00, 12:00 and 19:00 every day");
	describe("0,30 6,12,18,20 * * *", "every 30 minutes of hours 6, 12, 18 and 20");
	describe("5,35 1,2,7 * * *", "at 01:05, 01:35, 02:05, 02:35, 07:05 and 07:35 every day");
	describe("5,35 1,2,3,7,9 * * *", "at minutes 5 and 35 of hours 1 to 3, 7 and 9");
	describe("*/15 9,17 * * *", "every 15 minutes of hours 9 and 17");
	describe("@hourly", "every hour");
	describe("@daily", "at 00:00 every day");
	describe("@reboot", "when the server starts");
}

static void
test_seconds(void)
{
	describe("30 seconds", "every 30 seconds");
	describe("1 second", "every second");
	describe("* * * * * *", "every second");
	describe("*/10 * * * * *", "every 10 seconds");
	describe("0/7 * * * * *", "every 7th second from 0 to 56 of every minute");
	describe("15 * * * * *", "at second 15 of every minute");
	describe("0,20 * * * * *", "at seconds 0 and 20 of every minute");
	describe("15 30 9 * * *", "at 09:30:15 every day");
	describe("0 30 9 * * *", "at 09:30 every day");
	describe("*/10 */20 * * * *", "every 10 seconds of minutes 0, 20 and 40 of every hour");
	describe("*/10 0-4 9-17 * * *", "every 10 seconds of minutes 0 to 4 of hours 9 to 17");
	describe("*/10 * 9-17 * * *", "every 10 seconds of every minute from 09:00 to 17:59");
}

static void
test_dates(void)
{
	describe("30 9 * * MON-FRI", "at 09:30, Monday to Friday");
	describe("15 9-17 * * 1-5", "every hour from 09:15 to 17:15, Monday to Friday");
	describe("*/15 1,5,9 * * 2", "every 15 minutes of hours 1, 5 and 9 on Tuesdays");
	describe("30 2 LW 5 *", "at 02:30 on the last weekday of every month, in May");
	describe("0 0 1 1 *", "at 00:00 on the 1st of every month, in January");
	describe("0 12 29 2 *", "at 12:00 on the 29th of every month, in February");
	describe("0 0 1,15,L * *", "at 00:00 on the 1st, the 15th and the last day of every month");
	describe("0 0 1-7 3-5 *", "at 00:00 on the 1st to the 7th of every month, from March to May");
	describe("0 0 15W,L-3 1,4,7,10 *", "at 00:00 on the weekday nearest to the 15th and the 3rd day before the last of every month, in January, April, July and October");
	describe("0 0 L-1 * *", "at 00:00 on the day before the last of every month");
	describe("0 0 13 * FRI", "at 00:00 on the 13th of every month and also on Fridays");
	describe("0 0 */2 * FRI", "at 00:00 on every 2nd day from the 1st to the 31st of every month, but only on Fridays");
	describe("0 0 */2 * MON-FRI", "at 00:00 on every 2nd day from the 1st to the 31st of every month, but only Monday to Friday");
	describe("0 0 1-31 * FRI", "at 00:00 every day");
	describe("0 0 * * MON#2,5L", "at 00:00 on the 2nd Monday and the last Friday of every month");
	describe("0 0 * * SAT,SUN", "at 00:00 on Saturdays and Sundays");
	describe("0 0 * * fri-sun", "at 00:00, Friday to Sunday");
	describe("0 0 * * 0", "at 00:00 on Sundays");
	describe("0 0 * * mon,wed,fri", "at 00:00 on Mondays, Wednesdays and Fridays");
	describe("0 0 * * mon-wed,fri", "at 00:00 on Mondays to Wednesdays and Fridays");
	describe("0 0 * 1,2 MON", "at 00:00 on Mondays, in January and February");
	describe("0 0 * 5 *", "at 00:00 every day, in May");
	describe("*/5 * * 5 *", "every 5 minutes, in May");
	describe("@weekly", "at 00:00 on Sundays");
	describe("@monthly", "at 00:00 on the 1st of every month");
	describe("@yearly", "at 00:00 on the 1st of every month, in January");
}

void
test_cron_texts(void)
{
	test_times();
	test_seconds();
	test_dates();
}
