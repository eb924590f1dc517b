/*
 * graph.h
 *		Questions about a set of nodes and their parents: order, cycles.
 */
#ifndef JO_GRAPH_H
#define JO_GRAPH_H

#include "leaf.h"

/*
 * Kahn's order over n nodes; parents of i are deps[i][0 .. ndeps[i]-1].
 * Fills order[n] and returns the number of nodes placed: fewer than n means a
 * cycle.  Siblings keep their given order.
 */
extern int	jo_graph_order(int n, const int *ndeps, int *const *deps, int *order);

/*
 * One cycle as a list of nodes, first one repeated at the end, in cycle[n + 1];
 * returns its length, 0 if there is none.
 */
extern int	jo_graph_cycle(int n, const int *ndeps, int *const *deps, int *cycle);

#endif
