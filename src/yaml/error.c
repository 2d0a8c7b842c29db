/*
 * yaml/error.c
 *		Errors of a YAML document as errors of SQL.
 */
#include "common/common.h"

#include "yaml/internal.h"

/*
 * Raises an error of yaml_parse_document; DETAIL shows the line of the text.
 */
void
yaml_raise(const SourceError *error, const char *text, int length)
{
	int			line_length;
	const char *line = yaml_source_line(text, length, error->line, &line_length);

	ereport(ERROR,
			(errcode(error->sqlerrcode),
			 errmsg("invalid YAML at line %d, column %d: %s",
					error->line, error->column, error->message),
			 errdetail("Line %d: %s", error->line, yaml_quote_text(line, line_length)),
			 error->hint ? errhint("%s", error->hint) : 0));
}
