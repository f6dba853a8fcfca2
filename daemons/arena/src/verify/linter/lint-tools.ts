/** Which parser reads which language, how its job looks and what came back. */
import type { SandboxJobInput, SandboxLevel } from '@labmesh/wire/verification/sandbox';
import { z } from 'zod';
import { base64, jobFiles, startBash, startBun, startPython } from '../programs/interpreters.ts';
import { bashLint, bunLint, pythonLint } from './lint-scripts.ts';

export type LintBlock = { language: string; code: string };
/** `error` null = it parses; with `imports` and `warnings` where the language has them. */
export type LintRecord = { error: string | null; imports: readonly string[]; warnings: readonly string[] };

export type LintTool = {
  name: 'python' | 'bun' | 'bash';
  languages: readonly string[];
  /** Ends a block in its stdin: code that has it is refused, or one block would be two and give records for others. */
  separator?: string;
  job: (blocks: readonly LintBlock[]) => Pick<SandboxJobInput, 'argv' | 'env' | 'files' | 'stdin'>;
  /** Records in order, as many as came whole; undefined when the tool itself is not there. */
  read: (stdout: string) => LintRecord[] | undefined;
};

export const lintMinLevel: SandboxLevel = 'SANDBOX_L1_NAMESPACE';

/** A parser's own word on hostile text: bounded, and never taken for more than text. */
const [errorCharsMost, listMost] = [400, 100];
const shortList = z
  .array(z.string().max(300))
  .max(listMost)
  .default(() => []);
const recordSchema = z.object({
  error: z.string().max(errorCharsMost).nullable(),
  imports: shortList,
  warnings: shortList,
});

function jsonRecords(stdout: string): LintRecord[] | undefined {
  const [first, ...lines] = stdout.split('\n');
  if (first !== '{"ready": true}' && first !== '{"ready":true}') return undefined;
  const records: LintRecord[] = [];
  for (const line of lines.slice(0, -1)) {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      break;
    }
    const record = recordSchema.safeParse(value).data;
    if (record === undefined) break;
    records.push(record);
  }
  return records;
}

function nulRecords(stdout: string): LintRecord[] | undefined {
  const [first, ...parts] = stdout.split('\0');
  if (first !== 'ready') return undefined;
  const records: LintRecord[] = [];
  // What stands after the last NUL did not come whole.
  for (let at = 0; at + 2 < parts.length; at += 2) {
    const said = (parts[at + 1] ?? '').replaceAll('/dev/stdin: ', '').slice(0, errorCharsMost);
    records.push({ error: parts[at] === '0' ? null : said || 'does not parse', imports: [], warnings: [] });
  }
  return records;
}

const withBlocks = (start: { argv: string[]; env: Record<string, string> }, path: string, content: string) => {
  const files = jobFiles([{ path, content }]);
  return (blocks: readonly LintBlock[]) => ({ ...start, files, stdin: base64(JSON.stringify({ blocks })) });
};

export const lintTools: readonly LintTool[] = [
  {
    name: 'python',
    languages: ['python'],
    job: withBlocks(startPython('lint.py'), 'lint.py', pythonLint),
    read: jsonRecords,
  },
  {
    name: 'bun',
    languages: ['javascript', 'typescript', 'jsx', 'tsx', 'json', 'yaml', 'toml'],
    job: withBlocks(startBun('lint.mjs'), 'lint.mjs', bunLint),
    read: jsonRecords,
  },
  {
    name: 'bash',
    languages: ['bash'],
    separator: '\0',
    job: (blocks) => ({
      ...startBash('lint.sh'),
      files: jobFiles([{ path: 'lint.sh', content: bashLint }]),
      stdin: base64(blocks.map(({ code }) => `${code}\0`).join('')),
    }),
    read: nulRecords,
  },
];

export const lintToolOf = (language: string): LintTool | undefined =>
  lintTools.find(({ languages }) => languages.includes(language));
