/*
 * process.c
 *		Runs a program and waits for it, from a process of the server.
 *
 * The wait is for the latch, both outputs and the program's end at a time, so a cancel or a
 * stop of the server is heard at once.  An interrupt is not raised while the
 * program runs: its group is asked to end (SIGTERM), after a while made to (SIGKILL), and only
 * then the interrupt takes its course.  Input and script are sealed files in memory, so
 * nothing has to be fed and no file has a name.  Touches processes and descriptors only.
 *
 * What may end this process itself, and what becomes of the group then: FATAL, a callback kills
 * it; SIGQUIT (a crash elsewhere, an immediate stop), the handler does; SIGKILL, the kernel kills
 * the program (PR_SET_PDEATHSIG), though not what that had started.
 */
#include "joborch.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "process.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/wait_event.h"

#define MS(n) ((int64) (n) * 1000)
#define STOP_GRACE_MS 500		/* a stop of the server waits for many */
#define LINGER_MS 250			/* the program is over, but somebody holds its outputs */
#define STUCK_MS 5000			/* after SIGKILL */
#define READ_SIZE (64 * 1024)	/* what a pipe holds */
#define READ_ROUNDS 16			/* then somebody else's turn: interrupts, the other output */

/* A pipe that is read: the outputs, and what the new process says before it is the program. */
typedef struct Source
{
	int			fd;				/* -1: closed */
	JoProcessOutput *output;	/* NULL: the report */
} Source;

typedef enum SourceName
{
	STANDARD_OUTPUT,
	STANDARD_ERROR,
	REPORT,
	SOURCES
} SourceName;

typedef struct Running
{
	const JoProcessSpec *spec;
	JoProcessResult *result;
	char	   *buffer;
	Source		sources[SOURCES];
	int			far_ends[SOURCES];	/* of the pipes: the new process has them */
	int			input;
	int			script;
	int			epoll;
	struct sigaction old_child;
	struct sigaction old_quit;
	int64		begun;			/* times in microseconds of the monotonic clock; 0: never */
	int64		deadline;
	int64		kill_at;
	int64		give_up_at;
	int64		linger_until;	/* the program is over */
} Running;

/* The one that runs: its pid is its group's id, until it is waited for. */
static volatile sig_atomic_t group = 0;
static struct sigaction quit_before;

/* ---- signals ---- */

/* A zombie keeps its pid, so while `group` is set nobody else can have that number. */
static void
signal_group(int signo)
{
	if (group == 0)
		return;
	/* for an instant after its birth it is in our own group still */
	if (kill(-(pid_t) group, signo) != 0 && errno == ESRCH)
		(void) kill((pid_t) group, signo);
}

static void
handle_child(int signo)
{
	int			save_errno = errno;

	SetLatch(MyLatch);
	errno = save_errno;
}

/* Shared memory is not to be trusted any more: the process leaves at once, and so do its own. */
static void
handle_quit(int signo)
{
	signal_group(SIGKILL);
	if (quit_before.sa_handler != SIG_DFL && quit_before.sa_handler != SIG_IGN)
		quit_before.sa_handler(signo);
	_exit(2);
}

static void
install_handlers(Running *running)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	sigemptyset(&action.sa_mask);
	action.sa_flags = SA_RESTART | SA_NOCLDSTOP;
	action.sa_handler = handle_child;
	sigaction(SIGCHLD, &action, &running->old_child);
	action.sa_handler = handle_quit;
	sigaction(SIGQUIT, &action, &running->old_quit);
	quit_before = running->old_quit;
}

static void
kill_at_exit(int code, Datum argument)
{
	signal_group(SIGKILL);
}

/* ---- clock ---- */

static int64
now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The earlier one; 0 is never. */
static int64
sooner(int64 a, int64 b)
{
	if (a == 0 || b == 0)
		return a + b;
	return Min(a, b);
}

/* ---- descriptors ---- */

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		(void) close(*fd);
	*fd = -1;
}

static void
raise_no_descriptor(const char *what)
{
	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not create %s: %m", what)));
}

static void
write_all(int fd, const char *text, size_t size)
{
	while (size > 0)
	{
		ssize_t		written = write(fd, text, size);

		if (written < 0 && errno != EINTR)
			raise_no_descriptor("a file in memory");
		if (written > 0)
		{
			text += written;
			size -= written;
		}
	}
}

