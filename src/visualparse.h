/*
 * visualparse.h
 *		What the files of the visual form's translator share.
 *
 *	visual.c		the document and its envelopes
 *	visualinput.c	parameters and variables
 *	visualread.c	nodes, and how their parameters are asked for
 *	visualedge.c	edges
 *	visualregion.c, visualcycle.c	what is inside of what
 *	visualtypes.c	the table of types
 *	visualobject.c	scripts that are only an object
 *	visualstep.c, visualaction.c, visualcommand.c, visualdata.c, visualflow.c	a node's steps
 *	visualref.c		names
 *	visualexpr.c, visualemit.c	expressions
 *	visualtext.c	templates
 *	visualwrite.c	the native steps
 *
 * All report what is wrong as findings that name node, key and reason, and go on.
 */
#ifndef JO_VISUALPARSE_H
#define JO_VISUALPARSE_H

#include "defparse.h"

#define JO_VISUAL_MAX_NODES JO_MAX_STEPS
#define JO_VISUAL_MAX_EDGES 10000
#define JO_VISUAL_NONE (-1)
#define JO_VISUAL_TOP 0			/* the region that is the run itself */

typedef struct JoVisual JoVisual;
typedef struct JoVisualNode JoVisualNode;

/* What a type is for the flow. */
typedef enum JoVisualRole
{
	JO_VISUAL_WORK,				/* does something, and may fail */
	JO_VISUAL_START,
	JO_VISUAL_TRIGGER,
	JO_VISUAL_DECISION,			/* its ways out are branches */
	JO_VISUAL_CONTROL			/* delay, join, end: has no result of its own */
} JoVisualRole;

typedef enum JoVisualParamKind
{
	JO_PARAM_VALUE,				/* any value, with templates */
	JO_PARAM_TEXT,				/* a string with templates */
	JO_PARAM_INTEGER,			/* within min and max */
	JO_PARAM_BOOL,
	JO_PARAM_WORD,				/* one of words, or a template */
	JO_PARAM_LIST,				/* an array, or one value for an array of one */
	JO_PARAM_OBJECT
} JoVisualParamKind;

/* A parameter that becomes one key of the step; names are its spellings. */
typedef struct JoVisualParam
{
	const char *native;
	JoVisualParamKind kind;
	bool		required;
	int			min;
	int			max;
	const char *const *words;
	const char *names[6];
} JoVisualParam;

typedef struct JoVisualType
{
	const char *name;
	JoVisualRole role;
	const char *native;			/* type of the step, NULL: the function says it */
	void		(*translate) (JoVisual *visual, JoVisualNode *node);
	const JoVisualParam *params;	/* those that become keys as they are; ends with native NULL */
	int			timeout;		/* seconds when none is given; 0: none */
} JoVisualType;

/* A step that a node became; what it depends on is added when it is written. */
typedef struct JoVisualStep
{
	char	   *name;
	char	   *keys;			/* ,"type":"sql",... */
	struct JoVisualStep *next;
} JoVisualStep;

/* A data connection: what it brings in takes the place of a parameter. */
typedef struct JoVisualData
{
	const char *input;
	const char *output;
	int			from;
	bool		used;
	struct JoVisualData *next;
} JoVisualData;

typedef enum JoVisualOn
{
	JO_VISUAL_ALWAYS,
	JO_VISUAL_SUCCESS,
	JO_VISUAL_FAILURE,
	JO_VISUAL_BRANCH,			/* label */
	JO_VISUAL_EXPRESSION		/* label is the expression */
} JoVisualOn;

typedef struct JoVisualEdge
{
	int			from;
	int			to;
	JoVisualOn	on;
	const char *label;
	int			max_iterations; /* 0: not said */
	bool		inner;			/* between a loop and its body: the loop itself stands for it */
	bool		back;			/* closes a cycle */
	JoPath	   *path;
	char	   *condition;		/* of an expression, as JSON text */
	char	   *step;			/* the step that was written for its condition, or NULL */
} JoVisualEdge;

