import { expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { openStore } from '@labmesh/store/open-store';
import { system } from '@labmesh/wire/fleet/principal';
import type { CloseReason } from '@labmesh/wire/frame/frame-types';
import { openSchema } from '@labmesh/wire/frame/open';
import { recordEnd } from './session-record.ts';
import { findSession, insertSession } from './session-rows.ts';

const tester = system('test');
const exec = openSchema.parse({ kind: 'exec', server: 'web-1', argv: ['true'] });
const copy = openSchema.parse({ kind: 'copy-out', server: 'web-1', path: '/etc/hosts' });
const bytes = { in: 0, out: 3, err: 0 };
const exit = { code: 7, signal: null, core: false, timedOut: false, drained: true, bytes };
const copied = { bytes: 3, sha256: 'ab'.repeat(32) };
const sum = { ...exit, code: 0, copied };

test.each([
  ['a command', exec, exit, 'ok', 'ok', { exit }, 7],
  ['a command whose channel was cut', exec, exit, 'link-lost', 'ok', { exit }, 7],
  ['a command whose agent speaks of a copy', exec, { ...exit, copied }, 'io', 'ok', { exit }, 7],
  ['a copy', copy, sum, 'ok', 'ok', { copied }, 0],
  ['a copy that left something out', copy, sum, 'io', 'error', { copied }, undefined],
  ['a copy whose agent speaks of none', copy, exit, 'io', 'error', {}, undefined],
] as const)('P1 EX-11 the end of %s', async (_what, open, told, reason, result, details, code) => {
  const { row, kept } = await endRow({ open, told, reason });
  expect(row?.result).toBe(result);
  const { exit: ofRow, copied: sumOfRow } = row?.details ?? {};
  expect(JSON.parse(JSON.stringify({ exit: ofRow, copied: sumOfRow }))).toEqual(details);
  expect(kept === null ? undefined : JSON.parse(kept).code).toBe(code);
});

const part = '01900000-0000-7000-8000-0000000000d1';
test.each([
  ['whole', 'ok', 'ab'.repeat(32), { recording: part }],
  ['cut by its bound, and whole as far as it goes', 'recording-limit', 'ab'.repeat(32), { recording: part }],
  ['whose disk failed', 'recording-unavailable', null, { recording: 'unavailable', recordingId: part }],
  ['whose last lines could not be written', 'ok', null, { recording: 'unavailable', recordingId: part }],
] as const)('EX-10 the end row names a recording %s', async (_what, reason, sha256, details) => {
  const end = { bytes: 9, sha256, streams: {} };
  const recording = { id: part, end: () => Promise.resolve(end) } as unknown as Parameters<
    typeof recordEnd
  >[1]['recording'];
  const { row } = await endRow({ open: exec, told: exit, reason, recording });
  const { recording: ofRow, recordingId } = row?.details ?? {};
  expect(JSON.parse(JSON.stringify({ recording: ofRow, recordingId }))).toEqual(details);
});

type Told = {
  open: typeof exec;
  told: Parameters<typeof recordEnd>[2]['exit'];
  reason: CloseReason;
  recording?: Parameters<typeof recordEnd>[1]['recording'];
};

/** The audit row of an end, and what the session's row keeps of its exit. */
async function endRow({ open, told, reason, recording }: Told) {
  await using store = await openStore({ url: 'sqlite::memory:' });
  const session = '01900000-0000-7000-8000-0000000000c1';
  const place = { serverId: 's', agentId: 'a', principal: tester, token: 't', now: 1 };
  await store.write(tester, (tx) => insertSession(tx, { id: session, open, ...place }));
  const rows: { result: string; details: Record<string, unknown> }[] = [];
  const audit = {
    append: async (entry: (typeof rows)[number], { also }: { also: (tx: unknown) => Promise<void> }) => {
      rows.push(entry);
      await store.write(tester, also);
    },
  };
  const parts = { store, audit, clock: new FakeClock(), log: silentLogger } as unknown as Parameters<
    typeof recordEnd
  >[0];
  const caller = { principal: tester, sourceIp: '', requestId: 'r' };
  const close = { reason, text: '' };
  const ended = { caller, open, server: undefined, startedAt: 1, recording };
  await recordEnd(parts, ended, { session, exit: told, close, bytes }, 5);
  return { row: rows[0], kept: (await findSession(store, tester, session))?.exit ?? null };
}
