/*
 * common/double_text.c
 *		The decimal text of a double, with the digits of Python's repr().
 */
#include "common/common.h"

#include "common/shortest_dec.h"

#include "common/double_text.h"

/* The shortest decimal of a double: 0.DIGITS times ten to the power "point". */
typedef struct Decimal
{
	bool		negative;
	int			ndigits;		/* 0: the value is zero */
	int			point;
	char		digits[DOUBLE_SHORTEST_DECIMAL_LEN];
} Decimal;

/* Sets *decimal to the decimal that a text spells. */
static void
decimal_from_text(const char *shortest, Decimal *decimal)
{
	bool		seen_point = false;

	memset(decimal, 0, sizeof(Decimal));
	for (const char *p = shortest; *p != '\0'; p++)
	{
		if (*p == '-')
			decimal->negative = true;
		else if (*p == '.')
			seen_point = true;
		else if (*p == 'e')
		{
			decimal->point += atoi(p + 1);
			break;
		}
		else if (decimal->ndigits > 0 || *p != '0')
		{
			decimal->digits[decimal->ndigits++] = *p;
			if (!seen_point)
				decimal->point++;
		}
		else if (seen_point)
			decimal->point--;
	}
	while (decimal->ndigits > 1 && decimal->digits[decimal->ndigits - 1] == '0')
		decimal->ndigits--;
}

/*
 * Sets *decimal to the shortest decimal of a finite double.  The server's
 * function leaves out decimals halfway between two doubles, which a reader
 * rounds to the even one: 1e23 is such a decimal.
 */
static void
decimal_from_double(double value, Decimal *decimal)
{
	char		shortest[DOUBLE_SHORTEST_DECIMAL_LEN];
	char		shorter[DOUBLE_SHORTEST_DECIMAL_LEN + 8];
	uint64		bits;

	double_to_shortest_decimal_buf(value, shortest);
	decimal_from_text(shortest, decimal);
	memcpy(&bits, &value, sizeof(bits));
	if (decimal->ndigits < 15 || (bits & 1) != 0)
		return;
	snprintf(shorter, sizeof(shorter), "%.*e", decimal->ndigits - 2, value);
	if (strtod(shorter, NULL) == value)
		decimal_from_text(shorter, decimal);
}

/* Returns the shortest text of a finite double; an exponent only where allowed. */
char *
double_text(double value, bool exponent)
{
	Decimal		decimal;
	char	   *result = palloc(400);	/* the smallest double needs 343 */
	char	   *p = result;
	int			point;

	decimal_from_double(value, &decimal);
	point = decimal.point;
	if (decimal.negative)
		*p++ = '-';
	if (decimal.ndigits == 0)
	{
		strcpy(p, "0.0");
		return result;
	}
	if (exponent && (point > 16 || point < -3))
	{
		*p++ = decimal.digits[0];
		if (decimal.ndigits > 1)
			p += sprintf(p, ".%.*s", decimal.ndigits - 1, decimal.digits + 1);
		sprintf(p, "e%c%02d", point > 0 ? '+' : '-', abs(point - 1));
		return result;
	}
	if (point <= 0)
	{
		*p++ = '0';
		*p++ = '.';
		for (int i = point; i < 0; i++)
			*p++ = '0';
	}
	for (int i = 0; i < decimal.ndigits || i <= point; i++)
	{
		if (i == point && point > 0)
			*p++ = '.';
		if (i < decimal.ndigits)
			*p++ = decimal.digits[i];
		else if (point > 0)
			*p++ = '0';
	}
	*p = '\0';
	return result;
}
