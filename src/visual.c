/*
 * visual.c
 *		A visual definition as a native one: the document and its envelopes.
 *
 * A leaf.  Nothing of the visual form is dropped in silence: what has no native
 * meaning is kept in metadata, or is looks that the caller keeps with the original.
 */
#include "visual.h"

#include <string.h>

#include "visualparse.h"

#define MAX_ENVELOPES 6

/* The objects around a definition, from the outermost one to itself. */
typedef struct Envelopes
{
	int			n;
	const cJSON *list[MAX_ENVELOPES];
	JoPath	   *paths[MAX_ENVELOPES];
	int			njobs;			/* of an envelope with several, else 0 */
} Envelopes;

static const char *const wrappers[] = {
	"workflow_export", "workflow_definition", "definition", "workflow", NULL
};

/* Keys of native definitions that a visual one may have too. */
static const char *const native_keys[] = {
	"timeout", "queue", "priority", "durability", "max_recovery_attempts", "run_as", "owner", "defaults",
	"vars", "output", "on_failure", "finally", "retention", "concurrency", "draft", NULL
};

/* What envelopes and designers say beside the definition; the original keeps it. */
static const char *const known_keys[] = {
	"name", "description", "version", "metadata", "parameters", "variables", "nodes", "edges", "blocks",
	"connections", "tags", "flow_version", "targets", "format_version", "export_timestamp",
	"export_metadata", "jobs", "workflow_export", "workflow_definition", "definition", "workflow",
	"exported_at", "exported_by", "source_system", "requirements", "target_variables",
	"configuration_variables", "import_instructions", "id", "created_at", "created_by", "updated_at",
	"last_modified", "is_active", "viewport", "block_types_used", "workflow_description", "settings", NULL
};

static bool
has_nodes(const cJSON *json)
{
	return cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(json, "nodes")) &&
		cJSON_GetObjectItemCaseSensitive(json, "edges") != NULL;
}

static bool
is_definition(const cJSON *json)
{
	return has_nodes(json) ||
		(cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(json, "blocks")) &&
		 cJSON_GetObjectItemCaseSensitive(json, "connections") != NULL);
}

/* Fills in the way to the definition; false when there is none. */
static bool
find_definition(const cJSON *json, JoPath *path, Envelopes *envelopes)
{
	const cJSON *jobs = cJSON_GetObjectItemCaseSensitive(json, "jobs");

	if (!cJSON_IsObject(json) || envelopes->n >= MAX_ENVELOPES)
		return false;
	envelopes->list[envelopes->n] = json;
	envelopes->paths[envelopes->n++] = path;
	if (is_definition(json))
		return true;
	for (int i = 0; wrappers[i] != NULL; i++)
	{
		const cJSON *inside = cJSON_GetObjectItemCaseSensitive(json, wrappers[i]);

		if (inside != NULL)
			return find_definition(inside, jo_visual_path(path, wrappers[i], 0), envelopes);
	}
	if (cJSON_IsArray(jobs) && jobs->child != NULL && cJSON_GetObjectItemCaseSensitive(json, "steps") == NULL)
	{
		if (jobs->child->next != NULL)
			envelopes->njobs = cJSON_GetArraySize(jobs);
		return find_definition(jobs->child, jo_visual_path(jo_visual_path(path, "jobs", 0), NULL, 0), envelopes);
	}
	return false;
}

bool
jo_visual_is(const cJSON *root)
{
	Envelopes	envelopes;

	memset(&envelopes, 0, sizeof(envelopes));
	return find_definition(root, jo_visual_path(NULL, NULL, 0), &envelopes);
}

/* Asked of the text, without parsing it: false means that it surely is none. */
static bool
may_be_visual(const char *json)
{
	return (strstr(json, "\"nodes\"") != NULL && strstr(json, "\"edges\"") != NULL) ||
		(strstr(json, "\"blocks\"") != NULL && strstr(json, "\"connections\"") != NULL);
}

