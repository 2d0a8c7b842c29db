/*
 * value/unicode.h
 *		Character properties and case mapping as Python's str has them.
 *
 * The tables are part of the source: the same template gives the same text in
 * every database, whatever its locale and however the server was built, and
 * libc cannot map one character to several.
 */
#ifndef NOETL_VALUE_UNICODE_H
#define NOETL_VALUE_UNICODE_H

#define UC_ALPHA	0x0001
#define UC_DECIMAL	0x0002
#define UC_DIGIT	0x0004
#define UC_NUMERIC	0x0008
#define UC_PRINTABLE	0x0010
#define UC_SPACE	0x0020
#define UC_UPPER	0x0040
#define UC_LOWER	0x0080
#define UC_TITLE	0x0100
#define UC_ID_START	0x0200
#define UC_ID_CONTINUE	0x0400
#define UC_CASED	0x0800
#define UC_CASE_IGNORABLE	0x1000

typedef enum CaseMap
{
	CASE_UPPER,
	CASE_LOWER,
	CASE_TITLE,
	CASE_FOLD
} CaseMap;

extern uint16 unicode_flags_slow(uint32 c);
extern const uint16 unicode_ascii_flags[128];

/* Returns all properties of a character. */
static inline uint16
unicode_flags(uint32 c)
{
	return c < 128 ? unicode_ascii_flags[c] : unicode_flags_slow(c);
}

/* Returns whether the character has one of these properties. */
static inline bool
unicode_is(uint32 c, uint16 flags)
{
	return (unicode_flags(c) & flags) != 0;
}

/* Returns whether a character is part of a word, as \w of Python's re has it. */
static inline bool
unicode_is_word(uint32 c)
{
	return c == '_' || unicode_is(c, UC_ALPHA | UC_DECIMAL | UC_DIGIT | UC_NUMERIC);
}

extern int	unicode_map(CaseMap map, uint32 c, uint32 *to);
extern int	unicode_decimal(uint32 c);

#endif							/* NOETL_VALUE_UNICODE_H */
