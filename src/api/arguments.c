/*
 * api/arguments.c
 *		Arguments of SQL-callable functions.
 */
#include "common/common.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "api/arguments.h"

/* Reads a text[] argument; returns how many strings there are. */
int
text_array_argument(FunctionCallInfo fcinfo, int argument, char ***strings)
{
	Datum	   *elements;
	bool	   *nulls;
	int			n;
	int			count = 0;

	*strings = NULL;
	if (PG_ARGISNULL(argument))
		return 0;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(argument), TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &n);
	*strings = palloc(sizeof(char *) * Max(n, 1));
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			(*strings)[count++] = TextDatumGetCString(elements[i]);
	return count;
}
