/*
 * save/mode.c
 *		The modes of a save and their words.
 */
#include "common/common.h"

#include "save/save.h"

static const struct
{
	const char *word;
	SaveMode	mode;
}			mode_words[] = {
	{"insert", SAVE_INSERT},
	{"append", SAVE_INSERT},
	{"upsert", SAVE_UPSERT},
	{"update", SAVE_UPDATE},
	{"overwrite", SAVE_OVERWRITE}
};

/*
 * Sets *mode to the mode that a word means, in any case; false for an unknown
 * word.
 */
bool
save_mode(const char *word, int length, SaveMode *mode)
{
	for (int i = 0; i < lengthof(mode_words); i++)
		if (strlen(mode_words[i].word) == length &&
			pg_strncasecmp(mode_words[i].word, word, length) == 0)
		{
			*mode = mode_words[i].mode;
			return true;
		}
	return false;
}

/* Returns the first word of a mode. */
const char *
save_mode_name(SaveMode mode)
{
	int			i = 0;

	if (mode == SAVE_STATEMENT)
		return "statement";
	while (mode_words[i].mode != mode)
		i++;
	return mode_words[i].word;
}
