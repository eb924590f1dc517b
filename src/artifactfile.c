/*
 * artifactfile.c
 *		Artifacts in files: written durably before the commit, removed after it.
 *
 * Files know no transactions.  So a file that a transaction finished is removed when it
 * aborts, and one whose row it deletes only when it commits: both are noted in a list that
 * the transaction callbacks work through.  What a crash prevents is left for
 * cleanup_expired_artifacts().  Touches nothing outside of joborch.artifact_root.
 */
#include "joborch.h"

#include <sys/stat.h>
#include <unistd.h>

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "artifactfile.h"
#include "errors.h"
#include "guc.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/procarray.h"
#include "utils/wait_event.h"
#include "utils/memutils.h"

#define PART_SUFFIX ".part"
#define DIRECTORIES 256			/* files of a database are spread over so many */

struct JoArtifactFile
{
	File		file;
	off_t		offset;
	char		part[MAXPGPATH];
	char		final[MAXPGPATH];
};

/* A file that is to be removed at the end of the transaction. */
typedef struct Removal
{
	struct Removal *next;
	bool		at_commit;		/* else at abort */
	int			level;			/* nesting of the transaction that noted it */
	char		path[MAXPGPATH];
} Removal;

static Removal *removals = NULL;

/* ---- paths ---- */

void
jo_artifact_file_require_root(void)
{
	const char *root = jo_guc_artifact_root;
	struct stat status;

	if (root == NULL || root[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_JO_SWITCHED_OFF),
				 errmsg("artifacts cannot be stored in the file system"),
				 errdetail("The setting joborch.artifact_root is empty."),
				 errhint("ALTER SYSTEM SET joborch.artifact_root = '/some/directory'; SELECT pg_reload_conf();")));
	if (!is_absolute_path(root))
		ereport(ERROR,
				(errcode(ERRCODE_JO_SWITCHED_OFF),
				 errmsg("joborch.artifact_root is not an absolute path"),
				 errdetail("It is \"%s\".", root),
				 errhint("Name a directory from the root on.")));
	if (stat(root, &status) != 0 || !S_ISDIR(status.st_mode) || access(root, R_OK | W_OK | X_OK) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_JO_SWITCHED_OFF),
				 errmsg("joborch.artifact_root is no directory that the server can use"),
				 errdetail("It is \"%s\".", root),
				 errhint("Make the directory and let it belong to the server's user, with permissions 0700.")));
}

/* Two clusters may share a root; in one, databases have different oids. */
static void
print_own_directory(char *buffer, size_t size)
{
	snprintf(buffer, size, UINT64_FORMAT "-%u", GetSystemIdentifier(), MyDatabaseId);
}

/* The transaction is in the name: while it goes on nobody else can see the row. */
char *
jo_artifact_file_path(int64 artifact_id)
{
	char		own[64];

	print_own_directory(own, sizeof(own));
	return psprintf("%s/%02x/" INT64_FORMAT "-" UINT64_FORMAT, own, (int) (artifact_id % DIRECTORIES),
					artifact_id, U64FromFullTransactionId(GetTopFullTransactionId()));
}

/* Digits from *at on, which moves behind them. */
static bool
skip_digits(const char **at, const char *digits)
{
	size_t		n = strspn(*at, digits);

	*at += n;
	return n > 0 && n <= 20;
}

/*
 * The whole path of one from a row: must be of the very form that we make.
 */
static void
resolve(const char *path, char *buffer)
{
	const char *at = path;

	if (skip_digits(&at, "0123456789") && *at++ == '-' &&
		skip_digits(&at, "0123456789") && *at++ == '/' &&
		skip_digits(&at, "0123456789abcdef") && *at++ == '/' &&
		skip_digits(&at, "0123456789") && *at++ == '-' &&
		skip_digits(&at, "0123456789") && *at == '\0')
	{
		snprintf(buffer, MAXPGPATH, "%s/%s", jo_guc_artifact_root, path);
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("path of an artifact is not one of joborch's"),
			 errdetail("It is \"%s\".", path)));
}

char *
jo_artifact_file_url(const char *path)
{
	StringInfoData url;
	char		whole[MAXPGPATH];
	const char *at;

	if (jo_guc_artifact_root == NULL || jo_guc_artifact_root[0] == '\0')
		return NULL;
	resolve(path, whole);
	initStringInfo(&url);
	appendStringInfoString(&url, "file://");
	for (at = whole; *at != '\0'; at++)
	{
		unsigned char c = (unsigned char) *at;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			strchr("/-._~", c) != NULL)
			appendStringInfoChar(&url, (char) c);
		else
			appendStringInfo(&url, "%%%02X", c);
	}
	return url.data;
}

/* ---- removing with the transaction ---- */

/* In a callback: says what it cannot do and never raises. */
static void
remove_quietly(const char *path)
{
	if (unlink(path) != 0 && errno != ENOENT)
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not remove file \"%s\": %m", path),
				 errhint("SELECT joborch.cleanup_expired_artifacts() tries again.")));
}

