/** What is shipped: files and units of the journal, each read on from its place (AG-7, LG-2). */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { openLogsSchema } from '@labmesh/wire/frame/open';
import { fileLines } from '../logs/file/file-lines.ts';
import { endPlace } from '../logs/file/file-start.ts';
import { LogPaths } from '../logs/file/log-paths.ts';
import { journalLines } from '../logs/journal-lines.ts';
import { caughtUp, type LogSource } from '../logs/log-source.ts';
import { type SizedLine, shippedLine } from './shipped-line.ts';

/** One log. A place is a cursor of LG-2, or one of the two below. */
export type ShipSource = {
  /** In the spool. */
  readonly key: string;
  readonly file?: string;
  /** Where it begins when it was never read: at what is written from now on. @throws Refused. */
  begin(): Promise<string>;
  lines(place: string, signal: AbortSignal): Promise<LogSource>;
};

export type SourceParts = {
  logPaths: readonly string[];
  clock: Clock;
  /** The program that reads the journal. */
  journalctl: readonly string[];
};

/** A file that was not there when shipping began: all of it is new. */
const fromStart = 'start';
const sincePlace = /^since:(\d{1,16})$/;
const retryMs = 5_000;

const asked = { kind: 'logs', server: 'here', follow: true } as const;

export function fileSource(file: string, { logPaths, clock }: SourceParts): ShipSource {
  // Nobody looks at what is read here before it leaves the machine: no link of a user may lead to what is not its own.
  const open = () => LogPaths.open(logPaths, 'own');
  return {
    key: `file:${file}`,
    file,
    begin: async () => (await endPlace(file, await open())) ?? fromStart,
    lines: async (place, signal) => {
      const wanted = openLogsSchema.parse({ ...asked, file, ...(place !== fromStart && { cursor: place }) });
      return fileLines(file, wanted, { paths: await open(), clock, signal });
    },
  };
}

/** One reader for all units: a process each would be too many. */
export function journalSource(units: readonly string[], { clock, journalctl: command }: SourceParts): ShipSource {
  return {
    key: 'journal',
    begin: async () => `since:${Math.floor(clock.wall())}`,
    lines: async (place, signal) => {
      const [, since] = sincePlace.exec(place) ?? [];
      const from = since === undefined ? { cursor: place } : { since: Number(since) };
      return journalLines(openLogsSchema.parse({ ...asked, ...from }), { command, units, clock, signal });
    },
  };
}

export type FollowParts = {
  place: () => string | undefined;
  /** Resolves when there is room for the next. */
  take: (line: SizedLine, place: string | undefined) => Promise<void>;
  clock: Clock;
  log: Logger;
};

/** Reads a source until the signal; one that ends or fails is begun again after a while, where it was. Never rejects. */
export async function followSource(source: ShipSource, parts: FollowParts, signal: AbortSignal): Promise<void> {
  const { clock, log } = parts;
  let told = '';
  while (!signal.aborted) {
    const why = await readOn(source, parts, signal).then(
      () => 'it ended',
      (error: unknown) => (error instanceof Error ? error.message : 'unknown'),
    );
    if (signal.aborted) return;
    // Once: a permission that is missing is missing each time.
    if (why !== told) log.warn('a log cannot be shipped now; tried again', { source: source.key, why });
    told = why;
    await clock.sleep(retryMs, signal).catch(() => undefined);
  }
}

async function readOn(source: ShipSource, { place, take }: FollowParts, signal: AbortSignal): Promise<void> {
  const lines = await source.lines(place() ?? (await source.begin()), signal);
  for await (const line of lines) {
    if (line === caughtUp) continue;
    await take(shippedLine(line, source.file), line.cursor === '' ? undefined : line.cursor);
    if (signal.aborted) return;
  }
}
