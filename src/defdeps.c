/*
 * defdeps.c
 *		Who waits for whom: depends_on, the order of lists, the parts of containers.
 *
 * A leaf.  A step's parents stand in its own list, so that it is in a branch with
 * all that it waits for; what depends on a container depends on its CLOSE.  Costs
 * one search by name for each name that is written.
 */
#include "defparse.h"

#include <string.h>

/* In the order of JoEdgeOn from JO_EDGE_SUCCESS, then other words for them. */
static const char *const on_words[] = {"success", "failure", "always", "error", "done", NULL};
static const JoEdgeOn on_edges[] = {
	JO_EDGE_STATUS, JO_EDGE_FAILURE, JO_EDGE_DONE, JO_EDGE_FAILURE, JO_EDGE_DONE
};

/* Edges of one step under construction. */
typedef struct Edges
{
	JoStepDef  *step;
	int			capacity;
	int		   *seen;			/* seen[i]: the last step that named parent i */
} Edges;

static void
add_edge(Edges *edges, int parent, JoEdgeOn on, int branch)
{
	JoStepDef  *step = edges->step;

	if (step->ndeps >= edges->capacity)
	{
		edges->capacity = edges->capacity ? edges->capacity * 2 : 4;
		if (step->deps == NULL)
		{
			step->deps = palloc(edges->capacity * sizeof(int));
			step->dep_on = palloc(edges->capacity * sizeof(JoEdgeOn));
			step->dep_branch = palloc(edges->capacity * sizeof(int));
		}
		else
		{
			step->deps = repalloc(step->deps, edges->capacity * sizeof(int));
			step->dep_on = repalloc(step->dep_on, edges->capacity * sizeof(JoEdgeOn));
			step->dep_branch = repalloc(step->dep_branch, edges->capacity * sizeof(int));
		}
	}
	step->deps[step->ndeps] = parent;
	step->dep_on[step->ndeps] = on;
	step->dep_branch[step->ndeps++] = branch;
}

/* Is the edge there already?  Only then are those of the step looked through. */
static bool
has_edge(const Edges *edges, int parent, JoEdgeOn on, int branch)
{
	const JoStepDef *step = edges->step;

	if (edges->seen[parent] != step->index)
		return false;
	for (int d = 0; d < step->ndeps; d++)
		if (step->deps[d] == parent && step->dep_on[d] == on && step->dep_branch[d] == branch)
			return true;
	return false;
}

/* One name of depends_on: its index, -1 after a finding. */
static int
find_parent(JoDefReader *reader, const JoStepDef *step, const char *name, const JoPath *path)
{
	const JoDefinition *definition = reader->definition;
	int			parent = jo_definition_step_by_name(definition, name);
	int			list = reader->sources[step->index].list;
	const JoStepSource *source = parent < 0 ? NULL : &reader->sources[parent];

	if (step->shown != NULL && strcmp(name, step->shown) == 0)
		jo_def_report(reader, "self_reference", path, NULL, "the step depends on itself");
	else if (parent < 0)
		jo_def_report(reader, "unknown_step", path, jo_def_suggest_step(reader, name, list),
					  "there is no step \"%s\"", jo_words_show(name));
	else if (source->list != list)
		jo_def_report(reader, "unknown_step", path,
					  source->inside < 0 && reader->sources[step->index].inside < 0 ? NULL :
					  "A step depends on steps beside it; what is around or in those counts with them.",
					  "the step \"%s\" is not in the same list of steps", name);
	else
		return parent;
	return -1;
}

