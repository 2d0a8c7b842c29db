/*
 * api/arguments.c
 *		Arguments of SQL-callable functions.
 */
#include "common/common.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api/arguments.h"
#include "playbook/playbook.h"
#include "store/store.h"

/* Returns a text argument, or NULL. */
char *
text_argument(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

/* Reads a text[] argument; returns how many strings there are. */
int
text_array_argument(FunctionCallInfo fcinfo, int argument, char ***strings)
{
	*strings = NULL;
	if (PG_ARGISNULL(argument))
		return 0;
	return text_array_read(PG_GETARG_ARRAYTYPE_P(argument), strings);
}

/* Returns an interval argument, which is not NULL, in microseconds. */
int64
span_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	int64		us;

	if (!timeout_of_interval(PG_GETARG_INTERVAL_P(argument), &us))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be longer than zero and shorter than a century", name)));
	return us;
}

/*
 * Raises an error when a function is called by the SQL of another release, which
 * declares it with another number of arguments.
 */
void
arguments_check(FunctionCallInfo fcinfo, int count)
{
	if (PG_NARGS() == count)
		return;
	release_check();
	elog(ERROR, "a function of noetl is declared with %d arguments instead of %d",
		 PG_NARGS(), count);
}
