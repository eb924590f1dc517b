/*
 * words.h
 *		Lists of words that a text may be one of, and the word that was meant.
 *
 * A list is an array of strings that ends with NULL.  Nothing here raises but
 * for out of memory; results are allocated in the current context.
 */
#ifndef JO_WORDS_H
#define JO_WORDS_H

#include "leaf.h"

/* Position of word in the list, -1 if it is not there. */
extern int	jo_words_find(const char *word, const char *const *words);

/* The word of the list that is nearest to a misspelt one, NULL if none is near. */
extern const char *jo_words_nearest(const char *word, const char *const *words);

/* 'Did you mean "sql"?', or NULL. */
extern char *jo_words_suggest(const char *word, const char *const *words);

/* "a, b, c" */
extern char *jo_words_join(const char *const *words);

/* A text for a message: cut at whole characters when longer than about 80 bytes. */
extern char *jo_words_clip(const char *text, size_t length);
extern char *jo_words_show(const char *text);

#endif
