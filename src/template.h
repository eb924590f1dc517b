/*
 * template.h
 *		{{ path | filter }}: what a template reads, and the text around it.
 *
 * A template never becomes code.  In SQL each becomes a bind parameter; only
 * `| ident` writes into the text, and only as a quoted name (done by the caller,
 * with quote_identifier).
 */
#ifndef JO_TEMPLATE_H
#define JO_TEMPLATE_H

#include "leaf.h"

typedef enum JoRoot
{
	JO_ROOT_INPUT,
	JO_ROOT_VARS,
	JO_ROOT_STEPS,
	JO_ROOT_PREVIOUS,
	JO_ROOT_RUN,
	JO_ROOT_JOB,
	JO_ROOT_SCHEDULE,
	JO_ROOT_RESULT,				/* only in a step's "output": the step's own result */
	JO_ROOT_ITEM,				/* foreach: the element; ref.alias if it is read by its second name */
	JO_ROOT_ITEM_INDEX,
	JO_ROOT_ITERATION,			/* loop */
	JO_ROOT_VALUE,				/* only in a rule: what is validated */
	JO_ROOT_SECRET				/* only in what a step tells others: never in a document */
} JoRoot;

typedef enum JoFilterKind
{
	JO_FILTER_DEFAULT,
	JO_FILTER_JSON,
	JO_FILTER_URLENCODE,
	JO_FILTER_BASE64,
	JO_FILTER_IDENT
} JoFilterKind;

typedef struct JoFilter
{
	JoFilterKind kind;
	char	   *argument;		/* default(x): x as JSON text */
} JoFilter;

/* One root that an expression reads; for steps, which one. */
typedef struct JoRef
{
	JoRoot		root;
	char	   *step_name;		/* JO_ROOT_STEPS only */
	char	   *alias;			/* JO_ROOT_ITEM read by the "as" of a foreach, else NULL */

	/*
	 * Set by the definition's reader: index of the step that is read; for
	 * JO_ROOT_PREVIOUS the step before (of a body's first step, the one before the
	 * container).  -1: until then, and when it is a step of another run, around a
	 * body or inside of it.
	 */
	int			step;
} JoRef;

typedef struct JoRefList
{
	int			n;
	JoRef	   *list;
} JoRefList;

/* One {{ ... }}. */
typedef struct JoTemplate
{
	char	   *source;			/* as written, for error messages */
	JoRef		ref;
	char	   *path;			/* SQL/JSON path over the run document, names quoted:
								 * $."steps"."my-step"."output"."rows"[0] */
	int			nfilters;
	JoFilter   *filters;
	char	   *declared_type;	/* type of the input property it names whole, or NULL */
} JoTemplate;

/*
 * A SQL text with its templates taken out.  pieces[0] $1 pieces[1] $2 ... in
 * order; a template whose filters end in JO_FILTER_IDENT is no parameter but a name.
 */
typedef struct JoSqlText
{
	int			ntemplates;
	JoTemplate *templates;
	char	  **pieces;			/* ntemplates + 1 texts between them */
	bool		has_ident;
	bool		or_expression;	/* a bare expression stands for the SELECT of it */
} JoSqlText;

/* A JSON value in which strings may hold templates. */
typedef enum JoValueKind
{
	JO_VALUE_LITERAL,			/* json */
	JO_VALUE_TEMPLATE,			/* the whole string is one template: keeps its type */
	JO_VALUE_TEXT,				/* text with templates inside: sql->pieces and templates */
	JO_VALUE_OBJECT,
	JO_VALUE_ARRAY
} JoValueKind;

typedef struct JoValue
{
	JoValueKind kind;
	char	   *json;			/* LITERAL */
	JoSqlText  *text;			/* TEMPLATE (templates[0]) and TEXT */
	int			n;				/* OBJECT, ARRAY */
	char	  **keys;			/* OBJECT */
	struct JoValue *values;
} JoValue;

/*
 * All return false and set *error (allocated, one sentence without full stop)
 * and *hint (or NULL) when the text is wrong; none raises.
 */

/* SQL: nothing is replaced inside quotes, dollar quotes, quoted names and comments;
 * a {{ known root path }} there is an error with a HINT, as is a bare $1. */
extern bool jo_template_parse_sql(const char *text, JoSqlText *out, char **error, char **hint);

/* Any other text, such as a string in a JSON value. */
extern bool jo_template_parse_text(const char *text, JoSqlText *out, char **error, char **hint);

/* The inside of one {{ }}. */
extern bool jo_template_parse_expression(const char *text, size_t length, JoTemplate *out,
										 char **error, char **hint);

/* Which roots and steps an SQL/JSON path expression ($.steps.a.output > 1) reads. */
extern bool jo_template_path_refs(const char *path, JoRefList *refs, char **error, char **hint);

extern const char *jo_root_name(JoRoot root);

#endif
