/*
 * status.h
 *		The words for the letters by which rows and memory know a status.
 */
#ifndef JO_STATUS_H
#define JO_STATUS_H

#include "joborch.h"

/* Of a step or of a run: where both have a status, both have one letter for it. */
extern const char *jo_status_word(char status);

#endif
