/*
 * renderparts.h
 *		What the files that draw graphs share: render.c, rendertext.c, renderlang.c
 *		and renderwords.c.
 */
#ifndef JO_RENDERPARTS_H
#define JO_RENDERPARTS_H

#include "definition.h"

#define JO_MAX_PHRASES 16

typedef struct JoRenderMark
{
	const char *status;
	const char *sign;
	const char *ascii;
	const char *color;
} JoRenderMark;

/* One definition that is drawn: the job's, or that of a body in it. */
typedef struct JoRender
{
	const JoDefinition *definition;
	const char *const *marks;	/* or NULL */
	int		   *place;			/* of each step in an order that has parents before children */
	bool	   *handled;		/* of each: a step follows on its failure */
	bool		utf8;
	StringInfo	buf;
} JoRender;

/* render.c */
extern void jo_render_begin(JoRender *render, const JoDefinition *definition,
							const char *const *marks, StringInfo buf);
extern const char *jo_render_phase(JoPhase phase);

/* A mark's word, sign and color; NULL: none. */
extern const char *jo_render_status(const JoRender *render, int step);
extern const JoRenderMark *jo_render_mark(const char *status);

/*
 * Steps that stand beside each other, in the order in which they are drawn: those
 * of a phase, or (scope >= 0) directly in a container, there of one branch of a
 * decision.  Of a container the list has its CLOSE.  *steps is allocated.
 */
extern int	jo_render_list(const JoRender *render, JoPhase phase, int scope, int branch, int **steps);

/* The part of a step that has its beginning: OPEN of a container. */
extern const JoStepDef *jo_render_start(const JoRender *render, const JoStepDef *step);

/* Is it a container with steps in it, in this definition? */
extern bool jo_render_has_steps(const JoStepDef *step);
extern bool jo_render_decides(const JoStepDef *step);

/* renderwords.c */

/* What is special about a step, a phrase each; at most JO_MAX_PHRASES. */
extern int	jo_render_phrases(const JoRender *render, const JoStepDef *step, char **phrases);

/* A branch with its condition: case_1 if ..., true, default. */
extern char *jo_render_branch(const JoFlowDef *flow, int branch);

/* failure, always or the label of a branch; NULL for an edge that says nothing. */
extern const char *jo_render_edge(const JoRender *render, const JoStepDef *step, int dep);

/* rendertext.c, renderlang.c */
extern void jo_render_text(JoRender *render);
extern void jo_render_language(JoRender *render, bool mermaid);

#endif
