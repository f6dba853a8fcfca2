/** A store, a folder and a recorder for tests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { openStore } from '@labmesh/store/open-store';
import type { Store } from '@labmesh/store/store';
import { CastReader, type CastItem } from '@labmesh/wire/fleet/asciicast';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { system } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import type { Sealer } from '../../secrets/sealer.ts';
import { readRecording, type ReadOptions } from '../read-recording.ts';
import { openRecorder, type Recorder, type RecorderOptions, type StartRecording } from '../recorder.ts';

/** Binds a value to its place as the real one does, and hides nothing. */
export const testSealer: Sealer = {
  seal: (table, rowId, field, plain) => `${table}/${rowId}/${field}/${Buffer.from(plain).toString('hex')}`,
  open: (table, rowId, field, text) => {
    const start = `${table}/${rowId}/${field}/`;
    if (!text.startsWith(start)) throw new FleetError('INTERNAL');
    return Buffer.from(text.slice(start.length), 'hex');
  },
};

export const replicaA = '01900000-0000-7000-8000-00000000000a';
export const replicaB = '01900000-0000-7000-8000-00000000000b';
export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

export type Ground = AsyncDisposable & {
  dir: string;
  store: Store;
  recorder: Recorder;
  start(over?: Partial<StartRecording>): ReturnType<Recorder['start']>;
  /** The joined recording as text, and its items. */
  read(session: string, over?: Partial<ReadOptions>): Promise<string>;
  items(session: string, over?: Partial<ReadOptions>): Promise<CastItem[]>;
};

export async function openGround(over: Partial<RecorderOptions> = {}): Promise<Ground> {
  const dir = mkdtempSync(join(tmpdir(), 'labmesh-recordings-'));
  const store = await openStore({ url: 'sqlite::memory:' });
  const url = `file:${dir}`;
  const recorder = openRecorder({ store, secrets: testSealer, url, clock: systemClock, log: silentLogger, ...over });
  const read = async (session: string, options: Partial<ReadOptions> = {}) => {
    const { folder } = recorder;
    const all = { store, secrets: testSealer, folder, replicaId: replicaA, ...options };
    const pieces = await Array.fromAsync(readRecording(all, system('test'), session));
    return Buffer.concat(pieces).toString();
  };
  return {
    dir,
    store,
    recorder,
    start: (request = {}) =>
      recorder.start({ session: uuidv7(), term: null, command: 'ls', replicaId: replicaA, part: 0, ...request }),
    read,
    items: async (session, options) => new CastReader().push(bytesOf(await read(session, options))),
    [Symbol.asyncDispose]: async () => {
      await recorder[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Waits until it is so; throws after 20 s. */
export async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1_000; tries++) {
    if (await what()) return;
    await Bun.sleep(20);
  }
  throw new Error('it did not come true');
}
