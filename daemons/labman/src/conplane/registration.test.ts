import { thrower } from '@labmesh/wire/testing/errors';
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fingerprintOf } from '@labmesh/rosenpass/fingerprint';
import { readPublicKey } from '@labmesh/tunnel/keys/public-key-files';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { NodeRegisterRequest } from '@labmesh/wire/node';
import { TunnelError } from '@labmesh/wireguard/tunnel-device';
import { rosenpassPublicKeyBytes } from '@labmesh/wire/tunnel';
import { readNodeState } from './node-file.ts';
import type { RegistrationParts } from './registration.ts';
import { hubKey, hubSha, ownSha, registrationRig, taken } from './testing/registration-rig.ts';

let stateDir = '';
beforeEach(() => (stateDir = mkdtempSync(join(tmpdir(), 'labmesh-registration-'))));
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

const rig = (answer: Parameters<typeof registrationRig>[1], change?: Partial<RegistrationParts>) =>
  registrationRig(stateDir, answer, change);

describe('a node at its Conplane', () => {
  test('registers by fingerprint, sends its key when asked, keeps what was settled, and beats', async () => {
    const { registration, requests, beats, states, pass, end } = rig((request) =>
      request.rosenpass_public_key === '' ? taken({ need_rosenpass_key: true }) : taken(),
    );
    await pass(35_000);
    end();
    expect(requests.map((one) => one.rosenpass_public_key)).toEqual(['', 'AQID']);
    expect(requests[0]).toMatchObject({ rosenpass_public_key_sha256: ownSha, proxy_port: 8_081 });
    expect(states).toEqual(['n-1']);
    expect(beats.length).toBeGreaterThanOrEqual(2);
    expect(registration.phase).toBe('registered');
    expect(readNodeState(stateDir)).toMatchObject({
      nodeId: 'n-1',
      address: '10.90.0.2',
      hub: { rosenpassSha256: hubSha },
    });
    expect(readPublicKey(join(stateDir, 'keys'), hubSha)).toEqual(hubKey);
  });

  test('after a restart it says which hub key it has; a lost key file is sent again', async () => {
    const first = rig(() => taken());
    await first.pass(1_000);
    first.end();
    const second = rig(() => taken());
    await second.pass(1_000);
    second.end();
    expect(second.requests[0]).toMatchObject({ known_rosenpass_sha256: hubSha });
    rmSync(join(stateDir, 'keys'), { recursive: true });
    const third = rig(() => taken());
    await third.pass(1_000);
    third.end();
    expect(third.requests[0]).not.toHaveProperty('known_rosenpass_sha256');
  });

  test('a Conplane that is away is tried again, ever less often', async () => {
    const { requests, pass, registration, end } = rig(() => {
      throw new Error('ECONNREFUSED');
    });
    await pass(120_000);
    end();
    expect(requests.length).toBeGreaterThan(4);
    expect(requests.length).toBeLessThan(20);
    expect(registration.phase).toBe('starting');
  });

  test('a refused token is tried every 5 minutes, or ends the node if it is told so', async () => {
    const refuse = () => {
      throw new FleetError('TOKEN_INVALID');
    };
    const waits = rig(refuse);
    await waits.pass(290_000);
    expect([waits.requests.length, waits.registration.phase]).toEqual([1, 'error']);
    await waits.pass(20_000);
    expect(waits.requests.length).toBe(2);
    waits.end();
    const stops = rig(refuse, { config: { onAuthFailure: 'stop' } });
    expect(await thrower(stops.running)).toThrow('this token is not valid');
  });

  test('another hub key than the pinned one: pin_mismatch, no state, until the operator lets it in', async () => {
    const first = rig(() => taken());
    await first.pass(1_000);
    first.end();
    const other = new Uint8Array(rosenpassPublicKeyBytes).fill(9);
    const sha = fingerprintOf(other);
    const { conplane } = taken();
    const changed = () =>
      taken({
        conplane: {
          ...(conplane as NonNullable<typeof conplane>),
          rosenpass_sha256: sha,
          rosenpass_public_key: Buffer.from(other).toString('base64'),
        },
      });
    const word: { trusted?: string } = {};
    const second = rig(changed, { trusted: () => word.trusted });
    await second.pass(10_000);
    expect([second.registration.phase, second.states]).toEqual(['pin_mismatch', []]);
    expect(second.registration.detail).toContain(`labman tunnel trust ${sha}`);
    expect(readNodeState(stateDir)?.hub?.rosenpassSha256).toBe(hubSha);
    word.trusted = sha;
    await second.pass(30_000);
    second.end();
    expect(second.registration.phase).toBe('registered');
    expect(readNodeState(stateDir)?.hub?.rosenpassSha256).toBe(sha);
  });

  test('a node that was removed registers again, and is told that the hub has no session with it', async () => {
    const forgotten: boolean[] = [];
    const onState: RegistrationParts['onState'] = (_, __, isForgotten) =>
      Promise.resolve(void forgotten.push(isForgotten));
    const { failBeats, pass, end, registration } = rig(() => taken(), { onState });
    await pass(15_000);
    failBeats(new FleetError('NOT_FOUND'));
    await pass(10_000);
    failBeats(new FleetError('UNAUTHENTICATED'));
    await pass(10_000);
    end();
    expect(forgotten).toEqual([false, true, false]);
    expect(registration.phase).toBe('registered');
  });

  test('the way out stands there whole, however long the reason is', async () => {
    const hint = `labctl tunnel trust ${'n'.repeat(64)} ${ownSha}`;
    const { registration, pass, end } = rig(() => {
      throw new FleetError('PIN_MISMATCH', { message: 'm'.repeat(5_000), hint });
    });
    await pass(1_000);
    end();
    expect(registration.detail).toEndWith(`m; ${hint}`);
  });

  test('again ends a wait: the operator let something in', async () => {
    const { registration, requests, pass, end } = rig(() => {
      throw new FleetError('TOKEN_INVALID');
    });
    await pass(5_000);
    registration.again();
    await pass(1_000);
    end();
    expect(requests.length).toBe(2);
  });

  test.each([
    ['TUNNEL_BACKEND_MISSING', true],
    ['TUNNEL_ISOLATION_UNAVAILABLE', true],
    ['TUNNEL_NAME_TAKEN', true],
    ['TUNNEL_ADDRESS_REFUSED', false],
  ] as const)('%s, found when it is taken, ends the node: %p', async (code, isEnd) => {
    const onState = () => Promise.reject(new TunnelError(code, 'not here'));
    const { registration, running, pass, end, requests } = rig(() => taken(), { onState });
    await pass(10_000);
    end();
    if (!isEnd) expect([registration.phase, registration.detail]).toEqual(['tunnel_address_refused', 'not here']);
    expect(
      await running.then(
        () => false,
        () => true,
      ),
    ).toBe(isEnd);
    expect(requests.length > 1).toBe(!isEnd);
  });

  test('an answer without a hub does not make the next hub the first one', async () => {
    const { conplane } = taken();
    const { rosenpass_sha256: _, rosenpass_public_key: __, ...classical } = conplane as NonNullable<typeof conplane>;
    const answers = [
      taken(),
      taken({ conplane: undefined }),
      taken({ conplane: undefined }),
      taken({ conplane: classical }),
    ];
    for (const [at, answer] of answers.entries()) {
      const { pass, end, registration } = rig(() => answer);
      await pass(1_000);
      end();
      expect(registration.phase).toBe(at === 3 ? 'pin_mismatch' : 'registered');
    }
    const pins = { rosenpassSha256: hubSha, wireguardPublicKey: `${'A'.repeat(43)}=` };
    expect(readNodeState(stateDir)).toMatchObject({ hub: null, pins });
  });

  test('what a Conplane says moves no cursor', async () => {
    const message = `\u001b]0;title\u0007 \u009b2J\u202e${'x'.repeat(1_000)}`;
    const { pass, end, registration } = rig(() => ({ success: false, message }));
    await pass(1_000);
    end();
    expect(registration.detail).toContain('the Conplane refused:  ]0;title');
    // oxlint-disable-next-line no-control-regex -- that there is none
    expect(registration.detail).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
    expect(registration.detail?.length).toBeLessThan(400);
  });

  test('a key that is not the one of its fingerprint is not kept', async () => {
    const { conplane } = taken();
    const lying = { ...(conplane as NonNullable<typeof conplane>), rosenpass_public_key: 'AQID' };
    const { registration, pass, end } = rig(() => taken({ conplane: lying }));
    await pass(2_000);
    end();
    expect(registration.phase).toBe('pin_mismatch');
    expect(readNodeState(stateDir)).toBeUndefined();
  });

  test('a node that was removed registers again', async () => {
    const { requests, pass, failBeats, end } = rig(() => taken());
    await pass(5_000);
    failBeats(new FleetError('UNAUTHENTICATED'));
    await pass(10_000);
    end();
    expect(requests.length).toBeGreaterThanOrEqual(2);
  });

  test('heartbeats that are not answered change nothing', async () => {
    const { requests, beats, pass, failBeats, end } = rig(() => taken());
    await pass(5_000);
    failBeats(new Error('ETIMEDOUT'));
    await pass(60_000);
    end();
    expect(requests.length).toBe(1);
    expect(beats.length).toBeGreaterThan(4);
  });
});

