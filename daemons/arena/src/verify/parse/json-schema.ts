/** json_schema (V9): JSON of an answer is JSON, and meets the schema that was asked for. */
import { z } from 'zod';
import type { Candidate } from '../../contract/candidate.ts';
import type { Finding, VerifierContext } from '../../contract/verifier.ts';
import { answerText } from '../candidate-text.ts';
import { codeBlocks } from '../code-blocks.ts';
import { defineVerifier } from '../define-verifier.ts';
import { inlineJson } from './inline-json.ts';
import { type JsonText, readJson } from './json-text.ts';
import { meetSchema } from './meet-schema.ts';

const configSchema = z.strictObject({
  /** Also objects and arrays in running text, where no block is JSON. */
  extract_inline: z.boolean().default(false),
  /** `schemas.default`: what JSON must meet when the request brings no schema. */
  schemas: z.strictObject({ default: z.union([z.boolean(), z.record(z.string(), z.json())]).optional() }).prefault({}),
});
type Config = z.infer<typeof configSchema>;

/** Where it stands: a block's index, or null for running text; `line` counts from 1. */
type Piece = { block: number | null; line: number; json: JsonText };

/** An answer that is JSON as a whole: what models give that were asked for a `response_format`. */
function wholeText(candidate: Candidate): Piece[] {
  const text = answerText(candidate).trim();
  return /^[[{]/.test(text) ? [{ block: null, line: 1, json: readJson(text) }] : [];
}

function piecesOf(candidate: Candidate, config: Config, hasSchema: boolean): Piece[] {
  const blocks = codeBlocks(candidate).filter(({ language }) => language === 'json');
  if (blocks.length > 0) return blocks.map(({ index, line, code }) => ({ block: index, line, json: readJson(code) }));
  if (hasSchema && codeBlocks(candidate).length === 0) {
    const whole = wholeText(candidate);
    if (whole.some(({ json }) => 'value' in json) || !config.extract_inline) return whole;
  }
  if (!config.extract_inline) return [];
  return inlineJson(answerText(candidate)).map(({ value, line }) => ({ block: null, line, json: { value } }));
}

const place = ({ block, line }: Piece) =>
  block === null ? `the JSON in line ${line}` : `block ${block} (line ${line})`;
const where = ({ block, line }: Piece) => ({ block_index: block, line });

const skipped = (message: string, code?: string): Finding => ({
  status: 'skipped',
  message,
  details: {},
  ...(code !== undefined && { code }),
});

async function againstSchema(
  schema: unknown,
  pieces: readonly Piece[],
  context: VerifierContext<Config>,
): Promise<Finding> {
  const values = pieces.map(({ json }) => ('value' in json ? json.value : null));
  const meeting = await meetSchema(schema, values, context);
  const { level } = meeting;
  if (meeting.state === 'error') {
    return { status: 'error', message: meeting.message, details: {}, code: meeting.code, level };
  }
  const failures = pieces.flatMap((piece, index) => {
    const result = meeting.results[index];
    return result === undefined || result.valid ? [] : [{ ...where(piece), problems: result.problems, piece }];
  });
  const [first] = failures;
  if (first === undefined) {
    const details = { blocks: pieces.map(where) };
    return { status: 'passed', message: 'JSON meets the schema', details, level, grants: ['SCHEMA_OK'] };
  }
  const problem = first.problems[0];
  return {
    status: 'failed',
    message: `${place(first.piece)} does not meet the schema: ${problem === undefined ? 'not valid' : `${problem.at} ${problem.error}`}`,
    details: { failures: failures.map(({ piece: _, ...rest }) => rest) },
    level,
    code: 'SCHEMA_MISMATCH',
  };
}

export const jsonSchema = defineVerifier<Config>({
  name: 'json_schema',
  version: '1.0.0',
  description: 'JSON blocks are JSON and meet the schema that the request or the settings give (JSON Schema 2020-12)',
  class: 1,
  minLevel: 'SANDBOX_L0_WASM',
  hard: true,
  configSchema,
  verify: async (candidate, context) => {
    const { config } = context;
    const schema: unknown = candidate.expectedSchema ?? config.schemas.default;
    const pieces = piecesOf(candidate, config, schema !== undefined);
    if (pieces.length === 0) return skipped('the answer holds no JSON', schema === undefined ? undefined : 'NO_JSON');
    const broken = pieces.flatMap((piece) => ('problem' in piece.json ? [{ piece, error: piece.json.problem }] : []));
    const [first] = broken;
    if (first !== undefined) {
      return {
        status: 'failed',
        message: `${place(first.piece)} is no JSON: ${first.error}`,
        details: { failures: broken.map(({ piece, error }) => ({ ...where(piece), error })) },
        code: 'JSON_INVALID',
      };
    }
    // Read by the parser of this process, which runs nothing: no level, and no property for a certificate.
    if (schema === undefined)
      return { status: 'passed', message: 'every JSON block is JSON', details: { blocks: pieces.map(where) } };
    return againstSchema(schema, pieces, context);
  },
});
