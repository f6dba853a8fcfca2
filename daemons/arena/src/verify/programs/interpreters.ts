/** How programs are started inside a sandbox. Paths are the sandbox's, where all work happens in /tmp (verification SB5). */
import type { SandboxJobInput } from '@labmesh/wire/verification/sandbox';

/** TypeScript's interpreter runs JavaScript too. */
export type Runtime = 'python' | 'bun' | 'bash';

export type JobFile = { path: string; content: string };
export type Start = Required<Pick<SandboxJobInput, 'argv' | 'env'>>;

const python = ['/usr/bin/python3', '-I', '-B'];
// The single-file program acts as Bun only when told; a cache of translated files would outlive nothing here.
const bunEnv = { BUN_BE_BUN: '1', BUN_RUNTIME_TRANSPILER_CACHE_PATH: '0', NO_COLOR: '1', DO_NOT_TRACK: '1' };
const bun = '/opt/bun';
// Nothing is fetched, and no .env is read.
const bunFlags = ['--no-install', '--no-env-file'];

export const startPython = (file: string, ...args: string[]): Start => ({
  argv: [...python, `/tmp/${file}`, ...args],
  env: {},
});
export const startBun = (file: string): Start => ({ argv: [bun, ...bunFlags, `/tmp/${file}`], env: bunEnv });
export const startBash = (file: string, ...args: string[]): Start => ({
  argv: ['/bin/bash', '--norc', '--noprofile', `/tmp/${file}`, ...args],
  env: {},
});
/** Bun prints on file 1 whatever a program does: what is printed goes to stderr, the answer to file 3, our stdout. */
export const startBunApart = (file: string): Start => ({
  argv: ['/bin/sh', '-c', `exec ${bun} ${bunFlags.join(' ')} /tmp/${file} 3>&1 1>&2`],
  env: bunEnv,
});
/** Where Bun's tests leave their report, in JUnit's form. */
export const junitReport = 'junit.xml';
export const startBunTest = (file: string): Start => ({
  argv: [bun, 'test', '--timeout=20000', '--reporter=junit', `--reporter-outfile=/tmp/${junitReport}`, `/tmp/${file}`],
  env: bunEnv,
});

export const base64 = (text: string) => Buffer.from(text, 'utf8').toString('base64');
export const jobFiles = (files: readonly JobFile[]) =>
  files.map(({ path, content }) => ({ path, content: base64(content) }));
