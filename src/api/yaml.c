/*
 * api/yaml.c
 *		noetl.parse_yaml(): a YAML document as jsonb.
 */
#include "common/common.h"

#include "utils/jsonb.h"

#include "yaml/yaml.h"

PG_FUNCTION_INFO_V1(noetl_parse_yaml);

/*
 * noetl.parse_yaml(text): returns the JSON value of a document, by which authors
 * see how YAML reads their text.
 */
Datum
noetl_parse_yaml(PG_FUNCTION_ARGS)
{
	text	   *source = PG_GETARG_TEXT_PP(0);
	const char *content = VARDATA_ANY(source);
	int			length = VARSIZE_ANY_EXHDR(source);
	SourceError error;
	YamlNode   *root = yaml_parse_document(content, length, &error);
	JsonbValue	value;

	if (root == NULL)
		yaml_raise(&error, content, length);
	yaml_to_json(root, &value);
	PG_RETURN_JSONB_P(JsonbValueToJsonb(&value));
}
