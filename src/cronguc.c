/*
 * cronguc.c
 *		Settings of pg_cron that mean something to joborch_cron.
 *
 * They keep pg_cron's names, so that a configuration and programs that ask for them
 * (current_setting('cron.timezone')) work on.  SQL reads them: no code here does.  Where pg_cron
 * is preloaded too they are its own, and defining them twice would keep the server from
 * starting.  What pg_cron has beside these stays a placeholder, if the configuration sets it.
 */
#include "joborch.h"

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "cronguc.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/guc.h"

static char *timezone_name = NULL;
static char *database_name = NULL;
static char *host = NULL;
static bool enable_superuser_jobs = true;

static bool
check_timezone(char **value, void **extra, GucSource source)
{
	(void) extra;
	(void) source;
	if (pg_tzset(*value) != NULL)
		return true;
	GUC_check_errdetail("Time zone \"%s\" is not known.", *value);
	GUC_check_errhint("SELECT name FROM pg_timezone_names; lists those that are.");
	return false;
}

/* Each database has its own jobs, so it is always this one. */
static const char *
show_database(void)
{
	const char *name = NULL;

	if (IsTransactionState() && OidIsValid(MyDatabaseId))
		name = get_database_name(MyDatabaseId);
	return name != NULL ? name : database_name;
}

static bool
is_pg_cron_preloaded(void)
{
	const char *list = shared_preload_libraries_string;

	return list != NULL && strstr(list, "pg_cron") != NULL;
}

void
jo_cronguc_init(void)
{
	if (is_pg_cron_preloaded())
		return;
	DefineCustomStringVariable("cron.timezone", "Time zone in which jobs of joborch_cron are scheduled.",
							   "A job keeps the one that held when it was scheduled.",
							   &timezone_name, "GMT", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   check_timezone, NULL, NULL);
	DefineCustomStringVariable("cron.database_name", "Database in which the jobs of joborch_cron are.",
							   "Each database has its own, so it shows the current one, whatever is set.",
							   &database_name, "postgres", PGC_POSTMASTER, GUC_SUPERUSER_ONLY,
							   NULL, NULL, show_database);
	DefineCustomStringVariable("cron.host", "What new rows of cron.job have as nodename.",
							   "Nothing connects to it.",
							   &host, "localhost", PGC_POSTMASTER, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);
	DefineCustomBoolVariable("cron.enable_superuser_jobs", "Whether superusers may schedule jobs through joborch_cron.",
							 "joborch.allow_superuser_jobs is about all jobs.",
							 &enable_superuser_jobs, true, PGC_POSTMASTER, GUC_SUPERUSER_ONLY,
							 NULL, NULL, NULL);
}
