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
int			jo_guc_max_claims = 5;
int			jo_guc_careful_period = SECONDS(60);
int			jo_guc_event_interval = 50;

int			jo_guc_max_transfers = 1000;
int			jo_guc_max_transfers_per_host = 500;
char	   *jo_guc_ca_file = NULL;

int			jo_guc_max_inline_result = MEGABYTES(1);
int			jo_guc_max_input = MEGABYTES(1);
int			jo_guc_max_result = MEGABYTES(64);
bool		jo_guc_allow_superuser_jobs = true;

bool		jo_guc_enable_commands = false;
char	   *jo_guc_command_programs = NULL;
char	   *jo_guc_command_environment = NULL;
int			jo_guc_command_grace = SECONDS(5);
int			jo_guc_command_max_memory = 0;
int			jo_guc_command_max_file_size = 0;

char	   *jo_guc_secret_key_file = NULL;
char	   *jo_guc_secret_directory = NULL;
char	   *jo_guc_tenant = NULL;

int			jo_guc_artifact_storage = JO_STORAGE_DATABASE;
int			jo_guc_artifact_retention = 30 * 24 * 60 * 60;
char	   *jo_guc_artifact_root = NULL;
char	   *jo_guc_s3_endpoint = NULL;
char	   *jo_guc_s3_bucket = NULL;
char	   *jo_guc_s3_region = "us-east-1";
char	   *jo_guc_s3_secret = NULL;

char	   *jo_guc_smtp_url = NULL;
char	   *jo_guc_mail_from = NULL;
char	   *jo_guc_file_root = NULL;

