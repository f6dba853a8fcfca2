/** A whole nf_tables table in one batch, so that it is there complete or not at all (spec tunnel.md 5.11). */
import { errnos } from '../ffi/libc.ts';
import type { MessageWriter } from '../netlink/message-writer.ts';
import { NetlinkError } from '../netlink/netlink-error.ts';
import { type NetlinkExchange, requestFlags } from '../netlink/netlink-socket.ts';
import { attributeOf, readAttributes } from '../netlink/read-messages.ts';
import { type Expression, writeExpression } from './expressions.ts';
import type { Rule } from './tunnel-rules.ts';

const subsystem = 0xa00;
const messages = { newTable: 0, getTable: 1, deleteTable: 2, newChain: 3, newRule: 6, getRule: 7, getGeneration: 16 };
const batch = { begin: 0x10, end: 0x11 };
const inet = 1;
const ownerFlag = 2;
const dormantFlag = 1;
const policyAccept = 1;
const hooks = { input: 1, forward: 2 };
/** Before the usual filter chains (0), so that a foreign accept decides nothing for us; -10 as u32. */
const priority = 0xffff_fff6;
/** What comes before even that: -11. */
const earlier = 0xffff_fff5;
const { request, ack, dump, create, append } = requestFlags;
const netfilterHeaderBytes = 4;

/** Big-endian res_id. */
function header(writer: MessageWriter, family: number, resourceId = 0): void {
  writer.u8(family, 0, resourceId >> 8, resourceId & 0xff);
}

/** Puts `steps` between the marks of a batch; gives the number of the last one. */
function writeBatch(writer: MessageWriter, first: number, steps: readonly ((seq: number) => void)[]): number {
  let seq = first;
  writer.message(batch.begin, request, seq++, () => header(writer, 0, subsystem >> 8));
  for (const step of steps) step(seq++);
  writer.message(batch.end, request, seq, () => header(writer, 0, subsystem >> 8));
  return seq - 1;
}

type Chain = { name: string; hook: keyof typeof hooks; priority: number };

function chainMessage(writer: MessageWriter, seq: number, table: string, chain: Chain): void {
  writer.message(subsystem | messages.newChain, request | ack | create, seq, () => {
    header(writer, inet);
    writer.attributeText(1, table).attributeText(3, chain.name);
    writer.nest(4, () => writer.attributeU32Be(1, hooks[chain.hook]).attributeU32Be(2, chain.priority));
    writer.attributeU32Be(5, policyAccept).attributeText(7, 'filter');
  });
}

function ruleMessage(
  writer: MessageWriter,
  seq: number,
  table: string,
  rule: { chain: string; expressions: readonly Expression[] },
): void {
  writer.message(subsystem | messages.newRule, request | ack | create | append, seq, () => {
    header(writer, inet);
    writer.attributeText(1, table).attributeText(2, rule.chain);
    writer.nest(4, () => {
      for (const expression of rule.expressions) writeExpression(writer, expression);
    });
  });
}

function tableMessage(writer: MessageWriter, seq: number, type: number, table: string, flags?: number): void {
  const created = type === messages.newTable ? create : 0;
  writer.message(subsystem | type, request | ack | created, seq, () => {
    header(writer, inet);
    writer.attributeText(1, table);
    if (flags !== undefined) writer.attributeU32Be(2, flags);
  });
}

const usualChains = (['input', 'forward'] as const).map((hook): Chain => ({ name: hook, hook, priority }));

/** The steps of a batch that make a table. */
function tableSteps(writer: MessageWriter, table: string, rules: readonly Rule[], owned: boolean) {
  return [
    (seq: number) => tableMessage(writer, seq, messages.newTable, table, owned ? ownerFlag : 0),
    ...usualChains.map((chain) => (seq: number) => chainMessage(writer, seq, table, chain)),
    ...rules.map((rule) => (seq: number) => ruleMessage(writer, seq, table, rule)),
  ];
}

