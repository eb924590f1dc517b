/*
 * docparts.h
 *		What the files of the run document share, and nobody else includes.
 *
 * document.c fills in templates and asks conditions; docroots.c knows where each
 * root comes from, docsteps.c the steps, docitems.c the items of a foreach.
 * Everything is allocated in the document's context and kept until that goes.
 */
#ifndef JO_DOCPARTS_H
#define JO_DOCPARTS_H

#include "docpath.h"
#include "document.h"

#define JO_MAX_OVERLAYS 8

/* A value that stands for a root while an expression is evaluated. */
typedef struct JoOverlay
{
	JoRoot		root;
	Jsonb	   *value;
} JoOverlay;

/* What becomes of a template with a secret. */
typedef enum JoSecretUse
{
	JO_SECRET_REFUSED,
	JO_SECRET_NAMED,
	JO_SECRET_ALLOWED
} JoSecretUse;

struct JoDocument
{
	JoCachedJob *job;			/* of the run that it describes */
	JoDocument *reader;			/* whose expressions read it; NULL: its own job's */
	int64		run_id;
	int			step;			/* that reads it; -1: the job itself */
	int32		item;			/* of the step, JO_NO_ITEM: none */
	int32		epoch;			/* with item */
	int			attempt;
	TimestampTz run_started_at;
	MemoryContext context;
	JoRunRow   *run;			/* NULL: not read yet */
	JoDocument *parent;			/* of the run around a body; NULL: not made yet */
	JoStepRow **steps;			/* NULL: none read yet */
	bool	   *looked;			/* steps[i] was asked for */
	Jsonb	  **outputs;		/* brought back from artifacts; NULL: none yet */
	Jsonb	   *run_object;
	Jsonb	   *job_object;
	Jsonb	   *schedule_object;
	Jsonb	   *vars;
	JoSecretUse secret_use;
	Oid			secret_role;	/* with ALLOWED */
	JoSecretList *secret_list;
	int			noverlays;
	JoOverlay	overlays[JO_MAX_OVERLAYS];
};

/* ---- docroots.c ---- */

/* The run's row, read once; raises ERRCODE_JO_RUN_NOT_FOUND. */
extern JoRunRow *jo_docroots_run(JoDocument *document);

/* Of a body, the document of the run around it; else NULL. */
extern JoDocument *jo_docroots_parent(JoDocument *document);

/* A member of what a body was started with; NULL when there is none. */
extern Jsonb *jo_docroots_context(JoDocument *document, const char *key);

/* The value of a root other than steps and previous; NULL when it is undefined. */
extern Jsonb *jo_docroots_get(JoDocument *document, JoRoot root);

/* The value at a template's path below `secret`; NULL: its value has no such member. */
extern Jsonb *jo_docroots_secret(JoDocument *document, const JoTemplate *template);

/* The same as jo_docroots_get() for a reference, which may name the item of an outer foreach. */
extern Jsonb *jo_docroots_read(JoDocument *document, const JoRef *ref);

/* ---- docsteps.c ---- */

/* Which step of which run a reference means: *owner is document or one around it; -1: none. */
extern int	jo_docsteps_find(JoDocument *document, const JoRef *ref, JoDocument **owner);

/* The row of a step that ended, NULL if it has none; read once. */
extern JoStepRow *jo_docsteps_row(JoDocument *document, int step);

/*
 * What a step came to: its row's status; of one without a row, which is over
 * because whoever reads waited for it, skipped; 0: it need not be over.
 */
extern char jo_docsteps_status(JoDocument *document, int step);

/*
 * A row's output.  For one that went to an artifact, the stand-in if that has what path (NULL: nothing)
 * names, else the output itself; see spill.h.
 */
extern Jsonb *jo_docsteps_output(JoDocument *document, int step, const char *path);

/* {output, row, value, status, error}; NULL when the step need not be over. */
extern Jsonb *jo_docsteps_build(JoDocument *document, int step);

/* A path below a step; only the part that it names is built.  texts is whose path it is. */
extern Jsonb *jo_docsteps_path(JoDocument *document, int step, JoCachedJob *texts, const char *path);

/*
 * What `previous` means: a step of *owner, or, with -1, *given (what a loop gives
 * to its body), or nothing (NULL).  ref says it if the definition's reader knew; NULL:
 * no text names it.
 */
extern int	jo_docsteps_previous(JoDocument *document, const JoRef *ref, JoDocument **owner,
								 Jsonb **given);

/* ---- docitems.c ---- */

/* An item of a foreach, in the current context; NULL when it is not there. */
extern Jsonb *jo_docitems_get(int64 run_id, int open_step, int32 epoch, int32 item);

#endif
