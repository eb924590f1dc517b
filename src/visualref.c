/*
 * visualref.c
 *		What names in visual definitions mean natively.
 *
 * A leaf.  Every spelling that seeds of designers use ends here as a path of the
 * run document; a name that nothing explains is an error that says it.
 */
#include "visualparse.h"

#include <string.h>

#define MAX_EXTRA 8				/* segments that a native path may have more than the written one */

static const char *const input_words[] = {
	"inputs", "input", "parameters", "params", "variables", "vars", NULL
};
static const char *const step_words[] = {"steps", "nodes", NULL};
static const char *const previous_words[] = {"previous_step", "previous", "prev", "last_step", NULL};
static const char *const event_words[] = {"trigger_info", "trigger", "trigger_data", "event", NULL};
static const char *const secret_words[] = {"vault", "secrets", "secret", NULL};
static const char *const run_words[] = {"job", "workflow", "run", "execution", NULL};
static const char *const output_words[] = {
	"output", "output_data", "result", "outputs", "results", "data", NULL
};

/* ---- native paths ---- */

static void
push_name(JoVisualRef *ref, const char *name, bool is_index)
{
	if (ref->native == NULL)
	{
		ref->native = palloc((ref->nsegments + MAX_EXTRA) * sizeof(char *));
		ref->native_is_index = palloc((ref->nsegments + MAX_EXTRA) * sizeof(bool));
	}
	ref->native[ref->n] = pstrdup(name);
	ref->native_is_index[ref->n++] = is_index;
}

static void
push_rest(JoVisualRef *ref, int from)
{
	for (int i = from; i < ref->nsegments; i++)
		push_name(ref, ref->segments[i], ref->is_index[i]);
}

static bool
is_plain(const char *name, const char *more)
{
	const char *p = name;

	if (*p == '\0' || (*p >= '0' && *p <= '9' && strchr(more, '-') == NULL))
		return false;
	for (; *p != '\0'; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
			  *p == '_' || strchr(more, *p) != NULL))
			return false;
	return true;
}

char *
jo_visual_join_template(int n, char *const *segments, const bool *is_index)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < n; i++)
	{
		if (is_index[i])
			appendStringInfo(&buf, "[%s]", segments[i]);
		else if (is_plain(segments[i], "-"))
			appendStringInfo(&buf, "%s%s", i > 0 ? "." : "", segments[i]);
		else
			appendStringInfo(&buf, "[%s]", jo_visual_string(segments[i]));
	}
	return buf.data;
}

char *
jo_visual_ref_template(const JoVisualRef *ref)
{
	return jo_visual_join_template(ref->n, ref->native, ref->native_is_index);
}

char *
jo_visual_ref_path(const JoVisualRef *ref)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '$');
	for (int i = 0; i < ref->n; i++)
	{
		if (ref->native_is_index[i])
			appendStringInfo(&buf, "[%s]", ref->native[i]);
		else if (is_plain(ref->native[i], ""))
			appendStringInfo(&buf, ".%s", ref->native[i]);
		else
			appendStringInfo(&buf, ".%s", jo_visual_string(ref->native[i]));
	}
	return buf.data;
}

/* ---- steps ---- */

static bool
refuse(const JoVisualPlace *place, const JoVisualRef *ref, const char *suggestion, const char *reason)
{
	bool	   *flags = palloc0((ref->nsegments + 1) * sizeof(bool));

	jo_visual_report_at(place, "unknown_reference", suggestion, "%s: %s",
						jo_visual_join_template(ref->nsegments, ref->segments, flags), reason);
	return false;
}

/* steps.<name>, or what a loop around the node hands out of it: behind it output and status follow. */
static bool
push_step(const JoVisualPlace *place, JoVisualRef *ref, JoVisualNode *node)
{
	JoVisual   *visual = place->visual;
	int			level = jo_visual_common_region(visual, place->region, node->region);
	int			outermost = JO_VISUAL_NONE;

	for (int r = node->region; r != level; r = visual->regions[r].parent)
	{
		JoVisualRegion *region = &visual->regions[r];

		if (region->kind == JO_REGION_PARALLEL)
			continue;
		if (region->item != NULL || visual->nodes[region->owner].type->translate == jo_visual_for_each)
			return refuse(place, ref, psprintf("Read {{ %s.output }}.", region->name),
						  psprintf("node \"%s\" runs once for each item of \"%s\"", node->id, region->name));
		region->exported[node->index] = true;
		outermost = r;
	}
	push_name(ref, "steps", false);
	if (outermost >= 0)
	{
		push_name(ref, visual->regions[outermost].name, false);
		push_name(ref, "output", false);
		push_name(ref, "output", false);
		push_name(ref, "steps", false);
	}
	push_name(ref, node->id, false);
	return true;
}

