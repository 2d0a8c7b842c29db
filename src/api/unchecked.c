/*
 * api/unchecked.c
 *		Functions that check rights, and then let another one do the work.
 *
 * The other one runs as the owner of the tables (SECURITY DEFINER), and so cannot
 * know who has called it.
 */
#include "common/common.h"

#include "catalog/pg_proc.h"
#include "nodes/execnodes.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "api/unchecked.h"

/* Returns the function whose name is longer by "_unchecked". */
static Oid
find_unchecked(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;
	List	   *name;
	Oid			unchecked;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	form = (Form_pg_proc) GETSTRUCT(tuple);
	name = list_make2(makeString(get_namespace_name(form->pronamespace)),
					  makeString(psprintf("%s_unchecked", NameStr(form->proname))));
	unchecked = LookupFuncName(name, form->pronargs, form->proargtypes.values, false);
	ReleaseSysCache(tuple);
	return unchecked;
}

/*
 * Calls the function that does not check (api/unchecked.h).  A function that
 * returns rows is asked for all of them at once: nothing has to be kept for another
 * call.
 */
Datum
call_unchecked(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rows = (ReturnSetInfo *) fcinfo->resultinfo;
	FmgrInfo   *function = (FmgrInfo *) fcinfo->flinfo->fn_extra;
	LOCAL_FCINFO(call, 2);
	int			modes = 0;
	Datum		result;

	Assert(fcinfo->nargs <= 2);
	if (function == NULL)
	{
		/* it must live as long as the rows that it returns */
		function = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(FmgrInfo));
		fmgr_info_cxt(find_unchecked(fcinfo->flinfo->fn_oid), function, fcinfo->flinfo->fn_mcxt);
		fcinfo->flinfo->fn_extra = function;
	}
	InitFunctionCallInfoData(*call, function, fcinfo->nargs, fcinfo->fncollation,
							 NULL, fcinfo->resultinfo);
	memcpy(call->args, fcinfo->args, sizeof(NullableDatum) * fcinfo->nargs);
	if (rows != NULL && IsA(rows, ReturnSetInfo))
	{
		modes = rows->allowedModes;
		rows->allowedModes |= SFRM_Materialize_Preferred;
	}
	result = FunctionCallInvoke(call);
	if (rows != NULL && IsA(rows, ReturnSetInfo))
		rows->allowedModes = modes;
	fcinfo->isnull = call->isnull;
	return result;
}
