/*
 * testrunstub.c
 *		The stubs of test_run(): how steps are answered that are not carried out.
 *
 * Checked before the run begins, so that a misspelt one is no surprise at its end.
 * Reads the argument only.
 */
#include "joborch.h"

#include "defcache.h"
#include "errors.h"
#include "jsonbuild.h"
#include "lib/stringinfo.h"
#include "testrun.h"
#include "words.h"

#define STUB_HINT "A stub is {\"output\": ...}, {\"error\": \"...\", \"sqlstate\": \"...\"}, {\"signal\": ...}, {\"approve\": true or false} or {\"skip\": true}."

void
jo_test_refuse(JoTest *test)
{
	test->refused = true;
}

char *
jo_test_stub_key(const JoTestRun *run, const JoStepDef *step)
{
	return psprintf("%s%s", run->prefix, step->shown);
}

/* ---- one stub ---- */

static bool
get_member(Jsonb *json, const char *key, JsonbValue *value)
{
	return jo_jsonb_member(&json->root, key, strlen(key), value);
}

static void
raise_stub(JoTest *test, const char *key, const char *what, Jsonb *json)
{
	jo_test_refuse(test);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("stub for step \"%s\" %s", key, what),
			 errdetail("It is: %s", pnstrdup(JsonbToCString(NULL, &json->root, VARSIZE(json)), 200)),
			 errhint(STUB_HINT)));
}

/* A text member, NULL if it is not there. */
static char *
get_text(JoTest *test, const char *key, Jsonb *json, const char *member)
{
	JsonbValue	value;

	if (!get_member(json, member, &value))
		return NULL;
	if (value.type != jbvString)
		raise_stub(test, key, psprintf("has a \"%s\" that is no text", member), json);
	return pnstrdup(value.val.string.val, value.val.string.len);
}

static bool
get_bool(JoTest *test, const char *key, Jsonb *json, const char *member, bool *flag)
{
	JsonbValue	value;

	if (!get_member(json, member, &value))
		return false;
	if (value.type != jbvBool)
		raise_stub(test, key, psprintf("has a \"%s\" that is neither true nor false", member), json);
	*flag = value.val.boolean;
	return true;
}

/* Which one it is, by the member that only it has; the others must be among allowed. */
static void
check_members(JoTest *test, const char *key, Jsonb *json, const char *const *allowed)
{
	JsonbIterator *iterator = JsonbIteratorInit(&json->root);
	JsonbValue	value;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		char	   *name;

		if (token != WJB_KEY)
			continue;
		name = pnstrdup(value.val.string.val, value.val.string.len);
		if (jo_words_find(name, allowed) < 0)
			raise_stub(test, key, psprintf("has no key \"%s\" beside \"%s\"", jo_words_show(name), allowed[0]), json);
	}
}

static int
read_sqlstate(JoTest *test, const char *key, Jsonb *json)
{
	char	   *code = get_text(test, key, json, "sqlstate");

	if (code == NULL)
		return ERRCODE_RAISE_EXCEPTION;
	if (strlen(code) != 5 || strspn(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 5)
		raise_stub(test, key, "has a \"sqlstate\" that is none", json);
	return MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4]);
}

static void
read_error(JoTest *test, const char *key, Jsonb *json, JoStub *stub)
{
	static const char *const allowed[] = {"error", "sqlstate", NULL};

	check_members(test, key, json, allowed);
	stub->kind = JO_STUB_ERROR;
	stub->text = get_text(test, key, json, "error");
	stub->sqlstate = read_sqlstate(test, key, json);
}

static void
read_after(JoTest *test, const char *key, Jsonb *json, JoStub *stub)
{
	char	   *after = get_text(test, key, json, "after");

	if (after != NULL && (!jo_parse_duration(after, &stub->after) || stub->after < 0))
		raise_stub(test, key, "has an \"after\" that is no interval", json);
}

