/*
 * schemauri.c
 *		References of schemas to each other: RFC 3986, section 5.2.
 *
 * A leaf.  URIs are names here, nothing is ever fetched: so they are compared as
 * they are written, without normalisation.
 */
#include "schemadef.h"

#include <ctype.h>
#include <string.h>

/* A piece of a text; text NULL: it is not there. */
typedef struct Piece
{
	const char *text;
	int			length;
} Piece;

typedef struct Uri
{
	Piece		scheme;
	Piece		authority;
	Piece		path;
	Piece		query;
} Uri;

static const char *
find_scheme_end(const char *text)
{
	const char *at = text;

	if (!isalpha((unsigned char) *at))
		return NULL;
	while (isalnum((unsigned char) *at) || (*at != '\0' && strchr("+-.", *at) != NULL))
		at++;
	return *at == ':' ? at : NULL;
}

static Piece
take_piece(const char **text, const char *ends)
{
	Piece		piece = {*text, (int) strcspn(*text, ends)};

	*text += piece.length;
	return piece;
}

static void
split_uri(const char *text, Uri *uri)
{
	const char *end = find_scheme_end(text);

	memset(uri, 0, sizeof(*uri));
	if (end != NULL)
	{
		uri->scheme = take_piece(&text, ":");
		text++;
	}
	if (strncmp(text, "//", 2) == 0)
	{
		text += 2;
		uri->authority = take_piece(&text, "/?#");
	}
	uri->path = take_piece(&text, "?#");
	if (*text == '?')
	{
		text++;
		uri->query = take_piece(&text, "#");
	}
}

/* Appends a path without its "." and ".." segments. */
static void
append_path(StringInfo buf, const char *path)
{
	int			start = buf->len;

	while (*path != '\0')
	{
		int			length = (int) strcspn(path + 1, "/") + 1;
		const char *name = (*path == '/') ? path + 1 : path;
		int			name_length = length - (int) (name - path);
		bool		last = (path[length] == '\0');

		if (name_length == 1 && name[0] == '.')
		{
			if (last && *path == '/')
				appendStringInfoChar(buf, '/');
		}
		else if (name_length == 2 && strncmp(name, "..", 2) == 0)
		{
			while (buf->len > start && buf->data[--buf->len] != '/')
				;
			buf->data[buf->len] = '\0';
			if (last)
				appendStringInfoChar(buf, '/');
		}
		else
			appendStringInfo(buf, "%.*s", length, path);
		path += length;
	}
}

/* The base's path up to its last slash, then the reference's. */
static char *
merge_paths(const Uri *base, const Uri *reference)
{
	int			kept = base->path.length;

	if (base->authority.text != NULL && base->path.length == 0)
		return psprintf("/%.*s", reference->path.length, reference->path.text);
	while (kept > 0 && base->path.text[kept - 1] != '/')
		kept--;
	return psprintf("%.*s%.*s", kept, base->path.text, reference->path.length, reference->path.text);
}

static void
resolve_uri(const Uri *base, const Uri *reference, Uri *result)
{
	*result = *reference;
	if (reference->scheme.text != NULL)
		return;
	result->scheme = base->scheme;
	if (reference->authority.text != NULL)
		return;
	result->authority = base->authority;
	if (reference->path.length == 0)
	{
		result->path = base->path;
		if (reference->query.text == NULL)
			result->query = base->query;
	}
	else if (*reference->path.text != '/')
	{
		result->path.text = merge_paths(base, reference);
		result->path.length = (int) strlen(result->path.text);
	}
}

char *
jo_schema_uri(const char *base_text, const char *reference_text)
{
	StringInfoData buf;
	Uri			base;
	Uri			reference;
	Uri			uri;

	split_uri(base_text, &base);
	split_uri(reference_text, &reference);
	resolve_uri(&base, &reference, &uri);
	initStringInfo(&buf);
	if (uri.scheme.text != NULL)
		appendStringInfo(&buf, "%.*s:", uri.scheme.length, uri.scheme.text);
	if (uri.authority.text != NULL)
		appendStringInfo(&buf, "//%.*s", uri.authority.length, uri.authority.text);
	append_path(&buf, psprintf("%.*s", uri.path.length, uri.path.text));
	if (uri.query.text != NULL)
		appendStringInfo(&buf, "?%.*s", uri.query.length, uri.query.text);
	return buf.data;
}
