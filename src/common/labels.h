/*
 * common/labels.h
 *		Labels of executions: a flat map from names to texts.
 */
#ifndef NOETL_COMMON_LABELS_H
#define NOETL_COMMON_LABELS_H

#include "utils/jsonb.h"

#define MOST_LABELS			64
#define LONGEST_LABEL_NAME	256 /* bytes */
#define LONGEST_LABEL_TEXT	1024	/* bytes */

/*
 * Returns what is wrong with a label, to be read behind its name, or NULL.
 * before: the number of labels that the map has already.
 */
extern const char *label_fault(Size name_length, Size text_length, int before);

/* Raises unless a value is a map of labels. */
extern void labels_check(const JsonbValue *labels);

#endif							/* NOETL_COMMON_LABELS_H */
