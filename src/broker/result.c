/*
 * broker/result.c
 *		What templates see of the result a worker sent.
 */
#include "common/common.h"

#include "broker/broker.h"

/*
 * Finds the value of a step in the result that was sent.  Workers wrap what a
 * task returned: {"status": …, "data": …}; the value is then the data,
 * otherwise the result itself.
 */
void
result_value(const JsonbValue *envelope, JsonbValue *value)
{
	JsonbValue	status;

	if (!json_get(envelope, "status", &status) ||
		!json_get(envelope, "data", value))
		*value = *envelope;
}

/*
 * Finds the status code of a response, at whatever level of the envelope it
 * is.  False: there is none.
 */
bool
result_status_code(const JsonbValue *response, JsonbValue *value)
{
	JsonbValue	level = *response;

	for (int depth = 0; depth < 3; depth++)
	{
		JsonbValue	data;

		if (json_get(&level, "status_code", value))
			return true;
		if (!json_get(&level, "data", &data))
			return false;
		level = data;
	}
	return false;
}
