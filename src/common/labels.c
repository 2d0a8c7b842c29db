/*
 * common/labels.c
 *		Labels of executions: a flat map from names to texts.
 */
#include "common/common.h"

#include "common/labels.h"

/* Returns what is wrong with a label, to be read behind its name, or NULL. */
const char *
label_fault(Size name_length, Size text_length, int before)
{
	if (name_length == 0)
		return "has an empty name";
	if (name_length > LONGEST_LABEL_NAME)
		return "has a name that is longer than 256 bytes";
	if (text_length > LONGEST_LABEL_TEXT)
		return "is longer than 1024 bytes";
	if (before >= MOST_LABELS)
		return "is one too many: an execution has at most 64";
	return NULL;
}

/* Raises unless a value is a map of labels. */
void
labels_check(const JsonbValue *labels)
{
	JsonbIterator *it;
	JsonbValue	key;
	JsonbValue	value;
	int			count = 0;

	if (!json_is_object(labels))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the labels of an execution must be a JSON object"),
				 errhint("Give a flat map from names to texts, such as {\"team\": \"billing\"}.")));
	it = json_walk(labels);
	while (json_next_member(&it, &key, &value))
	{
		const char *fault = value.type != jbvString ? "must be text" :
			label_fault(key.val.string.len, value.val.string.len, count++);

		if (fault != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("label \"%s\" %s",
							pnstrdup(key.val.string.val, Min(key.val.string.len, 100)), fault),
					 errhint("Labels are a flat map from names to texts, such as {\"team\": \"billing\"}.")));
	}
}
