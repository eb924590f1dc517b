/*
 * docpath.c
 *		A path through a jsonb value: by hand where it is plain, else by SQL/JSON.
 *
 * Most templates are plain chains of names, and most documents are large compared
 * to what a template reads: walking them in place needs neither a compiled path
 * nor a copy.  What is not plain goes to the server's own jsonpath, compiled once
 * per definition.  Touches memory only.
 */
#include "joborch.h"

#include "docpath.h"
#include "jsonbuild.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonpath.h"

typedef struct PathEntry
{
	const char *text;			/* hash key: the address */
	JsonPath   *compiled;
} PathEntry;

static bool
is_name_byte(char c)
{
	return c == '_' || IS_HIGHBIT_SET(c) || (c >= '0' && c <= '9') ||
		(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool
jo_docpath_member(const char **path, JoPathName *name)
{
	const char *at = *path;

	if (*at++ != '.')
		return false;
	if (*at == '"')
	{
		name->text = ++at;
		while (*at != '"' && *at != '\0' && *at != '\\')
			at++;
		if (*at != '"')
			return false;		/* an escape: left to jsonpath */
		name->length = at++ - name->text;
	}
	else
	{
		name->text = at;
		while (is_name_byte(*at))
			at++;
		name->length = at - name->text;
		if (name->length == 0 || *at == '(')
			return false;		/* .* or a method */
	}
	*path = at;
	return true;
}

bool
jo_docpath_skip_member(const char **path)
{
	const char *at = *path;
	JoPathName	name;

	if (at[0] != '.' || at[1] != '"')
		return jo_docpath_member(path, &name);
	for (at += 2; *at != '"'; at++)
	{
		if (*at == '\\')
			at++;
		if (*at == '\0')
			return false;
	}
	*path = at + 1;
	return true;
}

/* Moves *path behind a leading [number]. */
static bool
take_index(const char **path, uint32 *index)
{
	const char *at = *path;
	uint32		number = 0;

	if (*at++ != '[' || *at < '0' || *at > '9')
		return false;
	while (*at >= '0' && *at <= '9' && number < 100000000)
		number = number * 10 + (*at++ - '0');
	if (*at++ != ']')
		return false;
	*index = number;
	*path = at;
	return true;
}

static void
create_path_table(JoCachedJob *job)
{
	HASHCTL		control;

	memset(&control, 0, sizeof(control));
	control.keysize = sizeof(const char *);
	control.entrysize = sizeof(PathEntry);
	control.hcxt = job->context;
	job->paths = hash_create("joborch paths", 16, &control,
							 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* prefix + key is the expression; key is also where it is kept. */
static JsonPath *
compile_path(JoCachedJob *job, const char *prefix, const char *key)
{
	MemoryContext caller;
	PathEntry  *entry;
	JsonPath   *compiled;
	char	   *text;

	if (job->paths == NULL)
		create_path_table(job);
	entry = hash_search(job->paths, &key, HASH_FIND, NULL);
	if (entry != NULL)
		return entry->compiled;

	text = psprintf("%s%s", prefix, key);
	caller = MemoryContextSwitchTo(job->context);
	compiled = DatumGetJsonPathP(DirectFunctionCall1(jsonpath_in, CStringGetDatum(text)));
	MemoryContextSwitchTo(caller);
	pfree(text);
	entry = hash_search(job->paths, &key, HASH_ENTER, NULL);
	entry->compiled = compiled;
	jo_defcache_account(job, VARSIZE(compiled));
	return compiled;
}

/* Not by DirectFunctionCall, which takes SQL NULL (no such value) for a mistake. */
static Jsonb *
call_path_function(PGFunction function, Jsonb *document, JsonPath *path)
{
	LOCAL_FCINFO(fcinfo, 4);
	JsonbValue	no_variables;
	Datum		result;

	no_variables.type = jbvObject;
	no_variables.val.object.nPairs = 0;
	no_variables.val.object.pairs = NULL;

	InitFunctionCallInfoData(*fcinfo, NULL, 4, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = JsonbPGetDatum(document);
	fcinfo->args[1].value = PointerGetDatum(path);
	fcinfo->args[2].value = JsonbPGetDatum(JsonbValueToJsonb(&no_variables));
	fcinfo->args[3].value = BoolGetDatum(false);
	fcinfo->args[0].isnull = fcinfo->args[1].isnull = false;
	fcinfo->args[2].isnull = fcinfo->args[3].isnull = false;
	result = function(fcinfo);
	return fcinfo->isnull ? NULL : DatumGetJsonbP(result);
}

/* One plain step of a walk: false when the path has to go on by jsonpath. */
static bool
walk_one(JsonbValue *value, const char **path, bool *found)
{
	JoPathName	name;
	uint32		index;
	const char *rest = *path;
	JsonbContainer *container = value->type == jbvBinary ? value->val.binary.data : NULL;

	*found = false;
	if (jo_docpath_member(&rest, &name))
	{
		if (container != NULL && JsonContainerIsArray(container))
			return false;		/* lax: goes on into the elements */
		if (container != NULL)
			*found = jo_jsonb_member(container, name.text, name.length, value);
	}
	else if (take_index(&rest, &index))
	{
		JsonbValue *element;

		if (container == NULL || !JsonContainerIsArray(container))
			return false;		/* lax: a value that is no array is its own element 0 */
		element = getIthJsonbValueFromContainer(container, index);
		*found = element != NULL;
		if (element != NULL)
			*value = *element;
	}
	else
		return false;
	*path = rest;
	return true;
}

Jsonb *
jo_docpath_get(JoCachedJob *job, Jsonb *start, const char *path)
{
	JsonbValue	value;
	bool		found;

	if (*path == '\0')
		return start;
	if (!JsonbExtractScalar(&start->root, &value))
		JsonbToJsonbValue(start, &value);
	while (*path != '\0')
	{
		if (!walk_one(&value, &path, &found))
			return call_path_function(jsonb_path_query_first, jo_jsonb_from_value(&value),
									  compile_path(job, "$", path));
		if (!found)
			return NULL;
	}
	return jo_jsonb_from_value(&value);
}

Jsonb *
jo_docpath_query(JoCachedJob *job, Jsonb *document, const char *path)
{
	return call_path_function(jsonb_path_query_array, document, compile_path(job, "", path));
}