static const struct config_enum_entry storages[] = {
	{"database", JO_STORAGE_DATABASE, false},
	{"filesystem", JO_STORAGE_FILESYSTEM, false},
	{"s3", JO_STORAGE_S3, false},
	{NULL, 0, false}
};

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
	const struct config_enum_entry *choices;	/* number is one of them */
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
	{.name = "joborch.max_claims",.context = PGC_SIGHUP,
		.number = &jo_guc_max_claims,.low = 0,.high = 30000,
		.summary = "An attempt of an external step fails when the lease of so many claims on it ran out; 0: never.",
		.advice = "Raise it when workers are often killed for reasons that are not the step's."},
	{.name = "joborch.careful_period",.context = PGC_SIGHUP,
		.number = &jo_guc_careful_period,.low = 0,.high = HOURS(24),.unit = GUC_UNIT_MS,
		.summary = "So long after a crash every step is recorded on disk before it begins.",
		.advice = "Raise it when a step that crashes the server is suspected but not found; steps are slower meanwhile."},
	{.name = "joborch.event_interval",.context = PGC_SIGHUP,
		.number = &jo_guc_event_interval,.low = 0,.high = SECONDS(10),.unit = GUC_UNIT_MS,
		.summary = "Time between two batches of notifications to those who listen.",
		.advice = "Raise it when notifications of many runs burden the server; lower it for quicker displays."},
	{.name = "joborch.max_transfers",.context = PGC_SIGHUP,
		.number = &jo_guc_max_transfers,.low = 1,.high = 20000,
		.summary = "Transfers of network steps under way at a time, at most, in one database.",
		.advice = "Raise it when steps wait although the other sides are slow, not busy; each takes some 30 kB and a file descriptor."},
	{.name = "joborch.max_transfers_per_host",.context = PGC_SIGHUP,
		.number = &jo_guc_max_transfers_per_host,.low = 1,.high = 20000,
		.summary = "The same, to one host and port.",
		.advice = "Keep it below joborch.max_transfers, so that one slow host leaves room for others; limits of an egress rule are for hosts that bear less."},
	{.name = "joborch.ca_file",.context = PGC_SIGHUP,
		.text = &jo_guc_ca_file,
		.summary = "File with the certificates of the authorities (PEM) by which network steps check other sides.",
		.advice = "Name one that holds your own authority, and the public ones that are needed, when servers of your own are called.  Empty: the system's."},
	{.name = "joborch.max_inline_result",.context = PGC_SUSET,
		.number = &jo_guc_max_inline_result,.low = 1,.high = MEGABYTES(255),.unit = GUC_UNIT_KB,
		.summary = "An output that is larger is stored as an artifact, and its row only names it.",
		.advice = "Raise it when many outputs are somewhat larger; rows of history grow with it."},
	{.name = "joborch.max_result",.context = PGC_SUSET,
		.number = &jo_guc_max_result,.low = 1,.high = MEGABYTES(255),.unit = GUC_UNIT_KB,
		.summary = "A step whose result is larger fails.",
		.advice = "A result is held in memory while it is made, at up to ten times its size; better let the step write a table."},
	{.name = "joborch.max_input",.context = PGC_SUSET,
		.number = &jo_guc_max_input,.low = 1,.high = MEGABYTES(255),.unit = GUC_UNIT_KB,
		.summary = "A run whose input is larger is refused.",
		.advice = "Raise it when runs are started with large documents; better keep them in a table and pass a key."},
	{.name = "joborch.allow_superuser_jobs",.context = PGC_SUSET,
		.flag = &jo_guc_allow_superuser_jobs,
		.summary = "Steps of jobs that a superuser owns are carried out.",
		.advice = "Turn it off in the configuration file when no job shall have a superuser's rights."},
	{.name = "joborch.enable_commands",.context = PGC_POSTMASTER,
		.flag = &jo_guc_enable_commands,
		.summary = "Steps of type command and script are carried out.",
		.advice = "They run as the operating system's user of the server, for roles with the privileges of pg_execute_server_program."},
	{.name = "joborch.command_programs",.context = PGC_SIGHUP,
		.text = &jo_guc_command_programs,
		.summary = "Absolute paths of the programs that commands and scripts may run, separated by commas.",
		.advice = "Set it to narrow what steps may run; a shell or interpreter in it allows everything again. Empty: any."},
	{.name = "joborch.command_environment",.context = PGC_SIGHUP,
		.text = &jo_guc_command_environment,
		.summary = "Variables of the server's environment that commands may inherit, separated by commas.",
		.advice = "Add what programs need and all who may run commands may know. PG and LD_ variables are never handed on."},
	{.name = "joborch.command_grace",.context = PGC_SIGHUP,
		.number = &jo_guc_command_grace,.low = 0,.high = MINUTES(10),.unit = GUC_UNIT_MS,
		.summary = "Time between SIGTERM and SIGKILL for a command that is to end.",
		.advice = "Raise it when programs need longer to tidy up after a time-out or a cancel; a stop of the server waits half a second at most."},
	{.name = "joborch.command_max_memory",.context = PGC_SIGHUP,
		.number = &jo_guc_command_max_memory,.low = 0,.high = INT_MAX,.unit = GUC_UNIT_KB,
		.summary = "Address space of each process of a command, at most; 0: no limit.",
		.advice = "Set it when a command could take the memory that the server needs."},
	{.name = "joborch.command_max_file_size",.context = PGC_SIGHUP,
		.number = &jo_guc_command_max_file_size,.low = 0,.high = INT_MAX,.unit = GUC_UNIT_KB,
		.summary = "Size of a file that a command may write, at most; 0: no limit.",
		.advice = "Set it when a command could fill the disk of the server."},
	{.name = "joborch.artifact_storage",.context = PGC_SUSET,
		.number = &jo_guc_artifact_storage,.choices = storages,
		.summary = "Where artifacts go if nothing else is said: database, filesystem or s3.",
		.advice = "filesystem needs joborch.artifact_root; s3 needs joborch.s3_endpoint, joborch.s3_bucket and joborch.s3_secret."},
	{.name = "joborch.artifact_root",.context = PGC_SIGHUP,
		.text = &jo_guc_artifact_root,
		.summary = "Directory of the artifacts that are stored in the file system.",
		.advice = "An absolute path that only the server's user may write to. Empty: no artifact can be stored there."},
	{.name = "joborch.artifact_retention",.context = PGC_SUSET,
		.number = &jo_guc_artifact_retention,.low = 0,.high = INT_MAX,.unit = GUC_UNIT_S,
		.summary = "An artifact expires after this time if nothing else is said; 0: never.",
		.advice = "What has expired is deleted by joborch.cleanup_expired_artifacts()."},
	{.name = "joborch.s3_endpoint",.context = PGC_SIGHUP,
		.text = &jo_guc_s3_endpoint,
		.summary = "URL of the S3 service, such as https://s3.eu-central-1.amazonaws.com.",
		.advice = "An egress rule must let the owner of the artifact reach it."},
	{.name = "joborch.s3_bucket",.context = PGC_SIGHUP,
		.text = &jo_guc_s3_bucket,
		.summary = "Bucket in which artifacts are stored.",
		.advice = "It must be there; joborch makes none."},
	{.name = "joborch.s3_region",.context = PGC_SIGHUP,
		.text = &jo_guc_s3_region,
		.summary = "Region by which requests to S3 are signed.",
		.advice = "Set it to what the service expects; many that are not Amazon's take any."},
	{.name = "joborch.s3_secret",.context = PGC_SIGHUP,
		.text = &jo_guc_s3_secret,
		.summary = "Name of the secret with the keys for S3: {\"access_key\": ..., \"secret_key\": ...}.",
		.advice = "The owners of the artifacts need no grant on it."},
	{.name = "joborch.smtp_url",.context = PGC_SIGHUP,
		.text = &jo_guc_smtp_url,
		.summary = "Mail server of email steps that name none, such as smtp://mail.example.com:587.",
		.advice = "An egress rule must let the step's role reach it. Empty: each step names its server."},
	{.name = "joborch.mail_from",.context = PGC_SIGHUP,
		.text = &jo_guc_mail_from,
		.summary = "Sender of mails whose step names none.",
		.advice = "An address that the mail server lets this server use. Empty: each step names its sender."},
	{.name = "joborch.file_root",.context = PGC_SIGHUP,
		.text = &jo_guc_file_root,
		.summary = "Directory below which file_transfer steps may read and write files of the server.",
		.advice = "An absolute path, not within the data directory. Steps also need pg_read_server_files or pg_write_server_files. Empty: no step may."},
	{.name = "joborch.secret_key_file",.context = PGC_SIGHUP,
		.text = &jo_guc_secret_key_file,
		.summary = "File with the keys that secrets are encrypted with: a name and 32 bytes in base64 per line, the newest first.",
		.advice = "Only the server's user may read it. Empty: no secret can be made but from a file."},
	{.name = "joborch.secret_directory",.context = PGC_SIGHUP,
		.text = &jo_guc_secret_directory,
		.summary = "Directory of the files that create_secret(name, from_file => ...) may name.",
		.advice = "Set it when something else puts secrets into files of the server. Empty: none may."},
	{.name = "joborch.tenant",.context = PGC_USERSET,
		.text = &jo_guc_tenant,
		.summary = "The tenant for whom the session works: what it makes carries it, and of others' it sees nothing.",
		.advice = "Set it in the session or by ALTER ROLE when several tenants share one role. Empty: no tenant."},
};

static void
define_setting(const Setting *setting)
{
	if (setting->choices != NULL)
		DefineCustomEnumVariable(setting->name, setting->summary, setting->advice,
								 setting->number, *setting->number, setting->choices,
								 setting->context, 0, NULL, NULL, NULL);
	else if (setting->number != NULL)
		DefineCustomIntVariable(setting->name, setting->summary, setting->advice,
								setting->number, *setting->number, setting->low, setting->high,
								setting->context, setting->unit, NULL, NULL, NULL);
	else if (setting->flag != NULL)
		DefineCustomBoolVariable(setting->name, setting->summary, setting->advice,
								 setting->flag, *setting->flag,
								 setting->context, 0, NULL, NULL, NULL);
	else
		DefineCustomStringVariable(setting->name, setting->summary, setting->advice,
								   setting->text, *setting->text != NULL ? *setting->text : "",
								   setting->context, 0, NULL, NULL, NULL);
}

void
jo_guc_init(void)
{
	for (size_t i = 0; i < lengthof(settings); i++)
		define_setting(&settings[i]);
	MarkGUCPrefixReserved(JO_LIBRARY);
}
