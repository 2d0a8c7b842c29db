/*
 * diff.c
 *		What differs between two texts, line by line: their longest common
 *		subsequence is kept.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "diff.h"

/* Middle parts whose product is larger are shown as removed and added as a whole. */
#define MAX_CELLS		9000000

typedef struct Lines
{
	const char **start;
	size_t	   *length;
	int			count;
} Lines;

/* Splits a text into lines. */
static void
split(const char *text, Lines *lines)
{
	int			size = 1;

	for (const char *p = text; *p; p++)
		size += *p == '\n';
	lines->start = xcalloc(size, sizeof(char *));
	lines->length = xcalloc(size, sizeof(size_t));
	lines->count = 0;
	while (*text)
	{
		size_t		length = strcspn(text, "\n");

		lines->start[lines->count] = text;
		lines->length[lines->count++] = length;
		text += length + (text[length] == '\n');
	}
}

/* Whether two lines are the same. */
static bool
same(const Lines *a, int i, const Lines *b, int j)
{
	return a->length[i] == b->length[j] && memcmp(a->start[i], b->start[j], a->length[i]) == 0;
}

/* Appends one line; numbers start with 1, 0: none. */
static void
append_line(PQExpBuffer out, const Lines *lines, int index, int before, int after)
{
	const char *class = before && after ? "same" : before ? "gone" : "new";
	const char *sign = before && after ? " " : before ? "−" : "+";

	html(out, "<tr class=\"%r\"><td class=\"line\">", class);
	html(out, before ? "%d" : "", before);
	html(out, "</td><td class=\"line\">");
	html(out, after ? "%d" : "", after);
	html(out, "</td><td><span class=\"sign\">%r</span>", sign);
	html_text(out, lines->start[index], lines->length[index]);
	html(out, "</td></tr>\n");
}

/*
 * Appends the middle, where lines a1 to a2 and b1 to b2 differ.  best[i][j] is the
 * length of the longest common subsequence of what follows i and j.
 */
static void
append_middle(PQExpBuffer out, const Lines *a, int a1, int a2, const Lines *b, int b1, int b2)
{
	int			n = a2 - a1;
	int			m = b2 - b1;
	int			i = 0;
	int			j = 0;
	uint16_t   *best = NULL;

	/* no subsequence is longer than 3,000 lines then */
	if ((int64_t) (n + 1) * (m + 1) <= MAX_CELLS)
	{
		best = xcalloc((size_t) (n + 1) * (m + 1), sizeof(*best));
		for (int x = n - 1; x >= 0; x--)
			for (int y = m - 1; y >= 0; y--)
			{
				uint16_t	down = best[(x + 1) * (m + 1) + y];
				uint16_t	right = best[x * (m + 1) + y + 1];

				best[x * (m + 1) + y] = same(a, a1 + x, b, b1 + y) ?
					best[(x + 1) * (m + 1) + y + 1] + 1 : down > right ? down : right;
			}
	}
	while (i < n || j < m)
		if (best && i < n && j < m && same(a, a1 + i, b, b1 + j))
		{
			append_line(out, a, a1 + i, a1 + i + 1, b1 + j + 1);
			i++, j++;
		}
		else if (i < n && (j == m || best == NULL ||
						   best[(i + 1) * (m + 1) + j] >= best[i * (m + 1) + j + 1]))
		{
			append_line(out, a, a1 + i, a1 + i + 1, 0);
			i++;
		}
		else
		{
			append_line(out, b, b1 + j, 0, b1 + j + 1);
			j++;
		}
	free(best);
}

/* Appends the lines of both texts as a table. */
void
diff_append(PQExpBuffer out, const char *before, const char *after)
{
	Lines		a;
	Lines		b;
	int			head = 0;
	int			tail = 0;

	split(before, &a);
	split(after, &b);
	while (head < a.count && head < b.count && same(&a, head, &b, head))
		head++;
	while (tail < a.count - head && tail < b.count - head &&
		   same(&a, a.count - 1 - tail, &b, b.count - 1 - tail))
		tail++;
	html(out, "<div class=\"scroll\"><table class=\"source diff\"><tbody>\n");
	for (int i = 0; i < head; i++)
		append_line(out, &a, i, i + 1, i + 1);
	append_middle(out, &a, head, a.count - tail, &b, head, b.count - tail);
	for (int i = tail; i > 0; i--)
		append_line(out, &a, a.count - i, a.count - i + 1, b.count - i + 1);
	html(out, "</tbody></table></div>\n");
	free(a.start);
	free(a.length);
	free(b.start);
	free(b.length);
}
