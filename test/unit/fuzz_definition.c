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

/* The parts of a container know each other. */
static void
check_parts(const JoDefinition *definition, const JoStepDef *step)
{
	assert(step->hidden == (step->part == JO_PART_OPEN));
	assert((step->open >= 0) == (step->part == JO_PART_EACH || step->part == JO_PART_CLOSE));
	assert((step->close >= 0) == (step->part == JO_PART_OPEN || step->part == JO_PART_EACH));
	if (step->open >= 0)
		assert(step->open < step->index && definition->steps[step->open].part == JO_PART_OPEN);
	if (step->part == JO_PART_OPEN)
		assert(definition->steps[step->close].open == step->index &&
			   definition->steps[step->close].scope == step->scope);
	if (step->scope >= 0)
		assert(definition->steps[step->scope].part == JO_PART_CLOSE && step->index < step->scope &&
			   step->index > definition->steps[step->scope].open);
	if (step->flow != NULL)
		for (int b = 0; b < step->flow->nbranches; b++)
			assert(step->flow->branches[b].label != NULL && step->flow->branches[b].last < definition->nsteps);
}

static void
check_edges(const JoDefinition *definition, const JoStepDef *step)
{
	for (int d = 0; d < step->ndeps; d++)
	{
		const JoStepDef *parent = &definition->steps[step->deps[d]];

		assert(parent != step && parent->phase == step->phase);
		assert((step->dep_on[d] == JO_EDGE_CLOSE) == (step->part == JO_PART_CLOSE));
		if (step->dep_on[d] == JO_EDGE_BRANCH)
			assert(step->dep_branch[d] >= 0 && step->dep_branch[d] < parent->flow->nbranches);
		/* whoever is inside waits for the beginning, or for somebody beside it */
		if (step->part != JO_PART_CLOSE)
			assert(parent->scope == step->scope ||
				   (parent->part == JO_PART_OPEN && parent->close == step->scope));
	}
	assert(step->scope < 0 || step->ndeps > 0);
}

/* A body that was accepted can be read again from its text. */
static void
check_body(const JoStepDef *step, const JoDefinitionHooks *hooks)
{
	JoFindings	findings = {0};

	if (step->child == NULL || step->child->body == NULL)
		return;
	assert(step->child->inner != NULL);
	assert(jo_definition_parse(step->child->body, strlen(step->child->body), hooks, &findings) != NULL);
}

/* What the engine relies on. */
static void
check_definition(const JoDefinition *definition, const JoDefinitionHooks *hooks)
{
	assert(definition->nsteps >= 1 && definition->nsteps <= JO_MAX_STEPS);
	for (int i = 0; i < definition->nsteps; i++)
	{
		const JoStepDef *step = &definition->steps[i];

		assert(step->index == i && step->name != NULL && step->shown != NULL && step->word != NULL);
		if (step->part == JO_PART_WHOLE || step->part == JO_PART_CLOSE)
			assert(jo_definition_step_by_name(definition, step->name) == i);
		assert((step->sql != NULL) == (step->type == JO_STEP_SQL &&
									   (step->part == JO_PART_WHOLE || step->part == JO_PART_EACH)));
		assert(step->retry.max_attempts >= 1 && step->retry.max >= step->retry.initial);
		assert((step->compensates >= 0) == (step->phase == JO_PHASE_COMPENSATE));
		check_parts(definition, step);
		check_edges(definition, step);
		check_body(step, hooks);
		for (int t = 0; step->sql != NULL && t < step->sql->ntemplates; t++)
			assert(step->sql->templates[t].ref.root != JO_ROOT_STEPS || definition->outer != NULL ||
				   step->sql->templates[t].ref.step >= 0);
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
		check_definition(definition, &hooks);
		for (int i = 0; i < 3; i++)
			assert(jo_render_graph(definition, formats[i], NULL, &error) != NULL);
	}
	shim_reset();
	return 0;
}
