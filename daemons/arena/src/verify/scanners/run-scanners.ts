/** Scanners that are installed beside the sandbox, over the code that the audit reads (verification BR2): a job each. */
import { parseJson } from '@labmesh/kit/parse-json';
import { type scannerNames, scannerStarts } from '@labmesh/sandbox/scanner-starts';
import { type SandboxJobInput, type SandboxLevel, type SandboxRunner } from '@labmesh/wire/verification/sandbox';
import type { Finding } from '../../contract/verifier.ts';
import { bestLevel } from '../programs/best-level.ts';
import { jobFiles } from '../programs/interpreters.ts';
import type { AuditText } from '../audit/audit-texts.ts';
import { bandit } from './bandit.ts';
import type { Scanned, Scanner } from './scanner.ts';
import { semgrep, semgrepRulesFile } from './semgrep.ts';

export type ScannerSettings = {
  scanners: readonly (typeof scannerNames)[number][];
  /** Text of the rules; empty: semgrep has nothing to look for. */
  semgrep_rules: string;
};

export type ScanResult =
  /** `tools` with their versions; `at` is the text that a finding is in. */
  | {
      tools: string[];
      findings: {
        at: number;
        rule: string;
        severity: Scanned['findings'][number]['severity'];
        text: string;
        line: number;
      }[];
    }
  | { unread: Finding };

type Door = { runner: SandboxRunner; signal: AbortSignal };

const mib = 1024 * 1024;
const limits = { wallMs: 60_000, cpuMs: 60_000, memoryBytes: 1024 * mib, pids: 128, outputBytes: 8 * mib };
/** Files of a job, with places for the rules and what a scanner wants to find. */
const filesMost = 62;

/** What is installed at the level that jobs run at. */
async function installed({ runner }: Door, least: SandboxLevel): Promise<Readonly<Record<string, string>>> {
  return bestLevel(await runner.levels().catch(() => []), least)?.tools ?? {};
}

type Target = { at: number; file: string; text: AuditText };

const jobOf = ({ name, argv }: Scanner, targets: readonly Target[], rules: string): SandboxJobInput => ({
  argv: [...argv, ...targets.map(({ file }) => file)],
  env: scannerStarts[name].env,
  files: [
    ...scannerStarts[name].files,
    ...jobFiles([
      ...targets.map(({ file, text }) => ({ path: file, content: text.code })),
      ...(rules === '' ? [] : [{ path: semgrepRulesFile, content: rules }]),
    ]),
  ],
  limits,
});

/** Of one that could not be used: the operator's to mend, so that it is no verdict on the answer. */
const broken = (name: string, why: string, code = 'TOOL_FAILED'): ScanResult => ({
  unread: { status: 'error', message: `${name} ${why}`, details: { tool: name }, code },
});

async function scan(
  scanner: Scanner,
  version: string,
  targets: readonly Target[],
  rules: string,
  door: Door,
): Promise<ScanResult> {
  const { name } = scanner;
  const result = await door.runner.run(jobOf(scanner, targets, rules), door.signal);
  const { exit, code, level, error } = result;
  if (exit === 'refused' || exit === 'sandbox_error')
    return broken(name, 'could not run', error?.code ?? 'SANDBOX_ERROR');
  // Both end with 1 when they have found something.
  const ended = exit === 'ok' || (exit === 'nonzero' && code === 1);
  const read = ended ? scanner.read(parseJson(Buffer.from(result.stdout, 'base64').toString())) : undefined;
  if (read === undefined && (ended || exit === 'nonzero'))
    return broken(name, `ended with exit code ${code ?? 0} and said nothing that can be read`);
  const places = new Map(targets.map((target) => [target.file, target]));
  if (read === undefined || read.isBlind) {
    return {
      unread: {
        status: 'failed',
        message: `${name} could not read the code (${exit})`,
        details: { tool: name, exit },
        level,
      },
    };
  }
  const findings = read.findings.flatMap(({ file, ...one }) => {
    const at = places.get(file)?.at;
    return at === undefined ? [] : [{ at, ...one }];
  });
  return { tools: [`${name} ${version}`], findings };
}

/** Nothing is installed or wanted, or all of them looked. The first that could not is what the audit says. */
export async function runScanners(
  texts: readonly AuditText[],
  { scanners, semgrep_rules }: ScannerSettings,
  least: SandboxLevel,
  door: Door,
): Promise<ScanResult> {
  const wanted = [bandit, semgrep].filter(
    ({ name }) => scanners.includes(name) && (name !== 'semgrep' || semgrep_rules !== ''),
  );
  const known = wanted.length === 0 ? {} : await installed(door, least);
  const looks = wanted.flatMap((scanner) => {
    const version = known[scanner.name];
    const targets = texts.flatMap((text, at): Target[] => {
      const ending = scanner.endings[text.language];
      return ending === undefined ? [] : [{ at, file: `text-${at}.${ending}`, text }];
    });
    if (version === undefined || targets.length === 0) return [];
    // What is run comes first: many pieces push nothing of it out.
    const seen = targets.toSorted((one, other) => Number(other.text.isProgram) - Number(one.text.isProgram));
    const rules = scanner.name === 'semgrep' ? semgrep_rules : '';
    return [scan(scanner, version, seen.slice(0, filesMost), rules, door)];
  });
  const results = await Promise.all(looks);
  const unread = results.find((result) => 'unread' in result);
  if (unread !== undefined) return unread;
  const seen = results.flatMap((result) => ('unread' in result ? [] : [result]));
  return { tools: seen.flatMap(({ tools }) => tools), findings: seen.flatMap(({ findings }) => findings) };
}
