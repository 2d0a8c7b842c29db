/*
 * api/limit.c
 *		noetl.settle_limit(), a part of noetl.set_limit().
 */
#include "common/common.h"

#include "utils/builtins.h"

#include "engine/engine.h"

PG_FUNCTION_INFO_V1(noetl_settle_limit);

/* noetl.settle_limit(name): returns of how many keys something waited. */
Datum
noetl_settle_limit(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(engine_limit_changed(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}
