/**
 * The rules around a tunnel interface (spec tunnel.md I4, I8, I9, 5.11). Only packets that come in or go out by our
 * interface are judged; all others pass as if the table were not there.
 */
import { addressBytes } from '../dataplane/ip-address.ts';
import type { DeviceConfig } from '../tunnel-device.ts';
import { type Expression, interfaceNameValue, type Source } from './expressions.ts';

export type Rule = { chain: 'input' | 'forward'; expressions: readonly Expression[] };
export type Guarded = Pick<DeviceConfig, 'name' | 'address' | 'role'>;

const tcp = Uint8Array.of(6);
const families = { v4: Uint8Array.of(2), v6: Uint8Array.of(10) };
const synAndAck = 0x12;
const synAlone = Uint8Array.of(0x02);

const equal = (match: Source, value: Uint8Array, mask?: number): Expression =>
  mask === undefined ? { match, op: 'equal', value } : { match, mask, op: 'equal', value };
const cameBy = (name: string) => equal({ meta: 'iifname' }, interfaceNameValue(name));
const goesBy = (name: string) => equal({ meta: 'oifname' }, interfaceNameValue(name));
const drop: Expression = { verdict: 'drop' };

/** Only TCP from the hub's address to our own address and the proxy's port comes in. */
function nodeInput({ name, address }: Guarded, hubAddress: string, proxyPort: number): Rule[] {
  const [hub, own] = [addressBytes(hubAddress), addressBytes(address)];
  const v4 = own.length === 4;
  const network = (offset: number, value: Uint8Array) =>
    equal({ payload: { base: 1, offset, length: value.length } }, value);
  const port = Uint8Array.of(proxyPort >> 8, proxyPort & 0xff);
  const expressions: Expression[] = [
    cameBy(name),
    equal({ meta: 'nfproto' }, v4 ? families.v4 : families.v6),
    network(v4 ? 12 : 8, hub),
    network(v4 ? 16 : 24, own),
    equal({ meta: 'l4proto' }, tcp),
    equal({ payload: { base: 2, offset: 2, length: 2 } }, port),
    { verdict: 'accept' },
  ];
  return [
    { chain: 'input', expressions },
    { chain: 'input', expressions: [cameBy(name), drop] },
  ];
}

/** A hub calls, it is not called: nothing but TCP, and no SYN without ACK. */
function hubInput(name: string): Rule[] {
  const flags: Source = { payload: { base: 2, offset: 13, length: 1 } };
  return [
    { chain: 'input', expressions: [cameBy(name), { match: { meta: 'l4proto' }, op: 'unequal', value: tcp }, drop] },
    {
      chain: 'input',
      expressions: [cameBy(name), equal({ meta: 'l4proto' }, tcp), equal(flags, synAlone, synAndAck), drop],
    },
  ];
}

export function tunnelRules(guarded: Guarded): Rule[] {
  const { name, role } = guarded;
  const input = role.kind === 'node' ? nodeInput(guarded, role.hubAddress, role.proxyPort) : hubInput(name);
  return [
    ...input,
    { chain: 'forward', expressions: [cameBy(name), drop] },
    { chain: 'forward', expressions: [goesBy(name), drop] },
  ];
}

/** Marks what comes by our interface while the table with this rule is there. */
export function aliveRule({ name }: Guarded, sign: Uint8Array): Expression[] {
  return [cameBy(name), { setPriority: sign }];
}

/**
 * What guards an interface whose process may be gone. A hub's are its usual rules: its sessions go on for whoever uses
 * them, and the next process takes them over. A node's drop everything that lacks the sign of a living process.
 */
export function keptRules(guarded: Guarded, sign: Uint8Array): Rule[] {
  const { name, role } = guarded;
  if (role.kind === 'hub') return tunnelRules(guarded);
  const unsigned: Expression = { match: { meta: 'priority' }, op: 'unequal', value: sign };
  return [
    { chain: 'input', expressions: [cameBy(name), unsigned, drop] },
    { chain: 'forward', expressions: [cameBy(name), drop] },
    { chain: 'forward', expressions: [goesBy(name), drop] },
  ];
}

const defaultTables = new Map([
  ['labman0', 'labman'],
  ['labhub0', 'labhub'],
]);

/** `labman` and `labhub` for the usual interfaces; two tunnels on one machine have two tables. */
export function tableName(interfaceName: string): string {
  return defaultTables.get(interfaceName) ?? `labmesh-${interfaceName}`;
}
