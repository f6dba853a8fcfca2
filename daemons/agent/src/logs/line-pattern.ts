/**
 * What `--grep` matches: a text that the line holds, or `/…/` an expression. Expressions run as a set of states over
 * the line (Thompson 1968, as in RE2): the time is lines × length of the expression, so no pattern can stand the agent
 * still. Known: `. [] [^] () | * + ? {m,n} ^ $` and `\d \w \s \D \W \S \b`; no back references, no look-around.
 */
const programMax = 1000;
const repeatMax = 100;
/** Characters of a line that an expression sees. */
const lineCharsMax = 16 * 1024;

/** The expression cannot be read; the message is safe for strangers. */
export class BadPattern extends Error {
  constructor(message: string) {
    super(`the pattern ${message}`);
    this.name = 'BadPattern';
  }
}

type Test = (code: number) => boolean;
type Node =
  | { kind: 'char'; test: Test }
  | { kind: 'at'; where: 'start' | 'end' | 'edge' }
  | { kind: 'all'; parts: Node[] }
  | { kind: 'any'; parts: Node[] }
  | { kind: 'repeat'; part: Node; min: number; max: number };

type Step =
  | { op: 'char'; test: Test }
  | { op: 'at'; where: 'start' | 'end' | 'edge' }
  | { op: 'split'; to: number[] }
  | { op: 'match' };

const isDigit: Test = (c) => c >= 48 && c <= 57;
const isWord: Test = (c) => isDigit(c) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122) || c === 95;
const isSpace: Test = (c) => c === 32 || (c >= 9 && c <= 13) || c === 160;
const not =
  (test: Test): Test =>
  (c) =>
    !test(c);
const classes: Readonly<Record<string, Test>> = {
  d: isDigit,
  w: isWord,
  s: isSpace,
  D: not(isDigit),
  W: not(isWord),
  S: not(isSpace),
};
const controls: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };

class Parser {
  readonly #chars: string[];
  #at = 0;

  constructor(source: string) {
    this.#chars = Array.from(source);
  }

