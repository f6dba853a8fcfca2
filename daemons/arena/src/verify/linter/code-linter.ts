/**
 * code_linter (verification V8): does the code of an answer parse? Every parser, those of JSON, YAML and TOML too, runs
 * inside the sandbox: none of them was written for hostile text, and there it costs nobody but the candidate.
 */
import { canonicalBytes } from '@labmesh/attest/json/canonical-json';
import { sha256Hex } from '@labmesh/attest/sha256';
import type { SandboxLevel } from '@labmesh/wire/verification/sandbox';
import { z } from 'zod';
import type { Candidate } from '../../contract/candidate.ts';
import type { Finding, Verifier, VerifierContext } from '../../contract/verifier.ts';
import { CandidateFault } from '../candidate-fault.ts';
import { answerCode, type CodePiece } from '../programs/answer-code.ts';
import { lowest } from '../programs/lowest.ts';
import { lintBlocks, type LintResult, type LintTask } from './lint-blocks.ts';
import { lintMinLevel, lintToolOf, lintTools } from './lint-tools.ts';

const configSchema = z
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
type Config = z.infer<typeof configSchema>;

/** What other imports multiply the score by: a soft finding. */
const otherImportsModifier = 0.5;
const [previewChars, errorsMost, importsMost] = [100, 5, 20];

/** Blocks that are no code: that nobody parses them takes nothing from the claim that the code parses. */
const prose = ['text', 'plaintext', 'txt', 'console', 'output', 'markdown', 'md', 'diff', 'log'];

type Looked = { piece: CodePiece; result: LintResult };

const preview = (code: string) => code.slice(0, previewChars).toWellFormed();

function faultsOf(looked: readonly Looked[], strict: boolean) {
  return looked.flatMap(({ piece, result }) => {
    if (!('record' in result)) return [];
    const { error, warnings } = result.record;
    const said = error ?? (strict ? warnings[0] : undefined);
    return said === undefined ? [] : [{ block_index: piece.index, code_preview: preview(piece.code), error: said }];
  });
}

function otherImports(looked: readonly Looked[], { check_imports }: Config): string[] {
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

function findingOf(pieces: readonly CodePiece[], looked: readonly Looked[], config: Config): Finding {
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

type Answer = { pieces: CodePiece[] } | { fault: CandidateFault };

function answerOf(candidate: Candidate): Answer {
  try {
    return { pieces: answerCode(candidate) };
  } catch (error) {
    if (error instanceof CandidateFault) return { fault: error };
    throw error;
  }
}

async function verifyBatch(candidates: readonly Candidate[], context: VerifierContext<Config>): Promise<Finding[]> {
  const { config, runner, signal } = context;
  const answers = candidates.map(answerOf);
  const looked: Looked[][] = candidates.map(() => []);
  const levels: (SandboxLevel | null)[] = candidates.map(() => null);
  for (const tool of lintTools) {
    const work = answers.flatMap((answer, candidate) =>
      'fault' in answer
        ? []
        : answer.pieces
            .filter(({ language }) => tool.languages.includes(language))
            .map((piece) => ({
              piece,
              task: { candidate, language: piece.language, code: piece.code } satisfies LintTask,
            })),
    );
    if (work.length === 0) continue;
    const ask = { tool, runner, signal, timeoutMs: Math.ceil(config.timeout_s * 1000) };
    const { results, level } = await lintBlocks(
      work.map(({ task }) => task),
      ask,
    );
    for (const [at, { piece, task }] of work.entries()) {
      looked[task.candidate]?.push({ piece, result: results[at] as LintResult });
      levels[task.candidate] = lowest([levels[task.candidate] ?? null, level]);
    }
  }
  return answers.map((answer, at): Finding => {
    if ('fault' in answer) {
      return { status: 'failed', message: answer.fault.message, details: {}, code: answer.fault.code };
    }
    const mine = (looked[at] ?? []).toSorted((a, b) => a.piece.index - b.piece.index);
    return { ...findingOf(answer.pieces, mine, config), level: levels[at] ?? null };
  });
}

export const codeLinter: Verifier<Config> = {
  name: 'code_linter',
  version: '1.0.0',
  description: 'parses Python, JavaScript, TypeScript, JSON, YAML, TOML and bash',
  class: 1,
  minLevel: lintMinLevel,
  hard: true,
  configSchema,
  verify: async (candidate, context) => {
    const [finding] = await verifyBatch([candidate], context);
    if (finding === undefined) throw new TypeError('a candidate has one finding');
    return finding;
  },
  verifyBatch,
};
