/*
 * test_leaf.c
 *		json, graph and words.
 */
#include "unit.h"

#include "graph.h"
#include "json.h"
#include "words.h"

static void
check_json(const char *text, JoJsonFault fault, const char *problem)
{
	char	   *error;
	JoJsonFault got = jo_json_check(text, strlen(text), &error);
	cJSON	   *json;

	CHECK_INT(got, fault);
	if (problem != NULL)
		unit_check(error != NULL && strstr(error, problem) != NULL, __FILE__, __LINE__,
				   "%s: got %s", text, error ? error : "no error");
	json = jo_json_parse(text, strlen(text), &error);
	unit_check((json != NULL) == (fault == JO_JSON_OK), __FILE__, __LINE__, "%s", text);
	jo_json_free(json);
}

static void
check_print(const char *text, const char *wanted)
{
	char	   *error;
	cJSON	   *json = jo_json_parse(text, strlen(text), &error);

	CHECK(json != NULL);
	if (json != NULL)
		CHECK_TEXT(jo_json_print(json), wanted);
	jo_json_free(json);
}

static char *
nest(int depth, const char *open, const char *close)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < depth; i++)
		appendStringInfoString(&buf, open);
	appendStringInfoString(&buf, "1");
	for (int i = 0; i < depth; i++)
		appendStringInfoString(&buf, close);
	return buf.data;
}

static void
test_json_limits(void)
{
	char	   *error;
	Size		size = 100 * 1024 * 1024;
	char	   *huge;

	check_json(nest(64, "[", "]"), JO_JSON_OK, NULL);
	check_json(nest(65, "[", "]"), JO_JSON_LIMIT, "nested deeper");
	check_json(nest(65, "{\"a\":", "}"), JO_JSON_LIMIT, "nested deeper");
	check_json(nest(1000000, "[", "]"), JO_JSON_LIMIT, "nested deeper");
	/* brackets in a text are no depth */
	check_json(psprintf("\"%s\"", nest(1000, "[{", "}]")), JO_JSON_OK, NULL);

	/* refused by its length: the bytes are never looked at */
	huge = malloc(1);
	CHECK_INT(jo_json_check(huge, size, &error), JO_JSON_LIMIT);
	free(huge);

	size = JO_JSON_MAX_VALUES * 2 + 10;
	huge = palloc(size);
	memset(huge, ',', size);
	for (Size i = 1; i < size; i += 2)
		huge[i] = '1';
	huge[0] = '[';
	huge[size - 2] = ']';
	CHECK_INT(jo_json_check(huge, size - 1, &error), JO_JSON_LIMIT);
}

void
test_json(void)
{
	char	   *error;

	check_json("{}", JO_JSON_OK, NULL);
	check_json(" [1, -2.5e+3, \"a\\u00e9\\ud83d\\ude00\", true, false, null, {\"a\": []}] ", JO_JSON_OK, NULL);
	check_json("", JO_JSON_SYNTAX, "ends too early");
	check_json("{\"a\":1} x", JO_JSON_SYNTAX, "follows the end");
	check_json("{\"a\":1}{}", JO_JSON_SYNTAX, "follows the end");
	check_json("{\"a\" 1}", JO_JSON_SYNTAX, "colon");
	check_json("{a:1}", JO_JSON_SYNTAX, "key in double quotes");
	check_json("{\"a\":1,}", JO_JSON_SYNTAX, "key in double quotes");
	check_json("[1,]", JO_JSON_SYNTAX, "value was expected");
	check_json("[1 2]", JO_JSON_SYNTAX, "comma or ]");
	check_json("{\"a\":1]", JO_JSON_SYNTAX, "comma or }");
	check_json("[1", JO_JSON_SYNTAX, "ends too early");
	check_json("\"abc", JO_JSON_SYNTAX, "no end");
	check_json("\"a\nb\"", JO_JSON_SYNTAX, "control character");
	check_json("\"\\x\"", JO_JSON_SYNTAX, "unknown escape");
	check_json("\"\\u12\"", JO_JSON_SYNTAX, "hexadecimal");
	check_json("\"a\\u0000b\"", JO_JSON_SYNTAX, "\\u0000");
	check_json("\"\\ud800\"", JO_JSON_SYNTAX, "surrogate");
	check_json("\"\\udc00\"", JO_JSON_SYNTAX, "surrogate");
	check_json("01", JO_JSON_SYNTAX, "not a number");
	check_json("-", JO_JSON_SYNTAX, "not a number");
	check_json("1.", JO_JSON_SYNTAX, "not a number");
	check_json("1e", JO_JSON_SYNTAX, "not a number");
	check_json("+1", JO_JSON_SYNTAX, "value was expected");
	check_json("truely", JO_JSON_SYNTAX, "follows the end");
	check_json("[1,\n  x]", JO_JSON_SYNTAX, "line 2, byte 3");
	CHECK_INT(jo_json_check("\"a\0b\"", 5, &error), JO_JSON_SYNTAX);
	CHECK(strstr(error, "NUL byte") != NULL);
	CHECK_INT(jo_json_check("{}\0", 3, &error), JO_JSON_SYNTAX);

	/* numbers keep their digits, also those that cJSON cannot hold */
	check_print("[9007199254740993, 0.10, -1e400, 1E5]", "[9007199254740993,0.10,-1e400,1E5]");
	check_print("[\"7\\\"8\", 1234567890123456789012345678901234567890123456789012345678901234567890.5, {\"9\": 2}]",
				"[\"7\\\"8\",1234567890123456789012345678901234567890123456789012345678901234567890.5,{\"9\":2}]");
	check_print("{\"a\\nb\\u0001\": \"\\u00e9\\/\\t\", \"c\": [true, false, null, {}, []]}",
				"{\"a\\nb\\u0001\":\"\xc3\xa9/\\t\",\"c\":[true,false,null,{},[]]}");
	test_json_limits();
}

