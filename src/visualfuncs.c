/*
 * visualfuncs.c
 *		Where definitions in the visual form come in: they are stored natively, with
 *		the original in their metadata.
 *
 * Reads and writes nothing but its arguments.
 */
#include "joborch.h"

#include "fmgr.h"
#include "jsonbuild.h"
#include "validate.h"
#include "visual.h"
#include "visualfuncs.h"

PG_FUNCTION_INFO_V1(joborch_translate_visual);

/* An object of one member. */
static Jsonb *
wrap(const char *key, Jsonb *value)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_jsonb(&state, key, value);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

Jsonb *
jo_visual_native(Jsonb *definition)
{
	char	   *text = JsonbToCString(NULL, &definition->root, VARSIZE(definition));
	JoFindings	findings;
	const char *translated;
	Jsonb	   *native;
	Jsonb	   *metadata = wrap("visual", definition);
	JsonbValue	member;

	memset(&findings, 0, sizeof(findings));
	translated = jo_visual_to_native(text, &findings);
	if (translated == NULL)
		jo_raise_findings(&findings);
	if (translated == text)
		return definition;
	native = jo_jsonb_from_text(translated);
	if (jo_jsonb_member(&native->root, "metadata", strlen("metadata"), &member))
		metadata = jo_jsonb_merge(jo_jsonb_from_value(&member), metadata);
	return jo_jsonb_merge(native, wrap("metadata", metadata));
}

/* joborch_internal.translate_visual(definition) */
Datum
joborch_translate_visual(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(jo_visual_native(PG_GETARG_JSONB_P(0)));
}
