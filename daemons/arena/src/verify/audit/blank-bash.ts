/**
 * Bash without its comments and quotes. Words keep their letters when they are quoted, since `'eval'` and `ev\al` are
 * `eval`; what would begin a command inside of quotes becomes a mark, so that text which only speaks of one is none.
 */
import { CandidateFault } from '../candidate-fault.ts';

/** For characters inside quotes that would mean something outside of them. */
const mute = '\u0002';
/** Before a word that is written with escapes. */
export const escaped = '\u0003';
/** Here-documents in here-documents that are looked into. */
const depthMost = 4;
/** Here-documents of one script, those in others among them. */
export const documentsMost = 1_000;

/** `line`: of its first character, from 0. */
export type ShellText = { text: string; line: number };

const quoted = (text: string) => text.replaceAll(/[^\w./@:+\n-]/g, mute);
const linesIn = (text: string) => text.split('\n').length - 1;
const here = /^<<-?[ \t]*\\?(['"]?)([\w.-]{1,64})\1/;

/** Where the single quote that began before `from` ends. */
function quoteEnd(code: string, from: number, escapes: boolean): number {
  for (let at = from; at < code.length; at += 1) {
    if (escapes && code[at] === '\\') at += 1;
    else if (code[at] === "'") return at;
  }
  return code.length;
}

/** The end of the last line of a here-document. */
function hereEnd(code: string, from: number, word: string): number {
  for (let at = from; at < code.length;) {
    const next = code.indexOf('\n', at);
    const end = next < 0 ? code.length : next;
    if (end - at < 2_000 && code.slice(at, end).replace(/^\t+/, '') === word) return end;
    at = end + 1;
  }
  return code.length;
}

/** One pass over the characters. `open`: double quotes, commands inside of them, arithmetic, backticks. */
class Blanking {
  readonly #code: string;
  readonly #out: string[] = [];
  readonly #open: ('"' | '(' | '((' | '`')[] = [];
  readonly #documents: string[] = [];
  readonly bodies: { from: number; end: number }[] = [];
  /** The character that was put last. */
  #last = '\n';

  constructor(code: string) {
    this.#code = code;
  }

  run(): string {
    for (let at = 0; at < this.#code.length; at = this.#step(at));
    return this.#out.join('');
  }

  #put(text: string): void {
    if (text === '') return;
    this.#out.push(text);
    this.#last = text.at(-1) ?? '';
  }

  /** @returns where to go on */
  #step(at: number): number {
    const code = this.#code;
    const character = code[at] ?? '';
    const inText = this.#open.at(-1) === '"';
    if (character === '\\') {
      this.#put(code[at + 1] === '\n' ? '' : quoted(code[at + 1] ?? ''));
      return at + 2;
    }
    if (character === '"') return this.#toggle('"', '', at);
    if (character === '`') return this.#toggle('`', this.#open.at(-1) === '`' ? ')' : '(', at);
    if (character === '(' && (!inText || code[at - 1] === '$')) return this.#begin(at);
    if (character === ')' && this.#open.at(-1)?.startsWith('(') === true) return this.#end(at);
    if (inText) {
      this.#put(quoted(character));
      return at + 1;
    }
    if (character === "'") return this.#single(at);
    // A comment begins where a word would.
    if (character === '#' && /[\s;|&()]/.test(this.#last)) {
      const end = code.indexOf('\n', at);
      return end < 0 ? code.length : end;
    }
    if (code.startsWith('<<', at)) return this.#here(at);
    this.#put(character);
    return character === '\n' && this.#documents.length > 0 ? this.#skipDocuments(at + 1) : at + 1;
  }

  #toggle(kind: '"' | '`', put: string, at: number): number {
    if (this.#open.at(-1) === kind) this.#open.pop();
    else this.#open.push(kind);
    this.#put(put);
    return at + 1;
  }

  #begin(at: number): number {
    const isArithmetic = this.#code[at + 1] === '(';
    this.#open.push(isArithmetic ? '((' : '(');
    this.#put(isArithmetic ? '((' : '(');
    return at + (isArithmetic ? 2 : 1);
  }

  #end(at: number): number {
    const kind = this.#open.pop();
    this.#put(')');
    // What looked like arithmetic may be a subshell in a substitution.
    if (kind === '((' && this.#code[at + 1] !== ')') this.#open.push('(');
    return at + (kind === '((' && this.#code[at + 1] === ')' ? 2 : 1);
  }

  #single(at: number): number {
    const escapes = this.#last === '$';
    const end = quoteEnd(this.#code, at + 1, escapes);
    const text = this.#code.slice(at + 1, end);
    if (escapes && text.includes('\\')) this.#put(escaped);
    this.#put(quoted(text));
    return end + 1;
  }

  #here(at: number): number {
    const word = this.#open.at(-1) === '((' ? null : here.exec(this.#code.slice(at, at + 80));
    if (word?.[2] !== undefined) this.#documents.push(word[2]);
    this.#put('<<');
    return at + Math.max(word?.[0].length ?? 0, this.#code[at + 2] === '<' ? 3 : 2);
  }

  /** Their text is looked at apart: its quotes are not ours. */
  #skipDocuments(from: number): number {
    let end = from;
    for (const word of this.#documents.splice(0)) end = hereEnd(this.#code, end, word) + 1;
    end = Math.min(end - 1, this.#code.length);
    this.bodies.push({ from, end });
    this.#put('\n'.repeat(linesIn(this.#code.slice(from, end))));
    return end;
  }
}

/** What is done for a whole script: its parts, and how many here-documents it may still have. */
type Parts = { texts: ShellText[]; documents: number };

/** The code, then its here-documents as another shell would read them. Lines are counted on the way. */
function blankInto(parts: Parts, { text: code, line }: ShellText, depth: number): Blanking['bodies'] {
  const blanking = new Blanking(code);
  parts.texts.push({ text: blanking.run(), line });
  parts.documents += blanking.bodies.length;
  if (parts.documents > documentsMost) {
    throw new CandidateFault('TOO_MANY_DOCUMENTS', `a script has more than ${documentsMost} here-documents`);
  }
  let at = line;
  let counted = 0;
  for (const { from, end } of depth < depthMost ? blanking.bodies : []) {
    for (; counted < from; counted += 1) if (code[counted] === '\n') at += 1;
    if (end > from) blankInto(parts, { text: code.slice(from, end), line: at }, depth + 1);
  }
  return blanking.bodies;
}

/** The bodies as they stand, at their lines, as one text: what is nested in them is in it once. */
function asTheyStand(code: string, bodies: Blanking['bodies']): string {
  let last = 0;
  const out = bodies.map(({ from, end }) => {
    const between = '\n'.repeat(linesIn(code.slice(last, from)));
    last = end;
    return between + code.slice(from, end);
  });
  return out.join('');
}

/**
 * The code, and after it its here-documents: a shell may be fed with them, as they stand or by another script.
 * @throws CandidateFault TOO_MANY_DOCUMENTS
 */
export function blankBash(code: string): ShellText[] {
  const parts: Parts = { texts: [], documents: 0 };
  const bodies = blankInto(parts, { text: code, line: 0 }, 0);
  return bodies.length === 0 ? parts.texts : [...parts.texts, { text: asTheyStand(code, bodies), line: 0 }];
}