void
test_graph(void)
{
	/* 0 <- 2, 1; 3 alone */
	int			of0[] = {2, 1};
	int			of4[] = {0};
	int		   *deps[] = {of0, NULL, NULL, NULL, of4};
	int			ndeps[] = {2, 0, 0, 0, 1};
	int			order[1000];
	int			cycle[1001];
	int			ring[1000];
	int		   *ring_deps[1000];
	int			ring_ndeps[1000];

	CHECK_INT(jo_graph_order(5, ndeps, deps, order), 5);
	CHECK_INT(order[0], 1);
	CHECK_INT(order[1], 2);
	CHECK_INT(order[2], 0);
	CHECK_INT(order[3], 3);
	CHECK_INT(order[4], 4);
	CHECK_INT(jo_graph_cycle(5, ndeps, deps, cycle), 0);
	CHECK_INT(jo_graph_order(0, NULL, NULL, order), 0);
	CHECK_INT(jo_graph_cycle(0, NULL, NULL, cycle), 0);

	for (int i = 0; i < 1000; i++)
	{
		ring[i] = (i + 999) % 1000;
		ring_deps[i] = &ring[i];
		ring_ndeps[i] = 1;
	}
	CHECK_INT(jo_graph_order(1000, ring_ndeps, ring_deps, order), 0);
	CHECK_INT(jo_graph_cycle(1000, ring_ndeps, ring_deps, cycle), 1001);
	CHECK_INT(cycle[0], cycle[1000]);
	for (int i = 0; i < 1000; i++)
		CHECK_INT(ring[cycle[i + 1]], cycle[i]);
	/* a tail into the ring is not part of the cycle */
	ring_ndeps[0] = 0;
	ring[500] = 700;
	CHECK_INT(jo_graph_cycle(1000, ring_ndeps, ring_deps, cycle), 202);
	/* a node that is its own parent */
	ring[500] = 500;
	CHECK_INT(jo_graph_cycle(1000, ring_ndeps, ring_deps, cycle), 2);
}

void
test_words(void)
{
	static const char *const words[] = {"sql", "switch", "depends_on", "retry", NULL};
	char		two_bytes[101];

	CHECK_TEXT(jo_words_nearest("sqll", words), "sql");
	CHECK_TEXT(jo_words_nearest("SQL", words), "sql");
	CHECK_TEXT(jo_words_nearest("dependsOn", words), "depends_on");
	CHECK_TEXT(jo_words_nearest("depends-on", words), "depends_on");
	CHECK_TEXT(jo_words_nearest("rerty", words), "retry");
	CHECK_TEXT(jo_words_nearest("python", words), NULL);
	CHECK_TEXT(jo_words_nearest("", words), NULL);
	CHECK_TEXT(jo_words_suggest("swich", words), "Did you mean \"switch\"?");
	CHECK_TEXT(jo_words_join(words), "sql, switch, depends_on, retry");
	CHECK_INT(jo_words_find("retry", words), 3);
	CHECK_INT(jo_words_find("retr", words), -1);
	CHECK_TEXT(jo_words_show("short"), "short");
	two_bytes[0] = 'x';
	for (int i = 1; i < 100; i += 2)
		memcpy(two_bytes + i, "\xc3\xa9", 2);
	two_bytes[99] = '\0';
	/* cut between characters: 1 + 2 * 39 bytes and the dots */
	CHECK_INT(strlen(jo_words_show(two_bytes)), 79 + 3);
}
