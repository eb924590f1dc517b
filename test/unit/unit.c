/*
 * unit.c
 *		Runs the unit tests of the leaf files and counts.
 */
#include "unit.h"

static int	npassed;
static int	nfailed;

void
unit_check(bool good, const char *file, int line, const char *format,...)
{
	va_list		args;

	if (good)
	{
		npassed++;
		return;
	}
	nfailed++;
	printf("%s:%d: ", file, line);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

void
unit_check_text(const char *got, const char *wanted, const char *file, int line)
{
	bool		good = (got == NULL || wanted == NULL) ? got == wanted : strcmp(got, wanted) == 0;

	unit_check(good, file, line, "got    %s\n    wanted %s", got ? got : "(null)",
			   wanted ? wanted : "(null)");
}

void
unit_check_int(int64 got, int64 wanted, const char *file, int line)
{
	unit_check(got == wanted, file, line, "got " INT64_FORMAT ", wanted " INT64_FORMAT, got, wanted);
}

/* "5 min", "1 s", "2 hours", "-1 s": enough of interval for the tests. */
static bool
parse_duration(const char *text, int64 *microseconds)
{
	static const struct
	{
		const char *name;
		int64		size;
	}			units[] = {
		{"ms", 1000}, {"s", 1000000}, {"min", 60000000}, {"hour", INT64CONST(3600000000)},
		{"day", INT64CONST(86400000000)}
	};
	char	   *rest;
	long		number = strtol(text, &rest, 10);

	if (rest == text || *rest++ != ' ')
		return false;
	for (int i = 0; i < (int) lengthof(units); i++)
		if (strcmp(rest, units[i].name) == 0)
		{
			*microseconds = number * units[i].size;
			return true;
		}
	return false;
}

const JoDefinitionHooks unit_hooks = {.parse_duration = parse_duration, .from_user = true};

char *
unit_quotes(const char *text)
{
	char	   *copy = pstrdup(text);

	for (char *p = copy; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	return copy;
}

JoDefinition *
unit_parse(const char *json, JoFindings *findings)
{
	char	   *text = unit_quotes(json);

	memset(findings, 0, sizeof(*findings));
	return jo_definition_parse(text, strlen(text), &unit_hooks, findings);
}

const JoFinding *
unit_find(const JoFindings *findings, const char *code, const char *path)
{
	for (int i = 0; i < findings->n; i++)
		if (strcmp(findings->list[i].code, code) == 0 &&
			(path == NULL || strcmp(findings->list[i].path, path) == 0))
			return &findings->list[i];
	return NULL;
}

int
main(void)
{
	static void (*const tests[]) (void) = {
		test_json, test_graph, test_words, test_civil, test_cron, test_cron_texts, test_secret_masks, test_http, test_egress, test_egress_limits, test_expressions, test_sql_texts, test_paths,
		test_findings, test_schemas, test_definitions, test_policies, test_references,
		test_flow, test_flow_findings, test_outside, test_bodies, test_limits, test_render, test_visual_types, test_visual_graphs
	};

	for (int i = 0; i < (int) lengthof(tests); i++)
	{
		tests[i] ();
		shim_reset();
	}
	printf("%d passed, %d failed\n", npassed, nfailed);
	return nfailed > 0;
}
