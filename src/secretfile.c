/*
 * secretfile.c
 *		Files of the server that hold secrets: the key file, and values with from_file.
 *
 * Reads only, each time anew: so a file that is replaced counts from then on, and
 * nothing of it stays in memory.  Errors name files, never what is in them.
 */
#include "postgres.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "errors.h"
#include "guc.h"
#include "mb/pg_wchar.h"
#include "secretfile.h"

#define KEY_FILE_HINT "Make one that only the server's user can read, with the newest key first: " \
	"echo \"key1 $(openssl rand -base64 32)\" > FILE; chmod 600 FILE."

static void pg_attribute_noreturn()
refuse(const char *path, const char *problem, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_SECRET),
			 errmsg("file \"%s\" cannot be used for secrets", path),
			 errdetail("%s", problem),
			 hint != NULL ? errhint("%s", hint) : 0));
}

/* Reads up to room bytes; raises when there are more. */
static int
read_whole(int file, const char *path, char *buffer, int room)
{
	int			length = 0;

	for (;;)
	{
		ssize_t		n = read(file, buffer + length, room - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
		{
			int			code = errno;

			close(file);
			if (n < 0)
				refuse(path, psprintf("It cannot be read: %s.", strerror(code)), NULL);
			return length;
		}
		length += n;
		if (length == room)
		{
			close(file);
			explicit_bzero(buffer, length);
			refuse(path, psprintf("It has more than %d bytes.", room - 1), NULL);
		}
	}
}

/* A regular file, open; *status is what it is, shown how errors call it. */
static int
open_file(const char *path, const char *shown, struct stat *status, const char *hint)
{
	/* a pipe or a device must not make the server wait */
	int			file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const char *problem = NULL;

	if (file < 0)
		refuse(shown, psprintf("It cannot be opened: %s.", strerror(errno)), hint);
	if (fstat(file, status) != 0)
		problem = psprintf("It cannot be looked at: %s.", strerror(errno));
	else if (!S_ISREG(status->st_mode))
		problem = "It is not a regular file.";
	if (problem != NULL)
	{
		close(file);
		refuse(shown, problem, hint);
	}
	return file;
}

static char *
read_file(int file, const char *path)
{
	char	   *text = palloc(JO_SECRET_LONGEST + 2);
	int			length = read_whole(file, path, text, JO_SECRET_LONGEST + 1);

	text[length] = '\0';
	if (strlen(text) != (size_t) length)
	{
		explicit_bzero(text, length);
		refuse(path, "It has a zero byte.", "Values are texts; encode a binary one, in base64 for instance.");
	}
	return text;
}

char *
jo_secretfile_keys(void)
{
	const char *path = jo_guc_secret_key_file;
	struct stat status;
	int			file;

	if (path == NULL || *path == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_JO_SWITCHED_OFF),
				 errmsg("there is no key to encrypt secrets with"),
				 errdetail("The setting joborch.secret_key_file is empty."),
				 errhint(KEY_FILE_HINT "  Then ALTER SYSTEM SET joborch.secret_key_file = 'FILE'; SELECT pg_reload_conf();")));
	file = open_file(path, path, &status, KEY_FILE_HINT);
	/* as PostgreSQL wants it of its own keys: root may let a group read what it owns */
	if ((status.st_uid != geteuid() && status.st_uid != 0) ||
		(status.st_mode & (status.st_uid == 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO)) != 0)
	{
		close(file);
		refuse(path, "It belongs to another user, or others may read or write it.",
			   "Give it to the server's user with mode 600, or to root with mode 640 or less.");
	}
	return read_file(file, path);
}

/* ---- from_file ---- */

static bool
leads_up(const char *name)
{
	const char *part = name;

	for (;;)
	{
		const char *end = strchrnul(part, '/');

		if (end - part == 2 && part[0] == '.' && part[1] == '.')
			return true;
		if (*end == '\0')
			return false;
		part = end + 1;
	}
}

/* Below the directory, also after all links. */
static char *
resolve_path(const char *name)
{
	const char *directory = jo_guc_secret_directory;
	char		root[PATH_MAX];
	char	   *path = palloc(PATH_MAX);
	size_t		length;

	if (directory == NULL || *directory == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_JO_SWITCHED_OFF),
				 errmsg("secrets cannot be read from files"),
				 errdetail("The setting joborch.secret_directory is empty."),
				 errhint("ALTER SYSTEM SET joborch.secret_directory = '/the/directory'; SELECT pg_reload_conf();")));
	if (*name == '\0' || *name == '/' || leads_up(name))
		refuse(name, "It is not a name below joborch.secret_directory.",
			   "Give the name relative to that directory, without \"..\".");
	if (realpath(directory, root) == NULL)
		refuse(directory, psprintf("The directory of secrets is not there: %s.", strerror(errno)),
			   "Correct the setting joborch.secret_directory.");
	if (realpath(psprintf("%s/%s", root, name), path) == NULL)
		refuse(name, psprintf("It cannot be found below joborch.secret_directory: %s.", strerror(errno)), NULL);
	length = strcmp(root, "/") == 0 ? 0 : strlen(root);
	if (strncmp(path, root, length) != 0 || path[length] != '/')
		refuse(name, "A link leads out of joborch.secret_directory.", NULL);
	return path;
}

static bool
is_key_file(const struct stat *status)
{
	struct stat keys;

	return jo_guc_secret_key_file != NULL && *jo_guc_secret_key_file != '\0' &&
		stat(jo_guc_secret_key_file, &keys) == 0 &&
		keys.st_dev == status->st_dev && keys.st_ino == status->st_ino;
}

char *
jo_secretfile_value(const char *name)
{
	char	   *path = resolve_path(name);
	struct stat status;
	int			file = open_file(path, name, &status, NULL);
	char	   *text;
	size_t		length;

	if (is_key_file(&status))
	{
		close(file);
		refuse(name, "It is the key file.", NULL);
	}
	text = read_file(file, name);
	length = strlen(text);
	if (length > 0 && text[length - 1] == '\n')
		text[--length] = '\0';
	if (length > 0 && text[length - 1] == '\r')
		text[--length] = '\0';
	if (!pg_verifymbstr(text, length, true))
	{
		explicit_bzero(text, length);
		refuse(name, psprintf("It is no text in the database's encoding, %s.", GetDatabaseEncodingName()),
			   "Encode a binary value, in base64 for instance.");
	}
	return text;
}
