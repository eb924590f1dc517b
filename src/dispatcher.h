/*
 * dispatcher.h
 *		What the dispatcher's parts ask of the process itself.
 */
#ifndef JO_DISPATCHER_H
#define JO_DISPATCHER_H

#include "shmem.h"

/* Ends the process for good if the extension is not there any more. */
extern void jo_dispatcher_leave_if_gone(JoDatabase *mine);

#endif
