/*
 * save/value.c
 *		Values that the type of their column decides about.
 */
#include "common/common.h"

#include "utils/builtins.h"
#include "utils/numeric.h"

#include "save/save.h"

/* Returns whether a value is text that wholly is a JSON object or list: *read. */
bool
save_read_json(const JsonbValue *value, JsonbValue *read)
{
	return value->type == jbvString &&
		json_from_text(value->val.string.val, value->val.string.len, read) &&
		(json_is_object(read) || json_is_array(read));
}

/* Returns whether a value is a number with decimals but without a fraction: *whole. */
bool
save_read_whole(const JsonbValue *value, JsonbValue *whole)
{
	Datum		number;
	Datum		scale;

	if (value->type != jbvNumeric)
		return false;
	number = NumericGetDatum(value->val.numeric);
	scale = DirectFunctionCall1(numeric_scale, number);
	if (DatumGetInt32(scale) == 0)
		return false;
	whole->type = jbvNumeric;
	whole->val.numeric = DatumGetNumeric(DirectFunctionCall2(numeric_trunc, number,
															 Int32GetDatum(0)));
	return DatumGetBool(DirectFunctionCall2(numeric_eq, number,
											NumericGetDatum(whole->val.numeric)));
}
