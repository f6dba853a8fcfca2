/**
 * Request bodies are scanned, not re-serialised: JSON.parse + stringify would turn 9007199254740993 into …992, 1.0
 * into 1 and reorder keys. One pass checks the whole text against the JSON grammar (RFC 8259), finds the top-level keys
 * that the relay reads, and notes where their values stand, so that a splice can replace just those bytes.
 */
import { ApiError } from '@labmesh/wire/errors';

export type Range = { start: number; end: number };

export type ScannedBody = {
  bytes: Uint8Array;
  /** Value of `model`, undefined when absent. */
  model: string | undefined;
  modelRange: Range | undefined;
  stream: boolean;
  /** The value of `stream_options`, and of `include_usage` inside it. */
  streamOptions:
    | (Range & { isObject: boolean; isEmpty: boolean; includeUsage: (Range & { value: boolean }) | undefined })
    | undefined;
  /** The value of `verification`, and its whole member with one comma: it is never sent on (gateway G-30). */
  verification: (Range & { member: Range }) | undefined;
  /** The first value of `messages`, `prompt` or `input`. */
  prompt: Range | undefined;
  /** Index of the closing brace. */
  end: number;
  /** Number of top-level keys, `verification` left out. */
  keys: number;
};

export const depthMax = 128;

const QUOTE = 34;
const BACKSLASH = 92;
/** Where a request has what the model is to read: one of them by its route. */
const promptKeys = ['messages', 'prompt', 'input'];
const wanted = new Set(['model', 'stream', 'stream_options', 'verification', ...promptKeys]);
const readKeys = [...wanted, 'include_usage'].map((key) => ({ key, bytes: Buffer.from(key) }));
const decoder = new TextDecoder('utf-8', { fatal: false });

class Scanner {
  at = 0;
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  fail(what: string): never {
    throw new ApiError('invalid_json', { message: `the request body is not valid JSON: ${what} at byte ${this.at}` });
  }

  space(): number {
    let byte = this.bytes[this.at];
    while (byte === 32 || byte === 10 || byte === 13 || byte === 9) byte = this.bytes[++this.at];
    return byte ?? -1;
  }

  /** Passes over a string, the opening quote included; true when it holds an escape. */
  string(): boolean {
    const { bytes } = this;
    let escaped = false;
    for (let at = this.at + 1; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      if (byte === QUOTE) {
        this.at = at + 1;
        return escaped;
      }
      if (byte === BACKSLASH) {
        escaped = true;
        at++;
        const next = bytes[at] as number;
        // " \ / b f n r t
        if (
          next === 34 ||
          next === 92 ||
          next === 47 ||
          next === 98 ||
          next === 102 ||
          next === 110 ||
          next === 114 ||
          next === 116
        )
          continue;
        this.at = at;
        if (next !== 117 || !isHex4(bytes, at + 1)) this.fail('a bad escape in a string');
        at += 4;
      } else if (byte < 32) {
        this.at = at;
        this.fail('a control character in a string');
      }
    }
    this.at = bytes.length;
    return this.fail('a string without an end');
  }

  word(text: string): void {
    for (let i = 0; i < text.length; i++) {
      if (this.bytes[this.at + i] !== text.charCodeAt(i)) this.fail('an unknown word');
    }
    this.at += text.length;
  }

  digits(): void {
    const start = this.at;
    while (isDigit(this.bytes[this.at])) this.at++;
    if (this.at === start) this.fail('a bad number');
  }

  number(): void {
    if (this.bytes[this.at] === 45) this.at++;
    if (this.bytes[this.at] === 48) this.at++;
    else this.digits();
    if (this.bytes[this.at] === 46) {
      this.at++;
      this.digits();
    }
    const exponent = this.bytes[this.at];
    if (exponent !== 101 && exponent !== 69) return;
    this.at++;
    const sign = this.bytes[this.at];
    if (sign === 43 || sign === 45) this.at++;
    this.digits();
  }

  /** Passes over one value of any kind without recursion: the stack of open brackets is a bounded array. */
  value(outerDepth: number): void {
    const stack: number[] = [];
    for (;;) {
      const byte = this.space();
      if (byte === 123 || byte === 91) {
        if (stack.length + outerDepth >= depthMax) throw new ApiError('too_deep');
        this.at++;
        const close = byte + 2;
        if (this.space() === close) this.at++;
        else {
          stack.push(close);
          if (close === 125) this.key();
          continue;
        }
      } else this.scalar(byte);
      // After a value: close what ends here, then go to the next element.
      for (;;) {
        const close = stack.at(-1);
        if (close === undefined) return;
        const next = this.space();
        if (next === close) {
          this.at++;
          stack.pop();
          continue;
        }
        if (next !== 44) this.fail(next < 0 ? 'the text ends too early' : 'a missing comma or bracket');
        this.at++;
        if (close === 125) this.key();
        break;
      }
    }
  }