  parse(): Node {
    const node = this.#any();
    if (this.#at < this.#chars.length) throw new BadPattern('closes a group that is not open');
    return node;
  }

  #peek(): string | undefined {
    return this.#chars[this.#at];
  }
  #take(): string | undefined {
    return this.#chars[this.#at++];
  }

  #any(): Node {
    const parts = [this.#all()];
    while (this.#peek() === '|') {
      this.#at += 1;
      parts.push(this.#all());
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: 'any', parts };
  }

  #all(): Node {
    const parts: Node[] = [];
    while (this.#peek() !== undefined && this.#peek() !== '|' && this.#peek() !== ')') parts.push(this.#repeated());
    return { kind: 'all', parts };
  }

  #repeated(): Node {
    let part = this.#one();
    for (let count = this.#count(); count !== undefined; count = this.#count()) {
      part = { kind: 'repeat', part, ...count };
    }
    return part;
  }

  #count(): { min: number; max: number } | undefined {
    const short = { '*': [0, Infinity], '+': [1, Infinity], '?': [0, 1] }[this.#peek() ?? ''];
    if (short !== undefined) {
      this.#at += 1;
      // `*?` finds no other lines than `*`: a line matches or not.
      if (this.#peek() === '?') this.#at += 1;
      return { min: short[0] ?? 0, max: short[1] ?? 0 };
    }
    const long = /^\{(\d{1,4})(,(\d{0,4}))?\}/.exec(this.#chars.slice(this.#at, this.#at + 12).join(''));
    if (long === null) return undefined;
    this.#at += long[0].length;
    const min = Number(long[1]);
    const max = long[2] === undefined ? min : long[3] === '' ? Infinity : Number(long[3]);
    if (min > repeatMax || (max !== Infinity && max > repeatMax) || max < min) {
      throw new BadPattern(`repeats more than ${repeatMax} times, or a range is turned round`);
    }
    return { min, max };
  }

  #one(): Node {
    const char = this.#take() ?? '';
    if (char === '(') return this.#group();
    if (char === '[') return { kind: 'char', test: this.#set() };
    if (char === '.') return { kind: 'char', test: () => true };
    if (char === '^') return { kind: 'at', where: 'start' };
    if (char === '$') return { kind: 'at', where: 'end' };
    if ('*+?'.includes(char)) throw new BadPattern('repeats nothing');
    if (char !== '\\') return { kind: 'char', test: this.#literal(char) };
    if (this.#peek() === 'b') {
      this.#at += 1;
      return { kind: 'at', where: 'edge' };
    }
    return { kind: 'char', test: this.#escaped() };
  }

  #group(): Node {
    if (this.#peek() === '?') {
      const plain = this.#chars[this.#at + 1] === ':';
      if (!plain) throw new BadPattern('looks ahead or behind, which is not known here');
      this.#at += 2;
    }
    const inside = this.#any();
    if (this.#take() !== ')') throw new BadPattern('opens a group that is not closed');
    return inside;
  }

  #literal(char: string): Test {
    const code = char.codePointAt(0);
    return (c) => c === code;
  }

  #escaped(): Test {
    const char = this.#take();
    if (char === undefined) throw new BadPattern('ends in a backslash');
    if (/[1-9]/.test(char)) throw new BadPattern('refers back, which is not known here');
    return classes[char] ?? this.#literal(controls[char] ?? char);
  }

  #set(): Test {
    const isNegated = this.#peek() === '^';
    if (isNegated) this.#at += 1;
    const tests: Test[] = [];
    for (let first = true; ; first = false) {
      const char = this.#take();
      if (char === undefined) throw new BadPattern('opens a set that is not closed');
      if (char === ']' && !first) break;
      if (char === '\\') {
        tests.push(this.#escaped());
        continue;
      }
      const to = this.#chars[this.#at + 1];
      if (this.#peek() === '-' && to !== undefined && to !== ']') {
        this.#at += 2;
        const [low, high] = [char.codePointAt(0) ?? 0, to.codePointAt(0) ?? 0];
        tests.push((c) => c >= low && c <= high);
      } else {
        tests.push(this.#literal(char));
      }
    }
    const isIn: Test = (c) => tests.some((test) => test(c));
    return isNegated ? not(isIn) : isIn;
  }
}

function compile(root: Node): Step[] {
  const program: Step[] = [];
  const emit = (step: Step): number => {
    if (program.length >= programMax) throw new BadPattern('is too large');
    return program.push(step) - 1;
  };
  const split = (): { at: number; to: number[] } => {
    const to: number[] = [];
    return { at: emit({ op: 'split', to }), to };
  };
  const add = (node: Node): void => {
    if (node.kind === 'char') return void emit({ op: 'char', test: node.test });
    if (node.kind === 'at') return void emit({ op: 'at', where: node.where });
    if (node.kind === 'all') return node.parts.forEach(add);
    if (node.kind === 'any') return addAny(node.parts);
    addRepeat(node);
  };
  const addAny = (parts: readonly Node[]) => {
    const fork = split();
    const ends = parts.map((part) => {
      fork.to.push(program.length);
      add(part);
      return split();
    });
    for (const end of ends) end.to.push(program.length);
  };
  const addRepeat = ({ part, min, max }: Extract<Node, { kind: 'repeat' }>) => {
    for (let i = 0; i < min; i++) add(part);
    if (max === Infinity) {
      const loop = split();
      loop.to.push(program.length);
      add(part);
      split().to.push(loop.at);
      loop.to.push(program.length);
      return;
    }
    const skips = Array.from({ length: max - min }, () => {
      const skip = split();
      skip.to.push(program.length);
      add(part);
      return skip;
    });
    for (const skip of skips) skip.to.push(program.length);
  };
  add(root);
  emit({ op: 'match' });
  return program;
}

/** The states that are on, each once, in a list and as marks. */
class States {
  readonly list: number[] = [];
  readonly #marks: Uint8Array;
  constructor(size: number) {
    this.#marks = new Uint8Array(size);
  }
  add(state: number): boolean {
    if (this.#marks[state] === 1) return false;
    this.#marks[state] = 1;
    this.list.push(state);
    return true;
  }
  clear(): void {
    for (const state of this.list) this.#marks[state] = 0;
    this.list.length = 0;
  }
}

class Machine {
  readonly #program: readonly Step[];
  readonly #now: States;
  readonly #next: States;

  constructor(program: readonly Step[]) {
    this.#program = program;
    this.#now = new States(program.length);
    this.#next = new States(program.length);
  }

  matches(line: string): boolean {
    const codes = Array.from(line.slice(0, lineCharsMax), (char) => char.codePointAt(0) ?? 0);
    let [now, next] = [this.#now, this.#next];
    now.clear();
    for (let at = 0; at <= codes.length; at++) {
      // A match may begin at every character.
      if (this.#follow(now, 0, codes, at)) return true;
      const code = codes[at];
      if (code === undefined) return false;
      next.clear();
      for (const state of now.list) {
        const step = this.#program[state];
        if (step?.op === 'char' && step.test(code) && this.#follow(next, state + 1, codes, at + 1)) return true;
      }
      [now, next] = [next, now];
    }
    return false;
  }

  /** Turns on `state` and all that it leads to without a character. True: the end is among them. */
  #follow(states: States, state: number, codes: readonly number[], at: number): boolean {
    const waiting = [state];
    for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
      if (!states.add(one)) continue;
      const step = this.#program[one];
      if (step?.op === 'match') return true;
      if (step?.op === 'split') waiting.push(...step.to);
      if (step?.op === 'at' && holds(step.where, codes, at)) waiting.push(one + 1);
    }
    return false;
  }
}

function holds(where: 'start' | 'end' | 'edge', codes: readonly number[], at: number): boolean {
  if (where === 'start') return at === 0;
  if (where === 'end') return at === codes.length;
  const isWordAt = (index: number) => isWord(codes[index] ?? 0);
  return isWordAt(at - 1) !== isWordAt(at);
}

/** `text` as it is, or `/expression/`. @throws BadPattern */
export function linePattern(text: string): (line: string) => boolean {
  const source = /^\/(.+)\/$/s.exec(text)?.[1];
  if (source === undefined) return (line) => line.includes(text);
  const machine = new Machine(compile(new Parser(source).parse()));
  return (line) => machine.matches(line);
}
