/*
 * schema.c
 *		Values against JSON Schema: the walk, and keywords that combine schemas.
 *
 * The schema is read by the leaf (schemaread.c); what only the server can make of
 * its texts, numerics and jsonb among them, is added here once, so that a walk
 * converts nothing.  Touches memory only.
 */
#include "joborch.h"

#include "errors.h"
#include "jsonbuild.h"
#include "miscadmin.h"
#include "schemawalk.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#define MAX_RAISED 20

/* A schema up to this size is kept for the process's next use of the same. */
#define LARGEST_KEPT (256 * 1024)

/* A path is written out in pieces of so many levels. */
#define PATH_LEVELS 60

/* ---- a schema made ready ---- */

static Numeric
make_numeric(const char *digits)
{
	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(digits),
											   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

static void
prepare_schema(JoSchema *schema)
{
	JoSchemaMap *patterns = &schema->maps[JO_SCHEMA_PATTERNS];
	int			i;

	for (i = 0; i < JO_SCHEMA_NBOUNDS; i++)
	{
		if (schema->bounds[i].text != NULL)
			schema->bounds[i].value = make_numeric(schema->bounds[i].text);
	}
	if (schema->pattern.text != NULL)
		schema->pattern.value = cstring_to_text(schema->pattern.text);
	if (schema->fallback.text != NULL)
		schema->fallback.value = jo_jsonb_from_text(schema->fallback.text);
	for (i = 0; i < patterns->n; i++)
		patterns->list[i].pattern = cstring_to_text(patterns->list[i].name);
	if (schema->constant != NULL)
		jo_schema_prepare_values(schema->constant);
	if (schema->choices != NULL)
		jo_schema_prepare_values(schema->choices);
}

static void
raise_findings(const JoFindings *findings)
{
	StringInfoData detail;
	int			shown = 0;
	int			i;

	initStringInfo(&detail);
	for (i = 0; i < findings->n && shown < MAX_RAISED; i++)
	{
		if (findings->list[i].severity == JO_SEVERITY_ERROR)
			appendStringInfo(&detail, "%s%s: %s", shown++ > 0 ? "\n" : "",
							 findings->list[i].path, findings->list[i].message);
	}
	ereport(ERROR,
			(errcode(ERRCODE_JO_INVALID_DEFINITION),
			 errmsg_plural("invalid JSON Schema: %d problem", "invalid JSON Schema: %d problems",
						   findings->nerrors, findings->nerrors),
			 errdetail("%s", detail.data),
			 errhint("doc/schema.md lists the keywords that are supported.")));
}

JoSchemaDocument *
jo_schema_compile(const char *text, size_t length)
{
	static const JoDefinitionHooks hooks = {.check_pattern = jo_schema_check_pattern};
	static const JoPath top = {NULL, NULL, 0};
	JoDefReader reader;
	JoFindings	findings;
	JoSchemaDocument *volatile document = NULL;
	char	   *error;
	cJSON	   *json = jo_json_parse(text, length, &error);
	int			i;

	if (json == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_JO_INVALID_DEFINITION),
				 errmsg("invalid JSON Schema: %s", error)));
	memset(&reader, 0, sizeof(reader));
	memset(&findings, 0, sizeof(findings));
	reader.findings = &findings;
	reader.hooks = &hooks;
	PG_TRY();
	{
		document = jo_schema_read(&reader, json, &top);
	}
	PG_FINALLY();
	{
		jo_json_free(json);
	}
	PG_END_TRY();
	if (document == NULL)
		raise_findings(&findings);
	for (i = 0; i < document->n; i++)
		prepare_schema(document->list[i]);
	return document;
}

/* The schema that was used last. */
static struct
{
	MemoryContext context;		/* of both; NULL: none is kept */
	char	   *text;
	JoSchemaDocument *document;
}			kept;

static void
keep_schema(const char *text, size_t length)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "joborch schema",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	JoSchemaDocument *document = jo_schema_compile(text, length);
	char	   *copy = pnstrdup(text, length);

	MemoryContextSwitchTo(caller);
	/* nothing can fail from here on */
	MemoryContextSetParent(context, TopMemoryContext);
	if (kept.context != NULL)
		MemoryContextDelete(kept.context);
	kept.context = context;
	kept.text = copy;
	kept.document = document;
}

const JoSchemaDocument *
jo_schema_get(const char *text)
{
	size_t		length = strlen(text);

	if (length > LARGEST_KEPT)
		return jo_schema_compile(text, length);
	if (kept.context == NULL || strcmp(kept.text, text) != 0)
		keep_schema(text, length);
	return kept.document;
}

