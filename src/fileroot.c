/*
 * fileroot.c
 *		Files below joborch.file_root: found without following links, written as a whole.
 *
 * Names come from templates, and others may change the directories meanwhile: so nothing is
 * looked at by its path.  Descriptors are the system's own, kept over many transactions.
 * Touches nothing outside of the root.
 */
#include "joborch.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog/pg_authid.h"
#include "errors.h"
#include "fileroot.h"
#include "guc.h"
#include "httptext.h"
#include "miscadmin.h"
#include "port.h"
#include "storage/fd.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "words.h"

#define PART_SUFFIX ".part"

struct JoFileSink
{
	int			dir;
	int			fd;
	int64		size;
	int64		modified;
	bool		overwrite;
	bool		resume;
	bool		finished;
	char		base[NAME_MAX + 1];
	char		part[NAME_MAX + 1];
	const char *name;
};

/* ---- may it ---- */

static void pg_attribute_noreturn()
refuse_root(const char *problem, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_SWITCHED_OFF),
			 errmsg("files of the server cannot be used by steps"),
			 errdetail_internal("%s", problem),
			 errhint("%s", hint)));
}

static void
require_root(void)
{
	const char *root = jo_guc_file_root;

	if (root == NULL || root[0] == '\0')
		refuse_root("The setting joborch.file_root is empty.",
					"ALTER SYSTEM SET joborch.file_root = '/some/directory'; SELECT pg_reload_conf();");
	if (!is_absolute_path(root))
		refuse_root("The setting joborch.file_root is not an absolute path.", "Name a directory from the root on.");
	if (path_is_prefix_of_path(DataDir, root) || path_is_prefix_of_path(root, DataDir))
		refuse_root("The setting joborch.file_root leads to the data directory of the server.",
					"Name a directory of its own: who could write there could do anything.");
}

void
jo_file_require(Oid role, bool write)
{
	const char *needed = write ? "pg_write_server_files" : "pg_read_server_files";

	if (!has_privs_of_role(role, write ? ROLE_PG_WRITE_SERVER_FILES : ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" may not %s files of the server", GetUserNameFromId(role, false),
						write ? "write" : "read"),
				 errdetail("The step needs the privileges of %s.", needed),
				 errhint("GRANT %s TO %s; or let the transfer use an artifact.", needed,
						 quote_identifier(GetUserNameFromId(role, false)))));
	require_root();
}

/* ---- names ---- */

static int
hex_digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *found = c == '\0' ? NULL : strchr(digits, pg_tolower((unsigned char) c));

	return found == NULL ? -1 : (int) (found - digits);
}

/* The path of a URL of scheme file. */
static char *
path_of_url(const char *text, const char **problem)
{
	JoUrl		url;
	char	   *error;
	char	   *hint;
	char	   *path;
	char	   *to;

	if (!jo_url_parse(text, &url, &error, &hint))
	{
		*problem = error;
		return NULL;
	}
	*problem = "is no URL of a file of this server, such as file:///directory/name";
	if (strcmp(url.scheme, "file") != 0 || (url.host[0] != '\0' && strcmp(url.host, "localhost") != 0) ||
		url.has_user || url.port != 0 || strpbrk(url.tail, "?#") != NULL)
		return NULL;
	path = to = palloc(strlen(url.tail) + 1);
	for (const char *p = url.tail; *p != '\0'; p++)
	{
		if (*p != '%')
		{
			*to++ = *p;
			continue;
		}
		if (hex_digit(p[1]) < 0 || hex_digit(p[2]) < 0 || (*to = hex_digit(p[1]) * 16 + hex_digit(p[2])) == '\0')
			return NULL;
		to++;
		p += 2;
	}
	*to = '\0';
	return path;
}

/* Without doubled slashes; each part a name of its own. */
static char *
clean_name(const char *path, const char **problem)
{
	char	   *name = palloc(strlen(path) + 1);
	char	   *to = name;

	*problem = NULL;
	while (*path == '/')
		path++;
	if (*path == '\0' || path[strlen(path) - 1] == '/')
		*problem = "names no file";
	while (*path != '\0' && *problem == NULL)
	{
		size_t		length = strcspn(path, "/");

		if ((length == 1 && path[0] == '.') || (length == 2 && path[0] == '.' && path[1] == '.'))
			*problem = "has \".\" or \"..\" in it";
		else if (length > NAME_MAX)
			*problem = "has a part that is longer than 255 bytes";
		for (size_t i = 0; i < length && *problem == NULL; i++)
			if ((unsigned char) path[i] < 0x20 || path[i] == 0x7f)
				*problem = "has a control character";
		if (to > name)
			*to++ = '/';
		memcpy(to, path, length);
		to += length;
		path += length;
		while (*path == '/')
			path++;
	}
	*to = '\0';
	return *problem == NULL ? name : NULL;
}

