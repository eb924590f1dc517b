/*
 * debugpoint.c
 *		Named points at which a test can stop, raise, kill or crash a process.
 *
 * Races are tested by stopping a process at a named point, doing the other
 * side's move, and letting it go: no test sleeps.  The points live in a block of
 * shared memory of their own, under a spinlock, so that a point can be anywhere
 * but inside a section that holds an LWLock.
 */
#ifdef JOBORCH_TEST

#include "joborch.h"

#include <signal.h>

#include "debugpoint.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "shmem.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define MAX_POINTS 16

typedef enum Action
{
	ACTION_WAIT,				/* until the point is released */
	ACTION_ERROR,
	ACTION_KILL,				/* SIGKILL to oneself */
	ACTION_EXIT,				/* FATAL */
	ACTION_ABORT				/* core dump */
} Action;

static const char *const action_names[] = {"wait", "error", "kill", "exit", "abort"};

typedef struct Point
{
	char		name[NAMEDATALEN];
	Action		action;
	int			remaining;		/* passes that still act */
	int			waiting;
	uint64		releases;
} Point;

typedef struct Points
{
	slock_t		mutex;
	int			narmed;			/* read without the lock: most points are not armed */
	ConditionVariable released;
	Point		list[MAX_POINTS];
} Points;

static Points *points = NULL;
static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

PG_FUNCTION_INFO_V1(joborch_debug_arm);
PG_FUNCTION_INFO_V1(joborch_debug_release);
PG_FUNCTION_INFO_V1(joborch_debug_waiting);
PG_FUNCTION_INFO_V1(joborch_debug_clear);
PG_FUNCTION_INFO_V1(joborch_debug_pass);
PG_FUNCTION_INFO_V1(joborch_debug_clock);

static void
request(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(MAXALIGN(sizeof(Points)));
}

static void
startup(void)
{
	bool		found;

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	points = ShmemInitStruct("joborch debug points", sizeof(Points), &found);
	if (!found)
	{
		MemSet(points, 0, sizeof(Points));
		SpinLockInit(&points->mutex);
		ConditionVariableInit(&points->released);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
jo_debug_init(void)
{
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup;
}

/* Under the spinlock. */
static Point *
find_point(const char *name)
{
	for (int i = 0; i < MAX_POINTS; i++)
	{
		if (strcmp(points->list[i].name, name) == 0)
			return &points->list[i];
	}
	return NULL;
}

/* One that no test needs any more; under the spinlock. */
static Point *
find_unused_point(void)
{
	for (int i = 0; i < MAX_POINTS; i++)
	{
		if (points->list[i].remaining == 0 && points->list[i].waiting == 0)
			return &points->list[i];
	}
	return NULL;
}

/* Leaves so many passes; under the spinlock. */
static void
disarm(Point *point, int remaining)
{
	if (point->remaining > 0 && remaining == 0)
		points->narmed--;
	point->remaining = remaining;
}

static void
stop_waiting(int code, Datum argument)
{
	Point	   *point = (Point *) DatumGetPointer(argument);

	(void) code;
	SpinLockAcquire(&points->mutex);
	point->waiting--;
	SpinLockRelease(&points->mutex);
}

static void
wait_at(Point *point, uint64 releases)
{
	PG_ENSURE_ERROR_CLEANUP(stop_waiting, PointerGetDatum(point));
	{
		ConditionVariablePrepareToSleep(&points->released);
		while (((volatile Point *) point)->releases == releases)
			ConditionVariableSleep(&points->released, PG_WAIT_EXTENSION);
		ConditionVariableCancelSleep();
	}
	PG_END_ENSURE_ERROR_CLEANUP(stop_waiting, PointerGetDatum(point));
	stop_waiting(0, PointerGetDatum(point));
	/* what set the latch meanwhile was meant for the one who rests on it next */
	SetLatch(MyLatch);
}

void
jo_debug_point(const char *name)
{
	Point	   *point;
	Action		action = ACTION_WAIT;
	uint64		releases = 0;
	bool		act = false;

	if (points == NULL || ((volatile Points *) points)->narmed == 0)
		return;
	SpinLockAcquire(&points->mutex);
	point = find_point(name);
	if (point != NULL && point->remaining > 0)
	{
		act = true;
		action = point->action;
		releases = point->releases;
		disarm(point, point->remaining - 1);
		if (action == ACTION_WAIT)
			point->waiting++;
	}
	SpinLockRelease(&points->mutex);
	if (!act)
		return;
	switch (action)
	{
		case ACTION_WAIT:
			wait_at(point, releases);
			break;
		case ACTION_ERROR:
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("debug point \"%s\" raised", name)));
			break;
		case ACTION_KILL:
			kill(MyProcPid, SIGKILL);
			break;
		case ACTION_EXIT:
			ereport(FATAL,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("debug point \"%s\" ended the process", name)));
			break;
		case ACTION_ABORT:
			abort();
	}
}