/* A text as a file without a name, which nobody can change any more. */
static int
open_text(int *fd, const char *text)
{
	*fd = memfd_create("joborch", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0)
		raise_no_descriptor("a file in memory");
	write_all(*fd, text, strlen(text));
	if (lseek(*fd, 0, SEEK_SET) != 0 ||
		fcntl(*fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
		raise_no_descriptor("a file in memory");
	return *fd;
}

/* The near end does not block; it is one of those that are waited for. */
static void
open_pipe(Running *running, int index)
{
	struct epoll_event event = {.events = EPOLLIN,.data.u32 = index};
	int			ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		raise_no_descriptor("a pipe");
	running->sources[index].fd = ends[0];
	running->far_ends[index] = ends[1];
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0 ||
		epoll_ctl(running->epoll, EPOLL_CTL_ADD, ends[0], &event) != 0)
		raise_no_descriptor("a pipe");
}

static void
open_descriptors(Running *running)
{
	const JoProcessSpec *spec = running->spec;

	running->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (running->epoll < 0)
		raise_no_descriptor("an epoll descriptor");
	for (int i = 0; i < SOURCES; i++)
		open_pipe(running, i);
	if (spec->input != NULL)
		open_text(&running->input, spec->input);
	else if ((running->input = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0)
		raise_no_descriptor("a descriptor of /dev/null");
	if (spec->script != NULL)
		open_text(&running->script, spec->script);
}

static void
close_far_ends(Running *running)
{
	for (int i = 0; i < SOURCES; i++)
		close_fd(&running->far_ends[i]);
	close_fd(&running->input);
	close_fd(&running->script);
}

static void
close_descriptors(Running *running)
{
	close_far_ends(running);
	for (int i = 0; i < SOURCES; i++)
		close_fd(&running->sources[i].fd);
	close_fd(&running->epoll);
}

/* ---- begin ---- */

static void
start(Running *running)
{
	JoProcessChild child = {
		.spec = running->spec,
		.parent = getpid(),
		.input = running->input,
		.output = {running->far_ends[STANDARD_OUTPUT], running->far_ends[STANDARD_ERROR]},
		.script = running->script,
		.report = running->far_ends[REPORT],
	};
	sigset_t	all;
	sigset_t	before;
	pid_t		pid;

	/* a handler of ours must not run in the copy */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	pid = fork();
	if (pid == 0)
		jo_process_become(&child);
	if (pid > 0)
		group = pid;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not start a process: %m")));
	close_far_ends(running);
}

/* ---- reading ---- */

static void
keep_tail(JoProcessOutput *output, const char *data, size_t size)
{
	size_t		kept = Min(output->tail_size, JO_PROCESS_TAIL - Min(size, JO_PROCESS_TAIL));

	if (output->tail == NULL)
		output->tail = palloc(JO_PROCESS_TAIL);
	if (size > JO_PROCESS_TAIL)
	{
		data += size - JO_PROCESS_TAIL;
		size = JO_PROCESS_TAIL;
	}
	memmove(output->tail, output->tail + output->tail_size - kept, kept);
	memcpy(output->tail + kept, data, size);
	output->tail_size = kept + size;
}

static void
keep(JoProcessOutput *output, size_t max, const char *data, size_t size)
{
	size_t		taken = Min(size, max - output->size);

	output->total += size;
	if (taken > 0)
	{
		/* its room doubles: the size says how much of it there is */
		size_t		room = pg_nextpower2_64(Max(output->size, (size_t) READ_SIZE));
		size_t		needed = pg_nextpower2_64(Max(output->size + taken, (size_t) READ_SIZE));

		if (output->data == NULL)
			output->data = palloc(needed);
		else if (needed > room)
			output->data = repalloc_huge(output->data, needed);
		memcpy(output->data + output->size, data, taken);
		output->size += taken;
	}
	if (size > taken)
		keep_tail(output, data + taken, size - taken);
}

static void
take_report(Running *running, const char *data, size_t size)
{
	JoProcessReport report;

	if (size != sizeof(report))
		return;
	memcpy(&report, data, sizeof(report));
	running->result->failed_at = report.stage;
	running->result->error = report.error;
}

/* False: there may be more. */
static bool
read_source(Running *running, Source *source)
{
	for (int i = 0; i < READ_ROUNDS; i++)
	{
		ssize_t		size = read(source->fd, running->buffer, READ_SIZE);

		if (size < 0 && errno == EAGAIN)
			return true;
		if (size < 0 && errno == EINTR)
			continue;
		if (size <= 0)
		{
			/* closing takes it out of the epoll set as well */
			close_fd(&source->fd);
			return true;
		}
		if (source->output == NULL)
			take_report(running, running->buffer, size);
		else
			keep(source->output, running->spec->max_output, running->buffer, size);
	}
	return false;
}

static bool
read_sources(Running *running)
{
	bool		all = true;

	for (int i = 0; i < SOURCES; i++)
		if (running->sources[i].fd >= 0 && !read_source(running, &running->sources[i]))
			all = false;
	return all;
}

static bool
is_read_up(const Running *running)
{
	for (int i = 0; i < SOURCES; i++)
		if (running->sources[i].fd >= 0)
			return false;
	return true;
}

/* ---- waiting ---- */

/* Asks the group to end; the nearest of several reasons says how long it may take. */
static void
ask_to_end(Running *running, int64 now, int64 grace)
{
	if (running->kill_at == 0)
	{
		signal_group(SIGTERM);
		/* one that is stopped would not hear it */
		signal_group(SIGCONT);
	}
	running->kill_at = sooner(running->kill_at, now + grace);
	running->deadline = 0;
}

/* A cancel is held off by the caller, so that nothing is raised but what cannot wait. */
static void
look_at_interrupts(Running *running, int64 now)
{
	if (ProcDiePending)
		ask_to_end(running, now, MS(Min(STOP_GRACE_MS, running->spec->grace)));
	else
	{
		if (QueryCancelPending && running->kill_at == 0)
			ask_to_end(running, now, MS(running->spec->grace));
		CHECK_FOR_INTERRUPTS();
	}
}

static void
look_at_times(Running *running, int64 now)
{
	if (running->deadline != 0 && now >= running->deadline)
	{
		running->result->timed_out = true;
		ask_to_end(running, now, MS(running->spec->grace));
	}
	if (running->kill_at != 0 && now >= running->kill_at && running->give_up_at == 0)
	{
		signal_group(SIGKILL);
		running->give_up_at = now + MS(STUCK_MS);
	}
}

/* It is not waited for yet: as a zombie it keeps the group's number from being given anew. */
static void
look_at_program(Running *running, int64 now)
{
	siginfo_t	info;

	if (running->linger_until != 0)
		return;
	info.si_pid = 0;
	if (waitid(P_PID, (id_t) group, &info, WEXITED | WNOHANG | WNOWAIT) != 0)
		elog(ERROR, "could not ask for the end of process %d: %m", (int) group);
	if (info.si_pid != 0)
	{
		running->linger_until = now + MS(LINGER_MS);
		running->kill_at = 0;
		running->deadline = 0;
	}
}

static void
wait_for_news(const Running *running, int64 now)
{
	int64		next = sooner(sooner(running->deadline, running->linger_until),
							  running->give_up_at != 0 ? running->give_up_at : running->kill_at);
	int			flags = WL_LATCH_SET | WL_SOCKET_READABLE | WL_EXIT_ON_PM_DEATH;
	int			events;

	if (next != 0)
		flags |= WL_TIMEOUT;
	events = WaitLatchOrSocket(MyLatch, flags, running->epoll,
							   next == 0 ? -1 : Max(0, (next - now + 999) / 1000),
							   PG_WAIT_EXTENSION);
	if (events & WL_LATCH_SET)
		ResetLatch(MyLatch);
}

/* Until the program is over and its outputs are read, or somebody else holds them for too long. */
static void
watch(Running *running)
{
	for (;;)
	{
		bool		all = read_sources(running);
		int64		now = now_usec();

		look_at_program(running, now);
		if (running->linger_until != 0 && (is_read_up(running) || now >= running->linger_until))
			return;
		look_at_interrupts(running, now);
		look_at_times(running, now);
		if (running->give_up_at != 0 && now >= running->give_up_at && running->linger_until == 0)
		{
			running->result->stuck = true;
			return;
		}
		if (all)
			wait_for_news(running, now);
	}
}

/* ---- end ---- */

/* Whatever it left behind in its group goes too; what they wrote until then is read. */
static void
end(Running *running)
{
	JoProcessResult *result = running->result;
	int			status;

	signal_group(SIGKILL);
	read_sources(running);
	result->elapsed = now_usec() - running->begun;
	if (result->stuck)
	{
		group = 0;
		return;
	}
	while (waitpid((pid_t) group, &status, 0) < 0)
		if (errno != EINTR)
			elog(ERROR, "could not wait for process %d: %m", (int) group);
	group = 0;
	result->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	result->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* After an error in between, too. */
static void
clean_up(Running *running)
{
	if (group != 0)
	{
		signal_group(SIGKILL);
		(void) waitpid((pid_t) group, NULL, 0);
		group = 0;
	}
	sigaction(SIGCHLD, &running->old_child, NULL);
	sigaction(SIGQUIT, &running->old_quit, NULL);
	close_descriptors(running);
}

static void
prepare(Running *running, const JoProcessSpec *spec, JoProcessResult *result)
{
	static bool registered = false;

	if (!registered)
		before_shmem_exit(kill_at_exit, (Datum) 0);
	registered = true;

	memset(result, 0, sizeof(JoProcessResult));
	memset(running, 0, sizeof(Running));
	running->spec = spec;
	running->result = result;
	running->buffer = palloc(READ_SIZE);
	running->epoll = running->input = running->script = -1;
	for (int i = 0; i < SOURCES; i++)
		running->sources[i].fd = running->far_ends[i] = -1;
	running->sources[STANDARD_OUTPUT].output = &result->out;
	running->sources[STANDARD_ERROR].output = &result->err;
	running->begun = now_usec();
	if (spec->timeout > 0)
		running->deadline = running->begun + spec->timeout;
}

void
jo_process_run(const JoProcessSpec *spec, JoProcessResult *result)
{
	Running		running;

	Assert(group == 0);
	prepare(&running, spec, result);
	install_handlers(&running);
	HOLD_CANCEL_INTERRUPTS();
	PG_TRY();
	{
		open_descriptors(&running);
		start(&running);
		watch(&running);
		end(&running);
	}
	PG_FINALLY();
	{
		clean_up(&running);
	}
	PG_END_TRY();
	RESUME_CANCEL_INTERRUPTS();
	pfree(running.buffer);
	CHECK_FOR_INTERRUPTS();
}