char *
jo_file_name(const char *text, const char **problem)
{
	const char *root = jo_guc_file_root;
	size_t		length = strlen(root);

	if (pg_strncasecmp(text, "file:", 5) == 0)
	{
		text = path_of_url(text, problem);
		if (text == NULL)
			return NULL;
	}
	while (length > 1 && root[length - 1] == '/')
		length--;
	if (text[0] == '/')
	{
		*problem = "is not below joborch.file_root";
		if (strncmp(text, root, length) != 0 || text[length] != '/')
			return NULL;
		text += length;
	}
	return clean_name(text, problem);
}

/* ---- opening ---- */

static int
sqlstate_of_errno(void)
{
	switch (errno)
	{
		case EFBIG:
		case EDQUOT:
		case ENOSPC:
			return ERRCODE_DISK_FULL;
		case ELOOP:
		case ENOTDIR:
		case EXDEV:
		case EACCES:
		case EPERM:
		case EROFS:
			return ERRCODE_INSUFFICIENT_PRIVILEGE;
		case ENOENT:
			return ERRCODE_UNDEFINED_FILE;
		case EMFILE:
		case ENFILE:
			return ERRCODE_INSUFFICIENT_RESOURCES;
		default:
			return ERRCODE_IO_ERROR;
	}
}

/* errno says what is wrong. */
static void pg_attribute_noreturn()
raise_file(const char *what, const char *name)
{
	int			error = errno;

	ereport(ERROR,
			(errcode(sqlstate_of_errno()),
			 errmsg("could not %s file \"%s\" of the server: %m", what, jo_words_show(name)),
			 errdetail("It is below joborch.file_root, \"%s\".", jo_guc_file_root),
			 error == ELOOP || error == ENOTDIR ? errhint("Symbolic links are not followed there.") :
			 error == ENOSPC ? errhint("Make room there; \"retry\" of the step tries again.") :
			 error == ENOENT ? errhint("\"create_dirs\": true makes directories that are missing.") : 0));
}

/* Of the directory that the name is in; *base gets the rest. */
static int
open_parent(const char *name, bool create, const char **base)
{
	const char *rest = name;
	const char *slash;
	char		part[NAME_MAX + 1];
	int			dir = open(jo_guc_file_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	while (dir >= 0 && (slash = strchr(rest, '/')) != NULL)
	{
		int			next;
		int			error;

		memcpy(part, rest, slash - rest);
		part[slash - rest] = '\0';
		next = openat(dir, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0 && errno == ENOENT && create && (mkdirat(dir, part, 0700) == 0 || errno == EEXIST))
			next = openat(dir, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		error = errno;
		close(dir);
		errno = error;
		dir = next;
		rest = slash + 1;
	}
	if (dir < 0)
		raise_file("reach", name);
	*base = rest;
	return dir;
}

/* Of a regular file; -1 and errno otherwise. */
static int
open_regular(int dir, const char *base, int flags)
{
	int			fd = openat(dir, base, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0600);
	struct stat status;

	if (fd < 0)
		return -1;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
		return fd;
	close(fd);
	errno = EACCES;
	return -1;
}

void
jo_file_open(JoFileSource *source, const char *name)
{
	const char *base;
	struct stat status;
	int			dir = open_parent(name, false, &base);
	int			error;

	source->name = name;
	source->fd = open_regular(dir, base, O_RDONLY);
	error = errno;
	close(dir);
	errno = error;
	if (source->fd < 0)
		raise_file("open", name);
	ReserveExternalFD();
	if (fstat(source->fd, &status) != 0)
		raise_file("look at", name);
	source->size = status.st_size;
}

size_t
jo_file_read(const JoFileSource *source, int64 offset, char *buffer, size_t size)
{
	size_t		wanted = Min((int64) size, source->size - offset);
	size_t		done = 0;

	while (done < wanted)
	{
		ssize_t		n = pread(source->fd, buffer + done, wanted - done, offset + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			raise_file("read", source->name);
		if (n == 0)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("file \"%s\" of the server became shorter while it was read", jo_words_show(source->name)),
					 errdetail("It had " INT64_FORMAT " bytes.", source->size)));
		done += n;
	}
	return done;
}

void
jo_file_close(JoFileSource *source)
{
	if (source->fd < 0)
		return;
	close(source->fd);
	ReleaseExternalFD();
	source->fd = -1;
}

/* ---- writing ---- */

static bool
is_there(const JoFileSink *sink)
{
	struct stat status;

	return fstatat(sink->dir, sink->base, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

static void pg_attribute_noreturn()
raise_exists(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_REQUEST),
			 errmsg("file \"%s\" of the server is there already", jo_words_show(name)),
			 errdetail("The step has \"overwrite\": false."),
			 errhint("Choose another name, or remove the file.")));
}

