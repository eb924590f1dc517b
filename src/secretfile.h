/*
 * secretfile.h
 *		Files of the server that hold secrets: the key file, and values with from_file.
 */
#ifndef JO_SECRETFILE_H
#define JO_SECRETFILE_H

#include "postgres.h"

#define JO_SECRET_LONGEST 65536 /* bytes of a value */

/*
 * The whole key file (joborch.secret_key_file), terminated, in the current context;
 * the caller overwrites it.  Raises ERRCODE_JO_SWITCHED_OFF when no file is set,
 * ERRCODE_JO_SECRET when it cannot be used or others may read it.
 */
extern char *jo_secretfile_keys(void);

/*
 * The text of a file below joborch.secret_directory, without a newline at its end;
 * the caller overwrites it.  name is relative, and neither it nor a link may lead out of
 * the directory.  Raises as above.
 */
extern char *jo_secretfile_value(const char *name);

#endif