/* A member of the definition, else of what is around it, or of their metadata. */
static const cJSON *
find_member(const Envelopes *envelopes, const char *key)
{
	for (int i = envelopes->n - 1; i >= 0; i--)
	{
		const cJSON *json = cJSON_GetObjectItemCaseSensitive(envelopes->list[i], key);

		if (json == NULL)
			json = cJSON_GetObjectItemCaseSensitive(
				cJSON_GetObjectItemCaseSensitive(envelopes->list[i], "metadata"), key);
		if (json != NULL && !cJSON_IsNull(json))
			return json;
	}
	return NULL;
}

static void
check_known_keys(JoVisual *visual, const Envelopes *envelopes)
{
	for (int i = 0; i < envelopes->n; i++)
	{
		const cJSON *child;

		cJSON_ArrayForEach(child, envelopes->list[i])
		{
			JoPath		at = {envelopes->paths[i], child->string, 0};

			if (jo_words_find(child->string, known_keys) < 0 && jo_words_find(child->string, native_keys) < 0)
				jo_def_warn(&visual->reader, "unknown_key", &at, jo_words_suggest(child->string, known_keys),
							"the key \"%s\" means nothing here: it is kept in the original only",
							jo_words_show(child->string));
		}
	}
}

static void
read_graph(JoVisual *visual)
{
	const char *nodes_key = visual->blocks ? "blocks" : "nodes";
	const char *edges_key = visual->blocks ? "connections" : "edges";
	const cJSON *nodes = cJSON_GetObjectItemCaseSensitive(visual->root, nodes_key);

	visual->nodes = palloc0(JO_VISUAL_MAX_NODES * sizeof(JoVisualNode));
	visual->regions = palloc0((2 * JO_VISUAL_MAX_NODES + 1) * sizeof(JoVisualRegion));
	jo_visual_add_region(visual, JO_REGION_TOP, JO_VISUAL_NONE, JO_VISUAL_NONE, NULL);
	if (nodes->child == NULL)
		jo_def_report(&visual->reader, "empty_steps", visual->path, NULL, "the definition has no nodes");
	jo_visual_read_nodes(visual, nodes, jo_visual_path(visual->path, nodes_key, 0), JO_VISUAL_TOP);
	/* edges to nodes that could not be read would only be told as missing */
	if (visual->reader.findings->nerrors == visual->errors_before)
		jo_visual_read_edges(visual, cJSON_GetObjectItemCaseSensitive(visual->root, edges_key),
							 jo_visual_path(visual->path, edges_key, 0));
	if (visual->reader.findings->nerrors > visual->errors_before)
		return;
	jo_visual_read_implied_edges(visual);
	jo_visual_read_bodies(visual);
	jo_visual_check_starts(visual);
	if (visual->reader.findings->nerrors == visual->errors_before)
		jo_visual_find_cycles(visual);
}

/* Members of the document's own metadata, then what the translation keeps. */
static char *
write_metadata(const JoVisual *visual, const Envelopes *envelopes)
{
	const cJSON *own = cJSON_GetObjectItemCaseSensitive(visual->root, "metadata");
	const cJSON *version = find_member(envelopes, "version");
	const cJSON *targets = find_member(envelopes, "targets");
	const cJSON *child;
	StringInfoData buf;

	initStringInfo(&buf);
	cJSON_ArrayForEach(child, own)
		if (child->string != NULL && strcmp(child->string, "version") != 0 &&
			strcmp(child->string, "targets") != 0 && strcmp(child->string, "triggers") != 0)
			appendStringInfo(&buf, ",%s:%s", jo_visual_string(child->string), jo_json_print(child));
	if (version != NULL)
		appendStringInfo(&buf, ",\"version\":%s", jo_json_print(version));
	if (targets != NULL)
		appendStringInfo(&buf, ",\"targets\":%s", jo_json_print(targets));
	if (visual->triggers.len > 0)
		appendStringInfo(&buf, ",\"triggers\":[%s]", visual->triggers.data);
	return buf.len > 0 ? psprintf(",\"metadata\":{%s}", buf.data + 1) : "";
}

