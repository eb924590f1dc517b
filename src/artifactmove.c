/*
 * artifactmove.c
 *		Moves artifacts to S3 and deletes them there, step by step for the courier.
 *
 * The row says what is to be done, so nothing is lost with the process: a try pushes next_try
 * behind its own time-out, success changes the row for good, and whatever else happens
 * leaves it to be tried again.  Sending an object twice does no harm, deleting it twice
 * neither.  Who deletes an artifact that is on its way leaves a row that says so.
 * Touches rows through store.c.
 */
#include "joborch.h"

#include "artifact.h"
#include "artifactmove.h"
#include "clock.h"
#include "guc.h"
#include "reqparts.h"
#include "reqs3.h"
#include "store.h"
#include "txn.h"
#include "utils/memutils.h"

#define LEAST_TIMEOUT (10 * 60 * (int64) USECS_PER_SEC)
#define SLOWEST_BYTES_PER_SECOND (256 * 1024)
#define IDLE_TIMEOUT_MS (60 * 1000)
#define FIRST_PAUSE ((int64) USECS_PER_SEC)
#define LONGEST_PAUSE (3600 * (int64) USECS_PER_SEC)
#define LEAST_LOOK (5 * (int64) USECS_PER_SEC)

typedef struct MoveState
{
	JoArtifactRow row;			/* as begin left it */
	JoArtifactReader *reader;	/* NULL: a deletion */
} MoveState;

/* ---- what there is ---- */

/* What the steps of a run may still read, or send, stays where they can. */
static bool
must_stay(JoArtifactRow *row, TimestampTz now)
{
	JoLiveRow	live;

	if (row->todo != JO_TODO_MOVE || row->run_id == 0 ||
		!jo_store_live(row->run_id, jo_store_latest(), &live))
		return false;
	/* as often as its age doubles */
	row->next_try = now + Max(LEAST_LOOK, Min(now - row->created_at, LONGEST_PAUSE));
	jo_store_update_artifact(row);
	return true;
}

int
jo_artifact_moves(int64 **ids, int max)
{
	TimestampTz now = jo_clock_now();
	JoArtifactRow *rows;
	int			n = jo_store_artifacts_to_do(now, max, &rows);
	int			kept = 0;

	*ids = palloc(sizeof(int64) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		if (!must_stay(&rows[i], now))
			(*ids)[kept++] = rows[i].artifact_id;
	}
	return kept;
}

TimestampTz
jo_artifact_next_move(void)
{
	return jo_store_next_artifact_to_do();
}

TimestampTz
jo_artifact_watch(JoDatabase *database, TimestampTz now)
{
	static TimestampTz look_at = 0;
	TimestampTz due;

	if (now < look_at)
		return look_at;
	look_at = now + (int64) jo_guc_recheck_interval * 1000;
	jo_txn_begin();
	due = jo_artifact_next_move();
	jo_txn_commit();
	if (due != 0 && due > now)
		look_at = Min(look_at, due);
	if (due == 0 || due > now)
		return look_at;
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	/* one that is there looks itself */
	if (database->courier_pid == 0)
		database->courier_chores = true;
	LWLockRelease(jo_shared->lock);
	return look_at;
}

/* ---- begin ---- */

/* The next piece, in a transaction that lasts no longer than that; see JoErrand.give. */
static size_t
give(JoErrand *errand, char *buffer, size_t size, bool *last)
{
	MoveState  *state = errand->kind_state;
	MemoryContext old = CurrentMemoryContext;
	size_t		n;

	jo_txn_begin();
	MemoryContextSwitchTo(errand->context);
	n = jo_artifact_read(state->reader, buffer, size);
	jo_txn_commit();
	MemoryContextSwitchTo(old);
	*last = n == 0;
	return n;
}

static void
begin_move(JoErrand *errand, MoveState *state)
{
	JoArtifactRow *row = &state->row;
	JoNetRequest *net = &errand->net_request;

	row->path = jo_s3_url(row->artifact_id);
	state->reader = jo_artifact_open(row->artifact_id, 0, NULL, InvalidOid);
	net->upload = true;
	net->upload_size = jo_artifact_read_stored(state->reader);
	errand->give = give;
	jo_s3_begin(errand, "PUT", row->path, row->stored_sha256 != NULL ? row->stored_sha256 : row->sha256);
	jo_request_add_header(errand, "Content-Type", row->content_type);
	if (row->compression == JO_COMPRESSION_GZIP)
		jo_request_add_header(errand, "Content-Encoding", "gzip");
}

