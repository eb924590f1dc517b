/*
 * joborch.c
 *		Start-up: what the postmaster does when it preloads the library.
 *
 * Nothing else belongs here.  A library that is loaded later (CREATE EXTENSION
 * without shared_preload_libraries) can have neither shared memory nor
 * processes; jo_shared stays NULL and the functions say so (jo_shmem_require).
 */
#include "joborch.h"

#include "announce.h"
#include "artifact.h"
#include "cronguc.h"
#include "ddl.h"
#include "debugpoint.h"
#include "fmgr.h"
#include "guc.h"
#include "miscadmin.h"
#include "schedfire.h"
#include "secretlog.h"
#include "shmem.h"
#include "start.h"
#include "startschedule.h"
#include "worker.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	/* pg_upgrade must find a server in which nothing moves */
	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;

	jo_guc_init();
	jo_cronguc_init();
	jo_secretlog_init();
	jo_shmem_init();
	jo_announce_init();
	jo_ddl_init();
	jo_debug_init();
	jo_start_child_hook = jo_start_child;
	jo_schedule_prepare_hook = jo_start_scheduled;
	jo_artifact_errand_hook = jo_announce_errand;
	jo_worker_register_launcher();
}
