/*
 * yaml/position.c
 *		The position in a document of the text of a scalar.
 *
 * An error inside a text has a line and column in the text; the author of the
 * document needs those in the file.  Quotes, escapes and folding are between the
 * two:
 *
 *		when: "{{ a == \"x\"			text: {{ a == "x" and b }}
 *		  and b }}"
 *
 * A scalar is walked over once more beside its source, and every place where the
 * two stop running in step is noted (YamlStretch).
 */
#include "common/common.h"

#include <limits.h>

#include "yaml/internal.h"

#define MAX_STRETCHES		10000	/* beyond that, positions are estimates */

/* The characters that libyaml accepts in the name of an anchor. */
#define ANCHOR_CHARACTERS \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

/* A scalar and its source, side by side. */
typedef struct Walk
{
	YamlNode   *node;
	int			max_stretches;
	int			offset;			/* in the text */
	const char *p;				/* in the source */
	const char *end;
	int			line;
	int			column;
} Walk;

/*
 * Returns how many characters of a set begin a text that has an end but no
 * NUL.
 */
static size_t
strspn_limited(const char *p, const char *end, const char *set)
{
	const char *start = p;

	while (p < end && *p != '\0' && strchr(set, *p) != NULL)
		p++;
	return p - start;
}

/*
 * Returns the position after the tag and the anchor in front of a scalar, and
 * counts line and column; an event begins with them.
 */
static const char *
skip_properties(const char *p, const char *end, int *line, int *column)
{
	while (p < end)
	{
		int			break_length = yaml_line_break(p, end);

		if (break_length > 0)
		{
			p += break_length;
			(*line)++;
			*column = 1;
		}
		else if (*p == ' ' || *p == '\t')
		{
			p++;
			(*column)++;
		}
		else if (*p == '#')
			p = yaml_line_end(p, end);
		else if (*column == 1 && end - p >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0)
		{
			p += 3;			/* libyaml lets a byte order mark begin a line */
			(*column)++;
		}
		else if (*p == '&')
		{
			size_t		name = strspn_limited(p + 1, end, ANCHOR_CHARACTERS);

			p += name + 1;
			*column += name + 1;
		}
		else if (*p == '!')
		{
			while (p < end && *p != ' ' && *p != '\t' &&
				   yaml_line_break(p, end) == 0)
			{
				if ((*p & 0xC0) != 0x80)
					(*column)++;
				p++;
			}
		}
		else
			break;
	}
	return p;
}

/*
 * Returns the indentation of a block scalar: that of its first line with text,
 * less the blanks that belong to the text ("|2" says so).
 */
static int
block_indentation(const char *header, const char *end, const YamlNode *node)
{
	const char *p = yaml_next_line(header, end);
	int			own = 0;

	for (const char *s = node->string; *s == ' ' || *s == '\n'; s++)
		own = (*s == '\n') ? 0 : own + 1;
	while (p < end)
	{
		const char *start = p;

		while (p < end && *p == ' ')
			p++;
		if (p < end && yaml_line_break(p, end) == 0)
			return Max((int) (p - start) - own, 0);
		p = yaml_next_line(p, end);
	}
	return 0;
}

/* Notes that text and source run in step from here on. */
static void
begin_stretch(Walk *walk)
{
	YamlNode   *node = walk->node;
	YamlStretch *stretch;

	if (node->nstretches == walk->max_stretches)
	{
		walk->max_stretches = Max(walk->max_stretches * 2, 4);
		if (node->stretches == NULL)
			node->stretches = palloc(walk->max_stretches * sizeof(YamlStretch));
		else
			node->stretches = repalloc(node->stretches,
									   walk->max_stretches * sizeof(YamlStretch));
	}
	stretch = &node->stretches[node->nstretches++];
	stretch->offset = walk->offset;
	stretch->line = walk->line;
	stretch->column = walk->column;
}

