/**
 * The security audit of the OpenCoder bracket (verification BR2): built-in rules on the syntax tree, and what bandit and
 * semgrep find where they are installed. Python is parsed inside the sandbox; JavaScript, TypeScript and bash are read
 * here, character by character. It looks at what runtime_verifier would run, joined as it is run: what names no language too, where the suite or the request says what it is.
 */
import { scannerNames } from '@labmesh/sandbox/scanner-starts';
import { parseJson } from '@labmesh/kit/parse-json';
import { z } from 'zod';
import type { Candidate } from '../../contract/candidate.ts';
import type { Finding, Verifier, VerifierContext } from '../../contract/verifier.ts';
import { auditBash } from './audit-bash.ts';
import { auditJavascript, type Mark } from './audit-javascript.ts';
import { auditPython } from './audit-python.ts';
import { auditRules, severities, type Severity } from './audit-rules.ts';
import { type AuditText, auditTexts, placeOf } from './audit-texts.ts';
import { rulesFile } from '../scanners/rules-file.ts';
import { runScanners } from '../scanners/run-scanners.ts';

const auditMinLevel = 'SANDBOX_L1_NAMESPACE';

const config = z
  .strictObject({
    severity_threshold: z.enum(severities).default('high'),
    /** Those that are used where they are installed. */
    scanners: z
      .array(z.enum(scannerNames))
      .max(scannerNames.length)
      .default([...scannerNames]),
    semgrep_rules: rulesFile,
  })
  .prefault({});
type Config = z.infer<typeof config>;

export type AuditFinding = { rule: string; severity: Severity; text: string; block_index: number; line: number };

/** Findings that are listed; more are counted, of each rule so many as its reader gives. */
const listedMost = 50;
const answerSchema = z.object({ findings: z.array(z.tuple([z.int().min(0), z.string(), z.int().min(0)])).max(1_000) });

const finding = (text: AuditText | undefined, rule: string, at: number): AuditFinding[] => {
  const known = Object.hasOwn(auditRules, rule) ? auditRules[rule] : undefined;
  if (text === undefined || known === undefined) return [];
  const { block, line } = placeOf(text, at);
  return [{ rule, ...known, block_index: block, line }];
};

/** What a piece and the program that it is in have both is one finding. */
const distinct = (findings: readonly AuditFinding[]): AuditFinding[] => [
  ...new Map(findings.map((one) => [`${one.rule}/${one.block_index}/${one.line}`, one])).values(),
];

type Read = { findings: AuditFinding[]; level: Finding['level'] } | { unread: Finding };

/** Python in one job: what comes back is read as hostile as the code. */
async function readPython(
  texts: readonly AuditText[],
  { runner, signal }: Pick<VerifierContext<Config>, 'runner' | 'signal'>,
): Promise<Read> {
  if (texts.length === 0) return { findings: [], level: null };
  const blocks = texts.map(({ code, isProgram }) => ({ code, isProgram }));
  const stdin = Buffer.from(JSON.stringify({ blocks })).toString('base64');
  const result = await runner.run({ argv: ['/usr/bin/python3', '-I', '-c', auditPython], stdin }, signal);
  const { exit, level } = result;
  if (exit === 'refused' || exit === 'sandbox_error') {
    const code = result.error?.code ?? 'SANDBOX_ERROR';
    return { unread: { status: 'error', message: 'the audit could not run', details: {}, code } };
  }
  const text = Buffer.from(result.stdout, 'base64').toString();
  const parsed = exit === 'ok' ? answerSchema.safeParse(parseJson(text)) : undefined;
  if (parsed?.success !== true) {
    // Code that the parser refuses, or that is too deep or large for it, is the candidate's doing.
    return { unread: { status: 'failed', message: `the code could not be read (${exit})`, details: { exit }, level } };
  }
  const findings = parsed.data.findings.flatMap(([at, rule, line]) => finding(texts[at], rule, line));
  return { findings, level };
}

const bySeverity = (one: AuditFinding, other: AuditFinding) =>
  severities.indexOf(other.severity) - severities.indexOf(one.severity);

function judge(
  all: readonly AuditFinding[],
  level: Finding['level'],
  tools: readonly string[],
  { severity_threshold }: Config,
): Finding {
  const findings = all.toSorted(bySeverity);
  const bar = severities.indexOf(severity_threshold);
  const grave = findings.filter((one) => severities.indexOf(one.severity) >= bar);
  const tool = ['builtin', ...tools].join(', ');
  const details = { tool, findings_count: findings.length, findings: findings.slice(0, listedMost) };
  const [worst] = grave;
  if (worst !== undefined) {
    const message = `${grave.length} findings at or above ${severity_threshold}, first ${worst.rule}: ${worst.text}`;
    return { status: 'failed', message, details, ...(level !== undefined && { level }) };
  }
  const message = `${findings.length} findings, none at or above ${severity_threshold}`;
  return { status: 'passed', message, details, ...(level !== undefined && { level }), grants: ['AUDIT_OK'] };
}

/** Its text may hold quotes and slashes that are none, so that it is read without them too: names in texts count there. */
function auditMarkup(code: string): Mark[] {
  const marks = [...auditJavascript(code), ...auditJavascript(code.replaceAll(/["'`/]/g, ' '))];
  return [...new Map(marks.map((mark) => [`${mark.rule}/${mark.line}`, mark])).values()];
}

/** By the languages that runtime_verifier runs, Python aside. */
const readers: Readonly<Record<string, (code: string) => Mark[]>> = {
  javascript: auditJavascript,
  typescript: auditJavascript,
  jsx: auditMarkup,
  tsx: auditMarkup,
  bash: auditBash,
};

async function audit(candidate: Candidate, context: VerifierContext<Config>): Promise<Finding> {
  const texts = auditTexts(candidate, context.suite);
  const python = texts.filter(({ language }) => language === 'python');
  const scripts = texts.filter(({ language }) => Object.hasOwn(readers, language));
  if (python.length + scripts.length === 0) {
    return {
      status: 'skipped',
      message: 'no code that an audit can read',
      details: { tool: 'builtin' },
      code: 'NO_CODE',
    };
  }
  const [read, scanned] = await Promise.all([
    readPython(python, context),
    runScanners(texts, context.config, auditMinLevel, context),
  ]);
  if ('unread' in read) return read.unread;
  if ('unread' in scanned) return scanned.unread;
  const marks = scripts.flatMap((text) =>
    (readers[text.language]?.(text.code) ?? []).flatMap(({ rule, line }) => finding(text, rule, line)),
  );
  const others = scanned.findings.flatMap(({ at, line, ...one }): AuditFinding[] => {
    const text = texts[at];
    if (text === undefined) return [];
    const place = placeOf(text, line);
    return [{ ...one, block_index: place.block, line: place.line }];
  });
  // What both know is told as the built-in rule has it.
  return judge(distinct([...others, ...read.findings, ...marks]), read.level, scanned.tools, context.config);
}

export const securityAudit: Verifier<Config> = {
  name: 'security_audit',
  version: '3',
  description: 'dangerous calls in Python, JavaScript, TypeScript and bash, by built-in rules, bandit and semgrep',
  class: 2,
  minLevel: auditMinLevel,
  hard: true,
  // A bracket asks for it: os.system is no fault of an answer about shells.
  byDefault: false,
  configSchema: config,
  verify: audit,
};
