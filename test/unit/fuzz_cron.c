/*
 * fuzz_cron.c
 *		Any bytes as a cron expression: refused with a reason, or its times grow.
 */
#include "cron.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Matches the fields that need no calendar. */
static void
check_fields(const JoCron *cron, const JoCivil *t)
{
	assert((cron->seconds >> t->second) & 1);
	assert((cron->minutes >> t->minute) & 1);
	assert((cron->hours >> t->hour) & 1);
	assert((cron->months >> t->month) & 1);
	assert((jo_cron_days(cron, t->year, t->month) >> t->day) & 1);
	assert(t->day <= jo_civil_month_days(t->year, t->month));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *text = malloc(size + 1);
	JoCron		cron;
	JoCivil		t = {2023, 12, 31, 23, 59, 58};
	JoCivil		next;
	char	   *error = NULL;
	char	   *hint = NULL;

	memcpy(text, data, size);
	text[size] = '\0';
	if (!jo_cron_parse(text, &cron, &error, &hint))
		assert(error != NULL && hint != NULL);
	else
	{
		assert(strlen(text) <= JO_CRON_MAX_LENGTH);
		assert(jo_cron_describe(&cron)[0] != '\0');
		for (int i = 0; i < 20 && !cron.reboot; i++)
		{
			assert(jo_cron_next(&cron, &t, &next));
			assert(jo_civil_compare(&next, &t) > 0 && next.year - t.year <= JO_CRON_MAX_YEARS);
			if (cron.every_seconds == 0)
				check_fields(&cron, &next);
			t = next;
		}
	}
	free(text);
	shim_reset();
	return 0;
}
