/**
 * What of an answer is run: its blocks of one language, joined in order, are one program, since later blocks call what
 * earlier ones define.
 */
import type { Suite } from '@labmesh/wire/verification/suite';
import type { Candidate } from '../../contract/candidate.ts';
import { answerCode, type CodePiece } from './answer-code.ts';
import { hasTests } from './has-tests.ts';
import type { Runtime } from './interpreters.ts';
import { mayRebind } from './may-rebind.ts';

export type Program = {
  runtime: Runtime;
  /** Name of its file: the ending says the language. */
  file: string;
  code: string;
  /** The same with the blocks of tests; undefined when it has none. */
  withTests: string | undefined;
  /** Every block of it is tests: there is nothing to run but them. */
  onlyTests: boolean;
  blocks: readonly number[];
  /** Of them those that are no part of `code`: tests. */
  leftOut: readonly number[];
};

const runtimes: Readonly<Record<string, Runtime>> = {
  python: 'python',
  javascript: 'bun',
  typescript: 'bun',
  jsx: 'bun',
  tsx: 'bun',
  bash: 'bash',
};
export const runtimeOf = (language: string): Runtime | undefined =>
  Object.hasOwn(runtimes, language) ? runtimes[language] : undefined;

const fileOf = (runtime: Runtime, pieces: readonly CodePiece[], suite: Suite | undefined) => {
  if (runtime === 'python') return 'answer.py';
  if (runtime === 'bash') return 'answer.sh';
  const languages = new Set([...pieces.map(({ language }) => language), suite?.language]);
  const typed = languages.has('typescript') || languages.has('tsx');
  const markup = languages.has('jsx') || languages.has('tsx');
  return `answer.${typed ? 'ts' : 'js'}${markup ? 'x' : ''}`;
};

const joined = (pieces: readonly CodePiece[]) => pieces.map(({ code }) => code).join('\n');

/**
 * Blocks of tests are left out of what a suite looks at, save those that may change what its function is: whoever reads
 * on to a "final version" with its tests takes that one.
 */
function programOf(runtime: Runtime, pieces: readonly CodePiece[], suite: Suite | undefined): Program {
  const tests = pieces.filter(({ code }) => hasTests(runtime, code));
  const onlyTests = tests.length === pieces.length;
  const solution = joined(pieces.filter((piece) => !tests.includes(piece)));
  const leftOut = new Set(
    onlyTests
      ? []
      : tests.filter(({ code }) => suite === undefined || !mayRebind(runtime, code, suite.entry, solution)),
  );
  return {
    runtime,
    file: fileOf(runtime, pieces, suite),
    code: joined(pieces.filter((piece) => !leftOut.has(piece))),
    withTests: tests.length === 0 ? undefined : joined(pieces),
    onlyTests,
    blocks: pieces.map(({ index }) => index),
    leftOut: [...leftOut].map(({ index }) => index),
  };
}

/**
 * The programs of an answer, one for each interpreter. With a suite only the one in its language: commands around it,
 * such as how to install or call it, are not what was asked for.
 * @throws CandidateFault
 */
export function programsOf(candidate: Candidate, suite: Suite | undefined): Program[] {
  const pieces = answerCode(candidate, suite?.language);
  const wanted = suite === undefined ? undefined : runtimeOf(suite.language);
  const all: readonly Runtime[] = ['python', 'bun', 'bash'];
  return all
    .filter((runtime) => wanted === undefined || runtime === wanted)
    .map((runtime) => ({ runtime, mine: pieces.filter(({ language }) => runtimeOf(language) === runtime) }))
    .filter(({ mine }) => mine.length > 0)
    .map(({ runtime, mine }) => programOf(runtime, mine, suite));
}
