/*
 * value/unicode.c
 *		Character properties and case mapping, from generated tables.
 */
#include "common/common.h"

#include "value/unicode.h"
#include "value/unicode_data.h"

/* The properties of ASCII characters, for speed. */
const uint16 unicode_ascii_flags[128] = {
	0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000,
	0x0000, 0x0020, 0x0020, 0x0020, 0x0020, 0x0020, 0x0000, 0x0000,
	0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000,
	0x0000, 0x0000, 0x0000, 0x0000, 0x0020, 0x0020, 0x0020, 0x0020,
	0x0030, 0x0010, 0x0010, 0x0010, 0x0010, 0x0010, 0x0010, 0x1010,
	0x0010, 0x0010, 0x0010, 0x0010, 0x0010, 0x0010, 0x1010, 0x0010,
	0x041E, 0x041E, 0x041E, 0x041E, 0x041E, 0x041E, 0x041E, 0x041E,
	0x041E, 0x041E, 0x1010, 0x0010, 0x0010, 0x0010, 0x0010, 0x0010,
	0x0010, 0x0E51, 0x0E51, 0x0E51, 0x0E51, 0x0E51, 0x0E51, 0x0E51,
	0x0E51, 0x0E51, 0x0E51, 0x0E51, 0x0E51, 0x0E51, 0x0E51, 0x0E51,
	0x0E51, 0x0E51, 0x0E51, 0x0E51, 0x0E51, 0x0E51, 0x0E51, 0x0E51,
	0x0E51, 0x0E51, 0x0E51, 0x0010, 0x0010, 0x0010, 0x1010, 0x0610,
	0x1010, 0x0E91, 0x0E91, 0x0E91, 0x0E91, 0x0E91, 0x0E91, 0x0E91,
	0x0E91, 0x0E91, 0x0E91, 0x0E91, 0x0E91, 0x0E91, 0x0E91, 0x0E91,
	0x0E91, 0x0E91, 0x0E91, 0x0E91, 0x0E91, 0x0E91, 0x0E91, 0x0E91,
	0x0E91, 0x0E91, 0x0E91, 0x0010, 0x0010, 0x0010, 0x0010, 0x0000,
};

/* Returns all properties of a character outside ASCII. */
uint16
unicode_flags_slow(uint32 c)
{
	int			low = 0;
	int			high = lengthof(char_ranges) - 1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;

		if (c < char_ranges[middle].low)
			high = middle - 1;
		else if (c > char_ranges[middle].high)
			low = middle + 1;
		else
			return char_ranges[middle].flags;
	}
	return 0;
}

/*
 * Sets to[] to the characters that c maps to when there are several; returns
 * their number, or 0.
 */
static int
find_special(const CaseSpecial *specials, int count, uint32 c, uint32 *to)
{
	int			low = 0;
	int			high = count - 1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;
		int			n;

		if (c < specials[middle].from)
			high = middle - 1;
		else if (c > specials[middle].from)
			low = middle + 1;
		else
		{
			for (n = 0; n < 3 && specials[middle].to[n] != 0; n++)
				to[n] = specials[middle].to[n];
			return n;
		}
	}
	return 0;
}

/* Returns the character that c maps to alone. */
static uint32
find_simple(const CaseRange *ranges, int count, uint32 c)
{
	int			low = 0;
	int			high = count - 1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;

		if (c < ranges[middle].low)
			high = middle - 1;
		else if (c > ranges[middle].high)
			low = middle + 1;
		else if ((c - ranges[middle].low) % ranges[middle].stride == 0)
			return c + ranges[middle].delta;
		else
			break;
	}

	/* ranges of stride two interleave with their neighbours */
	for (low = Max(low - 3, 0); low < count && ranges[low].low <= c; low++)
	{
		if (c <= ranges[low].high &&
			(c - ranges[low].low) % ranges[low].stride == 0)
			return c + ranges[low].delta;
	}
	return c;
}

/*
 * Sets to[] to the mapping of a character, regardless of its neighbours;
 * returns the number of characters.
 */
int
unicode_map(CaseMap map, uint32 c, uint32 *to)
{
	static const struct
	{
		const CaseRange *ranges;
		int			nranges;
		const CaseSpecial *specials;
		int			nspecials;
	}			maps[] = {
		{upper_ranges, lengthof(upper_ranges), upper_specials, lengthof(upper_specials)},
		{lower_ranges, lengthof(lower_ranges), lower_specials, lengthof(lower_specials)},
		{title_ranges, lengthof(title_ranges), title_specials, lengthof(title_specials)},
		{fold_ranges, lengthof(fold_ranges), fold_specials, lengthof(fold_specials)},
	};
	int			n = 0;

	if (c >= 128)
		n = find_special(maps[map].specials, maps[map].nspecials, c, to);
	if (n > 0)
		return n;
	to[0] = find_simple(maps[map].ranges, maps[map].nranges, c);
	return 1;
}

/* Returns the value of a decimal digit of any script, or -1. */
int
unicode_decimal(uint32 c)
{
	int			i;

	if (c < 128)
		return c >= '0' && c <= '9' ? (int) (c - '0') : -1;
	if (!unicode_is(c, UC_DECIMAL))
		return -1;
	for (i = 0; i < lengthof(decimal_zeros); i++)
	{
		if (c >= decimal_zeros[i] && c < decimal_zeros[i] + 10)
			return c - decimal_zeros[i];
	}
	return -1;
}
