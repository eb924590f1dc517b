/*
 * steploop.c
 *		The step type loop: one run of its body after the other.
 *
 * Where the loop is, is in try->wait: the run of the iteration that is under way (0:
 * it is between two), and in the detail {"iteration": k, "last": run of the one
 * before, "results": the last outputs, "vars": what the bodies have set}.  The
 * conditions are asked once, in the transaction that writes their answer down.
 */
#include "joborch.h"

#include "clock.h"
#include "common/int.h"
#include "errors.h"
#include "guc.h"
#include "jsonbuild.h"
#include "steptypes.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

/* Outputs that the step's own keeps: of the last iterations, not more than fit into one result. */
#define MAX_RESULTS 100

typedef struct Loop
{
	JoTry	   *try;
	const JoChildDef *def;
	int64		iteration;		/* how many are done */
	int64		last;			/* run of the last one that is done; 0: none */
	Jsonb	   *results;		/* array */
	Jsonb	   *output;			/* of the last one; NULL: none */
	Jsonb	   *vars;			/* NULL: none were set */
} Loop;

/* ---- where it is ---- */

static Jsonb *
make_array(void)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

static int64
get_number(Jsonb *detail, const char *key)
{
	JsonbValue	value;

	if (!jo_jsonb_member(&detail->root, key, strlen(key), &value) || value.type != jbvNumeric)
		return 0;
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(value.val.numeric)));
}

static Jsonb *
get_part(Jsonb *detail, const char *key)
{
	JsonbValue	value;

	if (!jo_jsonb_member(&detail->root, key, strlen(key), &value))
		return NULL;
	return jo_jsonb_from_value(&value);
}

static void
read_loop(JoTry *try, Loop *loop)
{
	Jsonb	   *detail = try->waited ? try->wait.detail : NULL;

	memset(loop, 0, sizeof(Loop));
	loop->try = try;
	loop->def = try->step->child;
	if (detail != NULL)
	{
		JsonbValue *value;

		loop->iteration = get_number(detail, "iteration");
		loop->last = get_number(detail, "last");
		loop->results = get_part(detail, "results");
		loop->vars = get_part(detail, "vars");
		if (loop->results != NULL && JB_ROOT_COUNT(loop->results) > 0)
		{
			value = getIthJsonbValueFromContainer(&loop->results->root, JB_ROOT_COUNT(loop->results) - 1);
			loop->output = jo_jsonb_from_value(value);
		}
	}
	if (loop->results == NULL)
		loop->results = make_array();
}

static void
write_loop(Loop *loop)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_int(&state, "iteration", loop->iteration);
	if (loop->last != 0)
		jo_jsonb_add_int(&state, "last", loop->last);
	jo_jsonb_add_jsonb(&state, "results", loop->results);
	jo_jsonb_add_jsonb(&state, "vars", loop->vars);
	loop->try->wait.detail = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/*
 * The first of the results that are kept beside one more.  They are written anew with
 * each iteration, so what is too much together goes, too.
 */
static int
first_to_keep(const Loop *loop, const Jsonb *output)
{
	Size		room = (Size) jo_guc_max_inline_result * 1024;
	Size		taken = VARSIZE(output);
	int			n = JB_ROOT_COUNT(loop->results);
	int			first = n;

	while (first > 0 && n - first + 1 < MAX_RESULTS)
	{
		taken += VARSIZE(jo_jsonb_from_value(getIthJsonbValueFromContainer(&loop->results->root, first - 1)));
		if (taken > room)
			break;
		first--;
	}
	return first;
}

/* One more result; of too many the first ones go. */
static void
add_result(Loop *loop, Jsonb *output)
{
	JsonbParseState *state = NULL;
	JsonbValue	value;
	int			n = JB_ROOT_COUNT(loop->results);
	int			i;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (i = first_to_keep(loop, output); i < n; i++)
		pushJsonbValue(&state, WJB_ELEM, getIthJsonbValueFromContainer(&loop->results->root, i));
	jo_jsonb_to_value(output, &value);
	pushJsonbValue(&state, WJB_ELEM, &value);
	loop->results = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
	loop->output = output;
}

/* ---- conditions ---- */

/* What the conditions read: the iteration before, or, before the first, the loop's own run. */
static JoDocument *
get_document(Loop *loop)
{
	return loop->last != 0 ? jo_document_of_run(loop->try->document, loop->last) :
		loop->try->document;
}

/* iteration is what the condition reads under that name. */
static bool
asks(Loop *loop, const JoCondition *condition, int64 iteration)
{
	JoDocument *document = get_document(loop);
	JsonbValue	value;
	bool		holds;

	jo_jsonb_int_value(&value, iteration);
	jo_document_overlay(document, JO_ROOT_ITERATION, JsonbValueToJsonb(&value));
	jo_document_overlay(document, JO_ROOT_VARS,
						jo_jsonb_merge(jo_document_root(loop->try->document, JO_ROOT_VARS), loop->vars));
	holds = jo_step_holds(loop->try, condition, document);
	jo_document_uncover(document);
	jo_document_uncover(document);
	return holds;
}

