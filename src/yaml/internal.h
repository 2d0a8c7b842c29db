/*
 * yaml/internal.h
 *		Declarations that only the files of the YAML reader share.
 */
#ifndef NOETL_YAML_INTERNAL_H
#define NOETL_YAML_INTERNAL_H

#include "yaml/yaml.h"

/* The types a scalar can have, after PyYAML's resolver. */
typedef enum YamlTag
{
	YAML_TAG_STR,
	YAML_TAG_NULL,
	YAML_TAG_BOOL,
	YAML_TAG_INT,
	YAML_TAG_FLOAT,
	YAML_TAG_MERGE,				/* "<<" */
	YAML_TAG_VALUE				/* "=" */
} YamlTag;

/* yaml/scalar.c */
extern YamlTag yaml_resolve_plain(const char *text, int length);
extern bool yaml_construct_scalar(YamlNode *node, YamlTag tag,
								  SourceError *error);
extern char *yaml_key_text(const YamlNode *node, YamlTag tag);

/* How a scalar is written. */
typedef enum YamlStyle
{
	YAML_STYLE_PLAIN,
	YAML_STYLE_SINGLE_QUOTED,
	YAML_STYLE_DOUBLE_QUOTED,
	YAML_STYLE_LITERAL,
	YAML_STYLE_FOLDED
} YamlStyle;

/* yaml/source.c */
extern char *yaml_quote_text(const char *text, int length);
extern int	yaml_line_break(const char *p, const char *end);
extern const char *yaml_line_end(const char *p, const char *end);
extern const char *yaml_next_line(const char *p, const char *end);
extern const char *yaml_source_line(const char *text, int length, int line,
									int *line_length);
extern bool yaml_line_has_bare_template(const char *text, int length,
										int line);
extern void yaml_offset_position(const char *text, int length, size_t offset,
								 int *line, int *column);

/* yaml/position.c */
extern void yaml_locate_text(YamlNode *node, YamlStyle style,
							 const char *text, int length, int offset);

#endif							/* NOETL_YAML_INTERNAL_H */