static char *
write_definition(JoVisual *visual, const Envelopes *envelopes)
{
	const cJSON *description = find_member(envelopes, "description");
	const cJSON *tags = find_member(envelopes, "tags");
	StringInfoData buf;
	char	   *steps = jo_visual_write(visual);

	if (steps == NULL || visual->reader.findings->nerrors > visual->errors_before)
		return NULL;
	initStringInfo(&buf);
	if (cJSON_IsString(description) && *description->valuestring != '\0')
		appendStringInfo(&buf, ",\"description\":%s", jo_visual_string(description->valuestring));
	if (cJSON_IsArray(tags) && tags->child != NULL)
		appendStringInfo(&buf, ",\"tags\":%s", jo_json_print(tags));
	for (int i = 0; native_keys[i] != NULL; i++)
	{
		const cJSON *json = cJSON_GetObjectItemCaseSensitive(visual->root, native_keys[i]);

		if (json != NULL)
			appendStringInfo(&buf, ",\"%s\":%s", native_keys[i], jo_json_print(json));
	}
	if (visual->inputs.len > 0)
		appendStringInfo(&buf, ",\"input\":{\"type\":\"object\",\"properties\":{%s}", visual->inputs.data);
	if (visual->required.len > 0)
		appendStringInfo(&buf, ",\"required\":[%s]", visual->required.data);
	if (visual->inputs.len > 0)
		appendStringInfoChar(&buf, '}');
	appendStringInfoString(&buf, write_metadata(visual, envelopes));
	appendStringInfo(&buf, ",\"steps\":%s}", steps);
	buf.data[0] = '{';
	return buf.data;
}

/* The definition within a document, NULL after findings. */
static char *
translate_document(const cJSON *root, JoFindings *findings)
{
	static JoPath top = {NULL, NULL, 0};
	JoVisual	visual;
	Envelopes	envelopes;

	memset(&visual, 0, sizeof(visual));
	memset(&envelopes, 0, sizeof(envelopes));
	visual.reader.findings = findings;
	visual.errors_before = findings->nerrors;
	initStringInfo(&visual.inputs);
	initStringInfo(&visual.required);
	initStringInfo(&visual.triggers);
	if (!find_definition(root, &top, &envelopes))
		jo_def_report(&visual.reader, "schema_error", &top,
					  "It has \"nodes\" and \"edges\", or \"blocks\" and \"connections\".",
					  "this is no visual definition");
	else if (envelopes.njobs > 0)
		jo_def_report(&visual.reader, "schema_error", &top, "SELECT * FROM joborch.import_jobs(...);",
					  "the envelope holds %d jobs, and one was expected", envelopes.njobs);
	else
	{
		visual.root = envelopes.list[envelopes.n - 1];
		visual.path = envelopes.paths[envelopes.n - 1];
		visual.blocks = !has_nodes(visual.root);
		jo_def_check_duplicate_keys(&visual.reader, root, &top);
		check_known_keys(&visual, &envelopes);
		for (int i = 0; i < envelopes.n; i++)
			jo_visual_read_inputs(&visual, envelopes.list[i], envelopes.paths[i]);
		read_graph(&visual);
		if (findings->nerrors == visual.errors_before)
			return write_definition(&visual, &envelopes);
	}
	return NULL;
}

/* either: a document that is no visual definition is no error, and no result. */
static char *
translate_text(const char *json, size_t length, bool either, JoFindings *findings)
{
	char	   *volatile native = NULL;
	char	   *error;
	cJSON	   *root = jo_json_parse(json, length, &error);

	if (root == NULL && !either)
		jo_findings_add(findings, "syntax_error", JO_SEVERITY_ERROR, "$", NULL, error, NULL);
	if (root == NULL)
		return NULL;
	/* the tree is malloc'ed: it must go even if memory for the rest runs out */
	PG_TRY();
	{
		if (!either || jo_visual_is(root))
			native = translate_document(root, findings);
		else
			native = (char *) json;
	}
	PG_FINALLY();
	{
		jo_json_free(root);
	}
	PG_END_TRY();
	return native;
}

char *
jo_visual_translate(const char *json, size_t length, JoFindings *findings)
{
	return translate_text(json, length, false, findings);
}

const char *
jo_visual_to_native(const char *json, JoFindings *findings)
{
	int			errors_before = findings->nerrors;
	const char *native;

	if (!may_be_visual(json))
		return json;
	native = translate_text(json, strlen(json), true, findings);
	/* what is no JSON is told by who reads it */
	return (native == NULL && findings->nerrors == errors_before) ? json : native;
}
