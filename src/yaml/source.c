/*
 * yaml/source.c
 *		The source text of a YAML document: its lines, and pieces of it in
 *		messages.
 */
#include "common/common.h"

#include "yaml/internal.h"

#define MAX_QUOTED			60	/* bytes of the document in a message */

/*
 * Returns a piece of the document for a message: in quotes, cut when it is
 * long, and without control characters.
 */
char *
yaml_quote_text(const char *text, int length)
{
	int			shown = length;
	char	   *result;

	if (shown > MAX_QUOTED)
	{
		shown = MAX_QUOTED;
		while (shown > 0 && (text[shown] & 0xC0) == 0x80)
			shown--;
	}
	result = psprintf("\"%.*s%s\"", shown, text, shown < length ? "..." : "");
	for (char *p = result; *p != '\0'; p++)
	{
		if ((unsigned char) *p < ' ' || *p == 0x7F)
			*p = ' ';
	}
	return result;
}

/*
 * Returns the length of the line break at p, or 0. The five line breaks of
 * YAML 1.1 count, because libyaml's marks count lines by them.
 */
int
yaml_line_break(const char *p, const char *end)
{
	if (*p == '\n')
		return 1;
	if (*p == '\r')
		return (p + 1 < end && p[1] == '\n') ? 2 : 1;
	if (*p == '\xC2' && p + 1 < end && p[1] == '\x85')
		return 2;				/* NEL */
	if (*p == '\xE2' && p + 2 < end && p[1] == '\x80' &&
		(p[2] == '\xA8' || p[2] == '\xA9'))
		return 3;				/* LS, PS */
	return 0;
}

/* Returns the end of the line at p, without its break. */
const char *
yaml_line_end(const char *p, const char *end)
{
	while (p < end && yaml_line_break(p, end) == 0)
		p++;
	return p;
}

/* Returns the start of the line after the one at p, or "end". */
const char *
yaml_next_line(const char *p, const char *end)
{
	p = yaml_line_end(p, end);
	return p < end ? p + yaml_line_break(p, end) : end;
}

/* Returns a line of the source (1-based) and sets *line_length. */
const char *
yaml_source_line(const char *text, int length, int line, int *line_length)
{
	const char *end = text + length;
	const char *p = text;

	while (line > 1 && p < end)
	{
		p = yaml_next_line(p, end);
		line--;
	}
	*line_length = yaml_line_end(p, end) - p;
	return p;
}

/*
 * Returns whether a line has a template without quotes. That is the most
 * common mistake in a playbook, and the messages of libyaml do not name it.
 */
bool
yaml_line_has_bare_template(const char *text, int length, int line)
{
	int			line_length;
	const char *p = yaml_source_line(text, length, line, &line_length);
	const char *end = p + line_length;
	char		before = '\0';	/* last character that is no blank */

	for (; p < end; p++)
	{
		if (p + 1 < end && *p == '{' && (p[1] == '{' || p[1] == '%') &&
			(before == '\0' || strchr(":-[,?", before) != NULL))
			return true;
		if (*p != ' ' && *p != '\t')
			before = *p;
	}
	return false;
}

/*
 * Sets line and column of a byte in the text, for errors of libyaml without a
 * mark.
 */
void
yaml_offset_position(const char *text, int length, size_t offset,
					 int *line, int *column)
{
	const char *p = text;
	const char *end = text + length;
	const char *target = text + Min(offset, (size_t) length);

	*line = 1;
	for (;;)
	{
		const char *next = yaml_next_line(p, end);

		if (next > target || next == end)
			break;
		p = next;
		(*line)++;
	}
	*column = 1;
	for (; p < target; p++)
	{
		if ((*p & 0xC0) != 0x80)
			(*column)++;
	}
}

/* Gives a YAML error a hint where its line, or the one before, is indented with a tab. */
void
yaml_explain(const char *content, int length, SourceError *error)
{
	const char *end = content + length;
	const char *line = content;

	for (int number = 1; line < end && number <= error->line; number++)
	{
		const char *next = memchr(line, '\n', end - line);
		const char *text = line;

		next = next == NULL ? end : next + 1;
		while (text < next && *text == ' ')
			text++;
		if (number >= error->line - 1 && text < next && *text == '\t')
			error->hint = "Indent with blanks: YAML does not allow tabs there.";
		else if (number >= error->line - 1 && next - text > 5 &&
				 strncmp(text, "-step:", 6) == 0)
			error->hint = "YAML wants a blank after the dash: \"- step: name\".";
		line = next;
	}
}