struct JoVisualNode
{
	int			index;
	const char *id;
	const JoVisualType *type;
	const cJSON *json;
	const cJSON *config;		/* parameters: "data" or "config" */
	JoPath	   *path;
	JoPath	   *config_path;
	int			region;
	bool		reachable;
	bool		goes_on;		/* continue_on_error */
	bool		asked;			/* a condition behind it asks whether it failed */
	bool		fails_over;		/* an edge is for its failure */
	int			item_timeout;	/* seconds, what the loop around it allows an item; 0: nothing */
	bool		zero_based;		/* cases of its edges count from case_0 */
	int			ntargets;
	const cJSON **targets;		/* one step each, when there are several */
	bool		wants_join;		/* several steps, and their outputs are read as one */
	char	   *succeeded;		/* a step that asks whether it succeeded, written when needed */
	JoVisualStep *steps;		/* several only with several targets */
	char	   *values_step;	/* the step before it that computes what no template can say */
	StringInfoData values;		/* "v1":{"sql":..} */
	int			nvalues;
	JoVisualData *data;
	int			ntaken;			/* keys that the type has asked for, and were there */
	int			taken_capacity;
	const char **taken;
	int			nknown;			/* keys that it has asked for */
	int			known_capacity;
	const char **known;
};

typedef enum JoVisualRegionKind
{
	JO_REGION_TOP,
	JO_REGION_LOOP,				/* body of a node, run by an own child run each time */
	JO_REGION_CYCLE,			/* nodes that edges lead back to */
	JO_REGION_PARALLEL			/* within a container of the same run */
} JoVisualRegionKind;

typedef struct JoVisualRegion
{
	JoVisualRegionKind kind;
	int			parent;
	int			owner;			/* the node that has it; of a cycle the node it begins with */
	char	   *name;			/* of the step that runs it */
	const char *item;			/* foreach: name of the element, or NULL */
	int			max_iterations; /* CYCLE */
	char	   *again;			/* CYCLE: the step that completes when it goes around once more */
	bool	   *exported;		/* nodes of which something is read outside, by index */
} JoVisualRegion;

struct JoVisual
{
	JoDefReader reader;			/* for its findings and typed reading only */
	const cJSON *root;			/* the definition within its envelope */
	JoPath	   *path;
	int			errors_before;
	bool		blocks;			/* blocks and connections */
	int			nnodes;
	JoVisualNode *nodes;
	int			nedges;
	int			edges_capacity;
	JoVisualEdge *edges;
	int			nregions;
	JoVisualRegion *regions;
	int			nparameters;
	int			parameters_capacity;
	const char **parameters;	/* declared names */
	StringInfoData inputs;		/* properties of "input" */
	StringInfoData required;	/* names of those that must be given */
	StringInfoData triggers;	/* elements of metadata.triggers */
	int			nnames;			/* names of steps that are taken beside those of nodes */
	int			names_capacity;
	char	  **names;
};

/* ---- expressions ---- */

typedef enum JoExprKind
{
	JO_EXPR_STRING,
	JO_EXPR_NUMBER,
	JO_EXPR_WORD,				/* true, false, null */
	JO_EXPR_REF,
	JO_EXPR_LENGTH,
	JO_EXPR_NOT,
	JO_EXPR_AND,
	JO_EXPR_OR,
	JO_EXPR_COMPARE,
	JO_EXPR_CONTAINS,
	JO_EXPR_ARITHMETIC,
	JO_EXPR_CHOICE				/* a ? b : c */
} JoExprKind;

/* A name as written, and what it means natively. */
typedef struct JoVisualRef
{
	int			nsegments;
	char	  **segments;
	bool	   *is_index;
	int			n;
	char	  **native;			/* steps, check-1, output, rows */
	bool	   *native_is_index;
	char	   *computed;		/* SQL instead of a path, or NULL */
	bool		is_status;		/* of a step, where the visual words for it are meant */
	bool		may_have_own;	/* and its output may have a status too */
	int			node;			/* whose step it reads, or JO_VISUAL_NONE */
} JoVisualRef;

typedef struct JoExpr
{
	JoExprKind	kind;
	char	   *text;			/* value, digits, word, operator */
	JoVisualRef *ref;
	struct JoExpr *args[3];
} JoExpr;

/* Where an expression or a template stands. */
typedef struct JoVisualPlace
{
	JoVisual   *visual;
	JoVisualNode *node;			/* whose steps it becomes */
	const JoPath *path;			/* for findings */
	const char *key;
	int			previous;		/* what previous_step and data mean on an edge, or JO_VISUAL_NONE */
	int			region;			/* of what reads */
	bool		scripted;		/* input is what a script gets: a column of the query it becomes */
	const char *loose;			/* root of names that nothing else explains ("value"), or NULL */
} JoVisualPlace;

/* visualinput.c: parameters and variables of one object of the document. */
extern void jo_visual_read_inputs(JoVisual *visual, const cJSON *json, const JoPath *path);

