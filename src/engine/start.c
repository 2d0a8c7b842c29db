/*
 * engine/start.c
 *		What an execution_start asks for besides its playbook and its parameters.
 */
#include "common/common.h"

#include "engine/internal.h"

/*
 * Checks what the context of a client's execution_start asks for.  Raises when that
 * makes no sense.
 */
void
start_check(const Event *event)
{
	JsonbValue	context;
	JsonbValue	value;

	if (event->context == NULL)
		return;
	json_from_jsonb(event->context, &context);
	if (json_get(&context, "labels", &value) && value.type != jbvNull)
		labels_check(&value);
}
