/*
 * spill.c
 *		Outputs of steps that are too large for their row: to an artifact and back.
 *
 * Touches memory, and artifacts in the open transaction.
 */
#include "joborch.h"

#include "artifact.h"
#include "compat.h"
#include "docpath.h"
#include "errors.h"
#include "guc.h"
#include "jsonbuild.h"
#include "lib/stringinfo.h"
#include "spill.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

static const char *const kept_members[] = {"command", "row_count", "count", "failed"};

/* ---- how large ---- */

Size
jo_spill_limit(void)
{
	return (Size) Max(jo_guc_max_result, jo_guc_max_inline_result) * 1024;
}

bool
jo_spill_is_large(const Jsonb *output)
{
	return output != NULL && VARSIZE(output) > (Size) jo_guc_max_inline_result * 1024;
}

static void
raise_too_large(Size size, const char *setting, Size limit, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_RESULT_TOO_LARGE),
			 errmsg("output of the step is too large"),
			 errdetail("It has %zu kB; %s allows %zu kB.", size / 1024, setting, limit / 1024),
			 errhint("%s", hint)));
}

/* Variables are read by every step behind: they stay in their row. */
void
jo_step_accept_output(JoTry *try)
{
	Size		size = try->output != NULL ? VARSIZE(try->output) : 0;

	if (size > jo_spill_limit())
		raise_too_large(size, "joborch.max_result", jo_spill_limit(),
						"Keep large data in a table and hand on its key, or raise joborch.max_result.");
	if (try->step->type == JO_STEP_SET && jo_spill_is_large(try->output))
		raise_too_large(size, "for variables joborch.max_inline_result",
						(Size) jo_guc_max_inline_result * 1024,
						"Keep large data in a table, or in the output of a step of another type.");
}

/* ---- away ---- */

static void
add_if_there(JsonbParseState **state, Jsonb *output, const char *key)
{
	JsonbValue	value;

	if (JB_ROOT_IS_OBJECT(output) && jo_jsonb_member(&output->root, key, strlen(key), &value) &&
		(value.type == jbvNumeric || (value.type == jbvString && value.val.string.len < NAMEDATALEN)))
		jo_jsonb_add(state, key, &value);
}

/* A loop bounds what it keeps itself, and its variables are read by every step behind it. */
static bool
is_bounded(const JoStepDef *step)
{
	return step->type == JO_STEP_LOOP && step->part != JO_PART_CLOSE && step->output == NULL;
}

static char *
make_name(const JoTry *try)
{
	char	   *item = try->item != JO_NO_ITEM ? psprintf("[%d]", try->item) : pstrdup("");

	return psprintf("%s%s.output.json", try->step->shown, item);
}

Jsonb *
jo_spill(const JoTry *try, Jsonb *output)
{
	JoArtifactSpec spec = {
		.run_id = try->run_id,
		.step = try->step->index,
		.item = try->item,
		.step_name = try->step->shown,
		.type = JO_ARTIFACT_OUTPUT,
		.content_type = "application/json",
	};
	JsonbParseState *state = NULL;
	StringInfoData text;
	Jsonb	   *artifact;

	if (!jo_spill_is_large(output) || is_bounded(try->step))
		return output;
	spec.name = make_name(try);
	initStringInfo(&text);
	(void) JsonbToCString(&text, &output->root, VARSIZE(output));
	artifact = jo_artifact_store(&spec, text.data, text.len);
	pfree(text.data);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_jsonb(&state, "artifact", artifact);
	jo_jsonb_add_bool(&state, "truncated", true);
	for (int i = 0; i < (int) lengthof(kept_members); i++)
		add_if_there(&state, output, kept_members[i]);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* ---- and back ---- */

/* The id of the artifact; 0: it is no stand-in. */
static int64
find_artifact(const Jsonb *output)
{
	JsonbContainer *root = unconstify(JsonbContainer *, &output->root);
	JsonbValue	artifact;
	JsonbValue	value;

	if (!JsonContainerIsObject(root) ||
		!jo_jsonb_member(root, "truncated", strlen("truncated"), &value) ||
		value.type != jbvBool || !value.val.boolean ||
		!jo_jsonb_member(root, "artifact", strlen("artifact"), &artifact) ||
		artifact.type != jbvBinary || !JsonContainerIsObject(artifact.val.binary.data))
		return 0;
	if (!jo_jsonb_member(artifact.val.binary.data, "type", strlen("type"), &value) ||
		value.type != jbvString || value.val.string.len != strlen(JO_ARTIFACT_OUTPUT) ||
		memcmp(value.val.string.val, JO_ARTIFACT_OUTPUT, value.val.string.len) != 0)
		return 0;
	if (!jo_jsonb_member(artifact.val.binary.data, "id", strlen("id"), &value) || value.type != jbvNumeric)
		return 0;
	/* what somebody else wrote may be any number: as text, which cannot raise */
	return strtoll(numeric_normalize(value.val.numeric), NULL, 10);
}

bool
jo_spill_stands_in(const Jsonb *output)
{
	return output != NULL && find_artifact(output) > 0;
}

bool
jo_spill_answers(const Jsonb *stand_in, const char *path)
{
	JsonbValue	value;
	JoPathName	name;

	return jo_docpath_member(&path, &name) &&
		jo_jsonb_member(unconstify(JsonbContainer *, &stand_in->root), name.text, name.length, &value);
}

Jsonb *
jo_spill_load(const Jsonb *stand_in, int64 run_id, Oid owner, const char *place)
{
	int64		id = find_artifact(stand_in);
	JoArtifactReader *reader = jo_artifact_open(id, run_id, NULL, owner);
	text	   *content;
	char	   *json;
	Jsonb	   *output;

	if (strcmp(jo_artifact_type(reader), JO_ARTIFACT_OUTPUT) != 0 ||
		jo_artifact_size(reader) > (int64) MaxAllocSize / 2)
		ereport(ERROR,
				(errcode(ERRCODE_JO_TEMPLATE),
				 errmsg("artifact " INT64_FORMAT " is not the output of a step", id),
				 errdetail("%s reads it as one.", place),
				 errhint("Leave \"type\" and \"truncated\" to the outputs that joborch makes.")));
	if (jo_artifact_is_remote(reader))
		ereport(ERROR,
				(errcode(ERRCODE_JO_TEMPLATE),
				 errmsg("an output that %s reads has been moved to S3", place),
				 errdetail("It is artifact " INT64_FORMAT ", of " INT64_FORMAT " bytes.", id, jo_artifact_size(reader)),
				 errhint("Fetch it by a step before: {\"type\": \"artifact\", \"action\": \"get\", \"artifact\": " INT64_FORMAT "}.", id)));
	content = (text *) jo_artifact_read_all(reader);
	jo_artifact_close(reader);
	json = text_to_cstring(content);
	pfree(content);
	output = jo_jsonb_from_text(json);
	pfree(json);
	return output;
}
