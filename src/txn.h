/*
 * txn.h
 *		Transactions of our processes: the caller's memory context survives them.
 */
#ifndef JO_TXN_H
#define JO_TXN_H

#include "postgres.h"

/* Raises when one is open already. Nothing is allocated in the caller's context. */
extern void jo_txn_begin(void);

/* Commits and returns to the context that was current at jo_txn_begin(). */
extern void jo_txn_commit(void);

#endif
