import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { mapExit, type SeenEnd } from './map-exit.ts';

const calm = { cpuMs: 10, peakBytes: 1, oomKills: 0, forksRefused: 0 };
const end = (over: Partial<SeenEnd>): SeenEnd => ({
  killed: undefined,
  status: 0,
  usage: calm,
  isTmpFull: false,
  limits: { cpuMs: 1000 },
  ...over,
});

describe('mapExit', () => {
  test.each([
    [{}, { exit: 'ok', code: 0, signal: null }],
    [{ status: 3 }, { exit: 'nonzero', code: 3, signal: null }],
    [{ status: 128 }, { exit: 'nonzero', code: 128, signal: null }],
    [{ status: 139 }, { exit: 'signal', code: null, signal: 'SIGSEGV' }],
    [{ status: 247 }, { exit: 'nonzero', code: 247, signal: null }],
    [{ status: 152 }, { exit: 'cpu', code: null, signal: 'SIGXCPU' }],
    [{ status: 137 }, { exit: 'signal', code: null, signal: 'SIGKILL' }],
    [
      { status: 137, usage: { ...calm, cpuMs: 1000 } },
      { exit: 'cpu', code: null, signal: 'SIGKILL' },
    ],
    [{ status: 153 }, { exit: 'disk', code: null, signal: 'SIGXFSZ' }],
    [
      { status: 1, isTmpFull: true },
      { exit: 'disk', code: 1, signal: null },
    ],
    [
      { status: 0, isTmpFull: true },
      { exit: 'ok', code: 0, signal: null },
    ],
    [
      { status: 1, usage: { ...calm, forksRefused: 2 } },
      { exit: 'pids', code: 1, signal: null },
    ],
    [
      { status: 0, usage: { ...calm, forksRefused: 2 } },
      { exit: 'ok', code: 0, signal: null },
    ],
    [
      { status: 137, usage: { ...calm, oomKills: 1 } },
      { exit: 'oom', code: null, signal: 'SIGKILL' },
    ],
    [
      { status: 0, usage: { ...calm, oomKills: 1 } },
      { exit: 'oom', code: 0, signal: null },
    ],
    [
      { status: undefined, usage: { ...calm, oomKills: 1 } },
      { exit: 'oom', code: null, signal: null },
    ],
    [
      { killed: 'wall', status: 137 },
      { exit: 'wall', code: null, signal: null },
    ],
    [
      { killed: 'output', status: 0 },
      { exit: 'output', code: null, signal: null },
    ],
  ] as const)('case %#', (over, expected) => expect(mapExit(end(over))).toEqual(expected));

  test('a program that never began is nobody’s failure', () => {
    expect(mapExit(end({ status: undefined }))).toBeUndefined();
    expect(mapExit(end({ status: undefined, usage: undefined }))).toBeUndefined();
  });

  test('ok is said of status 0 alone, whatever else there is', () => {
    const usage = fc.record({ cpuMs: fc.nat(), peakBytes: fc.nat(), oomKills: fc.nat(2), forksRefused: fc.nat(2) });
    const killed = fc.constantFrom(undefined, 'wall' as const, 'cpu' as const, 'output' as const);
    fc.assert(
      fc.property(
        fc.option(fc.nat(255), { nil: undefined }),
        usage,
        killed,
        fc.boolean(),
        (status, usage, killed, isTmpFull) => {
          const mapped = mapExit(end({ status, usage, killed, isTmpFull }));
          if (mapped?.exit === 'ok') expect([status, killed, usage.oomKills]).toEqual([0, undefined, 0]);
        },
      ),
    );
  });
});
