/*
 * defbody.c
 *		Definitions inside of steps: the bodies of loop and foreach, and a job
 *		step's own definition.
 *
 * A body runs as a run of its own, so it is kept as the text of a definition, with
 * the key "outer", which says what it may read of the runs around it:
 *
 *		{"steps": [...], "defaults": {...}, "outer": {"kind": "loop" or "foreach",
 *		 "steps": [names], "item": name or null, "items": [names], "within": [kinds],
 *		 "types": {path: type}}}
 *
 * While it is saved, it is read in place, as a part of the document, so that findings
 * have their path; when a run of it is started, from its text.  A leaf.
 */
#include "defparse.h"

#include <stdlib.h>
#include <string.h>

/* Bodies in bodies: each costs a level of runs, too. */
#define MAX_DEPTH 8

static const char *const kinds[] = {"loop", "foreach", NULL};

/* ---- "outer" of a text ---- */

static int
compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static int
compare_types(const void *a, const void *b)
{
	return strcmp(((const JoInputType *) a)->path, ((const JoInputType *) b)->path);
}

static void
read_outer_steps(JoDefReader *reader, const cJSON *json, const JoPath *path, JoOuter *outer)
{
	JoPath		at;
	const cJSON *member = jo_def_get(json, path, "steps", &at);

	if (member == NULL || !jo_def_strings(reader, member, &at, &outer->nsteps, &outer->steps))
		return;
	qsort(outer->steps, outer->nsteps, sizeof(char *), compare_texts);
}

static void
read_outer_items(JoDefReader *reader, const cJSON *json, const JoPath *path, JoOuter *outer)
{
	JoPath		at;
	const cJSON *member = jo_def_get(json, path, "items", &at);

	if (member != NULL)
		jo_def_strings(reader, member, &at, &outer->naliases, &outer->aliases);
	member = jo_def_get(json, path, "item", &at);
	if (cJSON_IsString(member))
		outer->item = pstrdup(member->valuestring);
	reader->scope.naliases = outer->naliases;
	reader->scope.aliases = (const char **) outer->aliases;
}

static void
read_outer_kinds(JoDefReader *reader, const cJSON *json, const JoPath *path, JoOuter *outer)
{
	JoPath		at;
	const cJSON *member = jo_def_get(json, path, "kind", &at);
	char	  **within;
	int			nwithin;
	int			word = 0;

	if (member != NULL && jo_def_word(reader, member, &at, kinds, &word))
		outer->each = (word == 1);
	outer->has_item = outer->each;
	outer->has_iteration = !outer->each;
	member = jo_def_get(json, path, "within", &at);
	if (member == NULL || !jo_def_strings(reader, member, &at, &nwithin, &within))
		return;
	for (int i = 0; i < nwithin; i++)
	{
		outer->has_item |= (strcmp(within[i], "foreach") == 0);
		outer->has_iteration |= (strcmp(within[i], "loop") == 0);
	}
}

/* Types of inputs, which the definition around it declares. */
static void
read_outer_types(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	JoPath		list;
	const cJSON *types = jo_def_get(json, path, "types", &list);
	const cJSON *child;

	if (types == NULL || !jo_def_object(reader, types, &list))
		return;
	reader->inputs = palloc((cJSON_GetArraySize(types) + 1) * sizeof(JoInputType));
	cJSON_ArrayForEach(child, types)
	{
		JoPath		at = {&list, child->string, 0};
		const char *type = jo_def_string(reader, child, &at);

		reader->inputs[reader->ninputs].path = pstrdup(child->string);
		reader->inputs[reader->ninputs++].type = type ? pstrdup(type) : NULL;
	}
	qsort(reader->inputs, reader->ninputs, sizeof(JoInputType), compare_types);
}

void
jo_def_read_outer(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	static const char *const keys[] = {"kind", "steps", "item", "items", "within", "types", NULL};
	JoOuter    *outer;

	if (!jo_def_object(reader, json, path))
		return;
	outer = reader->definition->outer = palloc0(sizeof(JoOuter));
	jo_def_check_keys(reader, json, path, "\"outer\"", keys, NULL);
	read_outer_steps(reader, json, path, outer);
	read_outer_items(reader, json, path, outer);
	read_outer_kinds(reader, json, path, outer);
	read_outer_types(reader, json, path);
}

/* ---- reading in place ---- */

/* What the body of a step sees around it. */
static JoOuter *
make_outer(const JoDefReader *up, const JoStepDef *step)
{
	const JoOuter *around = up->definition->outer;
	JoOuter    *outer = palloc0(sizeof(JoOuter));

	outer->each = (step->each != NULL);
	outer->has_item = outer->each || (around != NULL && around->has_item);
	outer->has_iteration = !outer->each || (around != NULL && around->has_iteration);
	outer->aliases = palloc(((around ? around->naliases : 0) + 1) * sizeof(char *));
	for (int i = 0; around != NULL && i < around->naliases; i++)
		outer->aliases[outer->naliases++] = around->aliases[i];
	if (outer->each && step->each->as != NULL)
		outer->item = outer->aliases[outer->naliases++] = step->each->as;
	return outer;
}

static JoDefReader *
make_reader(JoDefReader *up, const JoStepDef *step)
{
	JoDefReader *reader = palloc0(sizeof(JoDefReader));

	reader->findings = up->findings;
	reader->hooks = up->hooks;
	reader->definition = palloc0(sizeof(JoDefinition));
	reader->root = up->sources[step->index].json;
	reader->top = up->sources[step->index].path;
	reader->step_index = -1;
	reader->depth = up->depth + 1;
	return reader;
}

