/*
 * defparse.h
 *		What the files of the definition's reader share: definition.c (the job),
 *		defstep.c (a step), defpolicy.c (retry, defaults), definput.c (the input's
 *		schema), defcheck.c (names, order, references), defread.c (typed reading)
 *		and deffindings.c.
 *
 * All functions report what is wrong as findings and go on; those that return
 * bool return false when they did.
 */
#ifndef JO_DEFPARSE_H
#define JO_DEFPARSE_H

#include "definition.h"
#include "json.h"
#include "templateparse.h"
#include "words.h"

/* Where a value stands; written out as text only for a finding. */
typedef struct JoPath
{
	const struct JoPath *up;	/* NULL: the document itself */
	const char *key;			/* NULL: an array's element */
	int			index;
} JoPath;

/* What a step's reader knows beside the JoStepDef. */
typedef struct JoStepSource
{
	const cJSON *json;
	JoPath		list;			/* $.steps */
	JoPath		path;			/* $.steps[2] */
	bool		in_list;		/* path is an element of list; else the same as list */
	bool		dep_by_order;	/* no depends_on: follows the step before it */
} JoStepSource;

/* A declared input, by the path that templates read it with. */
typedef struct JoInputType
{
	char	   *path;			/* $."input"."since" */
	const char *type;			/* NULL: not known */
} JoInputType;

/* What `defaults` says, and where nothing is said the product's defaults. */
typedef struct JoStepDefaults
{
	int64		timeout;
	JoRetry		retry;
	bool		max_given;		/* retry.max was said */
	JoOnError	on_error;
	JoTransactionMode transaction;
} JoStepDefaults;

typedef struct JoDefReader
{
	JoFindings *findings;
	const JoDefinitionHooks *hooks;
	JoDefinition *definition;
	const cJSON *root;
	JoStepSource *sources;		/* one per step */
	JoStepDefaults defaults;
	const char *step;			/* name of the step being read, or NULL */
	int			ninputs;
	int			inputs_capacity;
	JoInputType *inputs;		/* in strcmp order of their paths */
	bool		inputs_declared;	/* input has properties */
	bool		inputs_closed;	/* and additionalProperties is false */
} JoDefReader;

/* deffindings.c */
extern void jo_def_report(JoDefReader *reader, const char *code, const JoPath *path,
						  const char *suggestion, const char *format,...) pg_attribute_printf(5, 6);
extern void jo_def_warn(JoDefReader *reader, const char *code, const JoPath *path,
						const char *suggestion, const char *format,...) pg_attribute_printf(5, 6);
extern void jo_def_report_fault(JoDefReader *reader, const JoPath *path, const JoTemplateFault *fault);
extern char *jo_def_path_text(const JoPath *path);

/* defread.c */

/* A member of an object, NULL if it is not there; *path becomes its path. */
extern const cJSON *jo_def_get(const cJSON *object, const JoPath *up, const char *key, JoPath *path);

/*
 * Reports keys of an object that are in neither list (unknown_key) or in the
 * second (not_supported; may be NULL).  What names the object in messages.
 */
extern void jo_def_check_keys(JoDefReader *reader, const cJSON *object, const JoPath *path,
							  const char *what, const char *const *known,
							  const char *const *unbuilt);

/* Reports, once per object, keys that are there twice, in the whole document. */
extern void jo_def_check_duplicate_keys(JoDefReader *reader, const cJSON *json, const JoPath *path);

/* Typed values; NULL or false after a finding. */
extern bool jo_def_object(JoDefReader *reader, const cJSON *json, const JoPath *path);
extern const char *jo_def_string(JoDefReader *reader, const cJSON *json, const JoPath *path);
extern const char *jo_def_name(JoDefReader *reader, const cJSON *json, const JoPath *path);
extern bool jo_def_bool(JoDefReader *reader, const cJSON *json, const JoPath *path, bool *value);
extern bool jo_def_number(JoDefReader *reader, const cJSON *json, const JoPath *path,
						  double min, double max, double *value);
extern bool jo_def_integer(JoDefReader *reader, const cJSON *json, const JoPath *path,
						   int min, int max, int *value);
extern bool jo_def_duration(JoDefReader *reader, const cJSON *json, const JoPath *path, int64 *value);
extern bool jo_def_word(JoDefReader *reader, const cJSON *json, const JoPath *path,
						const char *const *words, int *value);
extern bool jo_def_priority(JoDefReader *reader, const cJSON *json, const JoPath *path, int *value);

/* A text, or an array of lines that are joined; *lines is allocated. */
extern bool jo_def_lines(JoDefReader *reader, const cJSON *json, const JoPath *path, char **lines);

/* The same as SQL with its templates. */
extern JoSqlText *jo_def_sql(JoDefReader *reader, const cJSON *json, const JoPath *path);

/* A JSON value with templates in its strings. */
extern JoValue *jo_def_value(JoDefReader *reader, const cJSON *json, const JoPath *path);

/* An array of texts, or a text for an array of one. */
extern bool jo_def_strings(JoDefReader *reader, const cJSON *json, const JoPath *path,
						   int *n, char ***list);

/* Reports templates in a value whose strings are not templates. */
extern void jo_def_refuse_templates(JoDefReader *reader, const cJSON *json, const JoPath *path,
									const char *what);

/* defpolicy.c */
extern void jo_def_read_defaults(JoDefReader *reader, const cJSON *json, const JoPath *path);
extern void jo_def_read_policy(JoDefReader *reader, const cJSON *json, const JoPath *path,
							   JoStepDef *step);

/* definput.c */
extern void jo_def_read_input(JoDefReader *reader, const cJSON *json, const JoPath *path);
/* The declared property that a template's path names whole, or NULL. */
extern const JoInputType *jo_def_find_input(const JoDefReader *reader, const char *path);

/* defstep.c */
extern void jo_def_collect_steps(JoDefReader *reader);
extern void jo_def_read_step(JoDefReader *reader, JoStepDef *step);

/* defcheck.c: after all steps are read. */
extern void jo_def_index_names(JoDefReader *reader);
extern void jo_def_read_dependencies(JoDefReader *reader);
extern void jo_def_check_cycles(JoDefReader *reader);
extern void jo_def_check_references(JoDefReader *reader);

#endif
