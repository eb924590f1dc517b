/*
 * graph.c
 *		Order and cycles of a set of nodes, by indexes only.
 *
 * A leaf: knows nothing of steps.  Both functions are linear in nodes and edges
 * and never recurse.
 */
#include "graph.h"

#include <string.h>

/* Children of every node in one array: those of i are child[first[i] .. first[i + 1] - 1]. */
typedef struct Children
{
	int		   *first;
	int		   *child;
} Children;

static void
find_children(int n, const int *ndeps, int *const *deps, Children *children)
{
	int		   *next;

	children->first = palloc0((n + 1) * sizeof(int));
	for (int i = 0; i < n; i++)
		for (int d = 0; d < ndeps[i]; d++)
			children->first[deps[i][d] + 1]++;
	for (int i = 0; i < n; i++)
		children->first[i + 1] += children->first[i];
	children->child = palloc((children->first[n] + 1) * sizeof(int));
	next = palloc((n + 1) * sizeof(int));
	memcpy(next, children->first, (n + 1) * sizeof(int));
	for (int i = 0; i < n; i++)
		for (int d = 0; d < ndeps[i]; d++)
			children->child[next[deps[i][d]]++] = i;
	pfree(next);
}

/* A binary heap of ready nodes: the one written first is taken first. */
static void
heap_push(int *heap, int *size, int node)
{
	int			at = (*size)++;

	while (at > 0 && heap[(at - 1) / 2] > node)
	{
		heap[at] = heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap[at] = node;
}

static int
heap_pop(int *heap, int *size)
{
	int			top = heap[0];
	int			last = heap[--(*size)];
	int			at = 0;

	for (;;)
	{
		int			child = 2 * at + 1;

		if (child >= *size)
			break;
		if (child + 1 < *size && heap[child + 1] < heap[child])
			child++;
		if (heap[child] >= last)
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = last;
	return top;
}

int
jo_graph_order(int n, const int *ndeps, int *const *deps, int *order)
{
	Children	children;
	int		   *waiting = palloc((n + 1) * sizeof(int));
	int		   *heap = palloc((n + 1) * sizeof(int));
	int			nready = 0;
	int			placed = 0;

	find_children(n, ndeps, deps, &children);
	for (int i = 0; i < n; i++)
	{
		waiting[i] = ndeps[i];
		if (waiting[i] == 0)
			heap_push(heap, &nready, i);
	}
	while (nready > 0)
	{
		int			node = heap_pop(heap, &nready);

		order[placed++] = node;
		for (int c = children.first[node]; c < children.first[node + 1]; c++)
			if (--waiting[children.child[c]] == 0)
				heap_push(heap, &nready, children.child[c]);
	}
	pfree(children.first);
	pfree(children.child);
	pfree(waiting);
	pfree(heap);
	return placed;
}

/*
 * Every node that Kahn's order leaves out has a parent that is left out too, so
 * walking from one to such a parent must meet a node again: the walk from there
 * is a cycle.  Walked backwards, it reads from parent to child.
 */
int
jo_graph_cycle(int n, const int *ndeps, int *const *deps, int *cycle)
{
	int		   *order = palloc((n + 1) * sizeof(int));
	int		   *seen_at = palloc((n + 1) * sizeof(int));
	bool	   *placed = palloc0((n + 1) * sizeof(bool));
	int			nplaced = jo_graph_order(n, ndeps, deps, order);
	int			node = 0;
	int			nwalk = 0;
	int			length = 0;

	for (int i = 0; i < nplaced; i++)
		placed[order[i]] = true;
	for (int i = 0; i < n; i++)
		seen_at[i] = -1;
	while (node < n && placed[node])
		node++;

	while (node < n && seen_at[node] < 0)
	{
		int			parent = 0;

		seen_at[node] = nwalk;
		order[nwalk++] = node;
		while (placed[deps[node][parent]])
			parent++;
		node = deps[node][parent];
	}
	if (node < n)
	{
		int			first = seen_at[node];

		cycle[length++] = node;
		for (int i = nwalk - 1; i >= first; i--)
			cycle[length++] = order[i];
	}
	pfree(order);
	pfree(seen_at);
	pfree(placed);
	return length;
}