static JoDefReader *
read_body(JoDefReader *up, const JoStepDef *step)
{
	JoDefReader *reader = make_reader(up, step);
	JoOuter    *outer = make_outer(up, step);

	reader->definition->outer = outer;
	reader->up = up;
	reader->up_step = step->index;
	reader->scope.naliases = outer->naliases;
	reader->scope.aliases = (const char **) outer->aliases;
	reader->defaults = up->defaults;
	reader->defaults_json = up->defaults_json;
	reader->ninputs = up->ninputs;
	reader->inputs = up->inputs;
	reader->inputs_declared = up->inputs_declared;
	reader->inputs_closed = up->inputs_closed;
	reader->names = up->names;
	reader->number = up->names->nreaders++;
	jo_def_read_definition(reader);
	return reader;
}

/* A definition that sees nothing of the one around it. */
static JoDefinition *
read_inline(JoDefReader *up, const JoStepDef *step)
{
	JoDefReader *reader = make_reader(up, step);
	JoDefNames	names = {0};
	JoPath	   *top = palloc(sizeof(JoPath));

	reader->root = jo_def_get(reader->root, reader->top, "definition", top);
	reader->top = top;
	reader->names = &names;
	reader->number = names.nreaders++;
	jo_def_read_definition(reader);
	jo_def_check_all_names(reader);
	return reader->definition;
}

/* ---- the text ---- */

static void
append_key(StringInfo buf, const char *key)
{
	if (buf->data[buf->len - 1] != '{')
		appendStringInfoChar(buf, ',');
	jo_json_append_string(buf, key);
	appendStringInfoChar(buf, ':');
}

static void
append_texts(StringInfo buf, const char *key, char **texts, int n)
{
	append_key(buf, key);
	appendStringInfoChar(buf, '[');
	for (int i = 0; i < n; i++)
	{
		if (i > 0)
			appendStringInfoChar(buf, ',');
		jo_json_append_string(buf, texts[i]);
	}
	appendStringInfoChar(buf, ']');
}

/* Leaves each text once, in strcmp order. */
static int
sort_texts(char **texts, int n)
{
	int			kept = 0;

	if (n > 0)
		qsort(texts, n, sizeof(char *), compare_texts);
	for (int i = 0; i < n; i++)
		if (kept == 0 || strcmp(texts[i], texts[kept - 1]) != 0)
			texts[kept++] = texts[i];
	return kept;
}

static void
append_types(StringInfo buf, JoDefReader *body)
{
	if (body->ntypes > 0)
		qsort(body->types, body->ntypes, sizeof(JoInputType), compare_types);
	append_key(buf, "types");
	appendStringInfoChar(buf, '{');
	for (int i = 0; i < body->ntypes; i++)
	{
		if (i > 0 && strcmp(body->types[i].path, body->types[i - 1].path) == 0)
			continue;
		append_key(buf, body->types[i].path);
		jo_json_append_string(buf, body->types[i].type);
	}
	appendStringInfoChar(buf, '}');
}

static char *
write_body(JoDefReader *body, const cJSON *steps)
{
	const JoOuter *outer = body->definition->outer;
	char	   *within[2];
	int			nwithin = 0;
	StringInfoData buf;

	if (outer->has_item)
		within[nwithin++] = pstrdup("foreach");
	if (outer->has_iteration)
		within[nwithin++] = pstrdup("loop");
	body->nread = sort_texts(body->read, body->nread);
	initStringInfo(&buf);
	appendStringInfoChar(&buf, '{');
	append_key(&buf, "steps");
	appendStringInfo(&buf, cJSON_IsArray(steps) ? "%s" : "[%s]", jo_json_print(steps));
	if (body->defaults_json != NULL)
	{
		append_key(&buf, "defaults");
		appendStringInfoString(&buf, jo_json_print(body->defaults_json));
	}
	append_key(&buf, "outer");
	appendStringInfoChar(&buf, '{');
	append_key(&buf, "kind");
	jo_json_append_string(&buf, kinds[outer->each]);
	append_texts(&buf, "steps", body->read, body->nread);
	append_key(&buf, "item");
	if (outer->item != NULL)
		jo_json_append_string(&buf, outer->item);
	else
		appendStringInfoString(&buf, "null");
	append_texts(&buf, "items", outer->aliases, outer->naliases);
	append_texts(&buf, "within", within, nwithin);
	append_types(&buf, body);
	appendStringInfoString(&buf, "}}");
	return buf.data;
}

/* Steps that are read around it are read by all definitions in between. */
void
jo_def_read_bodies(JoDefReader *reader)
{
	JoDefinition *definition = reader->definition;

	for (int i = 0; i < definition->nsteps; i++)
	{
		JoStepDef  *step = &definition->steps[i];
		JoStepSource *source = &reader->sources[i];

		if (source->body_steps == NULL || step->child == NULL)
			continue;
		if (reader->depth >= MAX_DEPTH)
		{
			jo_def_report(reader, "limit_exceeded", source->path,
						  "Make a job of the inner ones and start it with a step of type job.",
						  "loops are nested more than %d deep", MAX_DEPTH);
			continue;
		}
		if (cJSON_GetObjectItemCaseSensitive(source->json, "definition") == source->body_steps)
		{
			step->child->inner = read_inline(reader, step);
			step->child->body = jo_json_print(source->body_steps);
			continue;
		}
		source->body = read_body(reader, step);
		step->child->inner = source->body->definition;
		step->child->body = write_body(source->body, source->body_steps);
	}
}
