/*
 * common/double_text.h
 *		The decimal text of a double, with the digits of Python's repr().
 */
#ifndef NOETL_COMMON_DOUBLE_TEXT_H
#define NOETL_COMMON_DOUBLE_TEXT_H

/*
 * Returns the shortest decimal text that reads back as the same finite double;
 * it always shows that the number is a float ("1.0").  With "exponent" a very
 * large or small number has an exponent where Python writes one ("1e+22");
 * without, all digits are written out.
 */
extern char *double_text(double value, bool exponent);

#endif							/* NOETL_COMMON_DOUBLE_TEXT_H */
