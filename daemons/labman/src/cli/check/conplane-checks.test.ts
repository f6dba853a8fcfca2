import { afterEach, describe, expect, test } from 'bun:test';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ControlPlaneConfig } from '../../config/read-control-plane.ts';
import { conplaneCheck, registrationCheck } from './conplane-checks.ts';

let server: Server | undefined;
afterEach(() => void server?.close());

/** A Conplane that answers every path with this. */
async function conplane(body: string, headers: Record<string, string> = {}): Promise<string> {
  server = createServer((_, response) => {
    response.sendDate = false;
    response.writeHead(404, headers);
    response.end(body);
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1`;
}
const config = (url: string, caPin?: string): ControlPlaneConfig => ({
  url,
  caPin,
  token: { text: 'secret' },
  region: undefined,
  description: undefined,
  onAuthFailure: 'wait',
});

describe('the Conplane', () => {
  test('answers, whatever it says, and tells the time there', async () => {
    const { finding, look } = await conplaneCheck(
      config(await conplane('no', { date: 'Tue, 05 May 2026 10:00:00 GMT' })),
    );
    expect(finding).toMatchObject({ name: 'Conplane', result: 'pass' });
    expect(look?.dateMs).toBe(Date.UTC(2026, 4, 5, 10));
  });

  test('without a time, or with nonsense in its place, is still one', async () => {
    const { finding, look } = await conplaneCheck(config(await conplane('no', { date: 'yesterday' })));
    expect([finding.result, look?.dateMs]).toEqual(['pass', undefined]);
  });

  test('that shows no pinned CA is somebody else', async () => {
    const { finding } = await conplaneCheck(config(await conplane('no certificate'), `sha256:${'a'.repeat(64)}`));
    expect(finding).toMatchObject({ result: 'fail', fix: expect.stringContaining('labctl ca status') });
  });

  test('that talks for ever is not listened to', async () => {
    const { finding } = await conplaneCheck(config(await conplane('x'.repeat(300_000)), `sha256:${'a'.repeat(64)}`));
    expect(finding).toMatchObject({ result: 'fail' });
  });

  test('that is not there is said to be so, with the port', async () => {
    const { finding, look } = await conplaneCheck(config('http://127.0.0.1:1/api/v1'));
    expect(finding).toMatchObject({ result: 'fail', detail: 'no answer from http://127.0.0.1:1 (ECONNREFUSED)' });
    expect(finding.fix).toContain('TCP 127.0.0.1:1');
    expect(look).toBeUndefined();
  });
});

describe('the registration', () => {
  type Phase = NonNullable<Parameters<typeof registrationCheck>[0]>['phase'];
  const told = (phase: Phase, detail: string | null = null) => registrationCheck({ phase, detail, nodeId: 'n-1' });

  test('is as labmand tells it', () => {
    expect(registrationCheck(undefined).result).toBe('unknown');
    expect(registrationCheck(null).result).toBe('pass');
    expect(told('registered')).toMatchObject({ result: 'pass', detail: 'node n-1' });
    expect(told('starting')).toMatchObject({ result: 'unknown' });
    expect(told('pin_mismatch', 'x')).toMatchObject({ result: 'unknown' });
    const changed = told('starting', 'the keys of this node changed; labctl tunnel trust n-1 sha256:ab');
    expect(changed).toMatchObject({ result: 'fail', fix: 'labctl tunnel trust n-1 sha256:ab' });
    const refused = told('tunnel_address_refused', 'the tunnel address 192.168.1.5 is outside wireguard.range');
    expect(refused).toMatchObject({ result: 'fail', fix: expect.stringContaining('range below [wireguard]') });
    expect(told('error', 'this token is not valid')).toMatchObject({ fix: expect.stringContaining('token create') });
  });
});