/* Works off what was noted at this level and deeper ones; commit of level 1 is the transaction's. */
static void
work_off(bool committed, int level)
{
	Removal   **link = &removals;

	while (*link != NULL)
	{
		Removal    *removal = *link;

		if (removal->level < level)
		{
			link = &removal->next;
			continue;
		}
		if (committed && level > 1)
		{
			removal->level = level - 1;
			link = &removal->next;
			continue;
		}
		if (removal->at_commit == committed)
			remove_quietly(removal->path);
		*link = removal->next;
		pfree(removal);
	}
}

/* Of a prepared transaction nobody can know here how it will end; its leftovers are found later. */
static void
forget_removals(void)
{
	while (removals != NULL)
	{
		Removal    *next = removals->next;

		pfree(removals);
		removals = next;
	}
}

static void
at_transaction_end(XactEvent event, void *argument)
{
	(void) argument;
	if (removals == NULL)
		return;
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT)
		work_off(event == XACT_EVENT_COMMIT, 1);
	else if (event == XACT_EVENT_PREPARE)
		forget_removals();
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *argument)
{
	(void) subid;
	(void) parent;
	(void) argument;
	if (removals != NULL && (event == SUBXACT_EVENT_COMMIT_SUB || event == SUBXACT_EVENT_ABORT_SUB))
		work_off(event == SUBXACT_EVENT_COMMIT_SUB, GetCurrentTransactionNestLevel());
}

/* Nothing of it may fail once the file is there: it is noted before. */
static Removal *
note_removal(const char *path, bool at_commit)
{
	static bool registered = false;
	Removal    *removal = MemoryContextAlloc(TopMemoryContext, sizeof(Removal));

	if (!registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		RegisterSubXactCallback(at_subtransaction_end, NULL);
		registered = true;
	}
	removal->at_commit = at_commit;
	removal->level = GetCurrentTransactionNestLevel();
	strlcpy(removal->path, path, MAXPGPATH);
	removal->next = removals;
	removals = removal;
	return removal;
}

void
jo_artifact_file_remove_at_commit(const char *path)
{
	char		whole[MAXPGPATH];
	char		own[64];

	if (jo_guc_artifact_root == NULL || jo_guc_artifact_root[0] == '\0')
		return;
	resolve(path, whole);
	print_own_directory(own, sizeof(own));
	/* another directory: the row of a copied database, whose file the original still has */
	if (strncmp(path, own, strlen(own)) == 0 && path[strlen(own)] == '/')
		(void) note_removal(whole, true);
}

/* ---- writing ---- */

/* The server's own function knows only one of the ways in which a disk is full. */
static bool
is_disk_full(int error)
{
#ifdef EDQUOT
	if (error == EDQUOT)
		return true;
#endif
	return error == ENOSPC || error == EFBIG;
}

static void raise_file_error(const char *what, const char *path) pg_attribute_noreturn();

static void
raise_file_error(const char *what, const char *path)
{
	bool		full = is_disk_full(errno);

	ereport(ERROR,
			(full ? errcode(ERRCODE_DISK_FULL) : errcode_for_file_access(),
			 errmsg("could not %s file \"%s\": %m", what, path),
			 full ? errhint("Make room below joborch.artifact_root; "
							"SELECT joborch.cleanup_expired_artifacts() deletes what has expired.") : 0));
}

static void
make_directory(const char *path)
{
	char		parent[MAXPGPATH];

	if (mkdir(path, S_IRWXU) == 0)
	{
		strlcpy(parent, path, MAXPGPATH);
		get_parent_directory(parent);
		fsync_fname(parent, true);
	}
	else if (errno != EEXIST)
		raise_file_error("create directory for", path);
}

static void
make_directories(const char *path)
{
	char		part[MAXPGPATH];
	char	   *slash;

	strlcpy(part, path, MAXPGPATH);
	slash = part + strlen(jo_guc_artifact_root) + 1;
	while ((slash = strchr(slash, '/')) != NULL)
	{
		*slash = '\0';
		make_directory(part);
		*slash++ = '/';
	}
}

JoArtifactFile *
jo_artifact_file_create(const char *path)
{
	JoArtifactFile *file;
	char		whole[MAXPGPATH];

	jo_artifact_file_require_root();
	resolve(path, whole);
	make_directories(whole);
	file = MemoryContextAllocZero(TopMemoryContext, sizeof(JoArtifactFile));
	strlcpy(file->final, whole, MAXPGPATH);
	snprintf(file->part, MAXPGPATH, "%s%s", whole, PART_SUFFIX);
	file->file = PathNameOpenFilePerm(file->part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | PG_BINARY,
									  S_IRUSR | S_IWUSR);
	if (file->file < 0)
	{
		pfree(file);
		raise_file_error("create", whole);
	}
	return file;
}

