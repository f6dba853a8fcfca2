/**
 * The security audit of the OpenCoder bracket (verification BR2): built-in rules on the syntax tree. Python is parsed
 * inside the sandbox; JavaScript, TypeScript and bash are read here, character by character. It looks at what
 * runtime_verifier would run, joined as it is run: what names no language too, where the suite or the request says what it is.
 */
import { parseJson } from '@labmesh/kit/parse-json';
import { z } from 'zod';
import type { Candidate } from '../../contract/candidate.ts';
import type { Finding, Verifier, VerifierContext } from '../../contract/verifier.ts';
import { auditBash } from './audit-bash.ts';
import { auditJavascript, type Mark } from './audit-javascript.ts';
import { auditPython } from './audit-python.ts';
import { type AuditText, auditTexts, placeOf } from './audit-texts.ts';

const severities = ['low', 'medium', 'high', 'critical'] as const;
type Severity = (typeof severities)[number];

/** Rules by their names in the field: those with B are bandit's. */
export const auditRules: Readonly<Record<string, { severity: Severity; text: string }>> = {
  B307: { severity: 'high', text: 'eval of Python' },
  B102: { severity: 'high', text: 'exec of Python' },
  B605: { severity: 'high', text: 'a command line through a shell' },
  B602: { severity: 'high', text: 'a process with shell=True' },
  B301: { severity: 'medium', text: 'pickle of foreign bytes' },
  B506: { severity: 'medium', text: 'YAML without a safe loader' },
  B105: { severity: 'medium', text: 'a password or key in the text' },
  B311: { severity: 'low', text: 'random numbers that are no secrets' },
  B101: { severity: 'low', text: 'assert, which -O takes out' },
  sql_injection: { severity: 'critical', text: 'SQL put together from values' },
  format_injection: { severity: 'high', text: 'a format over all names in reach' },
  inner_html: { severity: 'high', text: 'HTML put together from values' },
  js_eval: { severity: 'high', text: 'eval of JavaScript' },
  shell_eval: { severity: 'high', text: 'eval of bash' },
  shell_pipe: { severity: 'high', text: 'a shell that is fed by another program' },
};

const config = z.strictObject({ severity_threshold: z.enum(severities).default('high') }).prefault({});
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

function judge(findings: readonly AuditFinding[], level: Finding['level'], { severity_threshold }: Config): Finding {
  const bar = severities.indexOf(severity_threshold);
  const grave = findings.filter((one) => severities.indexOf(one.severity) >= bar);
  const details = { tool: 'builtin', findings_count: findings.length, findings: findings.slice(0, listedMost) };
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
  const read = await readPython(python, context);
  if ('unread' in read) return read.unread;
  const marks = scripts.flatMap((text) =>
    (readers[text.language]?.(text.code) ?? []).flatMap(({ rule, line }) => finding(text, rule, line)),
  );
  return judge(distinct([...read.findings, ...marks]), read.level, context.config);
}

export const securityAudit: Verifier<Config> = {
  name: 'security_audit',
  version: '2',
  description: 'dangerous calls in Python, JavaScript, TypeScript and bash, by built-in rules',
  class: 2,
  minLevel: 'SANDBOX_L1_NAMESPACE',
  hard: true,
  // A bracket asks for it: os.system is no fault of an answer about shells.
  byDefault: false,
  configSchema: config,
  verify: audit,
};
