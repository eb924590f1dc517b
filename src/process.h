/*
 * process.h
 *		A program that is run and waited for, in a process group of its own.
 *
 * Nothing of the server gets into it: no descriptor, signal handler, signal mask or
 * environment.  It never outlives its caller: whatever ends the wait, ends the group.
 */
#ifndef JO_PROCESS_H
#define JO_PROCESS_H

#include "postgres.h"

#define JO_PROCESS_TAIL 2048	/* bytes of the end of an output that are always kept */

typedef struct JoProcessSpec
{
	const char *program;		/* path; nothing is searched */
	char	  **argv;			/* ends with NULL */
	char	  **envp;			/* all of it; ends with NULL */
	const char *cwd;
	const char *input;			/* what it reads as its standard input; NULL: nothing */
	const char *script;			/* readable as descriptor 3; NULL: there is none */
	size_t		max_output;		/* bytes of each output that are kept */
	int64		timeout;		/* microseconds; 0: none */
	int			grace;			/* ms between SIGTERM and SIGKILL */
	int64		max_memory;		/* bytes of address space; 0: no limit */
	int64		max_file_size;	/* bytes of each file that it writes; 0: no limit */
} JoProcessSpec;

/* One of its outputs: the beginning, and what came last of the rest. */
typedef struct JoProcessOutput
{
	char	   *data;			/* any bytes; not terminated */
	size_t		size;
	int64		total;			/* bytes that it wrote */
	char	   *tail;
	size_t		tail_size;
} JoProcessOutput;

/* What kept it from beginning. */
typedef enum JoProcessStage
{
	JO_PROCESS_BEGUN,
	JO_PROCESS_SETUP,
	JO_PROCESS_DIRECTORY,
	JO_PROCESS_PROGRAM
} JoProcessStage;

typedef struct JoProcessResult
{
	JoProcessStage failed_at;
	int			error;			/* errno of that */
	int			exit_code;		/* -1: ended by a signal */
	int			signal;			/* 0: none */
	bool		timed_out;
	bool		stuck;			/* not even SIGKILL ended it within some seconds: it was left alone */
	int64		elapsed;		/* microseconds */
	JoProcessOutput out;
	JoProcessOutput err;
} JoProcessResult;

/*
 * Runs it to its end.  No transaction may be open.  Outputs are allocated in the current
 * context.  Raises when no process can be made, and what interrupts the caller (cancel,
 * end of the server), both only after the group is gone.
 */
extern void jo_process_run(const JoProcessSpec *spec, JoProcessResult *result);

/* ---- processchild.c: the side of the new process ---- */

typedef struct JoProcessChild
{
	const JoProcessSpec *spec;
	pid_t		parent;
	int			input;
	int			output[2];		/* standard output, standard error */
	int			script;			/* -1: none */
	int			report;			/* told what failed; closed by a successful exec */
} JoProcessChild;

typedef struct JoProcessReport
{
	JoProcessStage stage;
	int			error;
} JoProcessReport;

/*
 * After fork(), all signals blocked: becomes the program.  Only calls that are safe in a
 * signal handler; never returns.
 */
extern void jo_process_become(const JoProcessChild *child) pg_attribute_noreturn();

#endif