static void
read_decision(JoTest *test, const char *key, Jsonb *json, JoStub *stub)
{
	static const char *const allowed[] = {"approve", "reason", "by", "after", NULL};

	check_members(test, key, json, allowed);
	stub->kind = JO_STUB_DECISION;
	(void) get_bool(test, key, json, "approve", &stub->approve);
	stub->text = get_text(test, key, json, "reason");
	stub->by = get_text(test, key, json, "by");
	read_after(test, key, json, stub);
}

static void
read_stub(JoTest *test, const char *key, Jsonb *json, JoStub *stub)
{
	static const char *const output[] = {"output", NULL};
	static const char *const signal[] = {"signal", "by", "after", NULL};
	static const char *const skip[] = {"skip", NULL};
	JsonbValue	value;
	bool		flag = false;

	MemSet(stub, 0, sizeof(JoStub));
	if (!JB_ROOT_IS_OBJECT(json))
		raise_stub(test, key, "is no object", json);
	if (get_member(json, "output", &value))
	{
		check_members(test, key, json, output);
		stub->kind = JO_STUB_OUTPUT;
		stub->value = jo_jsonb_from_value(&value);
	}
	else if (get_member(json, "error", &value))
		read_error(test, key, json, stub);
	else if (get_member(json, "signal", &value))
	{
		check_members(test, key, json, signal);
		stub->kind = JO_STUB_SIGNAL;
		stub->value = jo_jsonb_from_value(&value);
		stub->by = get_text(test, key, json, "by");
		read_after(test, key, json, stub);
	}
	else if (get_member(json, "approve", &value))
		read_decision(test, key, json, stub);
	else if (get_bool(test, key, json, "skip", &flag) && flag)
	{
		check_members(test, key, json, skip);
		stub->kind = JO_STUB_SKIP;
	}
	else
		raise_stub(test, key, "says nothing", json);
}

/* ---- which one ---- */

/* An element of an array; past its end the last one. */
static Jsonb *
pick(JoTest *test, const char *key, Jsonb *list, int n)
{
	int			count = JB_ROOT_COUNT(list);

	if (count == 0)
		raise_stub(test, key, "is an empty array", list);
	return jo_jsonb_from_value(getIthJsonbValueFromContainer(&list->root, Min(n, count - 1)));
}

static bool
is_list(Jsonb *json)
{
	return JB_ROOT_IS_ARRAY(json) && !JB_ROOT_IS_SCALAR(json);
}

/* The value of a key, and its number among them; NULL: there is none. */
static Jsonb *
find_stub(JoTest *test, const char *key, int *number)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	JsonbValue	found;

	if (!get_member(test->stubs, key, &found))
		return NULL;
	iterator = JsonbIteratorInit(&test->stubs->root);
	*number = -1;
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		(*number)++;
		if (strlen(key) == (size_t) value.val.string.len &&
			memcmp(key, value.val.string.val, value.val.string.len) == 0)
			break;
	}
	return jo_jsonb_from_value(&found);
}

/*
 * Of an item its own, or of its attempts; else one for each execution of the step,
 * also in all runs of a body.
 */
void
jo_test_take_stub(JoTest *test, const JoTestRun *run, const JoStepDef *step, int32 item, int attempt,
				  JoStub *stub)
{
	char	   *key = jo_test_stub_key(run, step);
	int			number;
	Jsonb	   *json;

	MemSet(stub, 0, sizeof(JoStub));
	/* containers are not answered, nor what a foreach does around its items */
	if (step->part == JO_PART_OPEN || step->part == JO_PART_CLOSE)
		return;
	json = find_stub(test, key, &number);
	if (json == NULL)
		return;
	if (is_list(json))
		json = pick(test, key, json, item != JO_NO_ITEM ? item : test->stubs_used[number]);
	if (is_list(json))
		json = pick(test, key, json, attempt - 1);
	test->stubs_used[number]++;
	read_stub(test, key, json, stub);
}

/* ---- checks ---- */

