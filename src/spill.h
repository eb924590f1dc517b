/*
 * spill.h
 *		Outputs of steps that are too large for their row.
 *
 * Such an output is stored as an artifact, in the step's own transaction, and the row gets
 * a stand-in for it: {"artifact": {...}, "truncated": true}, and the numbers of a result.
 * Later steps see the output itself: the run document brings it back.
 */
#ifndef JO_SPILL_H
#define JO_SPILL_H

#include "steptry.h"

/* Is it larger than joborch.max_inline_result? */
extern bool jo_spill_is_large(const Jsonb *output);

/* Stores the step's output and returns the stand-in; returns output itself when that is not large. */
extern Jsonb *jo_spill(const JoTry *try, Jsonb *output);

/* The largest result in bytes, by joborch.max_result. */
extern Size jo_spill_limit(void);

/* Is it a stand-in?  NULL: no. */
extern bool jo_spill_stands_in(const Jsonb *output);

/* Does this path, below an output, name something that the stand-in has itself? */
extern bool jo_spill_answers(const Jsonb *stand_in, const char *path);

/*
 * What a stand-in stands for, in the current context.  run_id and owner are of the run
 * that reads it.  Raises ERRCODE_JO_ARTIFACT when it is gone or not theirs, and
 * ERRCODE_JO_TEMPLATE when it is in S3; place names who reads.
 */
extern Jsonb *jo_spill_load(const Jsonb *stand_in, int64 run_id, Oid owner, const char *place);

#endif
