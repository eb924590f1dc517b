/*
 * deflogic.c
 *		The keys of steps that steer: condition, switch, parallel, race, join, end.
 *
 * A leaf.  Which steps are in their branches was found before (defflow.c); here
 * the decisions themselves are read, into the JoFlowDef that OPEN and CLOSE share.
 */
#include "defparse.h"

#include <string.h>

#define MAX_CASES 200
#define MAX_CONCURRENT 1000

/* A step or an array of them; empty is a finding unless nothing to do makes sense. */
static void
check_steps(JoDefReader *reader, const cJSON *json, const JoPath *path, const char *key, bool may_be_empty)
{
	if (json == NULL)
		return;
	if (!cJSON_IsObject(json) && !cJSON_IsArray(json))
		jo_def_report(reader, "schema_error", path, NULL, "a step or an array of steps was expected");
	else if (json->child == NULL && !(may_be_empty && cJSON_IsArray(json)))
		jo_def_report(reader, "empty_steps", path, NULL, "\"%s\" has no steps", key);
}

static void
check_list(JoDefReader *reader, const cJSON *object, const JoPath *path, const char *key, bool may_be_empty)
{
	JoPath		at;
	const cJSON *json = jo_def_get(object, path, key, &at);

	check_steps(reader, json, &at, key, may_be_empty);
}

void
jo_def_read_if(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	JoFlowDef  *flow = step->flow;
	JoPath		at;
	const cJSON *member = jo_def_get(json, path, "if", &at);

	flow->branches[0].label = pstrdup("true");
	flow->branches[1].label = pstrdup("false");
	if (member != NULL)
		jo_def_read_condition(reader, member, &at, &flow->branches[0].condition,
							  jo_def_next_plan(step), 0);
	else
		jo_def_report(reader, "missing_condition", path, "Write \"if\": \"$.steps.load.value > 0\".",
					  "the condition has no \"if\"");
	check_list(reader, json, path, "then", false);
	check_list(reader, json, path, "else", true);
}

/* A case's name, or case_1 and so on. */
static char *
read_label(JoDefReader *reader, const cJSON *json, const JoPath *path, int number)
{
	JoPath		at;
	const cJSON *member = jo_def_get(json, path, "name", &at);
	const char *name;

	if (member == NULL || (name = jo_def_name(reader, member, &at)) == NULL)
		return psprintf("case_%d", number + 1);
	if (strcmp(name, "default") == 0)
		jo_def_report(reader, "invalid_name", &at, NULL, "\"default\" is the name of what no case matches");
	return pstrdup(name);
}

static void
read_case(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step, int number)
{
	static const char *const keys[] = {"name", "if", "equals", "steps", NULL};
	JoBranch   *branch = &step->flow->branches[number];
	bool		has_value = (step->flow->value.value != NULL);
	const cJSON *condition;
	const cJSON *equals;
	JoPath		if_at;
	JoPath		at;

	branch->label = psprintf("case_%d", number + 1);
	if (!jo_def_object(reader, json, path))
		return;
	jo_def_check_keys(reader, json, path, "a case", keys, NULL);
	branch->label = read_label(reader, json, path, number);
	condition = jo_def_get(json, path, "if", &if_at);
	equals = jo_def_get(json, path, "equals", &at);
	if (condition != NULL && equals != NULL)
		jo_def_report(reader, "invalid_value", path, NULL, "a case has \"if\" or \"equals\", not both");
	else if (condition != NULL)
		jo_def_read_condition(reader, condition, &if_at, &branch->condition,
							  jo_def_next_plan(step), 0);
	else if (equals != NULL)
		branch->equals = jo_def_read_template(reader, equals, &at, 0);
	else
		jo_def_report(reader, "missing_condition", path,
					  has_value ? "Write \"equals\": and the value." : "Write \"if\": \"$.input.n > 0\".",
					  "the case has no condition");
	if (equals != NULL && !has_value)
		jo_def_report(reader, "missing_key", &at, "Write \"value\": \"{{ ... }}\" beside \"cases\".",
					  "there is no value to compare with");
	check_list(reader, json, path, "steps", false);
}

/* Two cases of one name: dependents could not tell them apart. */
static void
check_labels(JoDefReader *reader, const JoFlowDef *flow, int ncases, const JoPath *list)
{
	for (int i = 1; i < ncases; i++)
		for (int j = 0; j < i; j++)
			if (strcmp(flow->branches[i].label, flow->branches[j].label) == 0)
			{
				JoPath		at = {list, NULL, i};

				jo_def_report(reader, "duplicate_branch", &at, NULL, "two cases have the name \"%s\"",
							  flow->branches[i].label);
				break;
			}
}