void
jo_artifact_file_write(JoArtifactFile *file, const char *data, size_t size)
{
	while (size > 0)
	{
		int			written;

		errno = 0;
		written = FileWrite(file->file, unconstify(char *, data), (int) Min(size, 1024 * 1024),
							file->offset, PG_WAIT_EXTENSION);
		if (written <= 0)
		{
			if (errno == 0)
				errno = ENOSPC;
			raise_file_error("write", file->part);
		}
		file->offset += written;
		data += written;
		size -= written;
	}
}

void
jo_artifact_file_finish(JoArtifactFile *file)
{
	(void) note_removal(file->final, false);
	/* makes content, name and directory durable */
	(void) durable_rename(file->part, file->final, ERROR);
	FileClose(file->file);
	pfree(file);
}

void
jo_artifact_file_discard(JoArtifactFile *file)
{
	FileClose(file->file);
	remove_quietly(file->part);
	pfree(file);
}

/* ---- reading ---- */

void
jo_artifact_file_read(const char *path, int64 offset, char *buffer, size_t size)
{
	char		whole[MAXPGPATH];
	int			fd;

	jo_artifact_file_require_root();
	resolve(path, whole);
	fd = OpenTransientFile(whole, O_RDONLY | O_NOFOLLOW | PG_BINARY);
	if (fd < 0)
		raise_file_error("open", whole);
	while (size > 0)
	{
		ssize_t		got = pg_pread(fd, buffer, size, offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			raise_file_error("read", whole);
		if (got == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("file \"%s\" is shorter than the artifact that it holds", whole),
					 errdetail("It ends at byte " INT64_FORMAT ".", offset),
					 errhint("Somebody changed it; joborch never does.")));
		buffer += got;
		offset += got;
		size -= got;
	}
	CloseTransientFile(fd);
}

/* ---- all files of this database ---- */

struct JoArtifactFiles
{
	char		directory[MAXPGPATH];
	int			next;			/* of the DIRECTORIES */
	DIR		   *open;
	char		part[MAXPGPATH];	/* the open directory */
	char		last[MAXPGPATH];
};

JoArtifactFiles *
jo_artifact_files_begin(void)
{
	JoArtifactFiles *files = palloc0(sizeof(JoArtifactFiles));
	char		own[64];

	print_own_directory(own, sizeof(own));
	snprintf(files->directory, MAXPGPATH, "%s/%s", jo_guc_artifact_root, own);
	return files;
}

/* The next directory that is there; false: there is none. */
static bool
open_next_directory(JoArtifactFiles *files)
{
	if (files->open != NULL)
		FreeDir(files->open);
	files->open = NULL;
	while (files->open == NULL && files->next < DIRECTORIES)
	{
		snprintf(files->part, MAXPGPATH, "%.*s/%02x", MAXPGPATH - 8, files->directory, files->next++);
		files->open = AllocateDir(files->part);
		if (files->open == NULL && errno != ENOENT)
			raise_file_error("open directory", files->part);
	}
	return files->open != NULL;
}

/* A name of ours: id-transaction, perhaps with the suffix. */
static bool
read_name(const char *name, int64 *artifact_id, uint64 *transaction)
{
	const char *at = name;

	if (!skip_digits(&at, "0123456789") || *at++ != '-')
		return false;
	*artifact_id = strtoll(name, NULL, 10);
	*transaction = strtoull(at, NULL, 10);
	return skip_digits(&at, "0123456789") && (*at == '\0' || strcmp(at, PART_SUFFIX) == 0);
}

/* Prepared ones are, too; so old that its number is in use again, none can be. */
static bool
is_in_progress(uint64 transaction)
{
	uint64		next = U64FromFullTransactionId(ReadNextFullTransactionId());

	return transaction < next && next - transaction < PG_INT32_MAX &&
		TransactionIdIsInProgress((TransactionId) transaction);
}

/* This transaction made it, or deleted its row: its end decides. */
static bool
is_noted(const char *path)
{
	for (const Removal *removal = removals; removal != NULL; removal = removal->next)
	{
		if (strcmp(removal->path, path) == 0)
			return true;
	}
	return false;
}

bool
jo_artifact_files_next(JoArtifactFiles *files, int64 *artifact_id, int64 *size)
{
	struct dirent *entry;
	struct stat status;
	uint64		transaction;

	while (files->open != NULL || open_next_directory(files))
	{
		entry = ReadDir(files->open, files->part);
		if (entry == NULL)
		{
			if (!open_next_directory(files))
				return false;
			continue;
		}
		if (!read_name(entry->d_name, artifact_id, &transaction) || is_in_progress(transaction))
			continue;
		snprintf(files->last, MAXPGPATH, "%.*s/%.60s", MAXPGPATH - 64, files->part, entry->d_name);
		if (is_noted(files->last) || lstat(files->last, &status) != 0 || !S_ISREG(status.st_mode))
			continue;
		*size = status.st_size;
		return true;
	}
	return false;
}

bool
jo_artifact_files_remove(JoArtifactFiles *files)
{
	remove_quietly(files->last);
	return access(files->last, F_OK) != 0;
}

void
jo_artifact_files_end(JoArtifactFiles *files)
{
	if (files->open != NULL)
		FreeDir(files->open);
	pfree(files);
}
