/*
 * document.h
 *		The run document that templates and conditions read.
 *
 * {input, vars, steps: {name: {output, row, value, status, error}}, previous, run, job}
 * Only the parts that an expression names are built.  Rows are read with the
 * newest snapshot, so the step's own isolation level does not matter.
 */
#ifndef JO_DOCUMENT_H
#define JO_DOCUMENT_H

#include "postgres.h"
#include "defcache.h"
#include "store.h"

typedef struct JoDocument JoDocument;

/*
 * In the current context, where it also keeps what it reads; cheap: nothing is
 * read until it is asked for.  step -1: the job itself (its "output").
 */
extern JoDocument *jo_document_create(const JoCachedJob *job, int64 run_id, int step,
									  int attempt, TimestampTz run_started_at);

/* Gives `result` a meaning (a step's own "output" template). */
extern void jo_document_set_result(JoDocument *document, Jsonb *result);

/* A template's value after its filters; raises ERRCODE_JO_TEMPLATE when undefined. */
extern Jsonb *jo_document_template(JoDocument *document, const JoTemplate *template);

/* A JSON value with its templates filled in. */
extern Jsonb *jo_document_render(JoDocument *document, const JoValue *value);

/*
 * `when`: the predicate's value.  Anything but true or false raises
 * ERRCODE_JO_CONDITION with a HINT.
 */
extern bool jo_document_predicate(JoDocument *document, const char *path, const JoRefList *refs);

/* step "x", or: the job's output; for messages. */
extern const char *jo_document_place(const JoDocument *document);

#endif
