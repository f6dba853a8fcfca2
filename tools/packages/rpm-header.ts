/** The header structure of an .rpm (rpm's own manual, "RPM V4 package format"): an index of tags over one store of values. */

/** A value by its type there. */
export type RpmValue =
  | { int16: readonly number[] }
  | { int32: readonly number[] }
  | { text: string }
  | { texts: readonly string[] }
  | { i18n: string }
  | { bin: Uint8Array };
export type RpmTag = readonly [tag: number, value: RpmValue];

const magic = Buffer.from('8eade80100000000', 'hex');
/** Types: INT16 3, INT32 4, STRING 6, BIN 7, STRING_ARRAY 8, I18NSTRING 9. */
const binType = 7;
const entryBytes = 16;

type Encoded = { type: number; align: number; count: number; bytes: Uint8Array };

function numbers(values: readonly number[], size: 2 | 4): Uint8Array {
  const bytes = new Uint8Array(values.length * size);
  const view = new DataView(bytes.buffer);
  for (const [at, value] of values.entries())
    if (size === 2) view.setUint16(at * 2, value);
    else view.setUint32(at * 4, value);
  return bytes;
}

const texts = (values: readonly string[]) => Buffer.from(values.map((one) => `${one}\0`).join(''));

function encode(value: RpmValue): Encoded {
  if ('int16' in value) return { type: 3, align: 2, count: value.int16.length, bytes: numbers(value.int16, 2) };
  if ('int32' in value) return { type: 4, align: 4, count: value.int32.length, bytes: numbers(value.int32, 4) };
  if ('text' in value) return { type: 6, align: 1, count: 1, bytes: texts([value.text]) };
  if ('texts' in value) return { type: 8, align: 1, count: value.texts.length, bytes: texts(value.texts) };
  if ('i18n' in value) return { type: 9, align: 1, count: 1, bytes: texts([value.i18n]) };
  return { type: binType, align: 1, count: value.bin.length, bytes: value.bin };
}

const entry = (tag: number, type: number, offset: number, count: number) => {
  const bytes = Buffer.alloc(entryBytes);
  for (const [at, value] of [tag, type, offset, count].entries()) bytes.writeInt32BE(value, at * 4);
  return bytes;
};

/**
 * The bytes of a header. `region` is the tag that says how far the immutable part goes: 63 for a package, 62 for its
 * signatures; it stands first in the index and its value last in the store.
 */
export function rpmHeader(region: 62 | 63, tags: readonly RpmTag[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const index: Uint8Array[] = [];
  let length = 0;
  const put = (bytes: Uint8Array) => {
    parts.push(bytes);
    length += bytes.length;
  };
  for (const [tag, value] of tags.toSorted(([a], [b]) => a - b)) {
    const { type, align, count, bytes } = encode(value);
    put(new Uint8Array((align - (length % align)) % align));
    index.push(entry(tag, type, length, count));
    put(bytes);
  }
  const count = index.length + 1;
  const first = entry(region, binType, length, entryBytes);
  put(entry(region, binType, -count * entryBytes, entryBytes));
  const sizes = Buffer.alloc(8);
  sizes.writeUInt32BE(count, 0);
  sizes.writeUInt32BE(length, 4);
  return Buffer.concat([magic, sizes, first, ...index, ...parts]);
}
