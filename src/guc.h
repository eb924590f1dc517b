/*
 * guc.h
 *		The settings, one table in guc.c; the prefix joborch. is reserved.
 */
#ifndef JO_GUC_H
#define JO_GUC_H

#include "postgres.h"

/* postmaster start only */
extern int	jo_guc_max_executors;		/* processes, 1 .. JO_MAX_SLOTS, default 16 */
extern int	jo_guc_max_active_runs;		/* runs in memory, 100 .. 1000000, default 10000 */
extern int	jo_guc_shared_memory;		/* kB for graphs and step states, min 4 MB, default 32 MB */

/* reload */
extern int	jo_guc_executor_idle_timeout;	/* ms, default 60 s */
extern int	jo_guc_executor_max_steps;	/* recycled after so many, default 100000 */
extern int	jo_guc_recheck_interval;	/* ms, default 60 s: the bounded safety re-check */
extern int	jo_guc_mark_running_after;	/* ms, default 1 s */
extern int	jo_guc_max_crashes;			/* default 3 */
extern int	jo_guc_max_claims;			/* default 5; 0: no limit */
extern int	jo_guc_careful_period;		/* ms after a crash, default 60 s */
extern int	jo_guc_event_interval;		/* ms between NOTIFY batches, default 50 */

/* superuser */
extern int	jo_guc_max_transfers;
extern int	jo_guc_max_transfers_per_host;
extern char *jo_guc_ca_file;	/* default empty: the system's */
extern int	jo_guc_max_inline_result;	/* kB, default 1 MB */
extern int	jo_guc_max_input;			/* kB of a run's input, default 1 MB */
extern int	jo_guc_max_result;			/* kB, default 64 MB */
extern bool jo_guc_allow_superuser_jobs;	/* default on */

/* command and script steps */
extern bool jo_guc_enable_commands;		/* postmaster start only, default off */
extern char *jo_guc_command_programs;	/* a list; empty: any */
extern char *jo_guc_command_environment;	/* a list of names */
extern int	jo_guc_command_grace;		/* ms, default 5 s */
extern int	jo_guc_command_max_memory;	/* kB; 0: no limit */
extern int	jo_guc_command_max_file_size;	/* kB; 0: no limit */

/* where artifacts go; see artifact.h */
typedef enum JoStorage
{
	JO_STORAGE_DATABASE,
	JO_STORAGE_FILESYSTEM,
	JO_STORAGE_S3
} JoStorage;

extern int	jo_guc_artifact_storage;	/* JoStorage, default database */
extern int	jo_guc_artifact_retention;	/* s, default 30 days; 0: for ever */
extern char *jo_guc_artifact_root;
extern char *jo_guc_s3_endpoint;
extern char *jo_guc_s3_bucket;
extern char *jo_guc_s3_region;			/* default us-east-1 */
extern char *jo_guc_s3_secret;

/* mails and files; empty: there is none */
extern char *jo_guc_smtp_url;
extern char *jo_guc_mail_from;
extern char *jo_guc_file_root;			/* where file_transfer steps may read and write */

/* reload; empty: there is none */
extern char *jo_guc_secret_key_file;	/* keys that secrets are encrypted with */
extern char *jo_guc_secret_directory;	/* files that secrets may come from */

/* user: whose tenant the session is; runs and jobs it makes carry it */
extern char *jo_guc_tenant;				/* default empty */

extern void jo_guc_init(void);			/* from _PG_init */

#endif
