/**
 * Finds and parses every source file of the tree: what git tracks plus what it would track (untracked, not ignored).
 * The rules in this folder work on this one list. TypeScript 7 has no JS API, so the parser is oxc's.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Comment, type EcmaScriptModule, type Program, parseSync } from 'oxc-parser';

export const root = join(import.meta.dir, '..');

export type Source = {
  /** Path from the root, with `/`. */
  path: string;
  text: string;
  /** `packages/kit`, or the first folder (`tests`), or '' for a file of the root. */
  workspace: string;
  /** A `*.test.ts` file, or one of a `testing` folder, which only tests import (structure.test.ts holds it). */
  test: boolean;
  program: Program;
  module: EcmaScriptModule;
  comments: Comment[];
  /** The parser's messages; a file with one fails structure.test.ts. */
  errors: string[];
  /** 1-based line of an offset. */
  lineAt(offset: number): number;
  /** Number of lines, the empty one after the last newline not counted. */
  lineCount: number;
};

const code = /\.(ts|tsx|mts|mjs|js)$/;
const homes = /^(packages|daemons|apps)\/[^/]+/;

let listed: string[] | undefined;

/** Every file git tracks or would track, from the root. `safe.directory` lets CI read a checkout another user owns. */
export function files(): string[] {
  if (listed !== undefined) return listed;
  const args = ['-c', `safe.directory=${root}`, 'ls-files', '-co', '--exclude-standard', '-z'];
  const run = Bun.spawnSync(['git', ...args], { cwd: root });
  if (run.exitCode !== 0) throw new Error(`git ls-files failed: ${run.stderr.toString()}`);
  const all = run.stdout.toString().split('\0').filter(Boolean);
  listed = [...new Set(all)].filter((path) => Bun.file(join(root, path)).size > 0).toSorted();
  return listed;
}

export function workspaceOf(path: string): string {
  return homes.exec(path)?.[0] ?? (path.includes('/') ? (path.split('/')[0] ?? '') : '');
}

/** Parses one file. `text` may be a fixture: the path need not exist. */
export function parseSource(path: string, text: string): Source {
  const result = parseSync(path, text);
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  const lineAt = (offset: number) => {
    const next = starts.findIndex((start) => start > offset);
    return next === -1 ? starts.length : next;
  };
  return {
    path,
    text,
    workspace: workspaceOf(path),
    test: /\.test\.tsx?$|\/testing\//.test(path),
    program: result.program,
    module: result.module,
    comments: result.comments,
    errors: result.errors.map((error) => error.message),
    lineAt,
    lineCount: text.endsWith('\n') ? starts.length - 1 : starts.length,
  };
}

let parsed: Source[] | undefined;

/** Every source file, parsed once a process. */
export function sources(): Source[] {
  parsed ??= files()
    .filter((path) => code.test(path))
    .map((path) => parseSource(path, readFileSync(join(root, path), 'utf8')));
  return parsed;
}

export type Manifest = {
  name: string;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
};

/** The package.json of the root (`''`) and of every workspace (`packages/kit`). */
export function manifests(): Map<string, Manifest> {
  const found = files().filter((path) => /^(?:(?:packages|daemons|apps)\/[^/]+\/)?package\.json$/.test(path));
  return new Map(
    found.map((path) => {
      const folder = dirname(path) === '.' ? '' : dirname(path);
      return [folder, JSON.parse(readFileSync(join(root, path), 'utf8')) as Manifest];
    }),
  );
}
