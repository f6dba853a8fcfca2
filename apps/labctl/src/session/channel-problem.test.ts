import { describe, expect, test } from 'bun:test';
import { DialRefused } from '@labmesh/link/dial';
import { LinkClosed } from '@labmesh/link/link';
import { type CloseReason, closeCodes } from '@labmesh/wire/frame/frame-types';
import { channelProblem } from './channel-problem.ts';
import { dialProblem, dialRetryMs, isRefused } from './dial-problem.ts';

const now = Date.parse('2026-01-01T00:03:00.000Z');
const about = { verb: 'exec', target: 'server/web-1', now };
const session = '01900000-0000-7000-8000-00000000000c';

describe('why a session ended (CT-8, CT-9)', () => {
  test('a denial names role and rule, and the way to the explanation', () => {
    const text = 'exec on server/web-1 denied by role ops: "deny exec on servers/web-*"';
    expect(channelProblem({ reason: 'denied', text }, about)).toMatchObject({
      message: text,
      hint: 'labctl auth can-i exec server/web-1 --explain',
      code: 'PERMISSION_DENIED',
      exitCode: 4,
    });
  });

  test('an agent that is away was last seen so long ago', () => {
    const text = 'server/web-1 is not connected, last seen 2026-01-01T00:00:00.000Z';
    expect(channelProblem({ reason: 'agent-offline', text }, about)).toMatchObject({
      message: 'server/web-1 not connected, last seen 3m ago (AGENT_NOT_CONNECTED)',
      exitCode: 6,
    });
    expect(channelProblem({ reason: 'agent-offline', text: '' }, about).message).toBe(
      'server/web-1 not connected (AGENT_NOT_CONNECTED)',
    );
  });

  test('EX-6 a link that is lost for good: the command may still be running, 255', () => {
    expect(channelProblem({ reason: 'link-lost', text: '' }, { ...about, session }, 255)).toMatchObject({
      message: 'exec on server/web-1: the link to labd was lost (LINK_LOST)',
      hint: `the command may still be running: labctl attach session/${session}`,
      exitCode: 255,
    });
  });

  test('every reason has words, a code, and no exit code of success', () => {
    for (const reason of Object.keys(closeCodes) as CloseReason[]) {
      const { message, code, exitCode } = channelProblem({ reason, text: '' }, about);
      expect(message).toContain('web-1');
      expect(message).toContain(code!);
      expect(exitCode).toBeGreaterThan(0);
      expect(channelProblem({ reason, text: '' }, about, 255).exitCode).toBe(255);
    }
  });
});

describe('why there is no link', () => {
  const where = 'labd at https://lab.example:3100';

  test('what labd answered the upgrade with', () => {
    const body = '{"error":{"code":"REVOKED","message":"this identity was revoked","requestId":"req-1"}}';
    const refused = new DialRefused(403, undefined, body);
    expect(dialProblem(where, refused)).toMatchObject({ code: 'REVOKED', exitCode: 4, requestId: 'req-1' });
    expect([isRefused(refused), dialRetryMs(refused, 1_000, 0)]).toEqual([true, undefined]);
  });

  test.each([
    [4401, 'UNAUTHENTICATED', 3, true],
    [4403, 'REVOKED', 4, true],
    [4426, 'VERSION_UNSUPPORTED', 1, true],
    [4429, 'RATE_LIMITED', 6, false],
  ])('a socket that was closed with %d', (number, code, exitCode, final) => {
    const error = new LinkClosed(number, '');
    expect(dialProblem(where, error)).toMatchObject({ code, exitCode });
    expect(isRefused(error)).toBe(final);
  });

  test('what the system says', () => {
    const error = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
    expect(dialProblem(where, error)).toMatchObject({
      message: `${where} cannot be reached: nothing listens there`,
      exitCode: 6,
    });
    expect([isRefused(error), dialRetryMs(error, 1_000, 0)]).toEqual([false, undefined]);
  });

  test('RL-2 a busy labd is asked again after the time it named, spread', () => {
    const busy = new DialRefused(503, 2_000, '');
    expect([dialRetryMs(busy, 1_000, 0), dialRetryMs(busy, 1_000, 1)]).toEqual([2_000, 3_000]);
    expect(dialRetryMs(new LinkClosed(4429, ''), 1_000, 0)).toBe(1_000);
    expect([isRefused(busy), isRefused(new DialRefused(429, undefined, ''))]).toEqual([false, false]);
  });
});
