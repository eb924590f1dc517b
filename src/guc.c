/*
 * guc.c
 *		The settings: one table, one loop.
 *
 * A variable's initial value is its default too, so that code which looks at a
 * setting behaves when the library was not preloaded.
 */
#include "joborch.h"

#include "guc.h"
#include "shmem.h"
#include "utils/guc.h"

#define SECONDS(n) ((n) * 1000)
#define MINUTES(n) ((n) * 60 * 1000)
#define HOURS(n) ((n) * 60 * 60 * 1000)
#define MEGABYTES(n) ((n) * 1024)

int			jo_guc_max_executors = 16;
int			jo_guc_max_active_runs = 10000;
int			jo_guc_shared_memory = MEGABYTES(32);

int			jo_guc_executor_idle_timeout = SECONDS(60);
int			jo_guc_executor_max_steps = 100000;
int			jo_guc_recheck_interval = SECONDS(60);
int			jo_guc_mark_running_after = SECONDS(1);
int			jo_guc_max_crashes = 3;
int			jo_guc_careful_period = SECONDS(60);
int			jo_guc_event_interval = 50;

int			jo_guc_max_inline_result = MEGABYTES(1);
int			jo_guc_max_input = MEGABYTES(1);
bool		jo_guc_allow_superuser_jobs = true;

char	   *jo_guc_tenant = NULL;

/* One row: exactly one of number, flag and text is set. */
typedef struct Setting
{
	const char *name;
	GucContext	context;
	int		   *number;
	int			low;
	int			high;
	int			unit;
	bool	   *flag;
	char	  **text;
	const char *summary;		/* what it does */
	const char *advice;			/* when to change it */
} Setting;

static const Setting settings[] = {
	{.name = "joborch.max_executors",.context = PGC_POSTMASTER,
		.number = &jo_guc_max_executors,.low = 1,.high = JO_MAX_SLOTS,
		.summary = "Processes that carry out steps, at most, in the whole server.",
		.advice = "Raise it when steps wait although processors are idle; each needs a place in max_worker_processes."},
	{.name = "joborch.max_active_runs",.context = PGC_POSTMASTER,
		.number = &jo_guc_max_active_runs,.low = 100,.high = 1000000,
		.summary = "Runs with a step that is ready or being carried out, at most; others wait in the table.",
		.advice = "Raise it when more runs than this shall be under way at once; each takes about 250 bytes of shared memory."},
	{.name = "joborch.shared_memory",.context = PGC_POSTMASTER,
		.number = &jo_guc_shared_memory,.low = MEGABYTES(4),.high = MEGABYTES(16 * 1024),.unit = GUC_UNIT_KB,
		.summary = "Shared memory for the graphs and step states of runs under way.",
		.advice = "Raise it with joborch.max_active_runs when jobs have many steps: a step of a run under way takes about 64 bytes."},
	{.name = "joborch.executor_idle_timeout",.context = PGC_SIGHUP,
		.number = &jo_guc_executor_idle_timeout,.low = 0,.high = HOURS(24),.unit = GUC_UNIT_MS,
		.summary = "An executor without work leaves after this time.",
		.advice = "Lower it when many roles own jobs that seldom run; raise it to keep connections and plans warm."},
	{.name = "joborch.executor_max_steps",.context = PGC_SIGHUP,
		.number = &jo_guc_executor_max_steps,.low = 1,.high = INT_MAX,
		.summary = "An executor is replaced after so many steps.",
		.advice = "Lower it when steps make the process grow, as procedural languages with global state may."},
	{.name = "joborch.recheck_interval",.context = PGC_SIGHUP,
		.number = &jo_guc_recheck_interval,.low = 100,.high = HOURS(1),.unit = GUC_UNIT_MS,
		.summary = "How often joborch looks again for work and databases that nobody announced.",
		.advice = "It is only a safety net: work is announced when it is committed. New databases are found at this pace."},
	{.name = "joborch.mark_running_after",.context = PGC_SIGHUP,
		.number = &jo_guc_mark_running_after,.low = 0,.high = HOURS(1),.unit = GUC_UNIT_MS,
		.summary = "A run that is older is marked as begun in its row.",
		.advice = "Lower it to see short runs on standbys and after a crash; each mark is one row update."},
	{.name = "joborch.max_crashes",.context = PGC_SIGHUP,
		.number = &jo_guc_max_crashes,.low = 1,.high = 1000,
		.summary = "A step during which the server crashed so often fails and is not tried again.",
		.advice = "Lower it to 1 when a crash costs more than a failed step."},
	{.name = "joborch.careful_period",.context = PGC_SIGHUP,
		.number = &jo_guc_careful_period,.low = 0,.high = HOURS(24),.unit = GUC_UNIT_MS,
		.summary = "So long after a crash every step is recorded on disk before it begins.",
		.advice = "Raise it when a step that crashes the server is suspected but not found; steps are slower meanwhile."},
	{.name = "joborch.event_interval",.context = PGC_SIGHUP,
		.number = &jo_guc_event_interval,.low = 0,.high = SECONDS(10),.unit = GUC_UNIT_MS,
		.summary = "Time between two batches of notifications to those who listen.",
		.advice = "Raise it when notifications of many runs burden the server; lower it for quicker displays."},
	{.name = "joborch.max_inline_result",.context = PGC_SUSET,
		.number = &jo_guc_max_inline_result,.low = 1,.high = MEGABYTES(255),.unit = GUC_UNIT_KB,
		.summary = "A step whose result is larger fails.",
		.advice = "Raise it when a step must hand large results to the next; better let it write a table."},
	{.name = "joborch.max_input",.context = PGC_SUSET,
		.number = &jo_guc_max_input,.low = 1,.high = MEGABYTES(255),.unit = GUC_UNIT_KB,
		.summary = "A run whose input is larger is refused.",
		.advice = "Raise it when runs are started with large documents; better keep them in a table and pass a key."},
	{.name = "joborch.allow_superuser_jobs",.context = PGC_SUSET,
		.flag = &jo_guc_allow_superuser_jobs,
		.summary = "Steps of jobs that a superuser owns are carried out.",
		.advice = "Turn it off in the configuration file when no job shall have a superuser's rights."},
	{.name = "joborch.tenant",.context = PGC_USERSET,
		.text = &jo_guc_tenant,
		.summary = "The tenant for whom the session works: what it makes carries it, and of others' it sees nothing.",
		.advice = "Set it in the session or by ALTER ROLE when several tenants share one role. Empty: no tenant."},
};

static void
define_setting(const Setting *setting)
{
	if (setting->number != NULL)
		DefineCustomIntVariable(setting->name, setting->summary, setting->advice,
								setting->number, *setting->number, setting->low, setting->high,
								setting->context, setting->unit, NULL, NULL, NULL);
	else if (setting->flag != NULL)
		DefineCustomBoolVariable(setting->name, setting->summary, setting->advice,
								 setting->flag, *setting->flag,
								 setting->context, 0, NULL, NULL, NULL);
	else
		DefineCustomStringVariable(setting->name, setting->summary, setting->advice,
								   setting->text, "",
								   setting->context, 0, NULL, NULL, NULL);
}

void
jo_guc_init(void)
{
	for (size_t i = 0; i < lengthof(settings); i++)
		define_setting(&settings[i]);
	MarkGUCPrefixReserved(JO_LIBRARY);
}
