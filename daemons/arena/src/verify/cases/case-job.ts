/** The job of one case: a fresh sandbox and interpreter that see this input and no other, and never what is expected. */
import type { Json } from '@labmesh/attest/json/canonical-json';
import type { SandboxJobInput } from '@labmesh/wire/verification/sandbox';
import type { Suite } from '@labmesh/wire/verification/suite';
import { base64, jobFiles, startBash, startBunApart, startPython } from '../programs/interpreters.ts';
import { javascriptHarness, withEntry } from './javascript-harness.ts';
import type { Program } from '../programs/program.ts';
import { pythonHarness } from './python-harness.ts';
import { jobLimits, type RuntimeConfig, runtimeMinLevel } from '../programs/runtime-config.ts';

export type CaseInput = { entry: string; args: readonly Json[]; nonce: string };

/** Arguments on a command line: the digits of `$i`, else as JSON writes them. */
const word = (arg: Json) => (typeof arg === 'string' ? arg : JSON.stringify(arg));

export function caseJob(program: Program, { entry, args, nonce }: CaseInput, config: RuntimeConfig): SandboxJobInput {
  const { runtime, file, code } = program;
  const common = { minLevel: runtimeMinLevel, limits: jobLimits(config) };
  if (runtime === 'bash') {
    return { ...common, ...startBash(file, ...args.map(word)), files: jobFiles([{ path: file, content: code }]) };
  }
  const [name, content] =
    runtime === 'python' ? (['main.py', pythonHarness] as const) : (['main.mjs', javascriptHarness] as const);
  const files = [
    { path: name, content },
    { path: file, content: withEntry(runtime, code, entry) },
  ];
  return {
    ...common,
    ...(runtime === 'python' ? startPython(name) : startBunApart(name)),
    files: jobFiles(files),
    stdin: base64(JSON.stringify({ nonce, file, entry, args })),
  };
}

/** What a case's input is: nothing of `expect` can get in. */
export const inputOf = (suite: Suite, index: number, nonce: string): CaseInput => ({
  entry: suite.entry,
  args: suite.cases[index]?.args ?? [],
  nonce,
});