/*
 * Goes over one byte that is the same in text and source; false when the bytes
 * differ.
 */
static bool
step(Walk *walk)
{
	if (*walk->p != walk->node->string[walk->offset])
		return false;
	walk->p++;
	walk->offset++;
	if (walk->p == walk->end || (*walk->p & 0xC0) != 0x80)
		walk->column++;
	return true;
}

/* Skips at most "most" line breaks of the text. */
static void
skip_text_breaks(Walk *walk, int most)
{
	const char *text = walk->node->string;
	const char *end = text + walk->node->length;

	for (; most > 0 && text + walk->offset < end; most--)
	{
		int			break_length = yaml_line_break(text + walk->offset, end);

		if (break_length == 0)
			break;
		walk->offset += break_length;
	}
}

/*
 * Skips what line breaks of the source became in the text: one blank, or at
 * most "most" breaks.
 */
static void
skip_folded(Walk *walk, int most)
{
	if (walk->node->string[walk->offset] == ' ')
		walk->offset++;
	else
		skip_text_breaks(walk, most);
}

/*
 * Skips line breaks and the blanks around them, in the source only. Returns
 * how many breaks the text can have in their place: folding removes the first
 * one, unless it is one of Unicode's own.
 */
static int
skip_line_breaks(Walk *walk)
{
	int			kept = -1;

	while (walk->p < walk->end)
	{
		int			break_length = yaml_line_break(walk->p, walk->end);

		if (break_length > 0)
		{
			kept += (kept < 0 && break_length == 3) ? 2 : 1;
			walk->p += break_length;
			walk->line++;
			walk->column = 1;
		}
		else if (*walk->p == ' ' || *walk->p == '\t')
		{
			walk->p++;
			walk->column++;
		}
		else
			break;
	}
	return kept;
}

/*
 * Skips an escape of a double-quoted text, which is one character of the text.
 */
static void
skip_escape(Walk *walk)
{
	const char *text = walk->node->string;
	int			length = 2;

	if (walk->p + 1 == walk->end)
	{
		walk->p++;
		return;
	}
	if (yaml_line_break(walk->p + 1, walk->end) > 0)
	{
		/* the escaped break is gone, those after it are kept */
		walk->p = yaml_next_line(walk->p, walk->end);
		walk->line++;
		walk->column = 1;
		skip_text_breaks(walk, skip_line_breaks(walk) + 1);
		return;
	}
	if (walk->p[1] == 'x')
		length += 2;
	else if (walk->p[1] == 'u')
		length += 4;
	else if (walk->p[1] == 'U')
		length += 8;
	length = Min(length, (int) (walk->end - walk->p));
	walk->p += length;
	walk->column += length;
	do
		walk->offset++;
	while ((text[walk->offset] & 0xC0) == 0x80);
}

/* Walks over a plain or quoted scalar. */
static void
walk_flow(Walk *walk, YamlStyle style)
{
	while (walk->offset < walk->node->length && walk->p < walk->end &&
		   walk->node->nstretches < MAX_STRETCHES)
	{
		const char *after = walk->p;

		while (after < walk->end && (*after == ' ' || *after == '\t'))
			after++;
		if (after < walk->end && yaml_line_break(after, walk->end) > 0)
		{
			skip_folded(walk, skip_line_breaks(walk));
		}
		else if (after > walk->p)
		{
			while (walk->p < after && walk->offset < walk->node->length)
			{
				if (!step(walk))
					return;
			}
			continue;
		}
		else if (style == YAML_STYLE_SINGLE_QUOTED && *walk->p == '\'')
		{
			walk->p += Min(2, (int) (walk->end - walk->p));
			walk->column += 2;
			walk->offset++;
		}
		else if (style == YAML_STYLE_DOUBLE_QUOTED && *walk->p == '\\')
			skip_escape(walk);
		else if (step(walk))
			continue;
		else
			return;
		begin_stretch(walk);
	}
}

