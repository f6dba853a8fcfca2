/**
 * code_linter (verification V8): does the code of an answer parse? Every parser, those of JSON, YAML and TOML too, runs
 * inside the sandbox: none of them was written for hostile text, and there it costs nobody but the candidate.
 */
import type { SandboxLevel } from '@labmesh/wire/verification/sandbox';
import type { Candidate } from '../../contract/candidate.ts';
import type { Finding, Verifier, VerifierContext } from '../../contract/verifier.ts';
import { CandidateFault } from '../candidate-fault.ts';
import { answerCode, type CodePiece } from '../programs/answer-code.ts';
import { lowest } from '../programs/lowest.ts';
import { lintBlocks, type LintResult, type LintTask } from './lint-blocks.ts';
import { type LintConfig, lintConfigSchema, lintFinding, type Looked } from './lint-finding.ts';
import { lintMinLevel, lintTools } from './lint-tools.ts';

type Answer = { pieces: CodePiece[] } | { fault: CandidateFault };

function answerOf(candidate: Candidate): Answer {
  try {
    return { pieces: answerCode(candidate) };
  } catch (error) {
    if (error instanceof CandidateFault) return { fault: error };
    throw error;
  }
}

async function verifyBatch(candidates: readonly Candidate[], context: VerifierContext<LintConfig>): Promise<Finding[]> {
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
    return { ...lintFinding(answer.pieces, mine, config), level: levels[at] ?? null };
  });
}

export const codeLinter: Verifier<LintConfig> = {
  name: 'code_linter',
  version: '1.0.0',
  description: 'parses Python, JavaScript, TypeScript, JSON, YAML, TOML and bash',
  class: 1,
  minLevel: lintMinLevel,
  hard: true,
  configSchema: lintConfigSchema,
  verify: async (candidate, context) => {
    const [finding] = await verifyBatch([candidate], context);
    if (finding === undefined) throw new TypeError('a candidate has one finding');
    return finding;
  },
  verifyBatch,
};
