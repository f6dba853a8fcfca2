import { errorOf, thrower } from '@labmesh/wire/testing/errors';
import { expect, test } from 'bun:test';
import { type BackendProbes, chooseBackend } from './choose-backend.ts';

const there = () => undefined;
const missing = (why: string) => () => why;
const none: BackendProbes = {
  kernel: missing('Unknown device type (module wireguard not loaded)'),
  'wireguard-go': async () => 'there is no socket',
  native: missing('no /dev/net/tun'),
};

test('kernel, then wireguard-go, then native; who was passed over is told (R4)', async () => {
  const all = { kernel: there, 'wireguard-go': there, native: there };
  expect(await chooseBackend('auto', 'labman0', all)).toEqual({ backend: 'kernel', rejected: [] });
  const [kernel, go] = [
    { backend: 'kernel', reason: 'Unknown device type (module wireguard not loaded)' },
    { backend: 'wireguard-go', reason: 'there is no socket' },
  ] as const;
  const second = await chooseBackend('auto', 'labman0', { ...none, 'wireguard-go': there });
  expect(second).toEqual({ backend: 'wireguard-go', rejected: [kernel] });
  const third = await chooseBackend('auto', 'labman0', { ...none, native: there });
  expect(third).toEqual({ backend: 'native', rejected: [kernel, go] });
});

test('a pinned one is taken or missed, none in its place', async () => {
  const all = { kernel: there, 'wireguard-go': there, native: there };
  expect(await chooseBackend('native', 'labman0', all)).toEqual({ backend: 'native', rejected: [] });
  expect(await errorOf(chooseBackend('kernel', 'labman0', { ...all, kernel: none.kernel }))).toMatchObject({
    code: 'TUNNEL_BACKEND_MISSING',
    exitCode: 5,
    message: 'no backend for the tunnel. kernel: Unknown device type (module wireguard not loaded)',
  });
});

test('none at all: each candidate’s answer', async () => {
  expect(await thrower(chooseBackend('auto', 'labman0', none))).toThrow(
    'kernel: Unknown device type (module wireguard not loaded); wireguard-go: there is no socket; native: no /dev/net/tun',
  );
});

test('this machine has an answer for each', async () => {
  const answers = await Promise.all(
    (['kernel', 'wireguard-go', 'native'] as const).map((backend) =>
      chooseBackend(backend, 'lab-nobody0').then(
        ({ backend }) => backend,
        (error: Error) => error.message,
      ),
    ),
  );
  expect(answers[1]).toContain('start it with: wireguard-go lab-nobody0');
  for (const answer of answers) expect(answer.length).toBeGreaterThan(0);
});
