/** Lines of the systemd journal, by `journalctl -o json` (LG-2). */
import type { Clock } from '@labmesh/kit/clock';
import { parseJson } from '@labmesh/kit/parse-json';
import type { LogLine } from '@labmesh/wire/frame/open';
import { z } from 'zod';
import { Refused } from '../session-run.ts';
import { lineBytesMax } from './line-splitter.ts';
import { caughtUp, type LogSource, type LogsOpen } from './log-source.ts';

/** Longest entry that is read; a longer one is left out. */
const entryBytesMax = 4 * 1024 * 1024;
const complaintBytesMax = 4 * 1024;
const levels = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'] as const;

/** A field is a text, bytes when it is no UTF-8, several of them, or null when it is too large. */
const fieldSchema = z.union([z.string(), z.null(), z.array(z.union([z.number(), z.string(), z.array(z.number())]))]);
const entrySchema = z.object({
  __CURSOR: z.string().max(1024),
  __REALTIME_TIMESTAMP: z.coerce.number().optional(),
  MESSAGE: fieldSchema.optional(),
  PRIORITY: z.coerce.number().min(0).max(7).optional().catch(undefined),
  _SYSTEMD_UNIT: z.string().optional().catch(undefined),
  SYSLOG_IDENTIFIER: z.string().optional().catch(undefined),
});

function fieldText(field: z.infer<typeof fieldSchema> | undefined): string {
  if (field === undefined || field === null) return '';
  if (typeof field === 'string') return field;
  if (field.every((part) => typeof part === 'number')) return new TextDecoder().decode(new Uint8Array(field));
  return field.map((part) => (typeof part === 'number' ? '' : fieldText(part))).join(' ');
}

/** One entry; undefined when the text is none. */
export function parseEntry(json: string): LogLine | undefined {
  const parsed = entrySchema.safeParse(parseJson(json));
  if (!parsed.success) return undefined;
  const { __CURSOR, __REALTIME_TIMESTAMP, MESSAGE, PRIORITY, _SYSTEMD_UNIT, SYSLOG_IDENTIFIER } = parsed.data;
  const unit = _SYSTEMD_UNIT ?? SYSLOG_IDENTIFIER;
  const level = PRIORITY === undefined ? undefined : levels[PRIORITY];
  return {
    at: __REALTIME_TIMESTAMP === undefined ? null : Math.floor(__REALTIME_TIMESTAMP / 1000),
    ...(unit !== undefined && { unit }),
    ...(level !== undefined && { level }),
    text: fieldText(MESSAGE).slice(0, lineBytesMax),
    cursor: `journal:${__CURSOR}`,
  };
}

const seconds = (ms: number) => `@${(ms / 1000).toFixed(3)}`;

/** Journalctl's own patterns: a text with all that is special escaped, or what stands between the slashes. */
function grepArguments(grep: string | undefined): string[] {
  if (grep === undefined) return [];
  const source = /^\/(.+)\/$/s.exec(grep)?.[1] ?? grep.replace(/[^\p{L}\p{N}\s]/gu, '\\$&');
  return [`--grep=${source}`, '--case-sensitive=true'];
}

export type JournalFrom = { cursor: string } | { since: number } | { tail: number } | 'all' | 'now';

/** Arguments of journalctl. Each is one word with `=`, so nothing in it is taken for an option. */
export function journalArguments(open: LogsOpen, from: JournalFrom, follow: boolean): string[] {
  const words = ['--output=json', '--no-pager', '--quiet', '--all'];
  words.push('--output-fields=MESSAGE,PRIORITY,_SYSTEMD_UNIT,SYSLOG_IDENTIFIER');
  if (open.unit !== undefined) words.push(`--unit=${open.unit}`);
  if (open.level !== undefined) words.push(`--priority=${open.level}`);
  if (open.until !== undefined) words.push(`--until=${seconds(open.until)}`);
  words.push(...grepArguments(open.grep));
  if (follow) words.push('--follow');
  if (from === 'now') words.push('--lines=0');
  else if (from !== 'all' && 'tail' in from) words.push(`--lines=${from.tail}`);
  else if (follow) words.push('--no-tail');
  if (from !== 'all' && from !== 'now' && 'cursor' in from) words.push(`--after-cursor=${from.cursor}`);
  const since = from !== 'all' && from !== 'now' && 'since' in from ? from.since : open.since;
  if (since !== undefined && !(from !== 'all' && from !== 'now' && 'cursor' in from)) {
    words.push(`--since=${seconds(since)}`);
  }
  // No argument can hold a NUL.
  return words.map((word) => word.replaceAll('\0', ''));
}

export type JournalParts = {
  command: readonly string[];
  /** Any of these, in place of the one of the request. */
  units?: readonly string[];
  clock: Clock;
  signal: AbortSignal;
};

/** What is there, then, when somebody follows, what comes after that. @throws Refused from the generator. */
export async function* journalLines(open: LogsOpen, parts: JournalParts): LogSource {
  const begunAt = parts.clock.wall();
  const units = (parts.units ?? []).map((unit) => `--unit=${unit}`);
  let last = open.cursor?.replace(/^journal:/, '');
  if (open.cursor !== undefined && !open.cursor.startsWith('journal:')) {
    throw new Refused('protocol', 'that cursor is not one of the journal');
  }
  const from: JournalFrom =
    last !== undefined ? { cursor: last } : open.tail === undefined ? 'all' : { tail: open.tail };
  for await (const line of entries([...journalArguments(open, from, false), ...units], parts)) {
    last = line.cursor.replace(/^journal:/, '');
    yield line;
  }
  if (!open.follow) return;
  yield caughtUp;
  // Nothing was there: what was written since we began to look still counts.
  const next: JournalFrom = last === undefined ? { since: Math.max(begunAt, open.since ?? 0) } : { cursor: last };
  yield* entries([...journalArguments(open, next, true), ...units], parts);
}

/** @throws Refused io with what journalctl says, when it fails. */
async function* entries(words: readonly string[], { command, signal }: JournalParts): AsyncGenerator<LogLine, void> {
  let child;
  try {
    child = Bun.spawn([...command, ...words], {
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
      cwd: '/',
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', SYSTEMD_COLORS: '0' },
      signal,
    });
  } catch {
    throw new Refused('not-found', 'this server has no journal (journalctl is missing)');
  }
  const complaint = headOf(child.stderr);
  try {
    for await (const json of jsonLines(child.stdout)) {
      const line = parseEntry(json);
      if (line !== undefined) yield line;
    }
    const code = await child.exited;
    if (code === 0 || signal.aborted) return;
    const text = (await complaint).trim().split('\n').at(-1) ?? '';
    // Without --quiet's help: an empty result of --grep also ends with 1.
    if (text !== '') throw new Refused('io', `journalctl: ${text.slice(0, 200)}`);
  } finally {
    child.kill('SIGKILL');
  }
}

async function* jsonLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const bytes of stream) {
    text += decoder.decode(bytes, { stream: true });
    const whole = text.split('\n');
    text = whole.pop() ?? '';
    yield* whole;
    if (text.length > entryBytesMax) text = '';
  }
}

/** The first bytes of a stream; the rest is read and dropped, so that the child does not wait. */
async function headOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const bytes of stream) if (text.length < complaintBytesMax) text += decoder.decode(bytes);
  return text;
}
