/** Expressions of nf_tables rules as values, and how each is written (spec tunnel.md 5.11). Attribute numbers are big-endian. */
import type { MessageWriter } from '../netlink/message-writer.ts';

/** What is compared: a fact of the packet, or bytes of its headers (base 1: network, 2: transport). */
export type Source =
  | { meta: 'iifname' | 'oifname' | 'nfproto' | 'l4proto' | 'priority' }
  | { payload: { base: 1 | 2; offset: number; length: number } };

export type Expression =
  /** Loads the source and compares it; a rule ends where it does not hold. */
  | { match: Source; mask?: number; op: 'equal' | 'unequal'; value: Uint8Array }
  /** Writes the packet's priority (4 bytes), which nothing of a delivered packet depends on. */
  | { setPriority: Uint8Array }
  | { verdict: 'accept' | 'drop' };

const metaKeys = { priority: 2, iifname: 6, oifname: 7, nfproto: 15, l4proto: 16 };
const operators = { equal: 0, unequal: 1 };
const verdicts = { drop: 0, accept: 1 };
const register = 1;
const verdictRegister = 0;
const interfaceNameBytes = 16;

/** Interface names compare as 16 bytes. */
export function interfaceNameValue(name: string): Uint8Array {
  const value = new Uint8Array(interfaceNameBytes);
  value.set(new TextEncoder().encode(name));
  return value;
}

function element(writer: MessageWriter, name: string, data: () => void): void {
  writer.nest(1, () => writer.attributeText(1, name).nest(2, data));
}

function writeSource(writer: MessageWriter, source: Source): void {
  if ('meta' in source) {
    element(writer, 'meta', () => writer.attributeU32Be(2, metaKeys[source.meta]).attributeU32Be(1, register));
    return;
  }
  const { base, offset, length } = source.payload;
  element(writer, 'payload', () =>
    writer.attributeU32Be(1, register).attributeU32Be(2, base).attributeU32Be(3, offset).attributeU32Be(4, length),
  );
}

function writeMask(writer: MessageWriter, mask: number): void {
  element(writer, 'bitwise', () =>
    writer
      .attributeU32Be(1, register)
      .attributeU32Be(2, register)
      .attributeU32Be(3, 1)
      .nest(4, () => writer.attributeU8(1, mask))
      .nest(5, () => writer.attributeU8(1, 0)),
  );
}

/** The value into a register, the register into the packet. */
function writeSetPriority(writer: MessageWriter, value: Uint8Array): void {
  element(writer, 'immediate', () => writer.attributeU32Be(1, register).nest(2, () => writer.attribute(1, value)));
  element(writer, 'meta', () => writer.attributeU32Be(2, metaKeys.priority).attributeU32Be(3, register));
}

export function writeExpression(writer: MessageWriter, expression: Expression): void {
  if ('verdict' in expression) {
    element(writer, 'immediate', () =>
      writer
        .attributeU32Be(1, verdictRegister)
        .nest(2, () => writer.nest(2, () => writer.attributeU32Be(1, verdicts[expression.verdict]))),
    );
    return;
  }
  if ('setPriority' in expression) {
    writeSetPriority(writer, expression.setPriority);
    return;
  }
  const { match, mask, op, value } = expression;
  writeSource(writer, match);
  if (mask !== undefined) writeMask(writer, mask);
  element(writer, 'cmp', () =>
    writer
      .attributeU32Be(1, register)
      .attributeU32Be(2, operators[op])
      .nest(3, () => writer.attribute(1, value)),
  );
}
