/** One file of a log, read line by line, each with the place behind it. */
import { type Generation, keptBytes, type LogPlace, type Mark, markOf, noMark, placeText } from './generations.ts';
import { LineSplitter, type RawLine } from '../line-splitter.ts';

export type PlacedLine = { text: string; cursor: string };

export class GenerationReader {
  readonly file: Generation;
  #offset: number;
  /** Last bytes before the offset. */
  #before: Uint8Array;
  #mark: Mark;
  #splitter: LineSplitter;

  private constructor(file: Generation, offset: number, before: Uint8Array, splitter: LineSplitter) {
    this.file = file;
    this.#offset = offset;
    this.#before = before;
    this.#mark = markOf(before);
    this.#splitter = splitter;
  }

  static async at(file: Generation, offset: number): Promise<GenerationReader> {
    return new GenerationReader(file, offset, await file.bytesBefore(offset), new LineSplitter(offset));
  }

  /** Goes on in `file`, which holds the same bytes up to here, in the middle of a line if need be. */
  movedTo(file: Generation): GenerationReader {
    return new GenerationReader(file, this.#offset, this.#before, this.#splitter);
  }

  get place(): LogPlace {
    return { key: this.file.key, offset: this.#offset, mark: this.#mark };
  }

  /** Whether `file` holds the same bytes before this place. */
  async fits(file: Generation): Promise<boolean> {
    return (await file.readAfter(this.#offset, this.#mark)) !== undefined;
  }

  async next(): Promise<PlacedLine[] | 'end' | 'truncated'> {
    const bytes = await this.file.readAfter(this.#offset, this.#mark);
    if (bytes === undefined) return 'truncated';
    if (bytes.length === 0) return 'end';
    const from = this.#offset - this.#before.length;
    const window = Buffer.concat([this.#before, bytes]);
    this.#offset += bytes.length;
    this.#before = keptBytes(window);
    this.#mark = markOf(this.#before);
    return [...this.#splitter.feed(bytes)].map((line) => this.#placed(line, window.subarray(0, line.end - from)));
  }

  /** What has no line end, when there will be none. */
  rest(): PlacedLine[] {
    const line = this.#splitter.rest();
    return line === undefined ? [] : [this.#placed(line, this.#before)];
  }

  #placed({ text, end }: RawLine, before: Uint8Array): PlacedLine {
    const mark = end === 0 ? noMark : markOf(before);
    return { text, cursor: placeText({ key: this.file.key, offset: end, mark }) };
  }
}
