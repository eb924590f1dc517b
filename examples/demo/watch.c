/*
 * watch.c
 *		Shows a run of joborch live: a progress bar, and a mark per step.
 *
 *		joborch-watch CONNECTION RUN_ID
 *
 * It listens to the run's channel before it reads the run's state once, so no
 * change falls between the two; from then on every event redraws.  Without a
 * terminal it prints a line per event.  Exits 0 if the run completed.
 */
#include <cjson/cJSON.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_STEPS 200
#define BAR_WIDTH 40
#define FRAME_MS 100			/* the clock of running steps moves this often */
#define CATCH_UP_MS 5000		/* with no event for so long, the state is read again */

typedef struct Step
{
	char		name[64];
	char		status[16];
	int			attempt;
	double		started;		/* seconds of the monotonic clock; 0: not begun */
	double		duration;		/* seconds; negative: not known */
} Step;

typedef struct View
{
	PGconn	   *conn;
	const char *run_id;
	char		job[64];
	char		status[16];
	int			nsteps;
	Step		steps[MAX_STEPS];
	double		started;
	bool		terminal;
	int			drawn_lines;	/* of the last frame, to draw over it */
	int			frame;
} View;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void
die(const View *view, const char *what)
{
	fprintf(stderr, "joborch-watch: %s: %s", what, PQerrorMessage(view->conn));
	exit(2);
}

static PGresult *
query(const View *view, const char *sql, bool with_run)
{
	PGresult   *result = PQexecParams(view->conn, sql, with_run ? 1 : 0, NULL,
									  &view->run_id, NULL, NULL, 0);
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		die(view, sql);
	return result;
}

static bool
is_final(const char *status)
{
	return strcmp(status, "completed") == 0 || strcmp(status, "failed") == 0 ||
		strcmp(status, "skipped") == 0 || strcmp(status, "cancelled") == 0;
}

static void
copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from);
}

/* The whole state, from the views. */
static void
read_state(View *view)
{
	PGresult   *result;

	result = query(view, "SELECT coalesce(job, 'ad hoc'), status,"
				   " coalesce(extract(epoch FROM clock_timestamp() - started_at), 0)"
				   " FROM joborch.job_runs WHERE run_id = $1::bigint", true);
	if (PQntuples(result) == 0)
	{
		fprintf(stderr, "joborch-watch: there is no run %s\n", view->run_id);
		exit(2);
	}
	copy(view->job, sizeof(view->job), PQgetvalue(result, 0, 0));
	copy(view->status, sizeof(view->status), PQgetvalue(result, 0, 1));
	view->started = now() - atof(PQgetvalue(result, 0, 2));
	PQclear(result);

	result = query(view, "SELECT step, status, attempts, extract(epoch FROM duration),"
				   " extract(epoch FROM clock_timestamp() - started_at)"
				   " FROM joborch.run_steps($1::bigint)", true);
	view->nsteps = PQntuples(result) < MAX_STEPS ? PQntuples(result) : MAX_STEPS;
	for (int i = 0; i < view->nsteps; i++)
	{
		Step	   *step = &view->steps[i];

		copy(step->name, sizeof(step->name), PQgetvalue(result, i, 0));
		copy(step->status, sizeof(step->status), PQgetvalue(result, i, 1));
		step->attempt = atoi(PQgetvalue(result, i, 2));
		step->duration = PQgetisnull(result, i, 3) ? -1 : atof(PQgetvalue(result, i, 3));
		step->started = PQgetisnull(result, i, 4) ? 0 : now() - atof(PQgetvalue(result, i, 4));
	}
	PQclear(result);
}

static const char *
mark_of(const View *view, const Step *step)
{
	static const char *const spinner[] = {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};

	if (strcmp(step->status, "completed") == 0)
		return "\033[32m✓\033[0m";
	if (strcmp(step->status, "failed") == 0)
		return "\033[31m✗\033[0m";
	if (strcmp(step->status, "retrying") == 0)
		return "\033[33m↻\033[0m";
	if (strcmp(step->status, "running") == 0)
		return spinner[view->frame % 10];
	if (is_final(step->status))
		return "\033[2m–\033[0m";
	return "\033[2m○\033[0m";
}

