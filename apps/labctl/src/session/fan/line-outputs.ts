/** Output as it comes, a line at a time: `web-1 | text`, or an object for each line. Whole lines, never mixed (FO-3). */
import { safeText } from '../../terminal/safe-text.ts';
import { type FanOutput, textBytes, type Write } from './fan-output.ts';
import type { TargetResult } from './fan-result.ts';
import { type CutLine, LineCutter } from './line-cutter.ts';

/** Lines of a frame are written together, but not more than this: a frame of empty lines would become megabytes. */
const writeBytesMax = 64 * 1024;

type Form = {
  /** A line as it is shown, with its end of line. */
  line: (server: string, line: CutLine) => Uint8Array;
  /** Where lines of a stream go. */
  to: (stream: 1 | 2) => 1 | 2;
  /** What is said of a server at its end. */
  done: (result: TargetResult) => Uint8Array | undefined;
};

class LineOutput implements FanOutput {
  readonly #form: Form;
  readonly #write: Write;
  readonly #cutters = new Map<string, LineCutter>();

  constructor(form: Form, write: Write) {
    this.#form = form;
    this.#write = write;
  }

  async data(server: string, stream: 1 | 2, bytes: Uint8Array): Promise<void> {
    let cutter = this.#cutters.get(server);
    if (cutter === undefined) this.#cutters.set(server, (cutter = new LineCutter()));
    await this.#show(server, cutter.push(stream, bytes));
  }

  async #show(server: string, lines: Iterable<CutLine>): Promise<void> {
    let waiting: Uint8Array[] = [];
    let [size, to]: [number, 1 | 2] = [0, 1];
    const flush = async () => {
      const bytes = waiting.length === 1 ? waiting[0] : Buffer.concat(waiting);
      waiting = [];
      size = 0;
      if (bytes !== undefined && bytes.length > 0) await this.#write(to, bytes);
    };
    for (const line of lines) {
      const stream = this.#form.to(line.stream);
      if (size > 0 && (stream !== to || size >= writeBytesMax)) await flush();
      to = stream;
      const shown = this.#form.line(server, line);
      waiting.push(shown);
      size += shown.length;
    }
    await flush();
  }

  async done(result: TargetResult): Promise<void> {
    const cutter = this.#cutters.get(result.server);
    this.#cutters.delete(result.server);
    if (cutter !== undefined) await this.#show(result.server, cutter.end());
    const told = this.#form.done(result);
    if (told !== undefined) await this.#write(1, told);
  }

  async finish(): Promise<void> {}
}

const lineEnd = textBytes('\n');

/** `web-1 | text`; stderr of the servers on our stderr. Bytes of the line as they are. */
export function prefixOutput(write: Write): FanOutput {
  const prefixes = new Map<string, Uint8Array>();
  const prefix = (server: string) => {
    let bytes = prefixes.get(server);
    if (bytes === undefined) prefixes.set(server, (bytes = textBytes(`${safeText(server)} | `)));
    return bytes;
  };
  const line: Form['line'] = (server, { bytes }) => Buffer.concat([prefix(server), bytes, lineEnd]);
  return new LineOutput({ line, to: (stream) => stream, done: () => undefined }, write);
}

/** `{"server","stream","text"}` a line, and `{"server","state",…}` at each end. Bytes that are no UTF-8 become U+FFFD. */
export function ndjsonOutput(write: Write): FanOutput {
  const decoder = new TextDecoder();
  const json = (value: unknown) => textBytes(`${JSON.stringify(value)}\n`);
  const line: Form['line'] = (server, { stream, bytes }) =>
    json({ server, stream: stream === 1 ? 'out' : 'err', text: decoder.decode(bytes) });
  return new LineOutput({ line, to: () => 1, done: json }, write);
}
