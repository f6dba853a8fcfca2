/** A registration whose Conplane says what a test wants, on a clock that is turned by hand. */
import { join } from 'node:path';
import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { fingerprintOf } from '@labmesh/rosenpass/fingerprint';
import type { NodeHeartbeatAnswer, NodeRegisterAnswer, NodeRegisterRequest } from '@labmesh/wire/node';
import { rosenpassPublicKeyBytes } from '@labmesh/wire/tunnel';
import type { TunnelConfig } from '../../config/read-tunnel.ts';
import { Registration, type RegistrationParts } from '../registration.ts';

export const hubKey = new Uint8Array(rosenpassPublicKeyBytes).fill(7);
export const hubSha = fingerprintOf(hubKey);
export const goodProof = 'd'.repeat(64);
/** What the hub proves of its WireGuard keys: by which key it is known, and which it says they are. */
export const wireguardKeys = ['A', 'B', 'C'].map((letter) => `${letter.repeat(42)}A=`);
const wireguardWord = [hubSha, hubSha, wireguardKeys[1], wireguardKeys[2], 'good'].join();
export const ownSha = `sha256:${'e'.repeat(64)}`;
const tunnel = {
  address: undefined,
  peer: { publicKey: undefined, endpoint: undefined, address: undefined },
  rosenpass: { peerSha256: undefined, endpoint: undefined },
} as unknown as TunnelConfig;
export const taken = (change: Partial<NodeRegisterAnswer> = {}): NodeRegisterAnswer => ({
  success: true,
  node_id: 'n-1',
  wireguard_address: '10.90.0.2/32',
  heartbeat_s: 10,
  conplane: {
    tunnel_address: '10.90.0.1',
    wireguard_public_key: `${'A'.repeat(43)}=`,
    wireguard_endpoint: 'hub:51820',
    rosenpass_sha256: hubSha,
    rosenpass_public_key: Buffer.from(hubKey).toString('base64'),
  },
  ...change,
});

type Answerer = (request: Omit<NodeRegisterRequest, 'token'>, count: number) => NodeRegisterAnswer;

/** A Conplane that answers as it is told, and a clock that is turned by hand. */
export function registrationRig(stateDir: string, answer: Answerer, change: Partial<RegistrationParts> = {}) {
  const clock = new FakeClock();
  const requests: Omit<NodeRegisterRequest, 'token'>[] = [];
  const beats: string[] = [];
  const toldNext: (string | undefined)[] = [];
  const states: string[] = [];
  let beatAnswer: () => NodeHeartbeatAnswer = () => ({ success: true });
  const registration = new Registration({
    calls: {
      register: (request) => {
        requests.push(request);
        return new Promise((resolve) => resolve(answer(request, requests.length)));
      },
      heartbeat: ({ node_id: id, tunnel: told }) => {
        beats.push(id);
        toldNext.push(told?.next_rosenpass_sha256);
        return new Promise((resolve) => resolve(beatAnswer()));
      },
    },
    config: { onAuthFailure: 'wait' },
    tunnel,
    stateDir,
    keysDir: join(stateDir, 'keys'),
    isProven: (_, proof) => proof === goodProof,
    isWireguardProven: (known, keys, proof) => [known, ...Object.values(keys), proof].join() === wireguardWord,
    trusted: () => undefined,
    onNextTaken: () => undefined,
    keys: {
      wireguard: () => ({ own: 'W' }),
      rosenpass: () => [{ fingerprint: ownSha, publicKey: new Uint8Array([1, 2, 3]) }],
    },
    proxyPort: 8_081,
    info: (id) => ({ id: id || 'node-1', version: '0', capabilities: {} }) as never,
    heartbeat: (id) => ({ node_id: id, tunnel: { state: 'up', pq: true, handshake_age_s: 1 } }) as never,
    onState: ({ nodeId }) => {
      states.push(nodeId);
      return Promise.resolve();
    },
    clock,
    log: silentLogger,
    ...change,
  });
  const ending = new AbortController();
  const running = registration.run(ending.signal);
  running.catch(() => undefined);
  const pass = async (ms: number) => {
    for (let left = ms; left >= 0; left -= 1_000) {
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
      void clock.advance(Math.min(1_000, left));
    }
  };
  const failBeats = (error: Error) => {
    beatAnswer = () => {
      throw error;
    };
  };
  /** What the hub says of its keys with each heartbeat. */
  const announce = (conplane: NodeHeartbeatAnswer['conplane']) => {
    beatAnswer = () => ({ success: true, conplane });
  };
  const ways = { pass, failBeats, announce, end: () => ending.abort() };
  return { registration, requests, beats, toldNext, states, running, ...ways };
}
