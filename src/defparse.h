/*
 * defparse.h
 *		What the files of the definition's reader share.
 *
 * In the order in which they work: definition.c (the job), defflow.c (which steps
 * there are, containers as parts), defstep.c (the keys of a step, by the table of
 * types) with deflogic.c, defdata.c, defwait.c, defchild.c and the files of
 * defoutside.h (keys of groups of types), defpolicy.c (retry, defaults), definput.c (schemas), defexpr.c
 * (conditions and expressions); then what needs all steps: defcheck.c (names,
 * cycles), defdeps.c (depends_on), defbody.c (definitions inside of steps),
 * defrefs.c (what templates read).  Below all: defread.c (typed reading) and
 * deffindings.c.
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

struct JoDefReader;

/*
 * One type of step: which keys it may have, and who reads them.  The table is in
 * defstep.c.
 */
typedef struct JoStepKind
{
	const char *word;			/* as "type" says it */
	const char *what;			/* for messages: an SQL step */
	JoStepType	type;
	unsigned	common;			/* JO_KEY_...: keys that not all types have */
	const char *const *keys;	/* its own, ended by NULL */
	void		(*read) (struct JoDefReader *reader, const cJSON *json, const JoPath *path,
						 JoStepDef *step);
	const struct JoOutsideKey *parameters;	/* of what acts outside: more of its own keys; else NULL */
} JoStepKind;

#define JO_KEY_SQL			0x0001
#define JO_KEY_RULE			0x0002	/* trigger_rule */
#define JO_KEY_RETRY		0x0004
#define JO_KEY_TIMEOUT		0x0008
#define JO_KEY_ON_TIMEOUT	0x0010
#define JO_KEY_TRANSACTION	0x0020
#define JO_KEY_OUTPUT		0x0040
#define JO_KEY_CACHE		0x0080
#define JO_KEY_FOREACH		0x0100
#define JO_KEY_COMPENSATE	0x0200
#define JO_KEY_ON_ERROR		0x0400
#define JO_KEY_CONCURRENCY	0x0800
#define JO_KEY_EXTERNAL_ID	0x1000

/* What a step's reader knows beside the JoStepDef; the parts of a container each have one. */
typedef struct JoStepSource
{
	const cJSON *json;
	const JoPath *path;			/* $.steps[2] */
	const JoStepKind *kind;		/* NULL: no type that is known */
	int			list;			/* number of the list that it stands in */
	int			before;			/* the step before it there, -1: none or at once */
	int			inside;			/* OPEN of the container it stands in, or -1 */
	int			branch;			/* which of its branches */
	bool		dep_by_order;	/* no depends_on: follows the step before it */
	struct JoDefReader *body;	/* loop, foreach with steps: reader of the body, once it was read */
	const cJSON *body_steps;	/* and what it is made of */
} JoStepSource;

/* A text with references, to be checked when all steps are known. */
typedef struct JoDefUse
{
	enum
	{
		JO_USE_SQL,				/* JoSqlText */
		JO_USE_VALUE,			/* JoValue */
		JO_USE_PATH				/* JoRefList */
	}			kind;
	void	   *thing;
	int			step;			/* -1: the job's output */
	const JoPath *path;
	unsigned	reads;			/* JO_READS_... */
} JoDefUse;

#define JO_READS_RESULT		0x01	/* the step's own result */
#define JO_READS_ITEM		0x02	/* an item that is no foreach's: filter */
#define JO_READS_BODY		0x04	/* steps of the step's own body, and iteration */

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

/* One bit per pair of steps: is the one over before the other begins? */
typedef struct JoAncestors
{
	int			nwords;
	uint64	   *bits;			/* nwords per step; NULL while there is a cycle */
} JoAncestors;

/* What the readers of all definitions of one document have in common. */
typedef struct JoNamedPlace
{
	const char *name;
	const JoPath *path;
	int			reader;			/* number of the definition it is in */
} JoNamedPlace;

typedef struct JoDefNames
{
	int			n;
	int			capacity;
	JoNamedPlace *list;
	int			nreaders;
} JoDefNames;

