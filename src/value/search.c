/*
 * value/search.c
 *		Search for a substring, in time linear in the two lengths.
 *
 * Most searches end before a plain search has wasted time; one that does waste
 * time goes on as the two-way algorithm of Crochemore and Perrin.  Bytes are
 * compared: a valid UTF-8 text begins only at the beginning of a character of
 * another one.
 */
#include "common/common.h"

#include "value/value.h"

/* A text that is read forward or backward. */
typedef struct Direction
{
	const unsigned char *s;
	int			length;
	bool		backward;
} Direction;

/* Returns a byte of the text, counted in its direction. */
static inline unsigned char
byte_at(const Direction *text, int i)
{
	return text->s[text->backward ? text->length - 1 - i : i];
}

/*
 * Returns where the largest suffix of the text begins, less one, and sets
 * *period to the period of the suffix; "inverse" turns the order of bytes
 * around.
 */
static int
largest_suffix(const Direction *x, bool inverse, int *period)
{
	int			best = -1;
	int			j = 0;
	int			k = 1;

	*period = 1;
	while (j + k < x->length)
	{
		unsigned char a = byte_at(x, j + k);
		unsigned char b = byte_at(x, best + k);

		bounds_work(2);
		if (inverse ? a > b : a < b)
		{
			j += k;
			k = 1;
			*period = j - best;
		}
		else if (a != b)
		{
			best = j++;
			k = *period = 1;
		}
		else if (k != *period)
			k++;
		else
		{
			j += *period;
			k = 1;
		}
	}
	return best;
}

/*
 * Returns the position of x in y, or -1.  "ell" is the critical position of x;
 * "periodic" says that its period is exact, so that a prefix of x need not be
 * compared again.
 */
static int
scan_two_way(const Direction *x, const Direction *y, int ell, int period, bool periodic)
{
	int			memory = -1;
	int			j = 0;

	while (j <= y->length - x->length)
	{
		int			first = Max(ell, memory) + 1;
		int			i = first;

		while (i < x->length && byte_at(x, i) == byte_at(y, i + j))
			i++;
		bounds_work(4 + 2 * (i - first));
		if (i < x->length)
		{
			j += i - ell;
			memory = -1;
			continue;
		}
		for (i = ell; i > memory && byte_at(x, i) == byte_at(y, i + j); i--)
			;
		bounds_work(2 * (ell - i));
		if (i <= memory)
			return j;
		j += period;
		memory = periodic ? x->length - period - 1 : -1;
	}
	return -1;
}

/* Returns the position of x in y, or -1; x is not empty. */
static int
find_two_way(const Direction *x, const Direction *y)
{
	int			period;
	int			other_period;
	int			ell = largest_suffix(x, false, &period);
	int			other = largest_suffix(x, true, &other_period);
	int			i;

	if (other >= ell)
	{
		ell = other;
		period = other_period;
	}
	for (i = 0; i <= ell && i + period < x->length &&
		 byte_at(x, i) == byte_at(x, i + period); i++)
		;
	bounds_work(2 * i);
	if (i > ell)
		return scan_two_way(x, y, ell, period, true);
	return scan_two_way(x, y, ell, Max(ell + 1, x->length - ell - 1) + 1, false);
}

/* Returns the byte offset of the first substring at or after "from", or -1. */
int
utext_find(const char *s, int length, const char *sub, int sublength, int from)
{
	const char *p = s + from;
	const char *end = s + length - sublength;
	int64		wasted = 0;

	if (sublength == 0)
		return from <= length ? from : -1;
	while (p <= end)
	{
		const char *start = p;

		/* the work is counted in portions that interrupts can wait for */
		p = memchr(p, sub[0], Min(end - p + 1, 1024 * 1024));
		if (p == NULL)
		{
			bounds_work(100 * 1024);
			p = start + Min(end - start + 1, 1024 * 1024);
			continue;
		}
		bounds_work((p - start) / 8 + 5);
		if (p[sublength - 1] == sub[sublength - 1])
		{
			bounds_work(sublength / 8);
			if (memcmp(p, sub, sublength) == 0)
				return p - s;
			wasted += sublength;
		}
		p++;
		if (wasted > 8 * (int64) sublength + (p - s - from))
		{
			Direction	x = {(const unsigned char *) sub, sublength, false};
			Direction	y = {(const unsigned char *) p, s + length - p, false};
			int			found = find_two_way(&x, &y);

			return found < 0 ? -1 : (int) (p - s) + found;
		}
	}
	return -1;
}

/*
 * Returns the byte offset of the last substring that ends at or before "end",
 * or -1.
 */
int
utext_rfind(const char *s, int length, const char *sub, int sublength, int end)
{
	int64		wasted = 0;
	int			i;

	end = Min(length, end);
	if (sublength == 0)
		return end;
	for (i = end - sublength; i >= 0; i--)
	{
		bounds_work(1);
		if (s[i] != sub[0] || s[i + sublength - 1] != sub[sublength - 1])
			continue;
		bounds_work(sublength / 8);
		if (memcmp(s + i, sub, sublength) == 0)
			return i;
		wasted += sublength;
		if (wasted > 8 * (int64) sublength + (end - i))
		{
			Direction	x = {(const unsigned char *) sub, sublength, true};
			Direction	y = {(const unsigned char *) s, i + sublength - 1, true};
			int			found = find_two_way(&x, &y);

			return found < 0 ? -1 : y.length - found - sublength;
		}
	}
	return -1;
}
