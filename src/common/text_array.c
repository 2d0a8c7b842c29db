/*
 * common/text_array.c
 *		Arrays of text that SQL functions take.
 */
#include "common/common.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "common/text_array.h"

/* Sets *texts to copies of the elements that are not null; returns their number. */
int
text_array_read(ArrayType *array, char ***texts)
{
	Datum	   *elements;
	bool	   *nulls;
	int			n;
	int			count = 0;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	*texts = palloc(sizeof(char *) * Max(n, 1));
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			(*texts)[count++] = TextDatumGetCString(elements[i]);
	return count;
}