void
jo_def_read_switch(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	JoFlowDef  *flow = step->flow;
	const cJSON *child;
	const cJSON *member;
	JoPath		list;
	JoPath		at;
	int			n = 0;

	if ((member = jo_def_get(json, path, "value", &at)) != NULL)
		flow->value.value = jo_def_read_template(reader, member, &at, 0);
	member = jo_def_get(json, path, "cases", &list);
	if (!cJSON_IsArray(member) || member->child == NULL)
		jo_def_report(reader, member == NULL ? "missing_key" : "schema_error", member ? &list : path,
					  "Write \"cases\": [{\"if\": ..., \"steps\": [...]}].",
					  "a switch needs at least one case");
	else if (cJSON_GetArraySize(member) > MAX_CASES)
		jo_def_report(reader, "limit_exceeded", &list, NULL, "more than %d cases", MAX_CASES);
	else
	{
		cJSON_ArrayForEach(child, member)
		{
			JoPath		one = {&list, NULL, n};

			read_case(reader, child, &one, step, n++);
		}
		check_labels(reader, flow, n, &list);
	}
	flow->branches[n].label = pstrdup("default");
	check_list(reader, json, path, "default", true);
}

/* Branches of "branches" are lists; those of "steps" are known when depends_on is. */
static void
check_branches(JoDefReader *reader, const cJSON *json, const JoPath *list)
{
	const cJSON *child;
	int			n = 0;

	if (!cJSON_IsArray(json) || json->child == NULL)
	{
		jo_def_report(reader, cJSON_IsArray(json) ? "empty_steps" : "schema_error", list,
					  "Write \"branches\": [[step, ...], [step, ...]].", "an array of branches was expected");
		return;
	}
	cJSON_ArrayForEach(child, json)
	{
		JoPath		at = {list, NULL, n++};

		check_steps(reader, child, &at, "branches", false);
	}
}

/* parallel and race */
void
jo_def_read_parallel(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	JoFlowDef  *flow = step->flow;
	JoPath		steps_at;
	JoPath		at;
	const cJSON *steps = jo_def_get(json, path, "steps", &steps_at);
	const cJSON *branches = jo_def_get(json, path, "branches", &at);
	const cJSON *member;
	bool		all = (step->type == JO_STEP_PARALLEL);

	if (steps != NULL && branches != NULL)
		jo_def_report(reader, "invalid_value", &at, NULL, "there are \"steps\" or \"branches\", not both");
	else if (branches != NULL)
		check_branches(reader, branches, &at);
	else if (steps == NULL)
		jo_def_report(reader, "missing_steps", path, "Write \"steps\": [...], or \"branches\": [[...], [...]].",
					  "there is nothing to run in parallel");
	else
		check_steps(reader, steps, &steps_at, "steps", false);
	if (step->type == JO_STEP_PARALLEL &&
		(member = jo_def_get(json, path, "max_concurrent", &at)) != NULL)
		jo_def_integer(reader, member, &at, 1, MAX_CONCURRENT, &flow->max_concurrent);
	if (step->type == JO_STEP_PARALLEL &&
		(member = jo_def_get(json, path, "wait_for_all", &at)) != NULL)
		jo_def_bool(reader, member, &at, &all);
	flow->enough = all ? 0 : 1;
}

void
jo_def_read_join(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	static const char *const modes[] = {"all", "any", NULL};
	JoPath		at;
	const cJSON *mode = jo_def_get(json, path, "mode", &at);
	int			word;

	step->flow = palloc0(sizeof(JoFlowDef));
	if (cJSON_IsNumber(mode))
		jo_def_integer(reader, mode, &at, 1, JO_MAX_STEPS, &step->flow->enough);
	else if (mode != NULL && jo_def_word(reader, mode, &at, modes, &word))
		step->flow->enough = word;
}

void
jo_def_read_end(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	static const char *const words[] = {"success", "failure", "conditional", NULL};
	const cJSON *member;
	JoPath		at;
	int			word;

	step->flow = palloc0(sizeof(JoFlowDef));
	if ((member = jo_def_get(json, path, "status", &at)) != NULL &&
		jo_def_word(reader, member, &at, words, &word))
		step->flow->end = word;
	if ((member = jo_def_get(json, path, "message", &at)) != NULL)
		step->flow->message = jo_def_read_template_text(reader, member, &at);
	if (step->phase != JO_PHASE_MAIN)
		jo_def_report(reader, "not_supported", path, NULL,
					  "only the job's own steps can end the run");
}

int
jo_def_find_branch(const JoStepDef *step, const char *label)
{
	const JoFlowDef *flow = step->flow;
	bool		condition = (step->type == JO_STEP_CONDITION);

	if (condition && (strcmp(label, "then") == 0 || strcmp(label, "else") == 0))
		return *label == 'e';
	/* a case can also be told by its position, and what no case matches is there unsaid */
	for (int b = 0; b < flow->nbranches + (condition ? 0 : !flow->has_default); b++)
		if (flow->branches[b].label != NULL && strcmp(flow->branches[b].label, label) == 0)
			return b;
	for (int b = 0; !condition && b < flow->nbranches - flow->has_default; b++)
		if (strcmp(psprintf("case_%d", b + 1), label) == 0)
			return b;
	return -1;
}
