/*
 * playbook/order_by.c
 *		What an iterator's order_by says: a key and a direction.
 */
#include "common/common.h"

#include <ctype.h>

#include "playbook/playbook.h"

/* Returns whether a text is the path of a member: names and dots only. */
static bool
is_path(const char *text, int length)
{
	bool		begins = true;	/* a name */

	for (int i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if (c == '.' && !begins)
			begins = true;
		else if (c == '_' || isalpha(c) || IS_HIGHBIT_SET(c) ||
				 (isdigit(c) && !begins))
			begins = false;
		else
			return false;
	}
	return !begins;
}

/*
 * Takes a word off the end of a text, with the white space before it; false:
 * the text does not end with it.
 */
static bool
take_last_word(const char *text, int *length, const char *word)
{
	int			rest = *length - (int) strlen(word);

	if (rest < 2 || pg_strncasecmp(text + rest, word, strlen(word)) != 0 ||
		!isspace((unsigned char) text[rest - 1]))
		return false;
	while (rest > 0 && isspace((unsigned char) text[rest - 1]))
		rest--;
	*length = rest;
	return rest > 0;
}

/*
 * Compiles order_by: a path or an expression, with a direction.  False and
 * *error when it does not parse.
 */
bool
iterator_compile_order(const char *text, int length, IteratorOrder *order,
					   SourceError *error)
{
	memset(order, 0, sizeof(IteratorOrder));
	while (length > 0 && isspace((unsigned char) *text))
	{
		text++;
		length--;
	}
	while (length > 0 && isspace((unsigned char) text[length - 1]))
		length--;
	if (take_last_word(text, &length, "desc"))
		order->descending = true;
	else if (!take_last_word(text, &length, "asc") &&
			 length > 1 && text[0] == '-' && is_path(text + 1, length - 1))
	{
		order->descending = true;
		text++;
		length--;
	}
	order->members = !template_has_tags(text, length);
	order->key = template_compile(text, length, TEMPLATE_CONDITION, error);
	if (order->key != NULL && template_fault(order->key) != NULL)
	{
		*error = *template_fault(order->key);
		return false;
	}
	return order->key != NULL;
}