/* After an iteration: is that the end of the loop? */
static bool
is_over(Loop *loop)
{
	const JoChildDef *def = loop->def;

	if (jo_step_has_condition(&def->break_if) && asks(loop, &def->break_if, loop->iteration - 1))
		return true;
	return jo_step_has_condition(&def->until) && asks(loop, &def->until, loop->iteration - 1);
}

static JoVerdict
finish(Loop *loop)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_int(&state, "iterations", loop->iteration);
	jo_jsonb_add_jsonb(&state, "output", loop->output != NULL ? loop->output : jo_jsonb_null());
	jo_jsonb_add_jsonb(&state, "results", loop->results);
	jo_jsonb_add_jsonb(&state, "vars", loop->vars);
	loop->try->output = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	return JO_VERDICT_COMPLETED;
}

static void
raise_too_many(Loop *loop)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_LOOP_LIMIT),
			 errmsg("loop \"%s\" reached its limit of %d iterations", jo_step_name(loop->try),
					loop->def->max_iterations),
			 errdetail("Its condition has not ended it by then."),
			 errhint("Raise \"max_iterations\", or set \"on_max\": \"continue\" if that is a good end.")));
}

/* ---- iterations ---- */

static Jsonb *
build_context(Loop *loop)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_int(&state, "iteration", loop->iteration);
	if (jo_step_body_reads(loop->try, "vars"))
		jo_jsonb_add_jsonb(&state, "vars",
						   jo_jsonb_merge(jo_document_root(loop->try->document, JO_ROOT_VARS), loop->vars));
	if (loop->output != NULL && jo_step_body_reads(loop->try, "previous"))
	{
		JsonbParseState *previous = NULL;

		pushJsonbValue(&previous, WJB_BEGIN_OBJECT, NULL);
		jo_jsonb_add_jsonb(&previous, "output", loop->output);
		jo_jsonb_add_string(&previous, "status", "completed");
		jo_jsonb_add_jsonb(&state, "previous",
						   JsonbValueToJsonb(pushJsonbValue(&previous, WJB_END_OBJECT, NULL)));
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* The next iteration, or the end. */
static JoVerdict
go_on(Loop *loop)
{
	JoTry	   *try = loop->try;

	if (jo_step_has_condition(&loop->def->while_true) &&
		!asks(loop, &loop->def->while_true, loop->iteration))
		return finish(loop);
	if (loop->def->max_iterations > 0 && loop->iteration >= loop->def->max_iterations)
	{
		/* where nothing else ends the loop, the number of iterations is what was asked for */
		if (loop->def->max_is_error &&
			(jo_step_has_condition(&loop->def->while_true) || jo_step_has_condition(&loop->def->until)))
			raise_too_many(loop);
		return finish(loop);
	}
	write_loop(loop);
	try->wait.child = jo_step_start_child(try, build_context(loop));
	return jo_step_wait_until(try, 0);
}

/* An iteration is done. */
static JoVerdict
end_iteration(Loop *loop, Jsonb *output)
{
	JoTry	   *try = loop->try;

	loop->last = try->wait.child;
	loop->iteration++;
	add_result(loop, output);
	loop->vars = jo_jsonb_merge(loop->vars,
					   jo_document_set_vars(jo_document_of_run(try->document, loop->last)));
	if (is_over(loop))
		return finish(loop);
	if (loop->def->delay == 0)
		return go_on(loop);
	write_loop(loop);
	try->wait.child = 0;
	return jo_step_wait_until(try, jo_clock_now() + loop->def->delay);
}

static JoVerdict
look(Loop *loop, TimestampTz now)
{
	JoTry	   *try = loop->try;
	Jsonb	   *output;

	if (try->wait.child == 0)
	{
		if (now < try->wait.look_at)
			return JO_VERDICT_WAIT;
		return go_on(loop);
	}
	switch (jo_step_look_at_child(try, &output))
	{
		case JO_CHILD_COMPLETED:
			return end_iteration(loop, output);
		case JO_CHILD_FAILED:
			try->error = jo_step_note(try->error, "iteration", loop->iteration);
			return JO_VERDICT_FAILED;
		case JO_CHILD_RUNNING:
			break;
	}
	return jo_step_wait_until(try, 0);
}

JoVerdict
jo_step_loop(JoTry *try)
{
	TimestampTz now = jo_clock_now();
	Loop		loop;
	JoVerdict	verdict;

	read_loop(try, &loop);
	if (!try->waited)
	{
		jo_step_begin_wait(try, JO_WAIT_LOOP);
		return go_on(&loop);
	}
	verdict = look(&loop, now);
	if (verdict == JO_VERDICT_WAIT && jo_step_is_late(try, now))
		jo_step_raise_timeout(try, "Raise the step's \"timeout\"; the iteration that is under way is cancelled.");
	return verdict;
}
