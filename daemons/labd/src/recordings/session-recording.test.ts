/** A recording against a file that a test holds in its hand: what EX-10 asks for, without a disk to fill. */
import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { CastReader, CastWriter } from '@labmesh/wire/fleet/asciicast';
import type { StreamId } from '@labmesh/wire/frame/frame-types';
import { SessionRecording, partHead, type PartSink, type SessionRecordingOptions } from './session-recording.ts';
import { bytesOf, replicaA, until } from './testing/recorder-ground.ts';

/** Writes wait until `settle`. */
class HeldFile implements PartSink {
  failing = false;
  bytes = 0;
  onFailing: (() => void) | undefined;
  text = '';
  closed = 0;
  #waiting: { text: string; resolve: (written: boolean) => void } | undefined;

  append(text: string): Promise<boolean> {
    return new Promise((resolve) => (this.#waiting = { text, resolve }));
  }
  get isWriting(): boolean {
    return this.#waiting !== undefined;
  }
  /** Ends the write under way. */
  settle(written: boolean): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (written) this.text += waiting?.text ?? '';
    waiting?.resolve(written);
  }
  fail(): void {
    this.failing = true;
    this.onFailing?.();
  }
  sha256 = () => 'sum';
  giveUp = () => this.settle(false);
  close = () => void this.closed++;
}

const row = {
  id: 'r',
  created_at: 0,
  session_id: 's',
  replica_id: replicaA,
  part: 0,
  url: '',
  bytes: 0,
  sha256: null,
  sealed_key: '',
  ended_at: null,
};

function openHeld(over: Partial<SessionRecordingOptions> = {}) {
  const file = new HeldFile();
  const recording = new SessionRecording({
    row,
    tty: true,
    recordInput: false,
    ttyBytesMax: 1_000_000,
    pipeBytesMax: 1_000_000,
    batchBytes: 100,
    batchMs: 10,
    graceBytes: 10_000,
    file,
    cast: new CastWriter(0),
    clock: new FakeClock(),
    log: silentLogger,
    onEnd: () => Promise.resolve(),
    ...over,
  });
  return { file, recording };
}
const of = (length: number) => bytesOf('x'.repeat(length));

describe('batches', () => {
  test('one write at a time; what comes meanwhile goes into the next', async () => {
    const { file, recording } = openHeld();
    recording.write(1, of(100));
    expect(file.isWriting).toBe(true);
    recording.write(1, of(500));
    expect(recording.consumed(1)).toBe(0);
    file.settle(true);
    await until(() => file.isWriting);
    expect(recording.consumed(1)).toBe(100);
    file.settle(true);
    await until(() => recording.consumed(1) === 600);
    expect(file.text.split('\n')).toHaveLength(3);
  });

  test('a few bytes wait for their time, not for ever', async () => {
    const { file, recording } = openHeld();
    recording.write(1, of(1));
    expect(file.isWriting).toBe(false);
    await until(() => file.isWriting);
    file.settle(true);
    await until(() => recording.consumed(1) === 1);
  });

  test('the end waits for the write under way and closes once', async () => {
    const { file, recording } = openHeld();
    recording.write(1, of(100));
    recording.write(1, of(5));
    const end = recording.end({ code: 0, signal: null });
    recording.write(1, of(1_000));
    file.settle(true);
    await until(() => file.isWriting);
    file.settle(true);
    expect(await end).toMatchObject({ sha256: 'sum', streams: { out: { bytes: 1_105 } } });
    expect(file.text).toContain('[0,"x","0"]');
    expect(file.text).not.toContain('x'.repeat(1_000));
    expect(file.closed).toBe(1);
  });
});

describe('EX-10: while writes fail', () => {
  test('what was taken counts as consumed, and the relay is told', async () => {
    const { file, recording } = openHeld();
    const told: StreamId[] = [];
    recording.onConsumed((stream) => told.push(stream));
    recording.write(1, of(100));
    recording.write(2, of(50));
    expect(recording.consumed(1)).toBe(0);
    file.fail();
    expect(told).toEqual([1, 2]);
    expect([recording.consumed(1), recording.consumed(2)]).toEqual([100, 50]);
    recording.write(1, of(1_000));
    expect(recording.consumed(1)).toBe(1_100);
    file.failing = false;
    file.settle(true);
    await until(() => file.isWriting);
    file.settle(true);
    await until(() => file.text.includes('x'.repeat(1_000)));
  });

  test('above the bytes of its grace it ends, and keeps nothing more in memory', async () => {
    const { file, recording } = openHeld();
    recording.write(1, of(100));
    file.fail();
    for (let i = 0; i < 12; i++) recording.write(1, of(1_000));
    expect(await recording.failed).toBe('recording-unavailable');
    expect(recording.consumed(1)).toBe(12_100);
    const end = await recording.end();
    expect(end).toMatchObject({ sha256: null, streams: { out: { bytes: 12_100 } } });
    expect(file.isWriting).toBe(false);
  });

  test('a file that gave up ends it', async () => {
    const { file, recording } = openHeld();
    recording.write(1, of(100));
    file.fail();
    file.settle(false);
    expect(await recording.failed).toBe('recording-unavailable');
    expect((await recording.end()).sha256).toBeNull();
    expect(file.closed).toBe(1);
  });
});

/** A file that writes at once. */
class OpenFile extends HeldFile {
  override append(text: string): Promise<boolean> {
    this.text += text;
    return Promise.resolve(true);
  }
}

test('EX-9: any bytes on both outputs, in any pieces, are read back as their text', async () => {
  const piece = fc.tuple(fc.constantFrom<StreamId>(0, 1, 2), fc.uint8Array({ maxLength: 40 }));
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 40 }), async (pieces) => {
      const file = new OpenFile();
      const { recording } = openHeld({ file, tty: false });
      for (const [stream, bytes] of pieces) recording.write(stream, bytes);
      await recording.end();
      const found = { stdout: '', stderr: '' };
      let now: 'stdout' | 'stderr' = 'stdout';
      const head = new CastWriter(0).head(partHead(null, null, 0));
      for (const item of new CastReader().push(bytesOf(head + file.text))) {
        if (item.type === 'head') continue;
        if (item.code === 'm') now = item.text as typeof now;
        else found[now] += item.text;
      }
      const textOf = (wanted: StreamId) =>
        new TextDecoder('utf-8', { ignoreBOM: true }).decode(
          Buffer.concat(pieces.filter(([stream]) => stream === wanted).map(([, bytes]) => bytes)),
        );
      expect(found).toEqual({ stdout: textOf(1), stderr: textOf(2) });
      expect(recording.sums().in?.bytes ?? 0).toBe(
        pieces.filter(([stream]) => stream === 0).reduce((sum, [, bytes]) => sum + bytes.length, 0),
      );
    }),
  );
});
