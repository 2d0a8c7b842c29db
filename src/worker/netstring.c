/*
 * netstring.c
 *		Texts with their length in front.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "netstring.h"

/* Appends one netstring; an absent text is an empty one. */
void
add_netstring(StringBuf *sb, const char *text, size_t len)
{
	sb_printf(sb, "%zu:", len);
	sb_add(sb, text != NULL ? text : "", len);
	sb_str(sb, ",");
}

/*
 * Takes one netstring off the front of the text at *cursor, terminates it in
 * place and returns it.  NULL when the text does not begin with a netstring.
 */
char *
take_netstring(char **cursor)
{
	char	   *text;
	unsigned long len = strtoul(*cursor, &text, 10);

	if (*text != ':' || strnlen(text + 1, len + 1) != len + 1 ||
		text[1 + len] != ',')
		return NULL;
	text++;
	text[len] = '\0';
	*cursor = text + len + 1;
	return text;
}