  scalar(byte: number): void {
    if (byte === QUOTE) this.string();
    else if (byte === 116) this.word('true');
    else if (byte === 102) this.word('false');
    else if (byte === 110) this.word('null');
    else if (byte === 45 || isDigit(byte)) this.number();
    else this.fail(byte < 0 ? 'the text ends too early' : 'an unexpected character');
  }

  /** Passes over `"key" :`. */
  key(): void {
    if (this.space() !== QUOTE) this.fail('a missing key');
    this.string();
    if (this.space() !== 58) this.fail('a missing colon');
    this.at++;
  }

  /** The text of the string that starts at `start` and ended just now. */
  text(start: number, escaped: boolean): string {
    const raw = decoder.decode(this.bytes.subarray(start, this.at));
    return escaped ? (JSON.parse(raw) as string) : raw.slice(1, -1);
  }

  /** The key between `start` and `end` when it is one that is read here, else ''. Makes no text: bodies may hold millions. */
  knownKey(start: number, end: number): string {
    for (const { key, bytes } of readKeys) {
      if (bytes.length !== end - start) continue;
      let i = 0;
      while (i < bytes.length && bytes[i] === this.bytes[start + i]) i++;
      if (i === bytes.length) return key;
    }
    return '';
  }

  /**
   * Walks an object's members; `visit` is at the first byte of a value and has to pass over it. `start` is where the key
   * begins.
   */
  members(visit: (key: string, start: number) => void): number {
    let count = 0;
    this.at++;
    if (this.space() === 125) {
      this.at++;
      return 0;
    }
    for (;;) {
      if (this.space() !== QUOTE) this.fail('a missing key');
      const start = this.at;
      const escaped = this.string();
      const key = escaped ? this.text(start, true) : this.knownKey(start + 1, this.at - 1);
      if (this.space() !== 58) this.fail('a missing colon');
      this.at++;
      this.space();
      count++;
      visit(key, start);
      const next = this.space();
      this.at++;
      if (next === 125) return count;
      if (next !== 44) {
        this.at--;
        this.fail(next < 0 ? 'the text ends too early' : 'a missing comma or bracket');
      }
    }
  }
}

const isDigit = (byte: number | undefined) => byte !== undefined && byte >= 48 && byte <= 57;

function isHex4(bytes: Uint8Array, at: number): boolean {
  for (let i = at; i < at + 4; i++) {
    const byte = bytes[i] ?? 0;
    const lower = byte | 32;
    if (!isDigit(byte) && !(lower >= 97 && lower <= 102)) return false;
  }
  return true;
}

function scanStreamOptions(scanner: Scanner): NonNullable<ScannedBody['streamOptions']> {
  const start = scanner.at;
  const isObject = scanner.bytes[start] === 123;
  let includeUsage: (Range & { value: boolean }) | undefined;
  let count = 0;
  if (!isObject) {
    if (scanner.bytes[start] !== 110)
      throw new ApiError('invalid_type', { param: 'stream_options', message: "'stream_options' must be an object" });
    scanner.value(1);
  } else {
    count = scanner.members((key) => {
      const from = scanner.at;
      const first = scanner.bytes[from];
      scanner.value(2);
      if (key !== 'include_usage') return;
      if (includeUsage !== undefined) throw new ApiError('duplicate_field', { param: 'stream_options.include_usage' });
      if (first !== 116 && first !== 102 && first !== 110) {
        throw new ApiError('invalid_type', {
          param: 'stream_options.include_usage',
          message: "'include_usage' must be a boolean",
        });
      }
      includeUsage = { start: from, end: scanner.at, value: first === 116 };
    });
  }
  return { start, end: scanner.at, isObject, isEmpty: count === 0, includeUsage };
}

/**
 * Scans a request body. Throws ApiError invalid_json (with the byte position), too_deep, duplicate_field (a key that is
 * read here stands twice, in any spelling), invalid_type.
 */
