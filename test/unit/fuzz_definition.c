/*
 * fuzz_definition.c
 *		Any bytes as a definition: findings or a definition, and it can be drawn.
 */
#include "definition.h"
#include "graph.h"
#include "render.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
parse_duration(const char *text, int64 *microseconds)
{
	*microseconds = (int64) strlen(text) * 1000000;
	return *text != 'x';
}

/* What the engine relies on. */
static void
check_definition(const JoDefinition *definition)
{
	assert(definition->nsteps >= 1 && definition->nsteps <= JO_MAX_STEPS);
	for (int i = 0; i < definition->nsteps; i++)
	{
		const JoStepDef *step = &definition->steps[i];

		assert(step->index == i && step->name != NULL && step->sql != NULL);
		assert(jo_definition_step_by_name(definition, step->name) == i);
		assert(step->retry.max_attempts >= 1 && step->retry.max >= step->retry.initial);
		for (int d = 0; d < step->ndeps; d++)
			assert(step->deps[d] != i && definition->steps[step->deps[d]].phase == step->phase);
		for (int r = 0; r < step->when.refs.n; r++)
			assert((step->when.refs.list[r].root == JO_ROOT_STEPS) == (step->when.refs.list[r].step >= 0));
		for (int t = 0; t < step->sql->ntemplates; t++)
			assert((step->sql->templates[t].ref.root == JO_ROOT_STEPS) == (step->sql->templates[t].ref.step >= 0));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const JoDefinitionHooks hooks = {.parse_duration = parse_duration};
	static const char *const formats[] = {"text", "mermaid", "dot"};
	JoFindings	findings = {0};
	char	   *text = malloc(size);
	char	   *error;
	JoDefinition *definition;

	/* a copy without a byte behind it, for the sanitizer */
	memcpy(text, data, size);
	definition = jo_definition_parse(text, size, &hooks, &findings);
	free(text);
	assert((definition == NULL) == (findings.nerrors > 0));
	if (definition != NULL)
	{
		check_definition(definition);
		for (int i = 0; i < 3; i++)
			assert(jo_render_graph(definition, formats[i], NULL, &error) != NULL);
	}
	shim_reset();
	return 0;
}