/* A node's name, and from segment on what to read of it. */
static bool
resolve_node(const JoVisualPlace *place, JoVisualRef *ref, int index, int from)
{
	JoVisualNode *node = &place->visual->nodes[index];
	const char *field = from < ref->nsegments ? ref->segments[from] : NULL;

	if (node->type->role == JO_VISUAL_START || node->type->role == JO_VISUAL_TRIGGER)
	{
		push_name(ref, "input", false);
		push_rest(ref, from + (field && (jo_words_find(field, output_words) >= 0 || strcmp(field, "context") == 0)));
		return true;
	}
	if (!node->reachable)
		return refuse(place, ref, NULL, psprintf("node \"%s\" never runs", node->id));
	if (node->ntargets > 1)
		node->wants_join = true;
	if (!push_step(place, ref, node))
		return false;
	ref->node = index;
	if (field == NULL)
		push_name(ref, "output", false);
	else if (strcmp(field, "status") == 0 && from + 1 == ref->nsegments)
	{
		ref->is_status = true;
		ref->may_have_own = (node->type->translate == jo_visual_transform);
		push_name(ref, "status", false);
	}
	else if (strcmp(field, "error") == 0)
	{
		push_rest(ref, from);
		if (from + 1 == ref->nsegments)
			push_name(ref, "message", false);
	}
	else
	{
		push_name(ref, "output", false);
		if (strcmp(field, "status_code") == 0)
			push_name(ref, "status", false);
		push_rest(ref, from + (jo_words_find(field, output_words) >= 0 || strcmp(field, "status_code") == 0));
	}
	return true;
}

/* ---- previous_step and data ---- */

/* Adds the nodes with a result that flow into a node, over those that have none. */
static void
find_sources(const JoVisual *visual, int index, bool *seen, int *found, int *other)
{
	for (int i = 0; i < visual->nedges; i++)
	{
		const JoVisualEdge *edge = &visual->edges[i];
		const JoVisualNode *from = &visual->nodes[edge->from];

		if (edge->to != index || edge->back || seen[edge->from] || !from->reachable)
			continue;
		seen[edge->from] = true;
		if (from->type->role == JO_VISUAL_DECISION || from->type->role == JO_VISUAL_CONTROL)
			find_sources(visual, edge->from, seen, found, other);
		else if (from->type->role == JO_VISUAL_WORK)
		{
			if (*found < 0)
				*found = edge->from;
			else
				*other = edge->from;
		}
	}
}

int
jo_visual_previous(JoVisual *visual, const JoVisualNode *node, char **message)
{
	bool	   *seen = palloc0(visual->nnodes * sizeof(bool));
	int			found = JO_VISUAL_NONE;
	int			other = JO_VISUAL_NONE;

	find_sources(visual, node->index, seen, &found, &other);
	pfree(seen);
	*message = NULL;
	if (found < 0)
		*message = psprintf("no step with a result comes before node \"%s\"", node->id);
	else if (other >= 0)
		*message = psprintf("it could be the result of node \"%s\" or of node \"%s\"",
							visual->nodes[found].id, visual->nodes[other].id);
	return *message ? JO_VISUAL_NONE : found;
}

static bool
resolve_previous(const JoVisualPlace *place, JoVisualRef *ref)
{
	char	   *message;
	int			index = place->previous;

	if (index < 0)
		index = jo_visual_previous(place->visual, place->node, &message);
	if (index < 0)
		return refuse(place, ref, "Name the node, as in {{ check.output }}.", message);
	return resolve_node(place, ref, index, 1);
}