/**
 * Makes the table with its chains and rules.
 * @param owned by this socket: nobody else can change it, and it goes when the socket closes (since Linux 5.12).
 * @throws NetlinkError; then nothing was made.
 */
export function createTable(socket: NetlinkExchange, table: string, rules: readonly Rule[], owned: boolean): void {
  socket.exchange(`make the nf_tables table inet ${table}`, (writer, first) =>
    writeBatch(writer, first, tableSteps(writer, table, rules, owned)),
  );
}

/**
 * The table as if it had been made just now, in place of one that may be there; no packet meets neither.
 * @throws NetlinkError; then all is as before.
 */
export function replaceTable(socket: NetlinkExchange, table: string, rules: readonly Rule[]): void {
  const isThere = readTable(socket, table) !== undefined;
  socket.exchange(`make the nf_tables table inet ${table} anew`, (writer, first) => {
    const removal = (seq: number) => tableMessage(writer, seq, messages.deleteTable, table);
    const steps = tableSteps(writer, table, rules, false);
    return writeBatch(writer, first, isThere ? [removal, ...steps] : steps);
  });
}

/** One more chain that sees what comes in before the table's own does. @throws NetlinkError; then nothing was made. */
export function addEarlyChain(
  socket: NetlinkExchange,
  table: string,
  name: string,
  expressions: readonly Expression[],
): void {
  socket.exchange(`make the chain ${name} of inet ${table}`, (writer, first) =>
    writeBatch(writer, first, [
      (seq) => chainMessage(writer, seq, table, { name, hook: 'input', priority: earlier }),
      (seq) => ruleMessage(writer, seq, table, { chain: name, expressions }),
    ]),
  );
}

/** @throws NetlinkError ENOENT: there is none; EPERM: it belongs to another socket. */
export function deleteTable(socket: NetlinkExchange, table: string): void {
  socket.exchange(`remove the nf_tables table inet ${table}`, (writer, first) =>
    writeBatch(writer, first, [(seq) => tableMessage(writer, seq, messages.deleteTable, table)]),
  );
}

export type TableState = { owned: boolean; dormant: boolean };

/** The table as it is now; undefined: there is none. */
export function readTable(socket: NetlinkExchange, table: string): TableState | undefined {
  try {
    const answers = socket.exchange(`look at the nf_tables table inet ${table}`, (writer, seq) => {
      writer.message(subsystem | messages.getTable, request | ack, seq, () => {
        header(writer, inet);
        writer.attributeText(1, table);
      });
      return seq;
    });
    const found = answers.flatMap(({ payload }) => readAttributes(payload, netfilterHeaderBytes));
    const flags = attributeOf(found, 2)?.at(-1) ?? 0;
    return { owned: (flags & ownerFlag) !== 0, dormant: (flags & dormantFlag) !== 0 };
  } catch (error) {
    if (error instanceof NetlinkError && error.errno === errnos.ENOENT) return undefined;
    throw error;
  }
}

/** Asks for nothing but an answer. @throws NetlinkError when the kernel has no nf_tables or refuses us. */
export function probeTables(socket: NetlinkExchange): void {
  socket.exchange('ask nf_tables for its generation', (writer, seq) => {
    writer.message(subsystem | messages.getGeneration, request | ack, seq, () => header(writer, 0));
    return seq;
  });
}

/** The rules as the kernel lists them; equal texts are equal rules, as long as nobody made them anew. */
export function readRules(socket: NetlinkExchange, table: string): string {
  const answers = socket.exchange(`list the rules of inet ${table}`, (writer, seq) => {
    writer.message(subsystem | messages.getRule, request | dump, seq, () => {
      header(writer, inet);
      writer.attributeText(1, table);
    });
    return seq;
  });
  return answers.map(({ payload }) => payload.subarray(netfilterHeaderBytes).toHex()).join('\n');
}
