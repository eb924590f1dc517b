/*
 * unit.h
 *		Checks of the unit tests; each prints a line only when it fails.
 */
#ifndef JO_UNIT_H
#define JO_UNIT_H

#include "definition.h"

extern void unit_check(bool good, const char *file, int line, const char *format,...)
	pg_attribute_printf(4, 5);

#define CHECK(condition) unit_check((condition), __FILE__, __LINE__, "%s", #condition)
#define CHECK_TEXT(got, wanted) unit_check_text((got), (wanted), __FILE__, __LINE__)
#define CHECK_INT(got, wanted) unit_check_int((got), (wanted), __FILE__, __LINE__)

extern void unit_check_text(const char *got, const char *wanted, const char *file, int line);
extern void unit_check_int(int64 got, int64 wanted, const char *file, int line);

/* Parses a definition; single quotes stand for double ones, so that tests are readable. */
extern JoDefinition *unit_parse(const char *json, JoFindings *findings);
extern char *unit_quotes(const char *text);

/* Is there a finding of this code (and path, unless NULL)? */
extern const JoFinding *unit_find(const JoFindings *findings, const char *code, const char *path);

extern const JoDefinitionHooks unit_hooks;

/* One function per file of tests. */
extern void test_json(void);
extern void test_graph(void);
extern void test_words(void);
extern void test_civil(void);
extern void test_cron(void);
extern void test_cron_texts(void);
extern void test_secret_masks(void);
extern void test_http(void);
extern void test_expressions(void);
extern void test_egress(void);
extern void test_egress_limits(void);
extern void test_sql_texts(void);
extern void test_paths(void);
extern void test_findings(void);
extern void test_schemas(void);
extern void test_definitions(void);
extern void test_policies(void);
extern void test_references(void);
extern void test_flow(void);
extern void test_flow_findings(void);
extern void test_outside(void);
extern void test_bodies(void);
extern void test_limits(void);
extern void test_render(void);
extern void test_visual_types(void);
extern void test_visual_graphs(void);

#endif
