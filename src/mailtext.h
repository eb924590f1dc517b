/*
 * mailtext.h
 *		Texts of mails: addresses, what stands in the head, line ends.
 *
 * Pure text work; everything is UTF-8 and in the current context.
 */
#ifndef JO_MAILTEXT_H
#define JO_MAILTEXT_H

#include "postgres.h"
#include "lib/stringinfo.h"

/*
 * "ann@example.com" or "Ann <ann@example.com>": one address.  False and *problem
 * ("is no mail address") when it is none; name is empty when there is none.
 */
extern bool jo_mail_parse_address(const char *text, char **name, char **address, const char **problem);

/* As it stands in the head; in ASCII. */
extern void jo_mail_append_address(StringInfo buf, const char *name, const char *address);

/* A text of the head, by RFC 2047 where it is not plain. */
extern char *jo_mail_head_text(const char *text);

/* With CR LF at the end of each line, however they ended before. */
extern char *jo_mail_lines(const char *text, size_t *size);

/* Date, by RFC 5322. */
extern char *jo_mail_date(int64 seconds);

#endif