static JoVisualData *
find_data_input(const JoVisualNode *node)
{
	static const char *const names[] = {"data", "input_data", "input", NULL};

	for (int i = 0; names[i] != NULL; i++)
		for (JoVisualData *data = node->data; data != NULL; data = data->next)
			if (strcmp(data->input, names[i]) == 0)
				return data;
	return (node->data != NULL && node->data->next == NULL) ? node->data : NULL;
}

/* {{ data.x }}: what the data connection brings, else what the node before it made. */
static bool
resolve_data(const JoVisualPlace *place, JoVisualRef *ref)
{
	JoVisualData *data = place->previous < 0 ? find_data_input(place->node) : NULL;
	char	   *message;
	int			index = place->previous;

	if (data != NULL)
	{
		JoVisualRef *source = palloc0(sizeof(JoVisualRef));

		source->segments = palloc(2 * sizeof(char *));
		source->is_index = palloc0(2 * sizeof(bool));
		source->segments[0] = pstrdup(place->visual->nodes[data->from].id);
		source->segments[1] = pstrdup(data->output);
		source->nsegments = 2;
		if (jo_words_find(data->input, (const char *const[]) {"data", "input_data", "input", NULL}) >= 0)
			data->used = true;
		if (!resolve_node(place, source, data->from, 1))
			return false;
		for (int i = 0; i < source->n; i++)
			push_name(ref, source->native[i], source->native_is_index[i]);
		ref->node = source->node;
		push_rest(ref, 1);
		return true;
	}
	if (index < 0)
		index = jo_visual_previous(place->visual, place->node, &message);
	if (index < 0 && strstr(message, "could be") != NULL)
		return refuse(place, ref, "Add a data connection, or name the node.", message);
	if (index < 0)
	{
		push_name(ref, "input", false);
		push_rest(ref, 1);
		return true;
	}
	if (ref->nsegments > 1 && (strcmp(ref->segments[1], "status") == 0 || strcmp(ref->segments[1], "error") == 0))
	{
		push_step(place, ref, &place->visual->nodes[index]);
		push_name(ref, "output", false);
		push_rest(ref, 1);
		return true;
	}
	return resolve_node(place, ref, index, 1);
}

char *
jo_visual_data_template(const JoVisualPlace *place, const JoVisualData *data)
{
	JoVisualRef ref;
	char	   *segments[2];
	bool		is_index[2] = {false, false};

	memset(&ref, 0, sizeof(ref));
	segments[0] = pstrdup(place->visual->nodes[data->from].id);
	segments[1] = pstrdup(data->output);
	ref.segments = segments;
	ref.is_index = is_index;
	ref.nsegments = 2;
	return resolve_node(place, &ref, data->from, 1) ? jo_visual_ref_template(&ref) : NULL;
}

/* ---- the other roots ---- */

static bool
is_parameter(const JoVisual *visual, const char *name)
{
	for (int i = 0; i < visual->nparameters; i++)
		if (strcmp(visual->parameters[i], name) == 0)
			return true;
	return false;
}

static void
push_input(JoVisualRef *ref, int from)
{
	push_name(ref, "input", false);
	push_rest(ref, from);
}

/* {{ job.name }}, {{ workflow.status }}: what is known of a run while it runs. */
static bool
resolve_run(const JoVisualPlace *place, JoVisualRef *ref)
{
	static const struct
	{
		const char *name;
		const char *root;
		const char *field;
		const char *sql;
	}			fields[] = {
		{"name", "job", "name", NULL}, {"version", "job", "version", NULL},
		{"id", "run", "id", NULL}, {"run_id", "run", "id", NULL}, {"execution_id", "run", "id", NULL},
		{"started_at", "run", "started_at", NULL}, {"requested_by", "run", "requested_by", NULL},
		{"attempt", "run", "attempt", NULL}, {"correlation_id", "run", "correlation_id", NULL},
		{"tags", "run", "tags", NULL}, {"metadata", "run", "metadata", NULL},
		{"status", NULL, NULL, "joborch.run_status({{ run.id }}::bigint)"},
		{"execution_time_ms", NULL, NULL,
		"round(extract(epoch FROM now() - {{ run.started_at }}::timestamptz) * 1000)"},
		{"total_steps", NULL, NULL, "(joborch.run_progress({{ run.id }}::bigint) -> 'total_steps')"},
		{"completed_steps", NULL, NULL, "(joborch.run_progress({{ run.id }}::bigint) -> 'completed_steps')"},
		{"failed_steps", NULL, NULL, "(joborch.run_progress({{ run.id }}::bigint) -> 'failed_steps')"},
	};
	const char *field = ref->nsegments > 1 ? ref->segments[1] : "name";

	if (ref->nsegments > 1 && (jo_words_find(field, input_words) >= 0))
	{
		push_input(ref, 2);
		return true;
	}
	for (int i = 0; i < (int) lengthof(fields); i++)
	{
		if (strcmp(field, fields[i].name) != 0)
			continue;
		if (fields[i].sql != NULL)
			ref->computed = pstrdup(fields[i].sql);
		else
		{
			push_name(ref, fields[i].root, false);
			push_name(ref, fields[i].field, false);
			push_rest(ref, 2);
		}
		return true;
	}
	return refuse(place, ref, NULL, "a run has no such detail");
}