/* ---- violations ---- */

/* A piece of the path, from an outer level to inner ones. */
static void
append_levels(StringInfo path, const JoSchemaPlace **levels, int n)
{
	JoPath		chain[PATH_LEVELS + 1];
	int			i;

	memset(&chain[0], 0, sizeof(JoPath));
	for (i = 0; i < n; i++)
	{
		chain[i + 1].up = &chain[i];
		chain[i + 1].key = levels[i]->key ? pnstrdup(levels[i]->key, levels[i]->length) : NULL;
		chain[i + 1].index = (int) levels[i]->index;
	}
	appendStringInfoString(path, jo_def_path_text(&chain[n]) + 1);
}

static char *
print_place(const JoSchemaPlace *place)
{
	const JoSchemaPlace *at;
	const JoSchemaPlace **levels;
	StringInfoData path;
	int			n = 0;
	int			i;

	for (at = place; at->up != NULL; at = at->up)
		n++;
	levels = palloc((n + 1) * sizeof(JoSchemaPlace *));
	for (at = place, i = n; i > 0; at = at->up)
		levels[--i] = at;
	initStringInfo(&path);
	appendStringInfoChar(&path, '$');
	for (i = 0; i < n; i += PATH_LEVELS)
		append_levels(&path, levels + i, Min(n - i, PATH_LEVELS));
	pfree(levels);
	return path.data;
}

bool
jo_schema_fail(const JoSchemaTask *task, const char *keyword, const char *format,...)
{
	JoViolations *violations = task->violations;
	JoViolation *violation;
	StringInfoData message;
	va_list		args;
	int			needed;

	if (violations == NULL || violations->more)
		return false;
	if (violations->n >= JO_MAX_VIOLATIONS)
	{
		violations->more = true;
		return false;
	}
	if (violations->n >= violations->capacity)
	{
		violations->capacity = Max(8, violations->capacity * 2);
		violations->list = violations->list
			? repalloc(violations->list, violations->capacity * sizeof(JoViolation))
			: palloc(violations->capacity * sizeof(JoViolation));
	}
	initStringInfo(&message);
	for (;;)
	{
		va_start(args, format);
		needed = appendStringInfoVA(&message, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&message, needed);
	}
	violation = &violations->list[violations->n++];
	violation->path = print_place(task->place);
	violation->keyword = keyword;
	violation->message = message.data;
	return false;
}

bool
jo_schema_fail_count(const JoSchemaTask *task, const char *keyword, const char *bound, int count,
					 const char *one, const char *many)
{
	return jo_schema_fail(task, keyword, "must have %s %d %s", bound, count, count == 1 ? one : many);
}

const char *
jo_schema_more(const JoViolations *violations)
{
	return violations->more ? "there are more problems than are listed" : NULL;
}

/* ---- keywords that ask other schemas about the same value ---- */

static bool
ask(const JoSchemaTask *task, const JoSchema *schema, bool aloud)
{
	return jo_schema_holds(schema, task->value, task->place, task->marks,
						   aloud ? task->violations : NULL);
}

static bool
check_ref(const JoSchemaTask *task)
{
	return task->schema->ref == NULL || ask(task, task->schema->ref, true);
}

static bool
check_all_of(const JoSchemaTask *task)
{
	const JoSchemaList *list = &task->schema->lists[JO_SCHEMA_ALL_OF];
	bool		good = true;
	int			i;

	for (i = 0; i < list->n && !jo_schema_is_over(task, good); i++)
		good &= ask(task, list->list[i], true);
	return good;
}

/* All are asked when marks are wanted: each that matches has its own. */
static bool
check_any_of(const JoSchemaTask *task)
{
	const JoSchemaList *list = &task->schema->lists[JO_SCHEMA_ANY_OF];
	bool		good = (list->n == 0);
	int			i;

	for (i = 0; i < list->n && (!good || task->marks != NULL); i++)
		good |= ask(task, list->list[i], false);
	if (good)
		return true;
	/* a single one can say by itself what it wants */
	if (list->n == 1)
		return ask(task, list->list[0], true);
	return jo_schema_fail(task, "anyOf", "must match at least one of the %d schemas of \"anyOf\"",
						  list->n);
}