/* Walks over a folded block scalar from the line after its header. */
static void
walk_folded(Walk *walk, int indentation)
{
	while (walk->offset < walk->node->length && walk->p < walk->end &&
		   walk->node->nstretches < MAX_STRETCHES)
	{
		for (walk->column = 1; walk->p < walk->end && *walk->p == ' ' &&
			 walk->column <= indentation; walk->column++)
			walk->p++;
		if (walk->p < walk->end && yaml_line_break(walk->p, walk->end) == 0)
		{
			if (walk->offset > 0 || walk->node->string[0] != ' ')
				skip_folded(walk, INT_MAX);
			begin_stretch(walk);
			while (walk->p < walk->end && walk->offset < walk->node->length &&
				   yaml_line_break(walk->p, walk->end) == 0)
			{
				if (!step(walk))
					return;
			}
		}
		walk->p = yaml_next_line(walk->p, walk->end);
		walk->line++;
	}
}

/*
 * Notes in a node where the text of the scalar is in the source. "offset" is
 * where its event begins; the node has the position of the event.
 */
void
yaml_locate_text(YamlNode *node, YamlStyle style, const char *text, int length,
				 int offset)
{
	Walk		walk = {0};
	int			indentation = 0;

	walk.node = node;
	walk.p = text + offset;
	walk.end = text + length;
	walk.line = node->line;
	walk.column = node->column;
	if (walk.p < walk.end && (*walk.p == '!' || *walk.p == '&') &&
		(style != YAML_STYLE_PLAIN || node->length > 0))
		walk.p = skip_properties(walk.p, walk.end, &walk.line, &walk.column);
	if (style == YAML_STYLE_LITERAL || style == YAML_STYLE_FOLDED)
	{
		indentation = block_indentation(walk.p, walk.end, node);
		node->block = true;
		walk.p = yaml_next_line(walk.p, walk.end);
		walk.line++;
		walk.column = indentation + 1;
	}
	else if (style != YAML_STYLE_PLAIN && walk.p < walk.end)
	{
		walk.p++;				/* the quote */
		walk.column++;
	}
	node->text_line = walk.line;
	node->text_column = walk.column;
	if (style == YAML_STYLE_FOLDED)
		walk_folded(&walk, indentation);
	else if (style != YAML_STYLE_LITERAL)
		walk_flow(&walk, style);
}

/* Returns the byte offset of a line and column in a text. */
static int
text_offset(const YamlNode *node, int line, int column)
{
	int			offset = 0;

	for (; line > 1 && offset < node->length; offset++)
	{
		if (node->string[offset] == '\n')
			line--;
	}
	for (; column > 1 && offset < node->length; column--)
	{
		do
			offset++;
		while ((node->string[offset] & 0xC0) == 0x80);
	}
	return offset;
}

/*
 * Turns line and column inside the text of a scalar into those in the file.
 * For a scalar without stretches the result is right in the first line and in
 * literal block scalars, and is the beginning of the text otherwise.
 */
void
yaml_locate(const YamlNode *scalar, int line, int column,
			int *file_line, int *file_column)
{
	int			offset;
	const YamlStretch *stretch = NULL;

	*file_line = scalar->text_line;
	*file_column = scalar->text_column;
	if (scalar->nstretches > 0)
	{
		offset = text_offset(scalar, line, column);
		for (int i = 0; i < scalar->nstretches &&
			 scalar->stretches[i].offset <= offset; i++)
			stretch = &scalar->stretches[i];
	}
	if (stretch != NULL)
	{
		*file_line = stretch->line;
		*file_column = stretch->column;
		for (int i = stretch->offset; i < offset; i++)
		{
			if ((scalar->string[i] & 0xC0) != 0x80)
				(*file_column)++;
		}
	}
	else if (line <= 1 || scalar->block)
	{
		*file_line += Max(line, 1) - 1;
		*file_column += Max(column, 1) - 1;
	}
}
