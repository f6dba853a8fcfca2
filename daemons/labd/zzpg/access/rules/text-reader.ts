/** A cursor over one line of rule or selector text. It knows characters, not grammar; errors name the part at fault. */
import { didYouMean } from '@labmesh/kit/nearest';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';

/** What a user wrote, made safe for an error text: quoted, escaped, short. */
export const quoted = (text: string): string => JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);

export class TextReader {
  readonly text: string;
  /** Name of the field that holds the text; errors add the part: `rules[2].verbs`. */
  readonly field: string;
  #at = 0;

  /** @throws FleetError VALIDATION_FAILED when the text is longer than `charsMax`. */
  constructor(text: string, field: string, charsMax: number) {
    this.text = text;
    this.field = field;
    if (text.length > charsMax) throw this.fail('', `is longer than ${charsMax} characters`);
  }

  skipSpaces(): void {
    while (this.text[this.#at] === ' ' || this.text[this.#at] === '\t') this.#at++;
  }

  /** Nothing but spaces is left. */
  atEnd(): boolean {
    this.skipSpaces();
    return this.#at >= this.text.length;
  }

  /** Takes `mark` when it is next. */
  take(mark: string): boolean {
    if (!this.text.startsWith(mark, this.#at)) return false;
    this.#at += mark.length;
    return true;
  }

  /** Takes what a sticky pattern matches here; '' when it does not. */
  match(sticky: RegExp): string {
    sticky.lastIndex = this.#at;
    const found = sticky.exec(this.text)?.[0] ?? '';
    this.#at += found.length;
    return found;
  }

  /** Takes the keyword after spaces, when it stands there as a word of its own. */
  keyword(word: string): boolean {
    const start = this.#at;
    this.skipSpaces();
    if (this.match(/[^ \t]+/y) === word) return true;
    this.#at = start;
    return false;
  }

  /** The rest up to the next space or separator, for an error text; the cursor stays. */
  rest(): string {
    const start = this.#at;
    const word = this.match(/[^ \t,]+/y);
    this.#at = start;
    return word === '' ? this.text.slice(start, start + 1) : word;
  }

  /** `field.part: message`; with `known`, the nearest word is offered. Returns the error, so that `throw` is seen. */
  fail(part: string, message: string, given?: string, known: Iterable<string> = []): FleetError {
    const field = part === '' ? this.field : `${this.field}.${part}`;
    const near = given === undefined ? '' : didYouMean(given, known);
    return new FleetError('VALIDATION_FAILED', { field, message: `${field}: ${message}${near}` });
  }
}
