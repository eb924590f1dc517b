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
#include "lib/stringinfo.h"
#include "utils/fmgrprotos.h"

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

static Jsonb *
make_empty_object(void)
{
	JsonbValue	object;

	object.type = jbvObject;
	object.val.object.nPairs = 0;
	object.val.object.pairs = NULL;
	return JsonbValueToJsonb(&object);
}

/* Not by DirectFunctionCall, which takes SQL NULL (no such value) for a mistake. */
static Jsonb *
call_path_function(PGFunction function, Jsonb *document, JsonPath *path, Jsonb *variables)
{
	LOCAL_FCINFO(fcinfo, 4);
	Datum		result;

	InitFunctionCallInfoData(*fcinfo, NULL, 4, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = JsonbPGetDatum(document);
	fcinfo->args[1].value = PointerGetDatum(path);
	fcinfo->args[2].value = JsonbPGetDatum(variables);
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
									  compile_path(job, "$", path), make_empty_object());
		if (!found)
			return NULL;
	}
	return jo_jsonb_from_value(&value);
}

Jsonb *
jo_docpath_query(JoCachedJob *job, Jsonb *document, const char *path)
{
	return call_path_function(jsonb_path_query_array, document, compile_path(job, "", path),
							  make_empty_object());
}

/* Is it $ and names and indexes only, with nothing behind them? */
static bool
is_chain(const char *path)
{
	JoPathName	name;
	uint32		index;

	if (*path++ != '$')
		return false;
	while (*path != '\0')
	{
		if (!jo_docpath_member(&path, &name) && !take_index(&path, &index))
			return false;
	}
	return true;
}

Jsonb *
jo_docpath_first(JoCachedJob *job, Jsonb *document, const char *path)
{
	if (is_chain(path))
		return jo_docpath_get(job, document, path + 1);
	return call_path_function(jsonb_path_query_first, document, compile_path(job, "", path),
							  make_empty_object());
}

/* ---- paths over items ---- */

/* Behind blanks and comments. */
static const char *
skip_blanks(const char *at)
{
	for (;;)
	{
		const char *close;

		if (*at != '\0' && strchr(" \t\n\r\f", *at) != NULL)
			at++;
		else if (at[0] == '/' && at[1] == '*' && (close = strstr(at + 2, "*/")) != NULL)
			at = close + 2;
		else
			return at;
	}
}

/* Appends a text in double quotes and returns what is behind it. */
static const char *
copy_quoted(StringInfo out, const char *at)
{
	appendStringInfoChar(out, *at++);
	while (*at != '"' && *at != '\0')
	{
		if (*at == '\\' && at[1] != '\0')
			appendStringInfoChar(out, *at++);
		appendStringInfoChar(out, *at++);
	}
	if (*at == '"')
		appendStringInfoChar(out, *at++);
	return at;
}

/* Behind a $: $.item becomes $, any other $.root the variable $root. */
static const char *
copy_root(StringInfo out, const char *at)
{
	const char *name = skip_blanks(at);
	int			length = 0;

	if (*name != '.')
		return at;
	name = skip_blanks(name + 1);
	if (*name == '"')
		length = strcspn(name + 1, "\"") + 2;
	else
		while (is_name_byte(name[length]))
			length++;
	if ((length == 4 && strncmp(name, "item", 4) == 0) ||
		(length == 6 && strncmp(name, "\"item\"", 6) == 0))
		return name + length;
	appendBinaryStringInfo(out, name, length);
	return name + length;
}

JsonPath *
jo_docpath_of_items(const char *path)
{
	StringInfoData out;

	/* the definition's reader has seen to it that a root follows each $ */
	initStringInfo(&out);
	while (*path != '\0')
	{
		if (*path == '"')
			path = copy_quoted(&out, path);
		else if (path[0] == '/' && path[1] == '*' && skip_blanks(path) != path)
			path = skip_blanks(path);
		else if (*path == '$')
		{
			appendStringInfoChar(&out, '$');
			path = copy_root(&out, path + 1);
		}
		else
			appendStringInfoChar(&out, *path++);
	}
	return DatumGetJsonPathP(DirectFunctionCall1(jsonpath_in, CStringGetDatum(out.data)));
}

Jsonb *
jo_docpath_apply(JsonPath *path, Jsonb *item, Jsonb *variables)
{
	return call_path_function(jsonb_path_query_array, item, path, variables);
}
