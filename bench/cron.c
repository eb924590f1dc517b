/*
 * cron.c
 *		How many next times of cron expressions one process computes in a second.
 *
 * Prints a line for each kind of expression: its name, a bar, the expression, a bar, the
 * number.  The leaf alone: what a time zone adds is measured by debug_cron_speed()
 * of test builds.
 */
#include "cron.h"

#include <time.h>

#define ROUNDS 3000000

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

/* The sum of the days keeps the compiler from leaving anything out. */
static double
measure(const char *text, int64 *sum)
{
	JoCivil		start = {2026, 1, 1, 0, 0, 0};
	JoCivil		t = start;
	JoCron		cron;
	char	   *error;
	char	   *hint;
	double		begun;

	if (!jo_cron_parse(text, &cron, &error, &hint))
	{
		fprintf(stderr, "%s: %s\n", text, error);
		exit(1);
	}
	begun = now();
	for (int i = 0; i < ROUNDS; i++)
	{
		if (!jo_cron_next(&cron, &t, &t) || t.year > 9999)
			t = start;
		*sum += t.day;
	}
	return ROUNDS / (now() - begun);
}

int
main(void)
{
	static const char *const expressions[][2] = {
		{"plain", "*/15 * * * *"},
		{"daily", "30 2 * * *"},
		{"weekdays", "30 9 * * MON-FRI"},
		{"last weekday", "0 0 LW * *"},
		{"29 February", "0 0 29 2 *"},
	};
	int64		sum = 0;

	for (int i = 0; i < (int) lengthof(expressions); i++)
		printf("%s|%s|%.0f\n", expressions[i][0], expressions[i][1], measure(expressions[i][1], &sum));
	return sum == 0;
}
