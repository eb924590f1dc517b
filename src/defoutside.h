/*
 * defoutside.h
 *		Reading the steps that act outside of the database: tables of their keys.
 *
 * Of each key its row says what its literal values may be; what templates make of them is
 * checked when the step is carried out.  The step's keys are its parameters, kept as they
 * are written, in one spelling, and without defaults.
 */
#ifndef JO_DEFOUTSIDE_H
#define JO_DEFOUTSIDE_H

#include "defparse.h"

typedef struct JoOutsideKey
{
	const char *key;			/* the row with NULL ends the table */
	const char *name;			/* of the parameter, when the key is another spelling of it; else NULL */
	void		(*check) (JoDefReader *reader, const cJSON *json, const JoPath *path);
	unsigned	flags;
} JoOutsideKey;

#define JO_PARAM_REQUIRED	0x01
#define JO_PARAM_SECRET		0x02	/* may read secrets */
#define JO_PARAM_URL		0x04	/* templates within it are percent-encoded */
#define JO_PARAM_FIXED		0x08	/* no templates: something is decided by it when the job is saved */
#define JO_PARAM_APART		0x10	/* read by the type's own function */

/* What all types that have a URL share. */
#define JO_NETWORK_KEYS \
	{"auth", NULL, jo_def_check_auth, JO_PARAM_SECRET}, \
	{"verify_tls", NULL, jo_def_check_flag, 0}, \
	{"verify_ssl", "verify_tls", jo_def_check_flag, 0}, \
	{"ssl_verify", "verify_tls", jo_def_check_flag, 0}, \
	{"client_cert", NULL, jo_def_check_client_cert, JO_PARAM_SECRET}, \
	{"proxy", NULL, jo_def_check_text, JO_PARAM_SECRET | JO_PARAM_URL}, \
	{"connect_timeout", NULL, jo_def_check_duration, 0}, \
	{"first_byte_timeout", NULL, jo_def_check_duration, 0}, \
	{"idle_timeout", NULL, jo_def_check_duration, 0}

/* ---- defoutside.c ---- */

/* Are all keys allowed, since somebody else carries the step out? */
extern bool jo_def_has_free_keys(const JoStepKind *kind, const cJSON *json);

/*
 * Makes step->outside of the keys that the table has; others were reported before.  A
 * command, script or file transfer for another machine becomes external work instead: false.
 */
extern bool jo_def_read_parameters(JoDefReader *reader, const cJSON *json, const JoPath *path,
								   JoStepDef *step, JoOutsideKind kind, const JoOutsideKey *keys);

/* One parameter more; json is its value as JSON text. */
extern void jo_def_add_parameter(JoStepDef *step, const char *name, const char *json);

/* The same of a value with templates. */
extern void jo_def_read_parameter(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step,
								  const char *name, unsigned flags);

/* Reports any two of these keys (ended by NULL) that are both there; the first that is, or NULL. */
extern const char *jo_def_check_exclusive(JoDefReader *reader, const cJSON *json, const JoPath *path,
										  const char *const *keys);

/* A URL whose scheme is one of the list (ended by NULL); value was made of it, or is NULL. */
extern void jo_def_check_url(JoDefReader *reader, const cJSON *json, const JoPath *path, const JoValue *value,
							 const char *const *schemes);

/* The parameter of that name, or NULL. */
extern const JoValue *jo_def_find_parameter(const JoStepDef *step, const char *name);

extern const JoOutsideKey jo_def_external_keys[];
extern void jo_def_read_external(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);

/* ---- defhttp.c, deftransfer.c, defcommand.c: the tables, and who reads by them ---- */

extern const JoOutsideKey jo_def_http_keys[];
extern const JoOutsideKey jo_def_webhook_keys[];
extern const JoOutsideKey jo_def_transfer_keys[];
extern const JoOutsideKey jo_def_email_keys[];
extern const JoOutsideKey jo_def_artifact_keys[];
extern const JoOutsideKey jo_def_command_keys[];
extern const JoOutsideKey jo_def_script_keys[];
extern void jo_def_read_http(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);
extern void jo_def_read_webhook(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);
extern void jo_def_read_transfer(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);
extern void jo_def_read_email(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);
extern void jo_def_read_artifact(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);
extern void jo_def_read_command(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);
extern void jo_def_read_script(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);

/* ---- defliteral.c, defnetwork.c: literal values; a text with a template passes all of them ---- */

/* Is it a text that has a template in it? */
extern bool jo_def_is_template(const cJSON *json);

extern void jo_def_check_any(JoDefReader *reader, const cJSON *json, const JoPath *path);
extern void jo_def_check_text(JoDefReader *reader, const cJSON *json, const JoPath *path);
extern void jo_def_check_line(JoDefReader *reader, const cJSON *json, const JoPath *path);	/* no control characters */
extern void jo_def_check_scalar(JoDefReader *reader, const cJSON *json, const JoPath *path);	/* text, number, boolean */
extern void jo_def_check_flag(JoDefReader *reader, const cJSON *json, const JoPath *path);
extern void jo_def_check_duration(JoDefReader *reader, const cJSON *json, const JoPath *path);
extern void jo_def_check_size(JoDefReader *reader, const cJSON *json, const JoPath *path);
extern void jo_def_check_base64(JoDefReader *reader, const cJSON *json, const JoPath *path);
extern void jo_def_check_name(JoDefReader *reader, const cJSON *json, const JoPath *path);
extern void jo_def_check_artifact(JoDefReader *reader, const cJSON *json, const JoPath *path);	/* id, name or description */
extern void jo_def_check_word(JoDefReader *reader, const cJSON *json, const JoPath *path,
							  const char *const *words);

/* Each member or element by a check of its own; a text stands for an array of one. */
extern void jo_def_check_members(JoDefReader *reader, const cJSON *json, const JoPath *path,
								 void (*check) (JoDefReader *reader, const cJSON *json, const JoPath *path));
extern void jo_def_check_list(JoDefReader *reader, const cJSON *json, const JoPath *path,
							  void (*check) (JoDefReader *reader, const cJSON *json, const JoPath *path));

/* An object of these keys, each checked by the row. */
extern void jo_def_check_object(JoDefReader *reader, const cJSON *json, const JoPath *path, const char *what,
								const JoOutsideKey *keys);

extern void jo_def_check_headers(JoDefReader *reader, const cJSON *json, const JoPath *path);
extern void jo_def_check_auth(JoDefReader *reader, const cJSON *json, const JoPath *path);
extern void jo_def_check_client_cert(JoDefReader *reader, const cJSON *json, const JoPath *path);
extern void jo_def_check_status(JoDefReader *reader, const cJSON *json, const JoPath *path);

#endif