/* Is the part still the file that is open and locked?  Who finished it meanwhile has renamed it. */
static bool
is_own_part(const JoFileSink *sink, struct stat *status)
{
	struct stat named;

	return flock(sink->fd, LOCK_EX | LOCK_NB) == 0 && fstat(sink->fd, status) == 0 &&
		fstatat(sink->dir, sink->part, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
		named.st_ino == status->st_ino && named.st_dev == status->st_dev;
}

static void
open_part(JoFileSink *sink)
{
	struct stat status;

	sink->fd = open_regular(sink->dir, sink->part, O_RDWR | O_CREAT);
	if (sink->fd < 0)
		raise_file("write", sink->name);
	ReserveExternalFD();
	if (!is_own_part(sink, &status))
	{
		/* the part is somebody else's */
		sink->finished = true;
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("file \"%s\" of the server is being written by another step", jo_words_show(sink->name)),
				 errhint("\"retry\" of the step tries again.")));
	}
	sink->size = status.st_size;
	sink->modified = status.st_mtime;
	if (!sink->resume && sink->size > 0)
		jo_file_sink_restart(sink);
}

JoFileSink *
jo_file_sink_open(const char *name, const JoFileSinkOptions *options)
{
	JoFileSink *sink = palloc0(sizeof(JoFileSink));
	const char *base;

	sink->fd = -1;
	sink->name = name;
	sink->overwrite = options->overwrite;
	sink->resume = options->resume;
	sink->dir = open_parent(name, options->create_dirs, &base);
	ReserveExternalFD();
	PG_TRY();
	{
		strlcpy(sink->base, base, sizeof(sink->base));
		if (snprintf(sink->part, sizeof(sink->part), ".%s" PART_SUFFIX,
					 options->resume ? base : options->token) >= (int) sizeof(sink->part))
		{
			errno = ENAMETOOLONG;
			raise_file("write", name);
		}
		if (!sink->overwrite && is_there(sink))
			raise_exists(name);
		open_part(sink);
	}
	PG_CATCH();
	{
		jo_file_sink_discard(sink);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return sink;
}

/* Its size is as before when it raises: whoever tries again does not write twice. */
void
jo_file_sink_write(JoFileSink *sink, const char *data, size_t size)
{
	int64		end = sink->size;

	while (size > 0)
	{
		ssize_t		n = pwrite(sink->fd, data, size, end);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = ENOSPC;
		if (n <= 0)
			raise_file("write", sink->name);
		data += n;
		size -= n;
		end += n;
	}
	sink->size = end;
}

void
jo_file_sink_restart(JoFileSink *sink)
{
	if (ftruncate(sink->fd, 0) != 0)
		raise_file("write", sink->name);
	sink->size = 0;
	sink->modified = 0;
}

/* By a link, where nothing may be replaced: it fails when the name is taken. */
static bool
give_name(JoFileSink *sink)
{
	if (sink->overwrite)
		return renameat(sink->dir, sink->part, sink->dir, sink->base) == 0;
	if (linkat(sink->dir, sink->part, sink->dir, sink->base, 0) != 0)
		return false;
	(void) unlinkat(sink->dir, sink->part, 0);
	return true;
}

void
jo_file_sink_finish(JoFileSink *sink)
{
	if (sink->finished)
		return;
	if (pg_fsync(sink->fd) != 0)
		raise_file("write", sink->name);
	if (!give_name(sink))
	{
		if (errno == EEXIST)
			raise_exists(sink->name);
		raise_file("name", sink->name);
	}
	sink->finished = true;
	if (pg_fsync(sink->dir) != 0)
		raise_file("name", sink->name);
}

/* What is left for the next attempt says by its time which version it is of. */
static void
keep_part(JoFileSink *sink)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = sink->modified}};

	(void) futimens(sink->fd, times);
}

void
jo_file_sink_discard(JoFileSink *sink)
{
	if (sink->fd >= 0)
	{
		if (!sink->finished && sink->resume && sink->size > 0)
			keep_part(sink);
		else if (!sink->finished && unlinkat(sink->dir, sink->part, 0) != 0)
			ereport(LOG,
					(errcode_for_file_access(),
					 errmsg("could not remove file \"%s\" below joborch.file_root: %m", sink->part)));
		close(sink->fd);
		ReleaseExternalFD();
	}
	sink->fd = -1;
	if (sink->dir >= 0)
	{
		close(sink->dir);
		ReleaseExternalFD();
	}
	sink->dir = -1;
}

int64
jo_file_sink_size(const JoFileSink *sink)
{
	return sink->size;
}

JoFileSource
jo_file_sink_source(const JoFileSink *sink)
{
	return (JoFileSource) {.fd = sink->fd, .size = sink->size, .name = sink->name};
}

void
jo_file_sink_set_modified(JoFileSink *sink, int64 seconds)
{
	sink->modified = seconds;
}

int64
jo_file_sink_modified(const JoFileSink *sink)
{
	return sink->modified;
}