/* visualread.c: the document's nodes, and typed reading of parameters. */
extern bool jo_visual_read_nodes(JoVisual *visual, const cJSON *list, JoPath *path, int region);
extern int	jo_visual_find_node(const JoVisual *visual, const char *id);
extern JoPath *jo_visual_path(const JoPath *up, const char *key, int index);
/* NULL-terminated spellings of one parameter; *found (may be NULL) is the one that is there. */
extern const cJSON *jo_visual_take(JoVisual *visual, JoVisualNode *node, const char *const *names,
								   const char **found);
extern const cJSON *jo_visual_take1(JoVisual *visual, JoVisualNode *node, const char *name);
extern void jo_visual_check_taken(JoVisual *visual, JoVisualNode *node);
extern void jo_visual_report(JoVisual *visual, const JoVisualNode *node, const char *code,
							 const char *key, const char *suggestion,
							 const char *format,...) pg_attribute_printf(6, 7);
extern void jo_visual_warn(JoVisual *visual, const JoVisualNode *node, const char *code,
						   const char *key, const char *suggestion,
						   const char *format,...) pg_attribute_printf(6, 7);
extern void jo_visual_report_at(const JoVisualPlace *place, const char *code, const char *suggestion,
								const char *format,...) pg_attribute_printf(4, 5);

/* visualedge.c */
extern void jo_visual_read_edges(JoVisual *visual, const cJSON *list, JoPath *path);
extern JoVisualEdge *jo_visual_add_edge(JoVisual *visual, int from, int to, JoVisualOn on,
										const char *label, JoPath *path);
/* Edges that follow from parameters such as true_branch; a word there that is no node is a label. */
extern void jo_visual_read_implied_edges(JoVisual *visual);
/* Branch of a decision for an edge's label: true, case_2, a case's name; NULL: it has no such one. */
extern const char *jo_visual_branch(JoVisual *visual, const JoVisualNode *node, const char *label);
extern bool jo_visual_has_body(const JoVisualNode *node);
extern bool jo_visual_is_switch(const JoVisualNode *node);
extern const cJSON *jo_visual_cases(const JoVisualNode *node);
extern char *jo_visual_case_name(const cJSON *json, int index);
extern bool jo_visual_has_default(const JoVisual *visual, const JoVisualNode *node);

/* visualregion.c */
extern void jo_visual_check_starts(JoVisual *visual);
extern bool jo_visual_owns_region(const JoVisual *visual, const JoVisualNode *node);
extern int	jo_visual_add_region(JoVisual *visual, JoVisualRegionKind kind, int parent, int owner,
								 char *name);
extern void jo_visual_settle_body(JoVisual *visual, JoVisualNode *owner, int region);
extern void jo_visual_read_bodies(JoVisual *visual);

/* visualcycle.c: makes a region of each set of nodes that edges lead around. */
extern void jo_visual_find_cycles(JoVisual *visual);
/* The region below level that region is in, or is; NONE when region is level itself. */
extern int	jo_visual_child_region(const JoVisual *visual, int region, int level);
extern bool jo_visual_is_inside(const JoVisual *visual, int region, int outer);
extern int	jo_visual_common_region(const JoVisual *visual, int a, int b);

/* visualtypes.c */
extern const JoVisualType *jo_visual_find_type(const char *name);
extern char *jo_visual_suggest_type(const char *name);

/* visualaction.c, visualcommand.c, visualdata.c, visualflow.c: the translate functions of the table. */
extern void jo_visual_http(JoVisual *visual, JoVisualNode *node);
extern void jo_visual_command(JoVisual *visual, JoVisualNode *node);
extern void jo_visual_transfer(JoVisual *visual, JoVisualNode *node);
extern void jo_visual_notification(JoVisual *visual, JoVisualNode *node);
extern void jo_visual_database(JoVisual *visual, JoVisualNode *node);
extern void jo_visual_external(JoVisual *visual, JoVisualNode *node);
extern void jo_visual_transform(JoVisual *visual, JoVisualNode *node);
extern void jo_visual_validate(JoVisual *visual, JoVisualNode *node);
extern void jo_visual_aggregate(JoVisual *visual, JoVisualNode *node);
extern void jo_visual_filter(JoVisual *visual, JoVisualNode *node);
extern void jo_visual_log(JoVisual *visual, JoVisualNode *node);
extern void jo_visual_start(JoVisual *visual, JoVisualNode *node);
extern void jo_visual_trigger(JoVisual *visual, JoVisualNode *node);
extern void jo_visual_end(JoVisual *visual, JoVisualNode *node);
extern void jo_visual_delay(JoVisual *visual, JoVisualNode *node);
extern void jo_visual_if(JoVisual *visual, JoVisualNode *node);
extern void jo_visual_switch(JoVisual *visual, JoVisualNode *node);
extern void jo_visual_parallel(JoVisual *visual, JoVisualNode *node);
extern void jo_visual_join(JoVisual *visual, JoVisualNode *node);
extern void jo_visual_while(JoVisual *visual, JoVisualNode *node);
extern void jo_visual_for_each(JoVisual *visual, JoVisualNode *node);

