/*
 * document.h
 *		The run document that templates and conditions read.
 *
 * {input, vars, steps: {name: {output, row, value, status, error}}, previous, run, job,
 * item, item_index, iteration}; in a step's "output" also result, in rules value.
 * Only the parts that an expression names are built.  Rows are read with the
 * newest snapshot, so the step's own isolation level does not matter.
 */
#ifndef JO_DOCUMENT_H
#define JO_DOCUMENT_H

#include "postgres.h"
#include "defcache.h"
#include "secret.h"
#include "store.h"

typedef struct JoDocument JoDocument;

/* A predicate made ready for many items; see jo_document_filter(). */
typedef struct JoItemFilter JoItemFilter;

typedef enum JoTruth
{
	JO_TRUTH_NO,
	JO_TRUTH_YES,
	JO_TRUTH_UNKNOWN
} JoTruth;

/*
 * In the current context, where it also keeps what it reads; cheap: nothing is
 * read until it is asked for.  step -1: the job itself (its "output").
 */
extern JoDocument *jo_document_create(const JoCachedJob *job, int64 run_id, int step,
									  int attempt, TimestampTz run_started_at);

/* The step is EACH and this is its item; epoch is the run's, from its live row. */
extern void jo_document_set_item(JoDocument *document, int32 item, int32 epoch);

/*
 * Gives a root a value (NULL: undefined) that hides its own, until uncovered: the
 * last one first.
 */
extern void jo_document_overlay(JoDocument *document, JoRoot root, Jsonb *value);
extern void jo_document_uncover(JoDocument *document);

/* Gives `result` a meaning (a step's own "output" template). */
extern void jo_document_set_result(JoDocument *document, Jsonb *result);

/*
 * Gives `secret` a meaning: a value that this role may use, kept in *list (which the caller
 * forgets) so that it can be masked; InvalidOid: no more.  Without it a template with a secret raises
 * ERRCODE_JO_SECRET; named, it is shown as it is written, for reports.
 */
extern void jo_document_allow_secrets(JoDocument *document, Oid role, JoSecretList *list);
extern void jo_document_name_secrets(JoDocument *document);

/*
 * The document of another run, read by expressions of the reader's definition, as
 * those of a loop read the steps of its body.  Raises ERRCODE_JO_RUN_NOT_FOUND.
 */
extern JoDocument *jo_document_of_run(JoDocument *reader, int64 run_id);

/* The variables that steps of this run have set by now, NULL: none. */
extern Jsonb *jo_document_set_vars(JoDocument *document);

/* The job that it belongs to, a body to that of the run around it; 0: to none. */
extern int64 jo_document_job_id(JoDocument *document);

/* A template's value after its filters; raises ERRCODE_JO_TEMPLATE when undefined. */
extern Jsonb *jo_document_template(JoDocument *document, const JoTemplate *template);

/* A JSON value with its templates filled in. */
extern Jsonb *jo_document_render(JoDocument *document, const JoValue *value);

/* A root's whole value, but for steps and previous; NULL when it is undefined. */
extern Jsonb *jo_document_root(JoDocument *document, JoRoot root);

/* The output of what `previous` means, NULL: there is none. */
extern Jsonb *jo_document_previous_output(JoDocument *document);

/* The first value of an SQL/JSON path, NULL: it has none; many: all of them, as an array. */
extern Jsonb *jo_document_path(JoDocument *document, const char *path, const JoRefList *refs, bool many);

/*
 * `when`: the predicate's value.  Anything but true or false raises
 * ERRCODE_JO_CONDITION with a HINT; truth returns it.
 */
extern bool jo_document_predicate(JoDocument *document, const char *path, const JoRefList *refs);
extern JoTruth jo_document_truth(JoDocument *document, const char *path, const JoRefList *refs);

/*
 * A predicate over $.item, which is given for each item anew; it may read the
 * other roots too.  The time per item does not depend on how large those are.
 */
extern JoItemFilter *jo_document_filter(JoDocument *document, const char *path, const JoRefList *refs);
extern bool jo_document_filter_takes(JoItemFilter *filter, Jsonb *item);

/* step "x", or: the job's output; for messages. */
extern const char *jo_document_place(const JoDocument *document);

#endif
