/*
 * txn.c
 *		Transactions of our processes: the caller's memory context survives them.
 *
 * CommitTransactionCommand() leaves TopMemoryContext current, where whatever a
 * process allocates next would stay for its life.
 */
#include "joborch.h"

#include "access/xact.h"
#include "txn.h"
#include "utils/memutils.h"

static MemoryContext before = NULL;

void
jo_txn_begin(void)
{
	before = CurrentMemoryContext;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
}

void
jo_txn_commit(void)
{
	CommitTransactionCommand();
	MemoryContextSwitchTo(before);
}
