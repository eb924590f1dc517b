/*
 * processchild.c
 *		From fork() to exec: takes everything of the server off.
 *
 * It is still a copy of a server process, with locks and buffers that are not its own: it
 * allocates nothing, raises nothing, and leaves by _exit() only.
 */
#include "joborch.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "process.h"

#define ABOVE_ALL 16			/* above the descriptors that the program gets */
#define SCRIPT_DESCRIPTOR 3		/* JoProcessSpec.script */
#define NO_EXEC 127				/* as shells say it; nobody sees it: the report was first */

static void fail(int report, JoProcessStage stage) pg_attribute_noreturn();

static void
fail(int report, JoProcessStage stage)
{
	JoProcessReport said = {stage, errno};

	/* a pipe takes so few bytes whole; if not, the exit code has to do */
	if (write(report, &said, sizeof(said)) != sizeof(said))
		_exit(NO_EXEC);
	_exit(NO_EXEC);
}

/*
 * exec itself resets handlers only: what the server ignores would stay ignored.  By the
 * system call, since the C library keeps two signals for itself.
 */
static void
reset_handlers(void)
{
	char		defaults[64] = {0}; /* the kernel's struct sigaction: SIG_DFL, no flags */

	for (int signo = 1; signo < NSIG; signo++)
		(void) syscall(SYS_rt_sigaction, signo, defaults, NULL, (NSIG - 1) / 8);
}

/* The numbers to be filled may be taken by each other: first all go out of the way. */
static void
arrange_descriptors(const JoProcessChild *child, int *report)
{
	int			last = child->script >= 0 ? SCRIPT_DESCRIPTOR : STDERR_FILENO;
	int			from[] = {child->input, child->output[0], child->output[1], child->script};

	*report = fcntl(child->report, F_DUPFD_CLOEXEC, ABOVE_ALL);
	if (*report < 0)
		fail(child->report, JO_PROCESS_SETUP);
	for (int i = 0; i <= last; i++)
	{
		from[i] = fcntl(from[i], F_DUPFD, ABOVE_ALL);
		if (from[i] < 0)
			fail(*report, JO_PROCESS_SETUP);
	}
	for (int i = 0; i <= last; i++)
		if (dup2(from[i], i) < 0)
			fail(*report, JO_PROCESS_SETUP);
	if (dup3(*report, last + 1, O_CLOEXEC) < 0)
		fail(*report, JO_PROCESS_SETUP);
	*report = last + 1;
}

/* All of the server's, whether or not they are marked to be closed. */
static void
close_from(int first)
{
	struct rlimit limit;

	if (close_range(first, ~0U, 0) == 0)
		return;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		limit.rlim_cur = 1024 * 1024;
	for (rlim_t i = first; i < limit.rlim_cur; i++)
		(void) close((int) i);
}

/* The postmaster may be spared by the kernel when memory is short; a command is not. */
static void
reset_oom_adjustment(void)
{
	char		adjustment;
	int			fd = open("/proc/self/oom_score_adj", O_RDWR);

	if (fd < 0)
		return;
	/* to give a protection back is always allowed; a sandbox may refuse it all the same */
	if (read(fd, &adjustment, 1) == 1 && adjustment == '-' &&
		lseek(fd, 0, SEEK_SET) == 0 && write(fd, "0", 1) == 1)
		adjustment = '0';
	(void) close(fd);
}

static bool
limit_resource(int resource, int64 bytes)
{
	struct rlimit limit = {(rlim_t) bytes, (rlim_t) bytes};

	return setrlimit(resource, &limit) == 0;
}

static bool
limit_resources(const JoProcessSpec *spec)
{
	return limit_resource(RLIMIT_CORE, 0) &&
		(spec->max_memory == 0 || limit_resource(RLIMIT_AS, spec->max_memory)) &&
		(spec->max_file_size == 0 || limit_resource(RLIMIT_FSIZE, spec->max_file_size));
}

void
jo_process_become(const JoProcessChild *child)
{
	const JoProcessSpec *spec = child->spec;
	sigset_t	none;
	int			report;

	reset_handlers();
	/* the parent may have died before the second call, and nobody would ever end this one */
	if (setsid() < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		fail(child->report, JO_PROCESS_SETUP);
	if (getppid() != child->parent)
		_exit(NO_EXEC);
	arrange_descriptors(child, &report);
	close_from(report + 1);
	umask(077);
	reset_oom_adjustment();
	if (chdir(spec->cwd) != 0)
		fail(report, JO_PROCESS_DIRECTORY);
	if (!limit_resources(spec))
		fail(report, JO_PROCESS_SETUP);
	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) != 0)
		fail(report, JO_PROCESS_SETUP);
	execve(spec->program, spec->argv, spec->envp);
	fail(report, JO_PROCESS_PROGRAM);
}