/* "branch": a label of a decision that has no steps in it; -1 after a finding. */
static int
read_branch(JoDefReader *reader, const cJSON *json, const JoPath *path, int parent)
{
	JoStepDef  *step = &reader->definition->steps[parent];
	const char *label = jo_def_string(reader, json, path);
	const JoFlowDef *flow = step->flow;
	const char *labels[12];
	int			n = 0;
	int			branch;

	if (label == NULL)
		return -1;
	if ((step->type != JO_STEP_CONDITION && step->type != JO_STEP_SWITCH) || step->part != JO_PART_WHOLE)
	{
		jo_def_report(reader, "unknown_branch", path,
					  step->part == JO_PART_WHOLE ? NULL :
					  "Put the step into the branch, or take the steps out of all branches.",
					  step->part == JO_PART_WHOLE ? "the step \"%s\" takes no branches"
					  : "the branches of step \"%s\" have steps of their own", step->name);
		return -1;
	}
	branch = jo_def_find_branch(step, label);
	if (branch >= 0)
	{
		/* what no case matches is a branch as soon as somebody waits for it */
		if (branch == flow->nbranches)
		{
			step->flow->has_default = true;
			step->flow->nbranches++;
		}
		return branch;
	}
	for (int b = 0; b < flow->nbranches && n < 10; b++)
		labels[n++] = flow->branches[b].label ? flow->branches[b].label : "";
	if (step->type == JO_STEP_SWITCH && !flow->has_default)
		labels[n++] = "default";
	labels[n] = NULL;
	jo_def_report(reader, "unknown_branch", path, jo_words_suggest(label, labels),
				  "step \"%s\" has no branch \"%s\"; branches are: %s", step->name, jo_words_show(label),
				  jo_words_join(labels));
	return -1;
}

/* {"step": "a", "on": "failure"} or {"step": "a", "branch": "true"}; false after a finding. */
static bool
read_edge_object(JoDefReader *reader, const JoStepDef *step, const cJSON *json, const JoPath *path,
				 int *parent, JoEdgeOn *on, int *branch)
{
	static const char *const keys[] = {"step", "on", "branch", NULL};
	const cJSON *member;
	const cJSON *label;
	const char *name;
	JoPath		label_at;
	JoPath		at;
	int			word;

	jo_def_check_keys(reader, json, path, "a dependency", keys, NULL);
	if ((member = jo_def_get(json, path, "step", &at)) == NULL)
	{
		jo_def_report(reader, "missing_key", path, "Write {\"step\": \"a\", \"on\": \"failure\"}.",
					  "the dependency names no \"step\"");
		return false;
	}
	if ((name = jo_def_string(reader, member, &at)) == NULL ||
		(*parent = find_parent(reader, step, name, &at)) < 0)
		return false;
	label = jo_def_get(json, path, "branch", &label_at);
	member = jo_def_get(json, path, "on", &at);
	if (label != NULL && member != NULL)
	{
		jo_def_report(reader, "invalid_value", path, NULL, "a dependency has \"on\" or \"branch\", not both");
		return false;
	}
	if (label != NULL)
	{
		*on = JO_EDGE_BRANCH;
		*branch = read_branch(reader, label, &label_at, *parent);
		return *branch >= 0;
	}
	if (member == NULL)
		return true;
	if (!jo_def_word(reader, member, &at, on_words, &word))
		return false;
	*on = on_edges[word];
	return true;
}

/* One name or object of depends_on. */
static void
read_edge(JoDefReader *reader, Edges *edges, const cJSON *json, const JoPath *path)
{
	JoStepDef  *step = edges->step;
	JoEdgeOn	on = JO_EDGE_STATUS;
	int			branch = -1;
	int			parent;

	if (cJSON_IsObject(json))
	{
		if (!read_edge_object(reader, step, json, path, &parent, &on, &branch))
			return;
	}
	else if (!cJSON_IsString(json))
	{
		jo_def_report(reader, "schema_error", path, NULL,
					  "the name of a step or {\"step\": ...} was expected, not %s", jo_def_describe_type(json));
		return;
	}
	else if ((parent = find_parent(reader, step, json->valuestring, path)) < 0)
		return;
	if (has_edge(edges, parent, on, branch))
	{
		jo_def_warn(reader, "invalid_value", path, NULL, "\"%s\" is named twice",
					reader->definition->steps[parent].name);
		return;
	}
	edges->seen[parent] = step->index;
	add_edge(edges, parent, on, branch);
}

