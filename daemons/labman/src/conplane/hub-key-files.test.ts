/** What a node believes of a hub that changes its key (tunnel K5, K8), through registrations and heartbeats. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { fingerprintOf } from '@labmesh/rosenpass/fingerprint';
import { readPublicKey } from '@labmesh/tunnel/keys/public-key-files';
import { rosenpassPublicKeyBytes } from '@labmesh/wire/tunnel';
import { provenNext } from './hub-key-files.ts';
import { type NodeState, readNodeState, writeNodeState } from './node-file.ts';
import type { RegistrationParts } from './registration.ts';
import { goodProof, hubSha, registrationRig, taken, wireguardKeys } from './testing/registration-rig.ts';
import { readTrusted, writeTrusted } from './trusted-key.ts';

let stateDir = '';
beforeEach(() => (stateDir = mkdtempSync(join(tmpdir(), 'labmesh-registration-'))));
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

const rig = (answer: Parameters<typeof registrationRig>[1], change?: Partial<RegistrationParts>) =>
  registrationRig(stateDir, answer, change);

describe('another key of the hub (K8)', () => {
  const nextKey = new Uint8Array(rosenpassPublicKeyBytes).fill(8);
  const nextSha = fingerprintOf(nextKey);
  const base64 = Buffer.from(nextKey).toString('base64');
  const answering = (change: object) => taken({ conplane: { ...(taken().conplane as object), ...change } as never });
  const announcing = (proof = goodProof) =>
    answering({ next_rosenpass_sha256: nextSha, next_rosenpass_public_key: base64, next_rosenpass_proof: proof });
  const present = { rosenpass_sha256: hubSha };
  const announced = { ...present, next_rosenpass_sha256: nextSha };
  const promoted = answering({ rosenpass_sha256: nextSha, rosenpass_public_key: base64 });
  /** The clock of each rig stands at the same moment at first. */
  const letNextExpire = () => {
    const state = readNodeState(stateDir);
    if (!state?.hub?.next) throw new Error('it has taken the next key');
    const next = { ...state.hub.next, until: 1 };
    writeNodeState(stateDir, { ...state, hub: { ...state.hub, next } });
  };

  test('is taken with its proof, told to the hub, and follows when the hub says so', async () => {
    let answer = taken();
    const { requests, toldNext, announce, pass, end, registration } = rig(() => answer);
    await pass(12_000);
    expect([requests.length, toldNext.at(-1)]).toEqual([1, undefined]);
    answer = announcing();
    announce(announced);
    await pass(30_000);
    expect(readNodeState(stateDir)?.hub).toMatchObject({ rosenpassSha256: hubSha, next: { rosenpassSha256: nextSha } });
    expect(readPublicKey(join(stateDir, 'keys'), nextSha)).toEqual(nextKey);
    expect([requests.length, toldNext.at(-1)]).toEqual([2, nextSha]);
    answer = promoted;
    announce({ rosenpass_sha256: nextSha });
    await pass(20_000);
    end();
    expect(requests.at(-1)).toMatchObject({ known_rosenpass_sha256: hubSha, known_next_rosenpass_sha256: nextSha });
    expect(registration.phase).toBe('registered');
    const hub = readNodeState(stateDir)?.hub;
    expect([hub?.rosenpassSha256, hub?.next]).toEqual([nextSha, undefined]);
    expect(readPublicKey(join(stateDir, 'keys'), hubSha)).toBeUndefined();
  });

  test('is taken late as well, while the one before answers', async () => {
    let answer = taken();
    const { requests, announce, pass, end } = rig(() => answer);
    await pass(2_000);
    answer = announcing();
    announce({ rosenpass_sha256: nextSha, previous_rosenpass_sha256: hubSha });
    await pass(15_000);
    answer = promoted;
    await pass(15_000);
    end();
    expect(readNodeState(stateDir)?.hub?.rosenpassSha256).toBe(nextSha);
    expect(requests.length).toBe(3);
  });

  test('without its proof is not taken, however often it is named, and nothing follows it', async () => {
    const first = rig(() => taken());
    await first.pass(1_000);
    first.end();
    const lies: object[] = [
      { next_rosenpass_proof: 'e'.repeat(64) },
      { next_rosenpass_proof: undefined },
      { next_rosenpass_public_key: '' },
      { next_rosenpass_public_key: 'AQID' },
      { next_rosenpass_sha256: '../../etc' },
      { next_rosenpass_sha256: hubSha },
    ];
    for (const lie of lies) {
      const answer = answering({ ...(announcing().conplane as object), ...lie });
      const { announce, pass, end, requests, toldNext } = rig(() => answer);
      announce(announced);
      await pass(45_000);
      end();
      expect(readNodeState(stateDir)?.hub).not.toHaveProperty('next');
      expect(new Set(toldNext)).toEqual(new Set([undefined]));
      // Asked now and then, not at each heartbeat.
      expect(requests.length).toBeLessThan(4);
    }
    const swapped = rig(() => promoted);
    await swapped.pass(2_000);
    swapped.end();
    expect(swapped.registration.phase).toBe('pin_mismatch');
    expect(swapped.registration.detail).toContain(`labman tunnel trust ${nextSha}`);
  });

  test('holds for 24 h: who was away for longer is told what to do', async () => {
    const first = rig(() => announcing());
    await first.pass(1_000);
    first.end();
    letNextExpire();
    const late = rig(() => promoted);
    await late.pass(2_000);
    late.end();
    expect(late.registration.phase).toBe('pin_mismatch');
    expect(late.registration.detail).toContain(`labman tunnel trust ${nextSha}`);
  });

  test('is proven anew to who had it, was away for longer and is back while the one before answers', async () => {
    const first = rig(() => announcing());
    await first.pass(1_000);
    first.end();
    letNextExpire();
    // A hub proves nothing to a node that names the key as known, and sends no key to it.
    const { requests, announce, pass, end, registration } = rig(({ known_next_rosenpass_sha256: named }) =>
      named === nextSha ? answering({ rosenpass_sha256: nextSha, rosenpass_public_key: '' }) : announcing(),
    );
    announce({ rosenpass_sha256: nextSha, previous_rosenpass_sha256: hubSha });
    await pass(40_000);
    end();
    expect(requests.map((one) => one.known_next_rosenpass_sha256)).toEqual([undefined, nextSha]);
    expect(registration.phase).toBe('registered');
    expect(readNodeState(stateDir)?.hub?.rosenpassSha256).toBe(nextSha);
  });

  describe('and the one before it, that the operator once let in', () => {
    const trusted = () => readTrusted(stateDir);
    const oldFile = () => join(stateDir, 'keys', `${hubSha.slice('sha256:'.length)}.pk`);
    /** The API names the key before again, as whoever has nothing else would. */
    const phaseWithOld = async () => {
      const again = rig(() => taken(), { trusted });
      await again.pass(2_000);
      again.end();
      return [again.registration.phase, readNodeState(stateDir)?.hub?.rosenpassSha256];
    };
    beforeEach(async () => {
      writeTrusted(stateDir, hubSha);
      const first = rig(() => announcing(), { trusted });
      await first.pass(1_000);
      first.end();
    });

    test('is forgotten although the tunnel could not take what was settled', async () => {
      let tries = 0;
      const onState = () => (++tries === 1 ? Promise.reject(new Error('netlink')) : Promise.resolve());
      const second = rig(() => promoted, { trusted, onState });
      await second.pass(20_000);
      second.end();
      expect([second.registration.phase, tries, trusted()]).toEqual(['registered', 2, undefined]);
      expect(existsSync(oldFile())).toBe(false);
      expect(readNodeState(stateDir)).not.toHaveProperty('retired');
      expect(await phaseWithOld()).toEqual(['pin_mismatch', nextSha]);
      // A word that is given since is meant.
      writeTrusted(stateDir, hubSha);
      expect(await phaseWithOld()).toEqual(['registered', hubSha]);
      expect(await phaseWithOld()).toEqual(['registered', hubSha]);
    });

    test('is forgotten before anything else is believed, when that failed or labmand was killed meanwhile', async () => {
      let answer = promoted;
      const second = rig(
        () => {
          // No file to be removed, so forgetting fails half-way; the word given anew stands for one that was not reached.
          rmSync(oldFile(), { recursive: true, force: true });
          mkdirSync(oldFile());
          writeTrusted(stateDir, hubSha);
          return answer;
        },
        { trusted },
      );
      await second.pass(2_000);
      const killed = readNodeState(stateDir);
      expect([killed?.hub?.rosenpassSha256, killed?.retired]).toEqual([nextSha, hubSha]);
      answer = taken();
      await second.pass(60_000);
      second.end();
      expect(second.states).toEqual([]);
      expect(readNodeState(stateDir)?.hub?.rosenpassSha256).toBe(nextSha);
      // Nor does it keep labmand from starting.
      expect(await phaseWithOld()).toEqual(['starting', nextSha]);
      rmSync(oldFile(), { recursive: true });
      writeTrusted(stateDir, hubSha);
      expect(await phaseWithOld()).toEqual(['pin_mismatch', nextSha]);
      expect([trusted(), readNodeState(stateDir)?.retired]).toEqual([undefined, undefined]);
      writeTrusted(stateDir, hubSha);
      expect(await phaseWithOld()).toEqual(['registered', hubSha]);
    });
  });

  test('of which it names and proves ever another one fills no disk, though the tunnel takes nothing of it', async () => {
    let count = 0;
    const named = () => {
      const key = new Uint8Array(rosenpassPublicKeyBytes).fill(100 + ++count);
      const sha256 = fingerprintOf(key);
      announce({ rosenpass_sha256: hubSha, next_rosenpass_sha256: `sha256:${String(count).padStart(64, '0')}` });
      return answering({
        next_rosenpass_sha256: sha256,
        next_rosenpass_public_key: Buffer.from(key).toString('base64'),
        next_rosenpass_proof: goodProof,
      });
    };
    const onState = () => (count % 2 === 0 ? Promise.reject(new Error('refused')) : Promise.resolve());
    const { announce, pass, end } = rig(named, { onState });
    await pass(100_000);
    end();
    expect(count).toBeGreaterThan(5);
    const next = readNodeState(stateDir)?.hub?.next?.rosenpassSha256 ?? '';
    const files = [hubSha, next].map((one) => `${one.slice('sha256:'.length)}.pk`);
    expect(readdirSync(join(stateDir, 'keys')).toSorted()).toEqual(files.toSorted());
  });

  test('is not replaced by one that the hub announced before, told once more: only by what it says since', async () => {
    const named = (fill: number, next_rosenpass_proof: string) => {
      const key = new Uint8Array(rosenpassPublicKeyBytes).fill(fill);
      const next = {
        next_rosenpass_sha256: fingerprintOf(key),
        next_rosenpass_public_key: Buffer.from(key).toString('base64'),
      };
      return { ...next, next_rosenpass_proof };
    };
    // By the exchange that each was said after; the first ended before anything was announced.
    const endedAt: Record<string, number> = { first: -1, second: Infinity };
    const isProven: RegistrationParts['isProven'] = (_, proof, since) => (endedAt[proof] ?? -Infinity) >= since;
    let said = named(1, 'first');
    const { registration, pass, end } = rig(() => answering(said), { isProven });
    const waits: (string | undefined)[] = [];
    const [one, two] = [named(1, 'first'), named(2, 'first')];
    for (said of [one, two, one, named(2, 'second'), one, named(1, 'second')]) {
      registration.again();
      await pass(2_000);
      waits.push(readNodeState(stateDir)?.hub?.next?.rosenpassSha256);
    }
    end();
    const [first, second] = [one.next_rosenpass_sha256, two.next_rosenpass_sha256];
    expect(waits).toEqual([first, first, first, second, second, first]);
  });

  test('is taken anew while the hub announces it on; another replica’s hub is nobody’s news', async () => {
    const { requests, announce, pass, end } = rig(() => announcing());
    announce({ rosenpass_sha256: `sha256:${'9'.repeat(64)}`, next_rosenpass_sha256: `sha256:${'8'.repeat(64)}` });
    await pass(60_000);
    expect(requests.length).toBe(1);
    const before = readNodeState(stateDir)?.hub?.next?.until ?? 0;
    announce(announced);
    await pass(60_000);
    expect(requests.length).toBe(1);
    await pass(43_200_000);
    end();
    expect(requests.length).toBe(2);
    expect(readNodeState(stateDir)?.hub?.next?.until).toBeGreaterThan(before);
  });
});