export function scanBody(bytes: Uint8Array): ScannedBody {
  const scanner = new Scanner(bytes);
  const found: ScannedBody = {
    bytes,
    model: undefined,
    modelRange: undefined,
    stream: false,
    streamOptions: undefined,
    verification: undefined,
    prompt: undefined,
    end: 0,
    keys: 0,
  };
  if (scanner.space() !== 123) scanner.fail(bytes.length === 0 ? 'the body is empty' : 'it is not an object');
  const seen = new Set<string>();
  found.keys = scanner.members((key, keyStart) => {
    if (!wanted.has(key)) return scanner.value(1);
    if (seen.has(key))
      throw new ApiError('duplicate_field', { param: key, message: `the field '${key}' is present twice` });
    seen.add(key);
    readKnown(scanner, found, key, keyStart);
  });
  if (found.verification !== undefined) found.keys--;
  found.end = scanner.at - 1;
  if (scanner.space() !== -1) scanner.fail('text after the object');
  return found;
}

function readKnown(scanner: Scanner, found: ScannedBody, key: string, keyStart: number): void {
  const start = scanner.at;
  const first = scanner.bytes[start];
  if (key === 'stream_options') {
    found.streamOptions = scanStreamOptions(scanner);
  } else if (key === 'verification') {
    scanner.value(1);
    const end = scanner.at;
    found.verification = { start, end, member: memberRange(scanner.bytes, keyStart, end) };
  } else if (promptKeys.includes(key)) {
    scanner.value(1);
    found.prompt ??= { start, end: scanner.at };
  } else if (key === 'model') {
    if (first !== QUOTE) throw new ApiError('invalid_type', { param: 'model', message: "'model' must be a string" });
    const escaped = scanner.string();
    found.model = scanner.text(start, escaped);
    found.modelRange = { start, end: scanner.at };
  } else {
    scanner.value(1);
    if (first !== 116 && first !== 102 && first !== 110) {
      throw new ApiError('invalid_type', { param: 'stream', message: "'stream' must be a boolean" });
    }
    found.stream = first === 116;
  }
}

const isSpace = (byte: number | undefined) => byte === 32 || byte === 10 || byte === 13 || byte === 9;

/** A member with the comma after it, or the one before it where it stands last: without these bytes it is JSON still. */
function memberRange(bytes: Uint8Array, start: number, end: number): Range {
  let after = end;
  while (isSpace(bytes[after])) after++;
  if (bytes[after] === 44) return { start, end: after + 1 };
  let before = start - 1;
  while (isSpace(bytes[before])) before--;
  return { start: bytes[before] === 44 ? before : start, end };
}

type Splice = Range & { text: string };

/**
 * The bytes to send: slices of the original with splices between, without `verification`. `model` undefined leaves it as
 * it is.
 */
export function spliceBody(
  scanned: ScannedBody,
  edit: { model?: string | undefined; includeUsage: boolean },
): Uint8Array[] {
  const splices: Splice[] = [];
  if (edit.model !== undefined && edit.model !== scanned.model) {
    const text = JSON.stringify(edit.model);
    if (scanned.modelRange !== undefined) splices.push({ ...scanned.modelRange, text });
    else splices.push(append(scanned, `"model":${text}`, scanned.keys === 0));
  }
  if (edit.includeUsage) {
    const splice = usageSplice(scanned, scanned.keys === 0 && splices.length === 0);
    if (splice !== undefined) splices.push(splice);
  }
  if (scanned.verification !== undefined) splices.push({ ...scanned.verification.member, text: '' });
  if (splices.length === 0) return [scanned.bytes];
  splices.sort((a, b) => a.start - b.start);
  const parts: Uint8Array[] = [];
  let from = 0;
  for (const { start, end, text } of splices) {
    parts.push(scanned.bytes.subarray(from, start), Buffer.from(text));
    from = end;
  }
  parts.push(scanned.bytes.subarray(from));
  // Small bodies leave in one write; large ones are not copied.
  return scanned.bytes.length <= 65_536 ? [Buffer.concat(parts)] : parts;
}

const append = (scanned: ScannedBody, member: string, first: boolean): Splice => ({
  start: scanned.end,
  end: scanned.end,
  text: first ? member : `,${member}`,
});

function usageSplice(scanned: ScannedBody, first: boolean): Splice | undefined {
  const options = scanned.streamOptions;
  const member = '"include_usage":true';
  if (options === undefined) return append(scanned, `"stream_options":{${member}}`, first);
  if (!options.isObject) return { start: options.start, end: options.end, text: `{${member}}` };
  if (options.includeUsage === undefined) {
    return { start: options.end - 1, end: options.end - 1, text: options.isEmpty ? member : `,${member}` };
  }
  if (options.includeUsage.value) return undefined;
  return { start: options.includeUsage.start, end: options.includeUsage.end, text: 'true' };
}
