/*
 * defoutside.c
 *		Steps that act outside of the database: what they are told.
 *
 * Nothing of the library carries them out: whoever does reads what a step was told,
 * and test_run() answers it by a stub.  So their own keys are kept as they are, with
 * the templates in them.  A leaf.
 */
#include "defparse.h"

#include <string.h>

void
jo_def_read_outside(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	JoValue    *parameters = palloc0(sizeof(JoValue));
	int			capacity = cJSON_GetArraySize(json) + 1;
	const cJSON *child;

	jo_def_warn(reader, "no_worker", path,
				"Whoever is to carry it out finds it in joborch.outside_steps.",
				"nothing carries out steps of type \"%s\" yet; the run waits there until "
				"joborch.complete_step() or fail_step() is called", step->word);
	reader->scope.secret = true;
	parameters->kind = JO_VALUE_OBJECT;
	parameters->keys = palloc(capacity * sizeof(char *));
	parameters->values = palloc(capacity * sizeof(JoValue));
	cJSON_ArrayForEach(child, json)
	{
		JoPath		at = {path, child->string, 0};
		JoValue    *value;

		if (jo_def_is_common_key(child->string))
			continue;
		value = jo_def_read_template(reader, child, &at, 0);
		if (value == NULL)
			continue;
		parameters->keys[parameters->n] = pstrdup(child->string);
		parameters->values[parameters->n++] = *value;
	}
	reader->scope.secret = false;
	step->outside = palloc0(sizeof(JoOutsideDef));
	step->outside->parameters = parameters;
}