test('an announced WireGuard key that the answer alone tells waits for its handshake, and the one before does not come back', async () => {
  const [first = '', second = ''] = wireguardKeys;
  const saying = (wireguard_public_key: string) =>
    taken({ conplane: { ...taken().conplane, wireguard_public_key } as never });
  const settled = rig(() => taken());
  await settled.pass(1_000);
  settled.end();
  const state = readNodeState(stateDir);
  if (!state?.hub) throw new Error('it has a hub');
  const next = {
    rosenpassSha256: `sha256:${'8'.repeat(64)}`,
    wireguardPublicKey: second,
    until: Number.MAX_SAFE_INTEGER,
  };
  writeNodeState(stateDir, { ...state, hub: { ...state.hub, next } });
  const told = rig(() => saying(second));
  await told.pass(1_000);
  expect(readNodeState(stateDir)?.hub).toMatchObject({ wireguardPublicKey: first, awaitedWireguard: second });
  told.registration.noteHubKey(wireguardKeys[2] ?? '');
  expect(readNodeState(stateDir)?.hub?.wireguardPublicKey).toBe(first);
  told.registration.noteHubKey(second);
  told.end();
  const hub = readNodeState(stateDir)?.hub;
  expect(hub).toMatchObject({ wireguardPublicKey: second, formerWireguard: first });
  expect(hub).not.toHaveProperty('awaitedWireguard');
  const replayed = rig(() => saying(first), { isWireguardProven: () => true });
  await replayed.pass(1_000);
  replayed.end();
  expect(replayed.registration.phase).toBe('pin_mismatch');
});

