/*
 * store_output.c
 *		The short form in which the result of an SQL step is stored.
 *
 * Every step writes its output, and the words "rows", "command" and "row_count"
 * around a row are twice as long as a short row itself.  So of such a result only
 * the rows, the one row, or the number of rows is stored, with a letter for the
 * command; everybody who reads the column step.output comes through here.  Touches
 * memory only.
 */
#include "postgres.h"

#include "fmgr.h"
#include "jsonbuild.h"
#include "lib/stringinfo.h"
#include "utils/numeric.h"

#include "store_internal.h"

PG_FUNCTION_INFO_V1(joborch_full_output);

/* Keys of a result, in the order in which jsonb keeps them. */
#define KEY_ROWS "rows"
#define KEY_COMMAND "command"
#define KEY_COUNT "row_count"

/*
 * A result with rows has the letter as it is here, one whose rows were not kept
 * ("output": "none") has the small letter.
 */
static const struct
{
	char		form;
	const char *command;
}			commands[] = {
	{'S', "SELECT"},
	{'I', "INSERT"},
	{'U', "UPDATE"},
	{'D', "DELETE"},
	{'M', "MERGE"}
};

/* ---- to the short form ---- */

/* The letter of a command's name; JO_OUTPUT_AS_IT_IS if it has none. */
static char
find_form(const JsonbValue *command)
{
	int			i;

	for (i = 0; i < (int) lengthof(commands); i++)
	{
		if (command->type == jbvString &&
			command->val.string.len == (int) strlen(commands[i].command) &&
			memcmp(command->val.string.val, commands[i].command, command->val.string.len) == 0)
			return commands[i].form;
	}
	return JO_OUTPUT_AS_IT_IS;
}

/* Is it written as the count of rows is: 1, not 1.0? */
static bool
is_count(const JsonbValue *value, int64 count)
{
	Numeric		number = int64_to_numeric(count);
	bool		same = VARSIZE_ANY(number) == VARSIZE_ANY(value->val.numeric) &&
	memcmp(number, value->val.numeric, VARSIZE_ANY(number)) == 0;

	pfree(number);
	return same;
}

/* The rows, or the only one, if they say how many they are; else NULL. */
static Jsonb *
pack_rows(JsonbValue *rows, const JsonbValue *count)
{
	JsonbContainer *array = rows->val.binary.data;
	JsonbValue *row;

	if (!is_count(count, JsonContainerSize(array)))
		return NULL;
	if (JsonContainerSize(array) == 1)
	{
		row = getIthJsonbValueFromContainer(array, 0);
		if (row->type == jbvBinary && JsonContainerIsObject(row->val.binary.data))
			return jo_jsonb_from_value(row);
	}
	return jo_jsonb_from_value(rows);
}

static Jsonb *
pack(Jsonb *output, char *form)
{
	JsonbContainer *root = &output->root;
	JsonbValue	rows;
	JsonbValue	command;
	JsonbValue	count;
	bool		kept;

	*form = JO_OUTPUT_AS_IT_IS;
	if (!jo_jsonb_member(root, KEY_COMMAND, strlen(KEY_COMMAND), &command) ||
		!jo_jsonb_member(root, KEY_COUNT, strlen(KEY_COUNT), &count) ||
		count.type != jbvNumeric)
		return NULL;
	kept = jo_jsonb_member(root, KEY_ROWS, strlen(KEY_ROWS), &rows);
	if (JsonContainerSize(root) != (kept ? 3 : 2) ||
		(kept && (rows.type != jbvBinary || !JsonContainerIsArray(rows.val.binary.data))))
		return NULL;
	*form = find_form(&command);
	if (*form == JO_OUTPUT_AS_IT_IS)
		return NULL;
	if (!kept)
		*form = pg_tolower((unsigned char) *form);
	if (!kept || JsonContainerSize(rows.val.binary.data) == 0)
		return jo_jsonb_from_value(&count);
	return pack_rows(&rows, &count);
}

Jsonb *
jo_store_pack_output(Jsonb *output, char *form)
{
	Jsonb	   *packed = NULL;

	if (output != NULL)
		packed = pack(output, form);
	if (packed == NULL)
	{
		*form = JO_OUTPUT_AS_IT_IS;
		return output;
	}
#ifdef USE_ASSERT_CHECKING
	{
		Jsonb	   *again = jo_store_full_output(*form, packed);

		Assert(VARSIZE(again) == VARSIZE(output) && memcmp(again, output, VARSIZE(output)) == 0);
	}
#endif
	return packed;
}

/* ---- and back ---- */

/* A part of a container, with the type bits of its entry. */
typedef struct Part
{
	uint32		type;			/* JENTRY_IS... */
	const void *data;
	int			length;
} Part;

