/*
 * common/word.h
 *		Comparing pieces of text, which need not be NUL-terminated, with words.
 */
#ifndef NOETL_COMMON_WORD_H
#define NOETL_COMMON_WORD_H

/* Returns whether a text of this length is the word. */
static inline bool
word_is(const char *text, int length, const char *word)
{
	return length == (int) strlen(word) && memcmp(text, word, length) == 0;
}

/* Returns whether a text of this length is in a NULL-terminated list of words. */
static inline bool
word_in(const char *text, int length, const char *const *words)
{
	for (; *words != NULL; words++)
		if (word_is(text, length, *words))
			return true;
	return false;
}

#endif							/* NOETL_COMMON_WORD_H */
