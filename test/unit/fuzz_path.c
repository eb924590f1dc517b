/*
 * fuzz_path.c
 *		Any bytes as an SQL/JSON path.
 */
#include "template.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *text = malloc(size + 1);
	JoRefList	refs;
	char	   *error;
	char	   *hint;

	memcpy(text, data, size);
	text[size] = '\0';
	if (jo_template_path_refs(text, &refs, &error, &hint))
	{
		for (int i = 0; i < refs.n; i++)
			assert((refs.list[i].root == JO_ROOT_STEPS) == (refs.list[i].step_name != NULL));
	}
	else
		assert(error != NULL);
	free(text);
	shim_reset();
	return 0;
}
