import { expect, test } from 'bun:test';
import type { SessionRecording } from '../recordings/session-recording.ts';
import { RecorderTap } from './recorder-tap.ts';

/** As much of a recording as the tap uses; what it was told, in order. */
function tapOf(part: number) {
  const told: string[] = [];
  let consumed = 0;
  const recording = {
    row: { part },
    write: (stream: number, bytes: Uint8Array) => {
      consumed += bytes.length;
      told.push(`${stream} ${bytes.length}`);
    },
    mark: (text: string) => void told.push(text),
    consumed: () => consumed,
  };
  return { told, tap: new RecorderTap(recording as unknown as SessionRecording) };
}

test('EX-9: the first part begins without a marker, and counts are those of the stream', () => {
  const { tap, told } = tapOf(0);
  tap.begin(1, 0);
  tap.data(1, new Uint8Array(5));
  expect([told, tap.consumed(1)]).toEqual([['1 5'], 5]);
});

test('EX-9: a later part tells where in each output it goes on, also at the very beginning', () => {
  const { tap, told } = tapOf(7);
  tap.begin(1, 100);
  tap.begin(2, 0);
  tap.begin(0, 3);
  tap.data(1, new Uint8Array(5));
  expect(told).toEqual(['labmesh: stdout from byte 100', 'labmesh: stderr from byte 0', '1 5']);
  expect(tap.consumed(1)).toBe(105);
});

test('bytes that never came are told in the middle, too', () => {
  const { tap, told } = tapOf(0);
  tap.begin(1, 0);
  tap.data(1, new Uint8Array(5));
  tap.begin(1, 9);
  expect([told, tap.consumed(1)]).toEqual([['1 5', 'labmesh: stdout from byte 9'], 9]);
});