static bool
resolve_system(const JoVisualPlace *place, JoVisualRef *ref, const char *field)
{
	static const char *const times[] = {"timestamp", "time", "now", "datetime", NULL};
	static const char *const dates[] = {"date", "today", NULL};

	if (jo_words_find(field, times) >= 0)
	{
		push_name(ref, "run", false);
		push_name(ref, "started_at", false);
		return true;
	}
	if (jo_words_find(field, dates) >= 0)
	{
		ref->computed = pstrdup("to_char({{ run.started_at }}::timestamptz, 'YYYY-MM-DD')");
		return true;
	}
	return refuse(place, ref, "Known are system.timestamp and system.date.", "there is no such value");
}

/* {{ target.hostname }}: a parameter target_hostname, else part of an input "target". */
static void
resolve_target(const JoVisualPlace *place, JoVisualRef *ref)
{
	char	   *joined = ref->nsegments > 1 ? psprintf("target_%s", ref->segments[1]) : NULL;

	push_name(ref, "input", false);
	if (joined != NULL && is_parameter(place->visual, joined))
	{
		push_name(ref, joined, false);
		push_rest(ref, 2);
	}
	else
		push_rest(ref, 0);
}

/* item and its other names, in the loops around the place; false: it is none of them. */
static bool
resolve_item(const JoVisualPlace *place, JoVisualRef *ref)
{
	static const char *const indexes[] = {"item_index", "index", "loop_index", NULL};
	const char *word = ref->segments[0];
	bool		innermost = true;
	int			from = 1;

	if (strcmp(word, "loop") == 0 && ref->nsegments > 1)
		word = ref->segments[from++];
	for (int r = place->region; r != JO_VISUAL_TOP; r = place->visual->regions[r].parent)
	{
		const JoVisualRegion *region = &place->visual->regions[r];

		if (region->kind == JO_REGION_PARALLEL)
			continue;
		if (innermost && (strcmp(word, "iteration") == 0 ||
						  (region->item == NULL && jo_words_find(word, indexes) >= 0)))
		{
			push_name(ref, "iteration", false);
			return true;
		}
		if (innermost && region->item != NULL && jo_words_find(word, indexes) >= 0)
		{
			push_name(ref, "item_index", false);
			return true;
		}
		if (region->item != NULL && (strcmp(word, region->item) == 0 || (innermost && strcmp(word, "item") == 0)))
		{
			push_name(ref, innermost ? "item" : word, false);
			push_rest(ref, from);
			return true;
		}
		innermost = false;
	}
	return false;
}

static bool
refuse_name(const JoVisualPlace *place, JoVisualRef *ref)
{
	const JoVisual *visual = place->visual;
	const char **names = palloc((visual->nnodes + visual->nparameters + 1) * sizeof(char *));
	int			n = 0;
	char	   *suggestion;

	for (int i = 0; i < visual->nparameters; i++)
		names[n++] = visual->parameters[i];
	for (int i = 0; i < visual->nnodes; i++)
		names[n++] = visual->nodes[i].id;
	names[n] = NULL;
	suggestion = jo_words_suggest(ref->segments[0], names);
	return refuse(place, ref, suggestion ? suggestion : pstrdup("Declare it as a parameter."),
				  psprintf("\"%s\" is no parameter and no node", jo_words_show(ref->segments[0])));
}