/* Could this be a stub of the step? */
static void
check_stub(JoTest *test, const char *key, const JoStepDef *step, Jsonb *json)
{
	JoStub		stub;

	if (is_list(json))
	{
		int			n = JB_ROOT_COUNT(json);

		(void) pick(test, key, json, 0);
		for (int i = 0; i < n; i++)
			check_stub(test, key, step, pick(test, key, json, i));
		return;
	}
	read_stub(test, key, json, &stub);
	if (step->part == JO_PART_CLOSE && step->each == NULL)
		raise_stub(test, key, "cannot be used: the step only holds others; answer those", json);
	if (step->type == JO_STEP_END)
		raise_stub(test, key, "cannot be used: the step ends the run", json);
	if (stub.kind == JO_STUB_SIGNAL && step->type != JO_STEP_WAIT_SIGNAL)
		raise_stub(test, key, "is a signal, but the step waits for none", json);
	if (stub.kind == JO_STUB_DECISION && step->type != JO_STEP_APPROVAL)
		raise_stub(test, key, "is a decision, but the step asks for none", json);
}

/* Steps that a stub may name: their keys, and those of their bodies. */
static List *
collect_steps(List *steps, List **keys, const JoDefinition *definition, const char *prefix)
{
	for (int i = 0; i < definition->nsteps; i++)
	{
		const JoStepDef *step = &definition->steps[i];
		char	   *key = psprintf("%s%s", prefix, step->shown);

		/* of a step in parts, the last one stands for it; EACH says what its type is */
		if (step->part == JO_PART_OPEN || (step->part == JO_PART_CLOSE && step->each != NULL))
			continue;
		*keys = lappend(*keys, key);
		steps = lappend(steps, (void *) step);
		if (step->child == NULL || step->child->inner == NULL)
			continue;
		/* the names of a body are among those around it, not so those of another job */
		steps = collect_steps(steps, keys, step->child->inner,
							  step->child->inner->outer != NULL ? prefix : psprintf("%s.", key));
	}
	return steps;
}

/* Does the key name a step of a job that another step starts, which is not known yet? */
static bool
names_called_job(const char *key, List *keys, List *steps)
{
	ListCell   *key_cell;
	ListCell   *step_cell;

	forboth(key_cell, keys, step_cell, steps)
	{
		const JoStepDef *step = lfirst(step_cell);
		const char *caller = lfirst(key_cell);

		if (step->child != NULL && step->child->job != NULL &&
			strncmp(key, caller, strlen(caller)) == 0 && key[strlen(caller)] == '.')
			return true;
	}
	return false;
}

static void
raise_unknown(JoTest *test, const char *key, List *keys)
{
	const char **words = palloc(sizeof(char *) * (list_length(keys) + 1));
	int			n = 0;
	ListCell   *cell;
	char	   *suggestion;

	foreach(cell, keys)
		words[n++] = lfirst(cell);
	words[n] = NULL;
	suggestion = jo_words_suggest(key, words);
	jo_test_refuse(test);
	ereport(ERROR,
			(errcode(ERRCODE_JO_STEP_NOT_FOUND),
			 errmsg("there is a stub for step \"%s\", but no such step", jo_words_show(key)),
			 errdetail("The steps are: %s.", jo_words_join(words)),
			 suggestion != NULL ? errhint("%s", suggestion) : 0));
}

void
jo_test_check_stubs(JoTest *test, const JoDefinition *definition, const char *prefix)
{
	JsonbIterator *iterator = JsonbIteratorInit(&test->stubs->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	List	   *keys = NIL;
	List	   *steps = collect_steps(NIL, &keys, definition, prefix);

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		char	   *key;
		bool		found = false;
		ListCell   *key_cell;
		ListCell   *step_cell;

		if (token != WJB_KEY)
			continue;
		key = pnstrdup(value.val.string.val, value.val.string.len);
		if (JsonbIteratorNext(&iterator, &value, true) != WJB_VALUE)
			break;
		if (strncmp(key, prefix, strlen(prefix)) != 0)
			continue;
		forboth(key_cell, keys, step_cell, steps)
		{
			if (strcmp(key, lfirst(key_cell)) != 0)
				continue;
			check_stub(test, key, lfirst(step_cell), jo_jsonb_from_value(&value));
			found = true;
		}
		if (!found && !names_called_job(key, keys, steps))
			raise_unknown(test, key, keys);
	}
}
