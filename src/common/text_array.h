/*
 * common/text_array.h
 *		Arrays of text that SQL functions take.
 */
#ifndef NOETL_COMMON_TEXT_ARRAY_H
#define NOETL_COMMON_TEXT_ARRAY_H

#include "utils/array.h"

/*
 * Sets *texts to copies of the elements of a text[], without the null ones, and
 * returns their number.
 */
extern int	text_array_read(ArrayType *array, char ***texts);

#endif							/* NOETL_COMMON_TEXT_ARRAY_H */