/* depends_on as it is written. */
static void
read_depends_on(JoDefReader *reader, Edges *edges, const cJSON *json, const JoPath *path)
{
	const cJSON *child;
	int			index = 0;

	if (cJSON_IsString(json) || cJSON_IsObject(json))
		read_edge(reader, edges, json, path);
	else if (!cJSON_IsArray(json))
		jo_def_report(reader, "schema_error", path, NULL,
					  "the name of a step or an array of them was expected, not %s", jo_def_describe_type(json));
	else
		cJSON_ArrayForEach(child, json)
		{
			JoPath		at = {path, NULL, index++};

			read_edge(reader, edges, child, &at);
		}
}

/* A step that waits for nobody in its list waits for the container's beginning. */
static void
add_opening(JoDefReader *reader, Edges *edges, const JoStepSource *source)
{
	const JoStepDef *open = &reader->definition->steps[source->inside];
	bool		decides = (open->type == JO_STEP_CONDITION || open->type == JO_STEP_SWITCH);

	add_edge(edges, source->inside, decides ? JO_EDGE_BRANCH : JO_EDGE_SUCCESS,
			 decides ? source->branch : -1);
}

/* WHOLE and OPEN: what is written, or the order. */
static void
read_parents(JoDefReader *reader, Edges *edges)
{
	JoStepDef  *step = edges->step;
	JoStepSource *source = &reader->sources[step->index];
	JoPath		at;
	const cJSON *json = jo_def_get(source->json, source->path, "depends_on", &at);

	if (step->phase == JO_PHASE_COMPENSATE)
	{
		if (json != NULL)
			jo_def_report(reader, "not_supported", &at, NULL,
						  "a compensation depends on nothing: the last step is undone first");
		return;
	}
	if (json != NULL)
		read_depends_on(reader, edges, json, &at);
	else if (source->before >= 0)
	{
		add_edge(edges, source->before, JO_EDGE_STATUS, -1);
		source->dep_by_order = true;
	}
	if (step->ndeps == 0 && source->inside >= 0)
		add_opening(reader, edges, source);
}

/* CLOSE waits for its OPEN and for all that is directly in it. */
static void
read_inside(JoDefReader *reader, Edges *edges)
{
	JoStepDef  *close = edges->step;

	add_edge(edges, close->open, JO_EDGE_CLOSE, -1);
	for (int i = close->open + 1; i < close->index; i++)
		if (reader->definition->steps[i].scope == close->index &&
			reader->definition->steps[i].part != JO_PART_OPEN)
			add_edge(edges, i, JO_EDGE_CLOSE, -1);
}

/*
 * Steps that run in parallel are branches of one step; of those that wait for
 * each other only the last ones end a branch.
 */
static void
find_parallel_branches(JoDefReader *reader, JoStepDef *close)
{
	JoDefinition *definition = reader->definition;
	JoFlowDef  *flow = close->flow;
	bool	   *has_children;

	if (cJSON_GetObjectItemCaseSensitive(reader->sources[close->index].json, "steps") == NULL)
	{
		for (int b = 0; b < flow->nbranches; b++)
			if (flow->branches[b].last >= 0)
				flow->branches[b].label = definition->steps[flow->branches[b].last].name;
		return;
	}
	has_children = palloc0((close->index - close->open) * sizeof(bool));
	for (int i = close->open + 1; i < close->index; i++)
		for (int d = 0; d < definition->steps[i].ndeps; d++)
			if (definition->steps[i].dep_on[d] != JO_EDGE_CLOSE && definition->steps[i].deps[d] > close->open)
				has_children[definition->steps[i].deps[d] - close->open] = true;
	flow->nbranches = 0;
	for (int i = close->open + 1; i < close->index; i++)
	{
		const JoStepDef *step = &definition->steps[i];

		if (step->scope != close->index || step->part == JO_PART_OPEN || has_children[i - close->open])
			continue;
		flow->branches[flow->nbranches].label = step->name;
		flow->branches[flow->nbranches++].last = i;
	}
	pfree(has_children);
}