static bool
check_one_of(const JoSchemaTask *task)
{
	const JoSchemaList *list = &task->schema->lists[JO_SCHEMA_ONE_OF];
	int			first = -1;
	int			i;

	for (i = 0; i < list->n; i++)
	{
		if (!ask(task, list->list[i], false))
			continue;
		if (first >= 0)
			return jo_schema_fail(task, "oneOf",
								  "must match exactly one of the %d schemas of \"oneOf\", but [%d] and [%d] match",
								  list->n, first, i);
		first = i;
	}
	if (first >= 0 || list->n == 0)
		return true;
	return jo_schema_fail(task, "oneOf",
						  "must match exactly one of the %d schemas of \"oneOf\", but none matches", list->n);
}

/* Marks of what must not match count for nothing. */
static bool
check_not(const JoSchemaTask *task)
{
	const JoSchema *schema = task->schema->parts[JO_SCHEMA_NOT];

	if (schema == NULL || !jo_schema_holds(schema, task->value, task->place, NULL, NULL))
		return true;
	return jo_schema_fail(task, "not", "must not match the schema of \"not\"");
}

static bool
check_if(const JoSchemaTask *task)
{
	JoSchema   *const *parts = task->schema->parts;
	const JoSchema *next;

	if (parts[JO_SCHEMA_IF] == NULL ||
		(task->marks == NULL && parts[JO_SCHEMA_THEN] == NULL && parts[JO_SCHEMA_ELSE] == NULL))
		return true;
	next = ask(task, parts[JO_SCHEMA_IF], false) ? parts[JO_SCHEMA_THEN] : parts[JO_SCHEMA_ELSE];
	return next == NULL || ask(task, next, true);
}

/* ---- the walk ---- */

static bool
run_checks(const JoSchemaTask *task)
{
	static bool (*const checks[]) (const JoSchemaTask *task) =
	{
		jo_schema_check_values, jo_schema_check_scalar, jo_schema_check_object,
		jo_schema_check_array, check_ref, check_all_of, check_any_of, check_one_of, check_not,
		check_if,
		/* these look at what all others have left */
		jo_schema_check_other_properties, jo_schema_check_other_items
	};
	bool		good = true;
	int			i;

	for (i = 0; i < (int) lengthof(checks) && !jo_schema_is_over(task, good); i++)
		good &= checks[i] (task);
	return good;
}

/* The same with marks of its own, which go to the outer ones if the value matches. */
static bool
run_marked_checks(JoSchemaTask *task, JsonbContainer *container, JoSchemaMarks *outer)
{
	JoSchemaMarks marks;
	bool		good;
	uint32		i;

	marks.n = JsonContainerSize(container);
	marks.seen = palloc0(Max(marks.n, 1) * sizeof(bool));
	task->marks = &marks;
	good = run_checks(task);
	for (i = 0; good && outer != NULL && i < marks.n; i++)
		outer->seen[i] |= marks.seen[i];
	pfree(marks.seen);
	return good;
}

bool
jo_schema_holds(const JoSchema *schema, JsonbValue *value, const JoSchemaPlace *place,
				JoSchemaMarks *outer, JoViolations *violations)
{
	JoSchemaTask task = {schema, value, NULL, NULL, place, NULL, violations};
	JsonbContainer *container = NULL;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (schema->empty)
		return true;
	if (schema->never)
		return jo_schema_fail(&task, "false", "must not be there");
	if (!jo_schema_check_type(&task))
		return false;
	if (value->type == jbvBinary)
	{
		container = value->val.binary.data;
		if (JsonContainerIsArray(container))
			task.array = container;
		else
			task.object = container;
	}
	if (container != NULL &&
		(outer != NULL || schema->parts[JO_SCHEMA_OTHER_ITEMS] != NULL ||
		 schema->parts[JO_SCHEMA_OTHER_PROPERTIES] != NULL))
		return run_marked_checks(&task, container, outer);
	return run_checks(&task);
}

void
jo_schema_walk(const JoSchemaDocument *document, Jsonb *jsonb, JoViolations *violations)
{
	static const JoSchemaPlace top = {NULL, NULL, 0, 0};
	JsonbValue	value;

	if (!JsonbExtractScalar(&jsonb->root, &value))
		JsonbToJsonbValue(jsonb, &value);
	(void) jo_schema_holds(document->root, &value, &top, NULL, violations);
}

void
jo_schema_check(Jsonb *schema, Jsonb *value, JoViolations *violations)
{
	char	   *text = JsonbToCString(NULL, &schema->root, VARSIZE(schema));

	jo_schema_walk(jo_schema_compile(text, strlen(text)), value, violations);
}
