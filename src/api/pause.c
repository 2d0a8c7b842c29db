/*
 * api/pause.c
 *		noetl.pause(), resume(), pause_tasks(), resume_tasks(): work is not handed out
 *		for a while.
 */
#include "common/common.h"

#include "utils/formatting.h"
#include "utils/timestamp.h"

#include "api/arguments.h"
#include "engine/engine.h"

PG_FUNCTION_INFO_V1(noetl_pause);
PG_FUNCTION_INFO_V1(noetl_resume);
PG_FUNCTION_INFO_V1(noetl_pause_tasks);
PG_FUNCTION_INFO_V1(noetl_resume_tasks);

/* Returns when a pause is to end, an argument; 0: never.  Raises when that is past. */
static TimestampTz
until_argument(FunctionCallInfo fcinfo, int argument)
{
	TimestampTz until;

	if (PG_ARGISNULL(argument) || PG_GETARG_TIMESTAMPTZ(argument) == DT_NOEND)
		return 0;
	until = PG_GETARG_TIMESTAMPTZ(argument);
	if (until <= GetCurrentTimestamp())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a pause must end in the future"),
				 errdetail("It is to end at %s.", timestamptz_to_str(until))));
	return until;
}

/* noetl.pause(execution_id, reason, until); false: the execution is over */
Datum
noetl_pause(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(engine_pause(PG_GETARG_INT64(0), text_argument(fcinfo, 1),
								until_argument(fcinfo, 2)));
}

/* noetl.resume(execution_id, reason); false: it was not paused */
Datum
noetl_resume(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(engine_resume(PG_GETARG_INT64(0), text_argument(fcinfo, 1)));
}

/*
 * Returns the path and the type of tasks, arguments 0 and 1.  Raises when one is empty:
 * no task has it, and the tables do not tell it from null, which stands for any.
 */
static PauseKind
kind_arguments(FunctionCallInfo fcinfo)
{
	PauseKind	kind = {text_argument(fcinfo, 0), text_argument(fcinfo, 1)};

	if ((kind.path != NULL && kind.path[0] == '\0') || (kind.type != NULL && kind.type[0] == '\0'))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the path or the type of tasks must not be empty"),
				 errhint("Give null for all of them.")));
	/* as the types of steps are */
	if (kind.type != NULL)
		kind.type = asc_tolower(kind.type, strlen(kind.type));
	return kind;
}

/* noetl.pause_tasks(path, type, reason, until): returns the pause_id. */
Datum
noetl_pause_tasks(PG_FUNCTION_ARGS)
{
	PauseKind	kind = kind_arguments(fcinfo);

	PG_RETURN_INT64(engine_pause_tasks(&kind, text_argument(fcinfo, 2),
									   until_argument(fcinfo, 3)));
}

/* noetl.resume_tasks(path, type): returns how many pauses it has ended. */
Datum
noetl_resume_tasks(PG_FUNCTION_ARGS)
{
	PauseKind	kind = kind_arguments(fcinfo);

	PG_RETURN_INT32(engine_resume_tasks(&kind));
}