/* Names that stand alone: parameters, nodes, and what else is known. */
static bool
resolve_bare(const JoVisualPlace *place, JoVisualRef *ref)
{
	static const char *const fields[] = {
		"output", "output_data", "result", "outputs", "status", "error", "status_code", "stdout",
		"stderr", "exit_code", NULL
	};
	static const char *const times[] = {"timestamp", "now", "date", "today", NULL};
	const char *word = ref->segments[0];
	int			node = jo_visual_find_node(place->visual, word);
	bool		parameter = is_parameter(place->visual, word);

	if (node >= 0 && (!parameter || (ref->nsegments > 1 && jo_words_find(ref->segments[1], fields) >= 0)))
		return resolve_node(place, ref, node, 1);
	if (parameter)
		push_input(ref, 0);
	else if (strcmp(word, "target") == 0)
		resolve_target(place, ref);
	else if (strcmp(word, "user") == 0 && ref->nsegments == 2 &&
			 (strcmp(ref->segments[1], "name") == 0 || strcmp(ref->segments[1], "username") == 0))
	{
		push_name(ref, "run", false);
		push_name(ref, "requested_by", false);
	}
	else if (place->loose != NULL)
	{
		push_name(ref, place->loose, false);
		push_rest(ref, strcmp(word, place->loose) == 0 ? 1 : 0);
	}
	else if (ref->nsegments == 1 && jo_words_find(word, times) >= 0)
		return resolve_system(place, ref, word);
	else
		return refuse_name(place, ref);
	return true;
}

/* input.a.b within a script, as SQL. */
static void
resolve_scripted(JoVisualRef *ref)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "t.input");
	for (int i = 1; i < ref->nsegments; i++)
	{
		if (ref->is_index[i])
			appendStringInfo(&buf, " -> %s", ref->segments[i]);
		else
		{
			appendStringInfoString(&buf, " -> '");
			for (const char *p = ref->segments[i]; *p != '\0'; p++)
				appendStringInfo(&buf, "%s%c", *p == '\'' ? "'" : "", *p);
			appendStringInfoChar(&buf, '\'');
		}
	}
	ref->computed = buf.data;
}

bool
jo_visual_resolve(const JoVisualPlace *place, JoVisualRef *ref)
{
	const char *word = ref->segments[0];
	int			node;

	ref->node = JO_VISUAL_NONE;
	if (place->scripted && (strcmp(word, "input") == 0 || strcmp(word, "input_data") == 0))
	{
		resolve_scripted(ref);
		return true;
	}
	if (place->loose != NULL && strcmp(word, place->loose) == 0)
		return resolve_bare(place, ref);
	if (resolve_item(place, ref))
		return true;
	if (is_parameter(place->visual, word))
		return resolve_bare(place, ref);
	if (strcmp(word, "CONFIG_VARIABLES") == 0 || strcmp(word, "TARGET_VARIABLES") == 0)
	{
		if (ref->nsegments < 2 || !is_parameter(place->visual, ref->segments[1]))
			return refuse(place, ref, NULL, "there is no such variable");
		push_input(ref, 1);
		return true;
	}
	if (ref->nsegments > 1 && jo_words_find(word, step_words) >= 0)
	{
		node = jo_visual_find_node(place->visual, ref->segments[1]);
		return node >= 0 ? resolve_node(place, ref, node, 2)
			: refuse(place, ref, NULL, psprintf("there is no node \"%s\"", jo_words_show(ref->segments[1])));
	}
	if (jo_words_find(word, previous_words) >= 0)
		return resolve_previous(place, ref);
	if (strcmp(word, "data") == 0)
		return resolve_data(place, ref);
	if (jo_words_find(word, input_words) >= 0)
		push_input(ref, 1);
	else if (jo_words_find(word, event_words) >= 0)
		push_input(ref, 0);
	else if (ref->nsegments > 1 && jo_words_find(word, secret_words) >= 0)
	{
		push_name(ref, "secret", false);
		push_rest(ref, 1);
	}
	else if (jo_words_find(word, run_words) >= 0)
		return resolve_run(place, ref);
	else if (ref->nsegments == 2 && strcmp(word, "system") == 0)
		return resolve_system(place, ref, ref->segments[1]);
	else
		return resolve_bare(place, ref);
	return true;
}