static void
note_try(JoArtifactRow *row, int64 timeout)
{
	row->tries++;
	row->next_try = jo_clock_now() + timeout + timeout / 10;
	jo_store_update_artifact(row);
}

/* One that was copied with its database belongs to the original: only the row goes. */
static bool
is_foreign(const JoArtifactRow *row)
{
	if (row->todo != JO_TODO_DELETE || jo_s3_is_own(row->path))
		return false;
	(void) jo_store_delete_artifact(row->artifact_id);
	return true;
}

bool
jo_artifact_move_begin(JoErrand *errand, int64 artifact_id)
{
	MemoryContext old = MemoryContextSwitchTo(errand->context);
	MoveState  *state = palloc0(sizeof(MoveState));
	JoArtifactRow *row = &state->row;
	int64		timeout;
	bool		begun;

	begun = jo_store_artifact(artifact_id, jo_store_latest(), row) && row->next_try != 0 &&
		row->next_try <= jo_clock_now() && !is_foreign(row);
	if (begun)
	{
		timeout = LEAST_TIMEOUT + row->stored_size / SLOWEST_BYTES_PER_SECOND * USECS_PER_SEC;
		errand->kind_state = state;
		errand->role = row->owner;
		errand->run_id = row->run_id;
		errand->step = row->step;
		errand->item = row->item;
		errand->step_name = row->step_name != NULL ? row->step_name : row->name;
		errand->timeout = timeout;
		if (row->todo == JO_TODO_MOVE)
			begin_move(errand, state);
		else
			jo_s3_begin(errand, "DELETE", row->path, NULL);
		errand->net_request.idle_timeout = IDLE_TIMEOUT_MS;
		errand->net_request.max_response = 64 * 1024;
		note_try(row, timeout);
	}
	MemoryContextSwitchTo(old);
	return begun;
}

/* ---- finish ---- */

/* Its row went while the object was on its way: it is to be deleted again. */
static void
delete_again(const JoArtifactRow *moved)
{
	JoArtifactRow row = *moved;

	row.todo = JO_TODO_DELETE;
	row.storage = JO_STORED_IN_S3;
	row.complete = false;
	row.run_id = 0;
	row.tries = 0;
	row.next_try = jo_clock_now();
	jo_store_insert_artifact(&row);
}

static void
finish_move(const JoArtifactRow *moved)
{
	JoArtifactRow row;

	if (!jo_store_artifact(moved->artifact_id, jo_store_latest(), &row))
	{
		delete_again(moved);
		return;
	}
	if (row.todo == JO_TODO_DELETE)
		row.next_try = jo_clock_now();
	else
	{
		row.storage = JO_STORED_IN_S3;
		row.todo = JO_TODO_NOTHING;
		row.next_try = 0;
		row.path = moved->path;
		jo_store_delete_artifact_chunks(row.artifact_id);
	}
	row.error = NULL;
	row.tries = 0;
	jo_store_update_artifact(&row);
}

void
jo_artifact_move_finish(JoErrand *errand, const JoNetResponse *response)
{
	MoveState  *state = errand->kind_state;

	/* what is not there need not be deleted */
	if (state->row.todo != JO_TODO_DELETE || response->result != JO_NET_OK || response->status != 404)
		jo_s3_check(errand, response);
	if (state->row.todo == JO_TODO_MOVE)
		finish_move(&state->row);
	else
		(void) jo_store_delete_artifact(state->row.artifact_id);
}

void
jo_artifact_move_failed(int64 artifact_id, const ErrorData *error)
{
	TimestampTz now = jo_clock_now();
	JoArtifactRow row;

	if (!jo_store_artifact(artifact_id, jo_store_latest(), &row) || row.next_try == 0)
		return;
	/* what begin raised was not counted */
	row.tries = Max(row.tries, 1) + (row.next_try <= now ? 1 : 0);
	row.next_try = now + Min(LONGEST_PAUSE, FIRST_PAUSE << Min(row.tries - 1, 20));
	row.error = error->detail != NULL ? psprintf("%s: %s", error->message, error->detail) : error->message;
	jo_store_update_artifact(&row);
}
