/*
 * worker.c
 *		What all joborch processes have in common: register, start, wait, leave.
 *
 * The launcher is a static worker, which the postmaster starts again whenever it
 * is gone.  All others are dynamic and never restarted by the postmaster: who
 * started them knows whether they are still needed.
 */
#include "joborch.h"

#include <signal.h>

#include "compat.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "worker.h"

#define LAUNCHER_RESTART_SECONDS 1

typedef struct Description
{
	const char *name;			/* what pg_stat_activity.backend_type shows */
	const char *function;
	bool		cancellable;	/* runs users' SQL: SIGINT cancels the statement */
} Description;

static const Description descriptions[] = {
	[JO_PROCESS_LAUNCHER] = {"joborch launcher", "joborch_launcher_main", false},
	[JO_PROCESS_DISPATCHER] = {"joborch dispatcher", "joborch_dispatcher_main", false},
	[JO_PROCESS_EXECUTOR] = {"joborch executor", "joborch_executor_main", true},
	[JO_PROCESS_PUBLISHER] = {"joborch publisher", "joborch_publisher_main", false},
	[JO_PROCESS_COURIER] = {"joborch courier", "joborch_courier_main", false},
};

/* What travels in bgw_extra. */
typedef struct Target
{
	Oid			dboid;
	Oid			role;
} Target;

StaticAssertDecl(sizeof(Target) <= BGW_EXTRALEN, "bgw_extra is too small");

static void
describe(JoProcess process, int argument, BackgroundWorker *worker)
{
	const Description *description = &descriptions[process];

	MemSet(worker, 0, sizeof(BackgroundWorker));
	strlcpy(worker->bgw_name, description->name, BGW_MAXLEN);
	strlcpy(worker->bgw_type, description->name, BGW_MAXLEN);
	worker->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker->bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker->bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker->bgw_library_name, JO_LIBRARY, sizeof(worker->bgw_library_name));
	strlcpy(worker->bgw_function_name, description->function, sizeof(worker->bgw_function_name));
	worker->bgw_main_arg = Int32GetDatum(argument);
}

void
jo_worker_register_launcher(void)
{
	BackgroundWorker worker;

	describe(JO_PROCESS_LAUNCHER, 0, &worker);
	worker.bgw_restart_time = LAUNCHER_RESTART_SECONDS;
	RegisterBackgroundWorker(&worker);
}

bool
jo_worker_start(JoProcess process, int argument, Oid dboid, Oid role,
				BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker;
	Target		target = {dboid, role};
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	bool		registered;

	describe(process, argument, &worker);
	worker.bgw_notify_pid = MyProcPid;
	memcpy(worker.bgw_extra, &target, sizeof(target));
	registered = RegisterDynamicBackgroundWorker(&worker, handle);
	MemoryContextSwitchTo(old);
	return registered;
}

void
jo_worker_init(JoProcess process)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);

	/* bgworker_die, the default, would raise inside the handler */
	pqsignal(SIGTERM, die);
	if (!descriptions[process].cancellable)
		pqsignal(SIGINT, SIG_IGN);
	BackgroundWorkerUnblockSignals();
}

static Target
read_target(void)
{
	Target		target;

	memcpy(&target, MyBgworkerEntry->bgw_extra, sizeof(target));
	return target;
}

Oid
jo_worker_database(void)
{
	return read_target().dboid;
}

/*
 * A database's owner may set what he likes for his database, but not for a
 * superuser process that works there.
 */
static void
pin_settings(void)
{
	static const char *const pinned[][2] = {
		{"role", "none"},
		{"search_path", "pg_catalog, pg_temp"},
		{"statement_timeout", "0"},
		{"lock_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_deferrable", "off"},
		{"session_replication_role", "origin"},
		{"row_security", "on"},
		JO_COMPAT_PINNED_SETTINGS
	};

	for (size_t i = 0; i < lengthof(pinned); i++)
		SetConfigOption(pinned[i][0], pinned[i][1], PGC_SUSET, PGC_S_OVERRIDE);
}

void
jo_worker_connect(Oid dboid, Oid role)
{
	if (OidIsValid(dboid))
		BackgroundWorkerInitializeConnectionByOid(dboid, role, 0);
	else
		BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	if (!OidIsValid(role))
		pin_settings();
}

/*
 * One wait, shortened so that statistics which are still pending are reported
 * soon after the work: an idle process must not keep them from autovacuum.
 * Returns the events; *left is what remains of the time-out.
 */
static int
wait_once(long *left)
{
	long		until_report = pgstat_report_stat(false);
	bool		report = until_report > 0 && (*left < 0 || *left > until_report);
	long		wait = report ? until_report : *left;
	int			flags = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;
	TimestampTz begun = GetCurrentTimestamp();
	int			events;

	if (wait >= 0)
		flags |= WL_TIMEOUT;
	events = WaitLatch(MyLatch, flags, wait, PG_WAIT_EXTENSION);
	if (report && (events & WL_TIMEOUT))
		pgstat_report_stat(true);
	if (*left > 0)
		*left = Max(0, *left - TimestampDifferenceMilliseconds(begun, GetCurrentTimestamp()));
	return events;
}

bool
jo_worker_wait(long timeout)
{
	long		left = timeout;
	int			events;

	do
	{
		events = wait_once(&left);
	} while (!(events & WL_LATCH_SET) && left != 0);

	if (events & WL_LATCH_SET)
		ResetLatch(MyLatch);
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	CHECK_FOR_INTERRUPTS();
	return (events & WL_LATCH_SET) != 0;
}

void
jo_worker_activity(const char *text)
{
	pgstat_report_activity(text == NULL ? STATE_IDLE : STATE_RUNNING, text);
}