describe('another Rosenpass key (K8)', () => {
  const [own, next] = ['1', '2'].map((digit) => ({
    fingerprint: `sha256:${digit.repeat(64)}`,
    publicKey: new Uint8Array(),
  }));
  const keys = {
    wireguard: () => ({ own: 'W' }),
    rosenpass: () => [own, next],
  } as unknown as RegistrationParts['keys'];
  const changed = new FleetError('PIN_MISMATCH', {
    message: 'the keys of this node changed',
    hint: 'labctl tunnel trust',
  });
  const shown = (requests: readonly Omit<NodeRegisterRequest, 'token'>[]) =>
    requests.map((one) => one.rosenpass_public_key_sha256?.at(-1));

  test('is shown when the Conplane knows it already: a crash, or a lost answer', async () => {
    const takenKeys: string[] = [];
    const { requests, registration, pass, end } = rig(
      (request) => {
        if (request.rosenpass_public_key_sha256 === own?.fingerprint) throw changed;
        return taken();
      },
      { keys, onState: (_, { fingerprint }) => Promise.resolve(void takenKeys.push(fingerprint)) },
    );
    await pass(2_000);
    end();
    expect(shown(requests)).toEqual(['1', '2']);
    expect(takenKeys).toEqual([next?.fingerprint ?? '']);
    expect(registration.phase).toBe('registered');
  });

  test('is not shown while the one in use is taken', async () => {
    const { requests, pass, end } = rig(() => taken(), { keys });
    await pass(2_000);
    end();
    expect(shown(requests)).toEqual(['1']);
  });

  test('is registered when it is asked for, after what is under way', async () => {
    const { requests, registration, pass, end } = rig(() => taken(), { keys });
    const rekeying = registration.rekey(next as NonNullable<typeof next>, new AbortController().signal);
    await pass(2_000);
    await rekeying;
    end();
    expect(shown(requests)).toEqual(['1', '2']);
  });

  test('that nobody let in is refused, and nothing else changes', async () => {
    const { requests, registration, states, pass, end } = rig(
      (request) => {
        if (request.rosenpass_public_key_sha256 === next?.fingerprint) throw changed;
        return taken();
      },
      { keys },
    );
    await pass(1_000);
    const rekeying = registration.rekey(next as NonNullable<typeof next>, new AbortController().signal);
    expect(await thrower(rekeying)).toThrow('keys of this node changed');
    expect([registration.phase, states.length]).toEqual(['registered', 1]);
    registration.again();
    await pass(2_000);
    end();
    expect(shown(requests)).toEqual(['1', '2', '1']);
  });

  test('neither of which is known is told with the way out', async () => {
    const { registration, pass, end } = rig(
      () => {
        throw changed;
      },
      { keys },
    );
    await pass(1_000);
    end();
    expect(registration.detail).toContain('the keys of this node changed; labctl tunnel trust');
  });
});