/* What they have in common: visualstep.c. */
extern JoVisualStep *jo_visual_add_step(JoVisual *visual, JoVisualNode *node, const char *keys);
extern char *jo_visual_string(const char *text);	/* as JSON */
/* ,"native":value of one parameter, or of a list of them; "" when it is not there. */
extern void jo_visual_copy_param(JoVisual *visual, JoVisualNode *node, const JoVisualParam *param,
								 StringInfo keys);
extern void jo_visual_copy_params(JoVisual *visual, JoVisualNode *node, const JoVisualParam *params,
								  StringInfo keys);
/* Asks for keys that are kept in the original only. */
extern void jo_visual_ignore(JoVisual *visual, JoVisualNode *node, const char *const *names);
/* The value of a parameter as JSON text with native templates, NULL when it is not there. */
extern char *jo_visual_value_of(JoVisual *visual, JoVisualNode *node, const char *const *names);
/* Retry, time-out, continue_on_error, description: what every step may have. */
extern void jo_visual_copy_common(JoVisual *visual, JoVisualNode *node, StringInfo keys);
/* The name as a label, and what more there is to keep (NULL: nothing). */
extern void jo_visual_copy_metadata(JoVisual *visual, JoVisualNode *node, const char *more, StringInfo keys);
/* A word of a parameter that is not copied; fallback when it is not there. */
extern const char *jo_visual_word(JoVisual *visual, JoVisualNode *node, const char *const *names,
								  const char *const *words, const char *fallback);
extern void jo_visual_read_targets(JoVisual *visual, JoVisualNode *node);
extern char *jo_visual_unique_name(JoVisual *visual, const char *wanted);
extern void jo_visual_place(JoVisual *visual, JoVisualNode *node, const char *key, JoVisualPlace *place,
							JoPath *path);

/* visualobject.c: the query that a script is, NULL when it is more than an object; input as JSON. */
extern char *jo_visual_object(JoVisual *visual, JoVisualNode *node, const char *key, const char *script,
							  const char *input);

/* visualref.c: false after a finding. */
extern bool jo_visual_resolve(const JoVisualPlace *place, JoVisualRef *ref);
extern char *jo_visual_ref_template(const JoVisualRef *ref);	/* steps.a.output */
extern char *jo_visual_ref_path(const JoVisualRef *ref);	/* $.steps."a".output */
extern char *jo_visual_join_template(int n, char *const *segments, const bool *is_index);
/* What a data connection brings, as a template's path. */
extern char *jo_visual_data_template(const JoVisualPlace *place, const JoVisualData *data);
/* The node whose result previous_step means for what follows a node; NONE and *message otherwise. */
extern int	jo_visual_previous(JoVisual *visual, const JoVisualNode *node, char **message);

/* visualexpr.c: NULL after a finding. */
extern JoExpr *jo_expr_parse(const JoVisualPlace *place, const char *text, size_t length);

/* visualemit.c */
extern char *jo_expr_path(const JoExpr *expr);	/* NULL: no path says it */
extern char *jo_expr_sql_value(const JoExpr *expr);
extern char *jo_expr_sql_predicate(const JoExpr *expr);
extern bool jo_expr_reads_status(const JoExpr *expr, int node);
extern bool jo_expr_is_bound(const JoExpr *expr);

/* visualtext.c: NULL after a finding.  Texts are plain, values and conditions JSON. */
extern char *jo_visual_text(const JoVisualPlace *place, const char *text);
extern char *jo_visual_sql_text(const JoVisualPlace *place, const char *text);
extern char *jo_visual_value(const JoVisualPlace *place, const cJSON *json);
extern char *jo_visual_condition(const JoVisualPlace *place, const char *text, JoExpr **expr);
/* The template that reads an SQL expression, computed by a step before the node's. */
extern char *jo_visual_computed(const JoVisualPlace *place, const char *sql);

/* visualwrite.c */
extern char *jo_visual_write(JoVisual *visual);

#endif