static void
align(StringInfo out)
{
	while (out->len % ALIGNOF_INT != 0)
		appendStringInfoChar(out, '\0');
}

/*
 * Appends a container as the server lays it out: a header, an entry per part (the
 * first with the offset of its end, which is its length as well), the parts.
 * Copying them is what makes this worth while: a result may have a million bytes,
 * and as a tree of values ten times as many.
 */
static void
append_container(StringInfo out, uint32 header, const Part *parts, int nparts)
{
	JEntry		entry = 0;
	int			entries;
	int			i;

	Assert(nparts <= JB_OFFSET_STRIDE);
	align(out);
	appendBinaryStringInfo(out, (char *) &header, sizeof(header));
	entries = out->len;
	for (i = 0; i < nparts; i++)
		appendBinaryStringInfo(out, (char *) &entry, sizeof(entry));
	for (i = 0; i < nparts; i++)
	{
		int			start = out->len;

		if (parts[i].type != JENTRY_ISSTRING)
			align(out);
		appendBinaryStringInfo(out, parts[i].data, parts[i].length);
		entry = parts[i].type | (uint32) (out->len - start) | (i == 0 ? JENTRY_HAS_OFF : 0);
		memcpy(out->data + entries + i * sizeof(entry), &entry, sizeof(entry));
	}
}

static void
set_string(Part *part, const char *string)
{
	part->type = JENTRY_ISSTRING;
	part->data = string;
	part->length = strlen(string);
}

static void
raise_unknown(char form)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("output of a step is stored in an unknown form \"%c\"", form),
			 errdetail("The library knows the forms -, S, I, U, D and M, with what belongs to them."),
			 errhint("If the row was written by a newer joborch, restart the server to load its library.")));
}

static void
set_number(Part *part, Numeric number)
{
	part->type = JENTRY_ISNUMERIC;
	part->data = number;
	part->length = VARSIZE_ANY(number);
}

/* The array of rows and how many they are, of what a form with rows stores. */
static void
set_rows(Part *rows, Part *count, Jsonb *stored)
{
	StringInfoData array;
	Part		row;

	rows->type = row.type = JENTRY_ISCONTAINER;
	row.data = &stored->root;
	row.length = VARSIZE(stored) - VARHDRSZ;
	if (JB_ROOT_IS_ARRAY(stored) && !JB_ROOT_IS_SCALAR(stored))
	{
		*rows = row;
		set_number(count, int64_to_numeric(JB_ROOT_COUNT(stored)));
		return;
	}
	initStringInfo(&array);
	if (JB_ROOT_IS_SCALAR(stored))
		append_container(&array, JB_FARRAY, NULL, 0);
	else
	{
		append_container(&array, JB_FARRAY | 1, &row, 1);
		set_number(count, int64_to_numeric(1));
	}
	rows->data = array.data;
	rows->length = array.len;
}

static const char *
find_command(char form)
{
	int			i;

	for (i = 0; i < (int) lengthof(commands); i++)
	{
		if (commands[i].form == pg_toupper((unsigned char) form))
			return commands[i].command;
	}
	raise_unknown(form);
	return NULL;				/* not reached */
}

Jsonb *
jo_store_full_output(char form, Jsonb *stored)
{
	bool		kept = form != pg_tolower((unsigned char) form);
	int			n = kept ? 3 : 2;
	StringInfoData out;
	JsonbValue	number;
	Part		parts[6];		/* n keys, n values */
	int			i = 0;

	if (form == JO_OUTPUT_AS_IT_IS || stored == NULL)
		return stored;
	if (JsonbExtractScalar(&stored->root, &number) ? number.type != jbvNumeric : !kept)
		raise_unknown(form);
	if (kept)
	{
		set_string(&parts[i++], KEY_ROWS);
		set_rows(&parts[n], &parts[2 * n - 1], stored);
	}
	set_string(&parts[i++], KEY_COMMAND);
	set_string(&parts[i++], KEY_COUNT);
	set_string(&parts[2 * n - 2], find_command(form));
	if (JB_ROOT_IS_SCALAR(stored))
		set_number(&parts[2 * n - 1], number.val.numeric);

	initStringInfo(&out);
	enlargeStringInfo(&out, VARSIZE(stored) + 128);
	out.len = VARHDRSZ;			/* for the length */
	append_container(&out, JB_FOBJECT | n, parts, 2 * n);
	SET_VARSIZE(out.data, out.len);
	return (Jsonb *) out.data;
}

Datum
joborch_full_output(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(jo_store_full_output(PG_GETARG_CHAR(0), PG_GETARG_JSONB_P(1)));
}
