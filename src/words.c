/*
 * words.c
 *		Finds the word that was meant, for findings that say what to type.
 *
 * A leaf.  Works on bytes: the words of a definition are ASCII, and step names
 * need no more than a good guess.
 */
#include "words.h"

#include <string.h>

#define LONGEST_WORD 64
#define LONGEST_SHOWN 80

int
jo_words_find(const char *word, const char *const *words)
{
	for (int i = 0; words[i] != NULL; i++)
		if (strcmp(word, words[i]) == 0)
			return i;
	return -1;
}

static char
fold(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char) (c - 'A' + 'a');
	return c == '-' || c == ' ' ? '_' : c;
}

/* Levenshtein's distance, two swapped neighbours counted once; both at most LONGEST_WORD long. */
static int
measure_distance(const char *a, int alength, const char *b, int blength)
{
	int			rows[3][LONGEST_WORD + 1];
	int		   *before = rows[0];
	int		   *above = rows[1];
	int		   *row = rows[2];

	for (int j = 0; j <= blength; j++)
		above[j] = j;
	for (int i = 1; i <= alength; i++)
	{
		int		   *next = before;

		row[0] = i;
		for (int j = 1; j <= blength; j++)
		{
			int			cost = fold(a[i - 1]) != fold(b[j - 1]);
			int			best = Min(above[j] + 1, row[j - 1] + 1);

			best = Min(best, above[j - 1] + cost);
			if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) && fold(a[i - 2]) == fold(b[j - 1]))
				best = Min(best, before[j - 2] + 1);
			row[j] = best;
		}
		before = above;
		above = row;
		row = next;
	}
	return above[blength];
}

const char *
jo_words_nearest(const char *word, const char *const *words)
{
	size_t		length = strlen(word);
	const char *nearest = NULL;
	int			limit = Max(1, Min(3, (int) length / 3));

	if (length == 0 || length > LONGEST_WORD)
		return NULL;
	for (int i = 0; words[i] != NULL; i++)
	{
		size_t		candidate = strlen(words[i]);
		int			distance;

		if (candidate > LONGEST_WORD || candidate > length + limit || length > candidate + limit)
			continue;
		distance = measure_distance(word, (int) length, words[i], (int) candidate);
		if (distance <= limit && (size_t) distance < Max(length, candidate))
		{
			nearest = words[i];
			limit = distance - 1;
			if (limit < 0)
				break;
		}
	}
	return nearest;
}

char *
jo_words_suggest(const char *word, const char *const *words)
{
	const char *nearest = jo_words_nearest(word, words);

	return nearest ? psprintf("Did you mean \"%s\"?", nearest) : NULL;
}

char *
jo_words_join(const char *const *words)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; words[i] != NULL; i++)
		appendStringInfo(&buf, "%s%s", i > 0 ? ", " : "", words[i]);
	return buf.data;
}

char *
jo_words_clip(const char *text, size_t length)
{
	if (length <= LONGEST_SHOWN)
		return pnstrdup(text, length);
	return psprintf("%.*s...", pg_mbcliplen(text, LONGEST_SHOWN + 4, LONGEST_SHOWN), text);
}

char *
jo_words_show(const char *text)
{
	return jo_words_clip(text, strlen(text));
}