typedef struct JoDefReader
{
	JoFindings *findings;
	const JoDefinitionHooks *hooks;
	JoDefinition *definition;
	const cJSON *root;
	const JoPath *top;			/* where the definition stands: the document, or a step */
	JoStepSource *sources;		/* one per step */
	int			capacity;		/* of definition->steps and sources */
	int			nlists;			/* lists of steps so far */
	bool		too_many;		/* it was said that there are more than JO_MAX_STEPS */
	JoStepDefaults defaults;
	const cJSON *defaults_json; /* or NULL */
	const char *step;			/* name of the step being read, or NULL */
	int			step_index;		/* and its index, or -1 */
	JoTemplateScope scope;		/* what the texts being read may name */
	int			nuses;
	int			uses_capacity;
	JoDefUse   *uses;
	JoAncestors ancestors;
	JoDefNames *names;			/* of all definitions of the document whose names must differ */
	int			number;			/* of this one among them */

	/* a body, while the definition around it is read */
	struct JoDefReader *up;		/* reader of the definition around it, or NULL */
	int			up_step;		/* the step there whose body it is */
	int			depth;			/* definitions around it */
	int			nread;			/* names of steps around it that it reads */
	int			read_capacity;
	char	  **read;
	int			ntypes;			/* inputs it reads, with their types */
	int			types_capacity;
	struct JoInputType *types;

	int			ninputs;
	int			inputs_capacity;
	JoInputType *inputs;		/* in strcmp order of their paths */
	bool		inputs_declared;	/* input has properties */
	bool		inputs_closed;	/* and additionalProperties is false */
} JoDefReader;

/* definition.c */

/* Reads a whole definition (reader->root), or that of a body, into reader->definition. */
extern void jo_def_read_definition(JoDefReader *reader);

/* deffindings.c */
extern void jo_def_report(JoDefReader *reader, const char *code, const JoPath *path,
						  const char *suggestion, const char *format,...) pg_attribute_printf(5, 6);
extern void jo_def_warn(JoDefReader *reader, const char *code, const JoPath *path,
						const char *suggestion, const char *format,...) pg_attribute_printf(5, 6);
extern void jo_def_report_fault(JoDefReader *reader, const JoPath *path, const JoTemplateFault *fault);
extern char *jo_def_path_text(const JoPath *path);


/* A path that stays: its levels up to the definition's own top are copied. */
extern const JoPath *jo_def_keep_path(const JoDefReader *reader, const JoPath *path);

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

/* a string, an array, null: for messages */
extern const char *jo_def_describe_type(const cJSON *json);

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
/* What applies where nothing is said, to this part of a step. */
extern void jo_def_set_policy(JoDefReader *reader, JoStepDef *step);
extern void jo_def_read_policy(JoDefReader *reader, const cJSON *json, const JoPath *path,
							   JoStepDef *step, const JoStepKind *kind);

/* defexpr.c */

/* Notes a text that has references, for jo_def_check_references(). */
extern void jo_def_use(JoDefReader *reader, int kind, void *thing, const JoPath *path, unsigned reads);

/* A condition: a path, or {"sql": ...}.  plan: the number of its SQL among the step's. */
extern void jo_def_read_condition(JoDefReader *reader, const cJSON *json, const JoPath *path,
								  JoCondition *condition, int plan, unsigned reads);

/* The next free number of an SQL text of the step. */
extern int	jo_def_next_plan(JoStepDef *step);

/* An SQL/JSON path with its references; NULL after a finding. */
extern char *jo_def_read_path(JoDefReader *reader, const cJSON *json, const JoPath *path,
							  JoRefList *refs, unsigned reads);

/* A path within an item, such as $.price or price, without references. */
extern char *jo_def_read_item_path(JoDefReader *reader, const cJSON *json, const JoPath *path);

/* The kept SQL of an expression or condition, checked by the server too. */
extern JoSqlText *jo_def_read_query(JoDefReader *reader, const cJSON *json, const JoPath *path,
									unsigned reads);

