/**
 * Columns of Parquet exports (PD4), as Hugging Face `datasets` reads them: texts, numbers, and lists of messages as groups. What a
 * message may lack is optional: a row without it reads as null there.
 */
import type { SchemaElement } from 'hyparquet';

/** A schema as Parquet has it: depth first, each group with the number of its children. The first is the root. */
export type ParquetColumns = readonly SchemaElement[];

type Repetition = 'REQUIRED' | 'OPTIONAL';

const text = (name: string, repetition_type: Repetition = 'REQUIRED'): SchemaElement => ({
  name,
  type: 'BYTE_ARRAY',
  converted_type: 'UTF8',
  logical_type: { type: 'STRING' },
  repetition_type,
});
const number = (name: string): SchemaElement => ({ name, type: 'DOUBLE', repetition_type: 'REQUIRED' });

const group = (name: string, repetition_type: Repetition, fields: readonly SchemaElement[][]): SchemaElement[] => [
  { name, repetition_type, num_children: fields.length },
  ...fields.flat(),
];

/** The three-level form of LogicalTypes.md, whose names readers look for. */
const list = (name: string, repetition_type: Repetition, fields: readonly SchemaElement[][]): SchemaElement[] => [
  { name, repetition_type, num_children: 1, converted_type: 'LIST', logical_type: { type: 'LIST' } },
  { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
  ...group('element', 'REQUIRED', fields),
];

const table = (columns: readonly SchemaElement[][]): ParquetColumns => [
  { name: 'schema', num_children: columns.length },
  ...columns.flat(),
];

const call = [
  [text('id', 'OPTIONAL')],
  [text('type')],
  group('function', 'REQUIRED', [[text('name')], [text('arguments')]]),
];
const messages = (name: string) =>
  list(name, 'REQUIRED', [
    [text('role')],
    [text('content')],
    [text('name', 'OPTIONAL')],
    list('tool_calls', 'OPTIONAL', call),
    [text('tool_call_id', 'OPTIONAL')],
  ]);
const scores = [[number('score_chosen')], [number('score_rejected')]];

export const hfColumns = table([[text('prompt')], [text('chosen')], [text('rejected')], ...scores]);
export const hfChatColumns = table([
  messages('prompt'),
  messages('chosen'),
  messages('rejected'),
  ...scores,
  [text('tools')],
]);
