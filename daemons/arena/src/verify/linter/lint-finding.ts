/** What parsers said of an answer's pieces, as one finding: an error first, then what could not be asked, then imports. */
import { canonicalBytes } from '@labmesh/attest/json/canonical-json';
import { sha256Hex } from '@labmesh/attest/sha256';
import { z } from 'zod';
import type { Finding } from '../../contract/verifier.ts';
import type { CodePiece } from '../programs/answer-code.ts';
import type { LintResult } from './lint-blocks.ts';
import { lintToolOf } from './lint-tools.ts';

export const lintConfigSchema = z
  .strictObject({
    /** Warnings of the parser and imports beyond `check_imports` fail. */
    strict_mode: z.boolean().default(false),
    /** Imports that are expected; others halve the score. Empty: any. */
    check_imports: z
      .array(z.string().min(1).max(200))
      .max(500)
      .default(() => []),
    /** For the blocks of all candidates in one language. */
    timeout_s: z.number().min(0.1).max(60).default(10),
  })
  .prefault({});
export type LintConfig = z.infer<typeof lintConfigSchema>;

/** What other imports multiply the score by: a soft finding. */
const otherImportsModifier = 0.5;
const [previewChars, errorsMost, importsMost] = [100, 5, 20];

/** Blocks that are no code: that nobody parses them takes nothing from the claim that the code parses. */
const prose = ['text', 'plaintext', 'txt', 'console', 'output', 'markdown', 'md', 'diff', 'log'];

/** A piece that a parser was asked about, and what it said. */
export type Looked = { piece: CodePiece; result: LintResult };

const preview = (code: string) => code.slice(0, previewChars).toWellFormed();

function faultsOf(looked: readonly Looked[], strict: boolean) {
  return looked.flatMap(({ piece, result }) => {
    if (!('record' in result)) return [];
    const { error, warnings } = result.record;
    const said = error ?? (strict ? warnings[0] : undefined);
    return said === undefined ? [] : [{ block_index: piece.index, code_preview: preview(piece.code), error: said }];
  });
}

function otherImports(looked: readonly Looked[], { check_imports }: LintConfig): string[] {
  if (check_imports.length === 0) return [];
  const all = looked.flatMap(({ result }) => ('record' in result ? result.record.imports : []));
  return [...new Set(all)]
    .filter((name) => !check_imports.includes(name))
    .toSorted()
    .slice(0, importsMost);
}

const evidenceOf = (looked: readonly Looked[]) =>
  sha256Hex(
    canonicalBytes(
      looked.map(({ piece, result }) => ({
        index: piece.index,
        language: piece.language,
        code: sha256Hex(new TextEncoder().encode(piece.code)),
        parses: 'record' in result && result.record.error === null,
      })),
    ),
  );

/** `pieces`: all of the answer's code, `looked`: what of it some parser knows, in the order of the answer. */
export function lintFinding(pieces: readonly CodePiece[], looked: readonly Looked[], config: LintConfig): Finding {
  const unread = pieces.filter(({ language }) => lintToolOf(language) === undefined).map(({ language }) => language);
  const unchecked = [...new Set(unread)].filter((language) => !prose.includes(language));
  const languages = [...new Set(looked.map(({ piece }) => piece.language))];
  const details = { languages, unchecked, blocks: looked.length };
  if (looked.length === 0) {
    return { status: 'skipped', message: 'the answer has no code that can be parsed', details, code: 'NO_CODE' };
  }
  const [first, ...more] = faultsOf(looked, config.strict_mode);
  if (first !== undefined) {
    const errors = [first, ...more].slice(0, errorsMost);
    const message = `block ${first.block_index} does not parse: ${first.error}`;
    return { status: 'failed', message, details: { ...details, ...first, errors }, code: 'SYNTAX_ERROR' };
  }
  const broken = looked.find(({ result }) => 'error' in result)?.result;
  if (broken !== undefined && 'error' in broken) {
    return { status: 'error', message: broken.error.message, details, code: broken.error.code };
  }
  const others = otherImports(looked, config);
  const evidenceSha256 = evidenceOf(looked);
  const grants = unchecked.length === 0 ? ['SYNTAX_OK'] : [];
  if (others.length === 0) {
    return {
      status: 'passed',
      message: looked.length === 1 ? '1 block parses' : `${looked.length} blocks parse`,
      details,
      evidenceSha256,
      grants,
    };
  }
  const message = `imports beyond those expected: ${others.join(', ')}`;
  const named = { ...details, other_imports: others };
  if (config.strict_mode) return { status: 'failed', message, details: named, code: 'OTHER_IMPORTS' };
  return { status: 'passed', message, details: named, scoreModifier: otherImportsModifier, evidenceSha256, grants };
}