/* A template value, noted; NULL after a finding. */
extern JoValue *jo_def_read_template(JoDefReader *reader, const cJSON *json, const JoPath *path,
									 unsigned reads);

/* The same of a text, not of another JSON value. */
extern JoValue *jo_def_read_template_text(JoDefReader *reader, const cJSON *json, const JoPath *path);

/* {"sql": ...}, {"path": ..., "many": ...} or else a template value. */
extern void jo_def_read_expression(JoDefReader *reader, const cJSON *json, const JoPath *path,
								   JoStepDef *step, JoExpression *expression);

/* An expression that gives an array. */
extern void jo_def_read_items(JoDefReader *reader, const cJSON *json, const JoPath *path,
							  JoStepDef *step, JoExpression *expression);

/* {{ previous.output }} */
extern JoValue *jo_def_previous_output(JoDefReader *reader, const JoPath *path);

/* definput.c */

/* Any JSON Schema: what is wrong with it or not supported becomes findings. */
extern void jo_def_read_schema(JoDefReader *reader, const cJSON *json, const JoPath *path);
/* The same for the job's input, which templates can then read. */
extern void jo_def_read_input(JoDefReader *reader, const cJSON *json, const JoPath *path);
/* The declared property that a template's path names whole, or NULL. */
extern const JoInputType *jo_def_find_input(const JoDefReader *reader, const char *path);

/* defflow.c */
extern void jo_def_collect_steps(JoDefReader *reader);

/* defstep.c */

/* The type that a step says or means, NULL if that is none; reports nothing. */
extern const JoStepKind *jo_def_find_kind(const cJSON *json);

/* Is it one of the keys that not only one type has? */
extern bool jo_def_is_common_key(const char *key);
extern void jo_def_read_step(JoDefReader *reader, JoStepDef *step);

/* deflogic.c: condition switch parallel race join end; the rest as JoStepKind.read */
extern void jo_def_read_if(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);
extern void jo_def_read_switch(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);
extern void jo_def_read_parallel(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);
extern void jo_def_read_join(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);
extern void jo_def_read_end(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);

/* The branch of a decision by its label, -1: there is none. */
extern int	jo_def_find_branch(const JoStepDef *step, const char *label);

/* defdata.c: transform validate aggregate filter set notify */
extern void jo_def_read_transform(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);
extern void jo_def_read_validate(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);
extern void jo_def_read_aggregate(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);
extern void jo_def_read_filter(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);
extern void jo_def_read_set(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);
extern void jo_def_read_notify(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);

/* defwait.c: delay wait_signal wait_sql approval */
extern void jo_def_read_delay(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);
extern void jo_def_read_wait_signal(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);
extern void jo_def_read_wait_sql(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);
extern void jo_def_read_approval(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);

/* defchild.c: foreach loop job */

/* What is repeated over, by the key "foreach" or the keys of the type. */
extern void jo_def_read_each(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step,
							 JoEachDef *each);
/* The second name of its items, NULL: none. */
extern const char *jo_def_find_alias(const cJSON *json);
extern void jo_def_read_foreach(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);
extern void jo_def_read_loop(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);
extern void jo_def_read_job(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);

/* defpolicy.c: "concurrency" of a step or job; NULL after a finding */
extern JoConcurrencyDef *jo_def_read_concurrency(JoDefReader *reader, const cJSON *json, const JoPath *path);

/* defcheck.c: after all steps are read. */
extern void jo_def_index_names(JoDefReader *reader);
extern void jo_def_check_all_names(JoDefReader *reader);
extern void jo_def_check_cycles(JoDefReader *reader);
extern char *jo_def_suggest_step(const JoDefReader *reader, const char *name, int list);

/* defdeps.c */
extern void jo_def_read_dependencies(JoDefReader *reader);

/* defbody.c: definitions inside of steps, after the one around them */
extern void jo_def_read_outer(JoDefReader *reader, const cJSON *json, const JoPath *path);
extern void jo_def_read_bodies(JoDefReader *reader);

/* defrefs.c */
extern void jo_def_find_ancestors(JoDefReader *reader);
extern void jo_def_check_references(JoDefReader *reader);

#endif
