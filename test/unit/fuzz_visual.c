/*
 * fuzz_visual.c
 *		Any bytes as a definition in the visual form; what comes of it is JSON.
 */
#include "visual.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *text = malloc(size + 1);
	JoFindings	findings;
	char	   *native;
	char	   *error;

	memcpy(text, data, size);
	text[size] = '\0';
	memset(&findings, 0, sizeof(findings));
	native = jo_visual_translate(text, size, &findings);
	assert((native == NULL) == (findings.nerrors > 0));
	if (native != NULL)
		assert(jo_json_check(native, strlen(native), &error) == JO_JSON_OK);
	free(text);
	shim_reset();
	return 0;
}
