/*
 * artifactfuncs.c
 *		Entries of the SQL functions for artifacts.
 *
 * Called through joborch_call with raised rights, or by SQL that has asked whose an artifact
 * is; those that read ask here.
 */
#include "joborch.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "artifactparts.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "guc.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "rights.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(joborch_artifact_content);
PG_FUNCTION_INFO_V1(joborch_artifact_text);
PG_FUNCTION_INFO_V1(joborch_artifact_url);
PG_FUNCTION_INFO_V1(joborch_store_artifact);
PG_FUNCTION_INFO_V1(joborch_remove_artifact);
PG_FUNCTION_INFO_V1(joborch_remove_lost_files);

/* For the caller, who must see it. */
static JoArtifactReader *
open_artifact(int64 id)
{
	JoArtifactRow row;

	if (!jo_store_artifact(id, jo_store_latest(), &row) || !jo_rights_may_see(row.owner, row.tenant))
		jo_artifact_raise_missing(id);
	return jo_artifact_open(id, 0, NULL, InvalidOid);
}

Datum
joborch_artifact_content(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(jo_artifact_read_all(open_artifact(PG_GETARG_INT64(0))));
}

Datum
joborch_artifact_text(PG_FUNCTION_ARGS)
{
	bytea	   *content = jo_artifact_read_all(open_artifact(PG_GETARG_INT64(0)));
	char	   *data = VARDATA(content);
	char	   *converted = pg_any_to_server(data, VARSIZE(content) - VARHDRSZ, PG_UTF8);

	if (converted == data)
		PG_RETURN_TEXT_P((text *) content);
	PG_RETURN_TEXT_P(cstring_to_text(converted));
}

Datum
joborch_artifact_url(PG_FUNCTION_ARGS)
{
	char	   *url = jo_artifact_url(open_artifact(PG_GETARG_INT64(0)));

	if (url == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(url));
}

static char *
get_text(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

/* A month as 30 days. */
static int64
get_microseconds(FunctionCallInfo fcinfo, int argument)
{
	Interval   *interval;
	int64		microseconds;

	if (PG_ARGISNULL(argument))
		return 0;
	interval = PG_GETARG_INTERVAL_P(argument);
	microseconds = interval->time +
		(interval->day + (int64) interval->month * DAYS_PER_MONTH) * USECS_PER_DAY;
	if (microseconds <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an artifact cannot expire at once"),
				 errhint("Give expires_in a positive interval.")));
	return microseconds;
}

/* joborch_internal.store_artifact(run_id, owner, name, content, content_type, storage, compression, expires_in) */
Datum
joborch_store_artifact(PG_FUNCTION_ARGS)
{
	JoArtifactSpec spec = {
		.run_id = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0),
		.step = -1,
		.item = JO_NO_ITEM,
		.owner = PG_GETARG_OID(1),
		.type = "file",
	};
	JoArtifactWriter *writer;
	bytea	   *content;

	PreventCommandIfReadOnly("joborch.put_artifact()");
	if (PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("content of the artifact is NULL")));
	spec.name = get_text(fcinfo, 2);
	content = PG_GETARG_BYTEA_PP(3);
	spec.content_type = get_text(fcinfo, 4);
	spec.storage = get_text(fcinfo, 5);
	spec.compression = get_text(fcinfo, 6);
	spec.expires_in = get_microseconds(fcinfo, 7);
	writer = jo_artifact_begin(&spec);
	jo_artifact_write(writer, VARDATA_ANY(content), VARSIZE_ANY_EXHDR(content));
	(void) jo_artifact_finish(writer);
	/* the rest of the statement may read it */
	CommandCounterIncrement();
	PG_RETURN_INT64(jo_artifact_writer_id(writer));
}

Datum
joborch_remove_artifact(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(jo_artifact_remove(PG_GETARG_INT64(0)));
}

/* joborch_internal.remove_lost_files(max, OUT deleted, OUT bytes) */
Datum
joborch_remove_lost_files(PG_FUNCTION_ARGS)
{
	int			max = PG_GETARG_INT32(0);
	JoArtifactFiles *files;
	TupleDesc	descriptor;
	Datum		values[2];
	bool		nulls[2] = {false, false};
	int64		deleted = 0;
	int64		bytes = 0;
	int64		id;
	int64		size;

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "remove_lost_files() must be called as a row");
	if (jo_guc_artifact_root != NULL && jo_guc_artifact_root[0] != '\0')
	{
		files = jo_artifact_files_begin();
		while (deleted < max && jo_artifact_files_next(files, &id, &size))
		{
			JoArtifactRow row;

			CHECK_FOR_INTERRUPTS();
			if (jo_store_artifact(id, jo_store_latest(), &row) && row.storage == JO_STORED_IN_FILE)
				continue;
			if (!jo_artifact_files_remove(files))
				continue;
			deleted++;
			bytes += size;
		}
		jo_artifact_files_end(files);
	}
	values[0] = Int64GetDatum(deleted);
	values[1] = Int64GetDatum(bytes);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(descriptor, values, nulls)));
}
