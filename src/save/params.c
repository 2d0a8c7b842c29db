/*
 * save/params.c
 *		Named parameters in the text of a statement, read as PostgreSQL reads it
 *		with standard_conforming_strings on.
 */
#include "common/common.h"

#include "mb/pg_wchar.h"

#include "save/params.h"

/* Returns whether a character may be part of a name, or (first) begin one. */
static bool
is_name_char(char c, bool first)
{
	return c == '_' || IS_HIGHBIT_SET(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(!first && c >= '0' && c <= '9');
}

/* Returns the length of a name, or 0 when there is none. */
static int
name_length(const char *text)
{
	int			length = 0;

	while (text[length] != '\0' && is_name_char(text[length], length == 0))
		length++;
	return length;
}

/*
 * Returns the position after a closing quote; a doubled quote and, with
 * escapes, \' do not close.
 */
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

/* Returns the position after a comment; comments in the style of C nest. */
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

/*
 * Returns the position after a dollar-quoted string, or after a dollar that
 * begins none.
 */
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

/*
 * Returns the position after text that is copied as it is, or the text itself
 * when no such text begins here.
 */
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

/* Returns a statement with its parameters replaced. */
char *
save_replace_params(const char *statement, SaveParam replace, void *arg)
{
	StringInfoData sql;
	const char *text = statement;

	initStringInfo(&sql);
	while (*text != '\0')
	{
		char		before = text > statement ? text[-1] : ' ';
		const char *next = skip_verbatim(text, before);
		int			length = next == text && *text == ':' && !is_name_char(before, false) ?
			name_length(text + 1) : 0;

		if (length > 0 && replace(arg, &sql, text + 1, length))
		{
			text += length + 1;
			continue;
		}
		if (next == text)
			next++;
		appendBinaryStringInfo(&sql, text, next - text);
		text = next;
	}
	return sql.data;
}

/* Returns the position after blanks and comments. */
static const char *
skip_blanks(const char *text)
{
	for (;;)
	{
		if (isspace((unsigned char) *text))
			text++;
		else if ((text[0] == '-' && text[1] == '-') || (text[0] == '/' && text[1] == '*'))
			text = skip_comment(text);
		else
			return text;
	}
}

/* Finds the first word of a statement, and whether another statement follows. */
void
save_outline_statement(const char *statement, const char **word, int *length, bool *several)
{
	const char *text = skip_blanks(statement);

	while (*text == '(')
		text = skip_blanks(text + 1);
	*word = text;
	*length = name_length(text);
	*several = false;
	while (*text != '\0')
	{
		const char *next = skip_verbatim(text, text > statement ? text[-1] : ' ');

		if (*text == ';')
		{
			while (*text == ';')
				text = skip_blanks(text + 1);
			*several = *text != '\0';
			return;
		}
		text = next > text ? next : text + 1;
	}
}

/* Returns whether a word begins a statement that the broker executes. */
bool
save_statement_is_allowed(const char *word, int length)
{
	static const char *const allowed[] = {
		"select", "insert", "update", "delete", "merge", "with", "values", "table"
	};

	for (int i = 0; i < lengthof(allowed); i++)
		if (strlen(allowed[i]) == length && pg_strncasecmp(allowed[i], word, length) == 0)
			return true;
	return false;
}

/* ---------------------------------------------------------------------------
 * Numbers for names
 * ---------------------------------------------------------------------------
 */

/* A place of the text where a name has been replaced. */
typedef struct Replacement
{
	int			end;			/* behind it, in the new text */
	int			grown;			/* how much longer the new text is up to there */
} Replacement;

/* Gives the next number to a parameter. */
static void
number_value(SaveNumbering *numbering, char *name, const JsonbValue *value)
{
	numbering->names = lappend(numbering->names, name);
	numbering->add(numbering->arg, list_length(numbering->names), value);
}

/* Notes that the end of a text now stands for a name of that length. */
static void
note_replacement(SaveNumbering *numbering, const StringInfo sql, int start, int length)
{
	Replacement *replacement = palloc(sizeof(Replacement));

	replacement->end = sql->len;
	replacement->grown = sql->len - start - (length + 1);
	if (numbering->replacements != NIL)
		replacement->grown += ((Replacement *) llast(numbering->replacements))->grown;
	numbering->replacements = lappend(numbering->replacements, replacement);
}

/* SaveParam: replaces :name by $n; returns false when there is no such parameter. */
static bool
number_param(void *arg, StringInfo sql, const char *name, int length)
{
	SaveNumbering *numbering = (SaveNumbering *) arg;
	JsonbValue	value;
	int			number = 0;
	int			start = sql->len;
	ListCell   *lc;

	if (!json_get_n(numbering->params, name, length, &value))
		return false;
	foreach(lc, numbering->names)
		if (strlen(lfirst(lc)) == length && memcmp(lfirst(lc), name, length) == 0)
			number = foreach_current_index(lc) + 1;
	if (number == 0)
	{
		number_value(numbering, pnstrdup(name, length), &value);
		number = list_length(numbering->names);
	}
	appendStringInfo(sql, "$%d", number);
	note_replacement(numbering, sql, start, length);
	return true;
}

/* Returns a statement in which numbers stand for its parameters. */
char *
save_number_params(SaveNumbering *numbering, const char *statement, const JsonbValue *params,
				   void (*add) (void *arg, int number, const JsonbValue *value), void *arg)
{
	char	   *text;

	memset(numbering, 0, sizeof(SaveNumbering));
	numbering->params = params;
	numbering->add = add;
	numbering->arg = arg;
	text = save_replace_params(statement, number_param, numbering);
	if (json_is_array(params))	/* the statement says $1, $2, … itself */
		for (int i = 0; i < JsonContainerSize(params->val.binary.data); i++)
			number_value(numbering, NULL,
						 getIthJsonbValueFromContainer(params->val.binary.data, i));
	return text;
}

/* Returns the place in the statement as written of a place in the new text. */
int
save_place_of(const SaveNumbering *numbering, int place)
{
	int			grown = 0;
	ListCell   *lc;

	foreach(lc, numbering->replacements)
		if (((Replacement *) lfirst(lc))->end <= place)
			grown = ((Replacement *) lfirst(lc))->grown;
	return place - grown;
}
