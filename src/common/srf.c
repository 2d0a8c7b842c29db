/*
 * common/srf.c
 *		Functions that return a set of rows, all at once.
 */
#include "common/common.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/tuplestore.h"

#include "common/srf.h"

/* Returns the caller's ReturnSetInfo; raises when the caller cannot accept a set. */
static ReturnSetInfo *
result_info(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	if (result == NULL || !IsA(result, ReturnSetInfo) ||
		(result->allowedModes & SFRM_Materialize) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));
	return result;
}

/* Makes the set of rows, which is empty. */
static void
make_store(ReturnSetInfo *result)
{
	result->returnMode = SFRM_Materialize;
	result->setResult = tuplestore_begin_heap((result->allowedModes & SFRM_Materialize_Random) != 0,
											  false, work_mem);
}

/*
 * Puts an empty set of rows into the caller's ReturnSetInfo and returns that.
 * Raises when the caller cannot accept a set.
 */
ReturnSetInfo *
rows_begin(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *result = result_info(fcinfo);
	MemoryContext caller;
	TupleDesc	desc;
	Oid			type;

	switch (get_call_result_type(fcinfo, &type, &desc))
	{
		case TYPEFUNC_COMPOSITE:
			break;
		case TYPEFUNC_SCALAR:
			desc = CreateTemplateTupleDesc(1);
			TupleDescInitEntry(desc, 1, "value", type, -1, 0);
			break;
		default:
			elog(ERROR, "the type of the rows is not known");
	}
	caller = MemoryContextSwitchTo(result->econtext->ecxt_per_query_memory);
	result->setDesc = BlessTupleDesc(CreateTupleDescCopy(desc));
	make_store(result);
	MemoryContextSwitchTo(caller);
	return result;
}

/* Does the same for a function that returns rows of a table (common/srf.h). */
Tuplestorestate *
rows_begin_stored(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *result = result_info(fcinfo);
	MemoryContext caller = MemoryContextSwitchTo(result->econtext->ecxt_per_query_memory);

	make_store(result);
	MemoryContextSwitchTo(caller);
	return result->setResult;
}
