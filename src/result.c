/*
 * result.c
 *		What templates see of the result a worker sent.
 */
#include "noetl.h"

#include "broker.h"
#include "json.h"

/*
 * Workers wrap what the task returned: {"status": …, "data": …}.  The value of
 * the step is then the data, otherwise the result itself.
 */
void
result_value(const JsonbValue *envelope, JsonbValue *value)
{
	JsonbValue	status;

	if (!json_get(envelope, "status", &status) ||
		!json_get(envelope, "data", value))
		*value = *envelope;
}