/* ---- SQL ---- */

static void
require_points(void)
{
	jo_shmem_require();
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("only a superuser can use debug points")));
}

static Action
parse_action(const char *name)
{
	for (size_t i = 0; i < lengthof(action_names); i++)
	{
		if (strcmp(action_names[i], name) == 0)
			return (Action) i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" is no action of a debug point", name),
			 errhint("Use wait, error, kill, exit or abort.")));
}

/* debug_arm(name, action, count): the next count passes do it. */
Datum
joborch_debug_arm(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Action		action = parse_action(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	int			count = PG_GETARG_INT32(2);
	Point	   *point;

	require_points();
	if (count < 1 || name[0] == '\0' || strlen(name) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a debug point needs a name of 1 to %d bytes and a count of at least 1",
						NAMEDATALEN - 1)));
	SpinLockAcquire(&points->mutex);
	point = find_point(name);
	if (point == NULL)
		point = find_unused_point();
	if (point != NULL)
	{
		if (point->remaining == 0)
			points->narmed++;
		strlcpy(point->name, name, NAMEDATALEN);
		point->action = action;
		point->remaining = count;
	}
	SpinLockRelease(&points->mutex);
	if (point == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("all %d debug points are in use", MAX_POINTS)));
	PG_RETURN_VOID();
}

/* Disarms the points with this name (NULL: all) and lets go who waits there. */
static void
release_points(const char *name)
{
	SpinLockAcquire(&points->mutex);
	for (int i = 0; i < MAX_POINTS; i++)
	{
		Point	   *point = &points->list[i];

		if (name == NULL || strcmp(point->name, name) == 0)
		{
			disarm(point, 0);
			point->releases++;
		}
	}
	SpinLockRelease(&points->mutex);
	ConditionVariableBroadcast(&points->released);
}

Datum
joborch_debug_release(PG_FUNCTION_ARGS)
{
	require_points();
	release_points(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}

Datum
joborch_debug_clear(PG_FUNCTION_ARGS)
{
	(void) fcinfo;
	require_points();
	release_points(NULL);
	PG_RETURN_VOID();
}

/* debug_pass(name): the caller comes by the point, for steps that stop or die in their SQL. */
Datum
joborch_debug_pass(PG_FUNCTION_ARGS)
{
	require_points();
	jo_debug_point(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}

Datum
joborch_debug_waiting(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Point	   *point;
	int			waiting;

	require_points();
	SpinLockAcquire(&points->mutex);
	point = find_point(name);
	waiting = point == NULL ? 0 : point->waiting;
	SpinLockRelease(&points->mutex);
	PG_RETURN_INT32(waiting);
}

/* debug_clock(interval): joborch's time is the server's plus this from now on. */
Datum
joborch_debug_clock(PG_FUNCTION_ARGS)
{
	Interval   *offset = PG_GETARG_INTERVAL_P(0);

	require_points();
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	jo_shared->clock_offset = offset->time +
		(offset->day + offset->month * INT64CONST(30)) * USECS_PER_DAY;
	jo_shmem_wake(jo_shared->launcher);
	for (int i = 0; i < JO_MAX_DATABASES; i++)
		jo_shmem_wake(jo_shared->databases[i].dispatcher);
	LWLockRelease(jo_shared->lock);
	PG_RETURN_VOID();
}

#endif
