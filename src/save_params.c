/*
 * save_params.c
 *		Parameters of a statement that are named: :name becomes $1.
 *
 * What looks like a name inside of strings, quoted identifiers and comments is
 * none, nor is the type in value::type.  Strings are read as with
 * standard_conforming_strings on.
 */
#include "noetl.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "nodes/pg_list.h"

#include "json.h"
#include "save_params.h"

typedef struct Numbering
{
	const JsonbValue *params;	/* an object, or anything else for none */
	List	   *names;			/* char *, by number */
	StringInfoData text;
} Numbering;

/* May a character be part of a name, or (first) begin one? */
static bool
is_name_char(char c, bool first)
{
	return c == '_' || IS_HIGHBIT_SET(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(!first && c >= '0' && c <= '9');
}

/* Length of a name; 0: there is none. */
static int
name_length(const char *text)
{
	int			length = 0;

	while (text[length] != '\0' && is_name_char(text[length], length == 0))
		length++;
	return length;
}

/* Behind a closing quote; doubled ones and, where it counts, \' do not close. */
static const char *
skip_quoted(const char *text, char quote, bool escapes)
{
	for (text++; *text != '\0'; text++)
	{
		if (escapes && *text == '\\' && text[1] != '\0')
			text++;
		else if (*text == quote && text[1] == quote)
			text++;
		else if (*text == quote)
			return text + 1;
	}
	return text;
}

/* Behind a comment; those in the style of C nest. */
static const char *
skip_comment(const char *text)
{
	int			depth = 0;

	if (text[0] == '-')
		return text + strcspn(text, "\r\n");
	do
	{
		if (text[0] == '/' && text[1] == '*')
		{
			depth++;
			text += 2;
		}
		else if (text[0] == '*' && text[1] == '/')
		{
			depth--;
			text += 2;
		}
		else
			text++;
	} while (depth > 0 && *text != '\0');
	return text;
}

/* Behind a string in dollars, or behind the dollar that begins none. */
static const char *
skip_dollars(const char *text)
{
	int			length = name_length(text + 1) + 2;
	const char *found;
	char	   *tag;

	if (text[length - 1] != '$')
		return text + 1;
	tag = pnstrdup(text, length);
	found = strstr(text + length, tag);
	return found != NULL ? found + length : text + strlen(text);
}

/* Behind what has to be copied as it is; the text itself: nothing of the kind. */
static const char *
skip_verbatim(const char *text, char before)
{
	switch (text[0])
	{
		case '\'':
			return skip_quoted(text, '\'', before == 'e' || before == 'E');
		case '"':
			return skip_quoted(text, '"', false);
		case '$':
			return is_name_char(before, false) ? text + 1 : skip_dollars(text);
		case '-':
			return text[1] == '-' ? skip_comment(text) : text;
		case '/':
			return text[1] == '*' ? skip_comment(text) : text;
		case ':':
			return text[1] == ':' ? text + 2 : text;
		default:
			return text;
	}
}

/* The number of a name, counted from 1. */
static int
number_of(Numbering *numbering, const char *name, int length)
{
	JsonbValue	value;
	ListCell   *lc;

	foreach(lc, numbering->names)
	{
		const char *known = (char *) lfirst(lc);

		if (strlen(known) == length && memcmp(known, name, length) == 0)
			return foreach_current_index(lc) + 1;
	}
	if (!json_is_object(numbering->params) ||
		!json_get_n(numbering->params, name, length, &value))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_PARAMETER),
				 errmsg("parameter \"%.*s\" of the statement has no value", length, name)));
	numbering->names = lappend(numbering->names, pnstrdup(name, length));
	return list_length(numbering->names);
}

/* Rewrites the statement. */
static void
number_names(Numbering *numbering, const char *statement)
{
	const char *text = statement;

	initStringInfo(&numbering->text);
	while (*text != '\0')
	{
		const char *next = skip_verbatim(text, text > statement ? text[-1] : ' ');
		int			length = next == text && *text == ':' ? name_length(text + 1) : 0;

		if (length > 0)
		{
			appendStringInfo(&numbering->text, "$%d", number_of(numbering, text + 1, length));
			text += length + 1;
			continue;
		}
		if (next == text)
			next++;
		appendBinaryStringInfo(&numbering->text, text, next - text);
		text = next;
	}
}

/* See save_params.h. */
char *
save_number_params(const char *statement, const JsonbValue *params,
				   int *nvalues, JsonbValue **values)
{
	Numbering	numbering;
	int			i = 0;
	ListCell   *lc;

	memset(&numbering, 0, sizeof(numbering));
	numbering.params = params;
	number_names(&numbering, statement);
	*nvalues = json_is_array(params) ? JsonContainerSize(params->val.binary.data) :
		list_length(numbering.names);
	*values = palloc(sizeof(JsonbValue) * Max(*nvalues, 1));
	if (json_is_array(params))
		for (; i < *nvalues; i++)
			(*values)[i] = *getIthJsonbValueFromContainer(params->val.binary.data, i);
	else
		foreach(lc, numbering.names)
			(void) json_get(params, (char *) lfirst(lc), &(*values)[i++]);
	return numbering.text.data;
}
