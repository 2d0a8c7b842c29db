/*
 * yaml/yaml.h
 *		YAML 1.1 documents as a tree that keeps positions.
 *
 * libyaml tokenises; the scalar rules are those of PyYAML's safe_load. The
 * tree knows nothing of playbooks. It is allocated in the caller's
 * CurrentMemoryContext and freed with that.
 */
#ifndef NOETL_YAML_YAML_H
#define NOETL_YAML_YAML_H

#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "common/common.h"

typedef enum YamlKind
{
	YN_NULL,
	YN_BOOL,
	YN_NUMBER,
	YN_STRING,
	YN_LIST,
	YN_MAP
} YamlKind;

typedef struct YamlNode YamlNode;

typedef struct YamlPair
{
	YamlNode   *key;			/* always YN_STRING: other keys are turned into
								 * text as JSON object keys */
	YamlNode   *value;
} YamlPair;

/*
 * From this byte of the text on, text and source are the same, up to the next
 * stretch.
 */
typedef struct YamlStretch
{
	int			offset;
	int			line;
	int			column;
} YamlStretch;

struct YamlNode
{
	YamlKind	kind;
	int			line;			/* 1-based, where the node begins */
	int			column;			/* 1-based, in characters */

	/*
	 * Where the text of a scalar begins, so that a position inside the text
	 * can be turned into a position in the file: its first character is at
	 * (text_line, text_column). Later lines of a block scalar begin at
	 * text_column too; of a plain or quoted scalar the beginnings of later
	 * lines are not known.
	 */
	int			text_line;
	int			text_column;
	bool		block;			/* literal or folded block scalar */

	/*
	 * The stretches, in order, of a text that differs from its source
	 * (escapes, folded lines); none when the two are the same.
	 */
	int			nstretches;
	YamlStretch *stretches;

	bool		boolean;		/* YN_BOOL */
	Numeric		number;			/* YN_NUMBER; a YAML float keeps a scale of at
								 * least one (1.0, never 1) */
	char	   *string;			/* YN_STRING, NUL-terminated, and the source
								 * text of every other plain scalar */
	int			length;			/* bytes of string */
	int			count;			/* YN_LIST, YN_MAP */
	YamlNode  **items;			/* YN_LIST */
	YamlPair   *pairs;			/* YN_MAP, document order, keys unique */
};

/*
 * Parses one document. On malformed input returns NULL and fills *error; never
 * raises for what the text contains. An empty document is YN_NULL.
 */
extern YamlNode *yaml_parse_document(const char *text, int length,
									 SourceError *error);

/*
 * Gives an error of yaml_parse_document a hint where the text around it is indented
 * with a tab, or a dash lacks its blank.
 */
extern void yaml_explain(const char *text, int length, SourceError *error);

/*
 * Raises an error of yaml_parse_document over the text that was parsed; DETAIL
 * shows the line.
 */
pg_noreturn extern void yaml_raise(const SourceError *error, const char *text, int length);

/* Returns the value of a member of a map, or NULL. */
extern YamlNode *yaml_member(const YamlNode *map, const char *key);

/*
 * Sets *result to the JSON value of a node: a scalar, or jbvBinary for lists
 * and maps. Raises only for what jsonb itself cannot hold (too large).
 */
extern void yaml_to_json(const YamlNode *node, JsonbValue *result);

/* Turns (line, column) inside the text of a scalar into file coordinates. */
extern void yaml_locate(const YamlNode *scalar, int line, int column,
						int *file_line, int *file_column);

#endif							/* NOETL_YAML_YAML_H */