describe('a WireGuard key that the hub has announced (K8)', () => {
  const present = `${'A'.repeat(43)}=`;
  const [, next = '', other = ''] = wireguardKeys;
  const nextRosenpass = new Uint8Array(rosenpassPublicKeyBytes).fill(8);
  const base = { ...taken().conplane, next_rosenpass_sha256: fingerprintOf(nextRosenpass) };
  const whole = {
    ...base,
    next_rosenpass_public_key: Buffer.from(nextRosenpass).toString('base64'),
    next_rosenpass_proof: goodProof,
  };
  /** `by`: the exchange under whose key the hub said so; the first ended before it announced anything. */
  const saying = (key: string | undefined, by: 'first' | 'second') =>
    ({ ...whole, ...(key !== undefined && { next_wireguard_public_key: key }), wireguard_proof: by }) as const;
  const endedAt: Record<string, number> = { first: -1, second: Infinity };
  /** What the node waits with after each of these answers, all to one labmand. */
  async function waitsWith(...answers: object[]) {
    const waits: (string | undefined)[] = [];
    let conplane: object = {};
    const isWireguardProven: RegistrationParts['isWireguardProven'] = (known, _, proof, since) =>
      known === hubSha && (endedAt[proof] ?? -Infinity) >= since;
    const { registration, pass, end } = rig(() => taken({ conplane: conplane as never }), { isWireguardProven });
    for (conplane of answers) {
      registration.again();
      await pass(2_000);
      waits.push(readNodeState(stateDir)?.hub?.next?.wireguardPublicKey);
    }
    end();
    return waits;
  }

  test('stays when its proof, or all that is said of it, is taken out of an answer', async () => {
    const { wireguard_proof: _, ...unproven } = saying(next, 'second');
    expect(await waitsWith(saying(next, 'second'), unproven, whole, base, taken().conplane ?? {})).toEqual(
      Array.from({ length: 5 }, () => next),
    );
  });

  test('is not taken back by what the hub said before, told once more', async () => {
    const before = [saying(undefined, 'first'), saying(other, 'first')];
    expect(await waitsWith(saying(next, 'second'), ...before)).toEqual([next, next, next]);
  });

  test('is taken back, or changed, by what the hub says since', async () => {
    expect(await waitsWith(saying(next, 'second'), saying(other, 'second'), saying(undefined, 'second'))).toEqual([
      next,
      other,
      undefined,
    ]);
  });

  test('that the hub has changed to does not give way to another of before, either', async () => {
    const by = (wireguard_public_key: string, wireguard_proof: string) => ({
      ...whole,
      wireguard_public_key,
      wireguard_proof,
    });
    await waitsWith(whole, by(next, 'second'), by(other, 'second'), by(present, 'first'), by(next, 'first'));
    expect(readNodeState(stateDir)?.hub?.wireguardPublicKey).toBe(other);
    // The word of an exchange that was made since is another.
    await waitsWith(by(present, 'second'));
    expect(readNodeState(stateDir)?.hub?.wireguardPublicKey).toBe(present);
  });
});

test('whatever an answer holds is refused or taken, and nothing throws', () => {
  const hub = { rosenpassSha256: hubSha } as unknown as NonNullable<NodeState['hub']>;
  const [text, sha256] = [fc.string(), fc.stringMatching(/^(sha256:)?[0-9a-f]{64}$/)];
  const said = fc.record(
    {
      next_rosenpass_sha256: fc.oneof(text, sha256),
      next_rosenpass_public_key: fc.oneof(text, fc.base64String()),
      next_rosenpass_proof: fc.oneof(text, fc.constant(goodProof)),
    },
    { requiredKeys: [] },
  );
  const isProven = (_: object, proof: string) => proof === goodProof;
  fc.assert(
    fc.property(said, (change) => {
      const answer = { conplane: { ...taken().conplane, ...change } } as Parameters<typeof provenNext>[0];
      expect(provenNext(answer, hub, { isProven, keysDir: join(stateDir, 'keys'), now: 0, since: 0 })).toBeUndefined();
    }),
  );
});