static void
check_join(JoDefReader *reader, const JoStepDef *step)
{
	JoPath		at = {reader->sources[step->index].path, "mode", 0};

	if (step->ndeps == 0)
	{
		at.key = "depends_on";
		jo_def_report(reader, "missing_key", &at, "Write \"depends_on\": [\"a\", \"b\"].",
					  "a join needs steps to depend on");
	}
	else if (step->flow != NULL && step->flow->enough > step->ndeps)
		jo_def_report(reader, "invalid_value", &at, NULL,
					  "%d of its parents must complete, but it has %d", step->flow->enough, step->ndeps);
}

/* Whoever has a step for its failure has handled it: no run fails by it. */
static void
handle_failures(JoDefReader *reader)
{
	JoDefinition *definition = reader->definition;
	bool	   *handled = palloc0((definition->nsteps + 1) * sizeof(bool));

	for (int i = 0; i < definition->nsteps; i++)
		for (int d = 0; d < definition->steps[i].ndeps; d++)
			if (definition->steps[i].dep_on[d] == JO_EDGE_FAILURE)
				handled[definition->steps[i].deps[d]] = true;
	for (int i = 0; i < definition->nsteps; i++)
		for (int d = 0; d < definition->steps[i].ndeps; d++)
		{
			int			parent = definition->steps[i].deps[d];

			/* "continue" was said: then its dependents go on */
			if (handled[parent] && definition->steps[i].dep_on[d] == JO_EDGE_STATUS &&
				definition->steps[parent].on_error != JO_ON_ERROR_CONTINUE)
				definition->steps[i].dep_on[d] = JO_EDGE_SUCCESS;
		}
	for (int i = 0; i < definition->nsteps; i++)
	{
		JoPath		at = {reader->sources[i].path, "on_error", 0};

		if (!handled[i])
			continue;
		reader->step = definition->steps[i].shown;
		if (definition->steps[i].on_error == JO_ON_ERROR_STOP &&
			cJSON_GetObjectItemCaseSensitive(reader->sources[i].json, "on_error") != NULL)
			jo_def_report(reader, "invalid_value", &at, NULL,
						  "the step's failure stops the run, so nothing can follow on it");
		definition->steps[i].on_error = JO_ON_ERROR_CONTINUE;
	}
	pfree(handled);
}

/* Fills deps, dep_on and dep_branch of all steps. */
void
jo_def_read_dependencies(JoDefReader *reader)
{
	JoDefinition *definition = reader->definition;
	Edges		edges = {0};

	edges.seen = palloc((definition->nsteps + 1) * sizeof(int));
	for (int i = 0; i < definition->nsteps; i++)
		edges.seen[i] = -1;
	for (int i = 0; i < definition->nsteps; i++)
	{
		JoStepDef  *step = &definition->steps[i];

		edges.step = step;
		edges.capacity = 0;
		reader->step = step->shown;
		if (step->part == JO_PART_EACH)
			add_edge(&edges, step->open, JO_EDGE_SUCCESS, -1);
		else if (step->part == JO_PART_CLOSE)
			read_inside(reader, &edges);
		else
			read_parents(reader, &edges);
		if (step->type == JO_STEP_JOIN)
			check_join(reader, step);
		if (step->part == JO_PART_CLOSE && step->flow != NULL &&
			(step->type == JO_STEP_PARALLEL || step->type == JO_STEP_RACE))
			find_parallel_branches(reader, step);
	}
	handle_failures(reader);
	reader->step = NULL;
	pfree(edges.seen);
}
