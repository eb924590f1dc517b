/*
 * templateparse.h
 *		What the readers of templates share among themselves and with the
 *		definition's reader, which wants to know the kind of a fault.
 */
#ifndef JO_TEMPLATEPARSE_H
#define JO_TEMPLATEPARSE_H

#include "template.h"

#define JO_MAX_TEMPLATES 1000	/* in one text */
#define JO_MAX_PATH_BYTES 65536 /* of a condition */

/* Why a text was refused; code is one of the findings' codes. */
typedef struct JoTemplateFault
{
	const char *code;
	char	   *message;
	char	   *hint;			/* or NULL */
} JoTemplateFault;

/* Which roots can be read beside the usual ones, where a text stands. */
typedef struct JoTemplateScope
{
	int			naliases;
	const char **aliases;		/* second names of items */
	bool		value;			/* `value`, in a path */
	bool		result;			/* `result`, in a path */
	bool		secret;			/* `secret`, in a template */
} JoTemplateScope;

/*
 * As the functions of template.h; false and *fault filled in when the text is wrong.
 * scope may be NULL.
 */
extern bool jo_template_scan_sql(const char *text, const JoTemplateScope *scope, JoSqlText *out,
								 JoTemplateFault *fault);
extern bool jo_template_scan_text(const char *text, const JoTemplateScope *scope, JoSqlText *out,
								  JoTemplateFault *fault);
extern bool jo_template_scan_expression(const char *text, size_t length, const JoTemplateScope *scope,
										JoTemplate *out, JoTemplateFault *fault);
extern bool jo_template_scan_path(const char *path, const JoTemplateScope *scope, JoRefList *refs,
								  JoTemplateFault *fault);

/* Is this the name of a root, so that nothing else can have it? */
extern bool jo_template_is_root(const char *word);

/* Fills in a fault (hint may be NULL) and returns false. */
extern bool jo_template_refuse(JoTemplateFault *fault, const char *code, char *hint,
							   const char *format,...) pg_attribute_printf(4, 5);

/* Where the }} of a template begins whose inside starts at p; NULL if it has none. */
extern const char *jo_template_find_end(const char *p, const char *end);

/* Does what follows a {{ name a root, so that a template was surely meant? */
extern bool jo_template_names_root(const char *p, const char *end, const JoTemplateScope *scope);

/*
 * Fills in ref's root and alias; false and a fault when word is none that can be
 * read here.  in_path: an SQL/JSON path, not a template.
 */
extern bool jo_template_find_root(const char *word, bool in_path, const JoTemplateScope *scope,
								  JoRef *ref, JoTemplateFault *fault);

/* After steps.<name>: is this one of output, row, value, status, error? */
extern bool jo_template_check_step_field(const char *field, JoTemplateFault *fault);

/* A text under construction: pieces and templates in turn. */
typedef struct JoTextBuilder
{
	JoSqlText  *out;
	const JoTemplateScope *scope;
	int			capacity;
	const char *piece;			/* where the piece that follows begins */
} JoTextBuilder;

extern void jo_template_begin(JoTextBuilder *builder, const JoTemplateScope *scope, JoSqlText *out,
							  const char *text);

/* Takes the template that opens at {{ and returns where the text goes on; NULL: *fault. */
extern const char *jo_template_take(JoTextBuilder *builder, const char *open, const char *end,
									JoTemplateFault *fault);
extern void jo_template_finish(JoTextBuilder *builder, const char *end);

#endif