static void
draw_step(const View *view, const Step *step)
{
	printf("\033[K  %s %-22s ", mark_of(view, step), step->name);
	if (strcmp(step->status, "running") == 0 && step->started > 0)
		printf("%5.1f s", now() - step->started);
	else if (strcmp(step->status, "completed") == 0 && step->duration >= 0)
		printf("%5.1f s", step->duration);
	else
		printf("\033[2m%s\033[0m", step->status);
	if (step->attempt > 1)
		printf("  attempt %d", step->attempt);
	printf("\n");
}

static void
draw(View *view)
{
	int			done = 0;
	int			filled;

	if (!view->terminal)
		return;
	for (int i = 0; i < view->nsteps; i++)
		done += is_final(view->steps[i].status);
	filled = view->nsteps > 0 ? done * BAR_WIDTH / view->nsteps : 0;

	if (view->drawn_lines > 0)
		printf("\033[%dA", view->drawn_lines);
	printf("\033[K  %s, run %s  ", view->job, view->run_id);
	for (int i = 0; i < BAR_WIDTH; i++)
		fputs(i < filled ? "█" : "\033[2m░\033[0m", stdout);
	printf(" %3d %%  %s\n", view->nsteps > 0 ? done * 100 / view->nsteps : 0, view->status);
	for (int i = 0; i < view->nsteps; i++)
		draw_step(view, &view->steps[i]);
	view->drawn_lines = view->nsteps + 1;
	view->frame++;
	fflush(stdout);
}

static const char *
text_of(const cJSON *event, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(event, key));

	return text != NULL ? text : "";
}

static void
apply_step(Step *step, const char *status, const cJSON *event)
{
	const cJSON *attempt = cJSON_GetObjectItemCaseSensitive(event, "attempt");

	copy(step->status, sizeof(step->status), status);
	if (cJSON_IsNumber(attempt) && attempt->valueint > 0)
		step->attempt = attempt->valueint;
	if (strcmp(status, "running") == 0)
		step->started = now();
	else if (is_final(status) && step->started > 0)
		step->duration = now() - step->started;
}

/* One event changes the view; true when it was the run's last one. */
static bool
apply(View *view, const char *payload)
{
	cJSON	   *event = cJSON_Parse(payload);
	const char *type = text_of(event, "type");
	const char *name = text_of(event, "step");
	const char *status = text_of(event, "status");
	bool		ended = strcmp(type, "job_completed") == 0;

	if (strncmp(type, "job_", 4) == 0 && *status)
		copy(view->status, sizeof(view->status), status);
	for (int i = 0; i < view->nsteps && *name; i++)
	{
		if (strcmp(view->steps[i].name, name) == 0)
			apply_step(&view->steps[i], status, event);
	}
	if (!view->terminal)
		printf("%6.2f s  %s %s %s\n", now() - view->started, type, *name ? name : view->job, status);
	cJSON_Delete(event);
	return ended;
}

/* Events until the run's end, which may be there before we are. */
static void
follow(View *view)
{
	struct pollfd socket = {.fd = PQsocket(view->conn), .events = POLLIN};
	double		last = now();
	bool		ended = is_final(view->status);

	while (!ended)
	{
		PGnotify   *notify;

		draw(view);
		poll(&socket, 1, FRAME_MS);
		if (!PQconsumeInput(view->conn))
			die(view, "the connection is lost");
		while ((notify = PQnotifies(view->conn)) != NULL)
		{
			ended = apply(view, notify->extra) || ended;
			last = now();
			PQfreemem(notify);
		}
		if (!ended && (now() - last) * 1000 > CATCH_UP_MS)
		{
			read_state(view);
			ended = is_final(view->status);
			last = now();
		}
	}
	read_state(view);
	draw(view);
}

int
main(int argc, char **argv)
{
	static View view;
	char		listen[64];

	if (argc != 3)
	{
		fprintf(stderr, "usage: joborch-watch CONNECTION RUN_ID\n");
		return 2;
	}
	view.run_id = argv[2];
	view.terminal = isatty(STDOUT_FILENO);
	view.conn = PQconnectdb(argv[1]);
	if (PQstatus(view.conn) != CONNECTION_OK)
		die(&view, "cannot connect");
	snprintf(listen, sizeof(listen), "LISTEN joborch_run_%lld", atoll(view.run_id));
	PQclear(query(&view, listen, false));
	read_state(&view);
	follow(&view);
	printf("%srun %s %s after %.1f s\n", view.terminal ? "  " : "", view.run_id, view.status, now() - view.started);
	PQfinish(view.conn);
	return strcmp(view.status, "completed") == 0 ? 0 : 1;
}
