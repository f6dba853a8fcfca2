/**
 * `config.yaml` as a document: values with their lines for reading, and changes that keep the comments (CT-3). Nothing
 * secret is in it, but it says whom labctl trusts: so it is kept 0600, and one that others may write is not read.
 */
import { chmodSync, fstatSync, closeSync, mkdirSync, openSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { writePrivateFile } from '@labmesh/kit/saved-file';
import { isMap, isScalar, LineCounter, parseDocument, type Document, type Node } from 'yaml';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { shellQuote } from '../terminal/shell-quote.ts';
import { configKeyNames, contextPattern, keyDef, parsePlace, type ConfigKey } from './config-keys.ts';

/** Largest file read, bytes. */
const fileBytesMax = 1024 * 1024;

/** `place` for people: `/home/a/.labctl/config.yaml:4`. */
type FileValue = { value: string; place: string };
type FileValues = Map<ConfigKey, FileValue>;

const fault = (place: string, problem: string, hint?: string) =>
  new CommandError(`${place}: ${problem}`, { hint, exitCode: exitCodes.notConfigured });

/** `labd`, `bastion`, `ssh`: what stands before the dot of a key. */
const tables = new Set(configKeyNames.filter((key) => key.includes('.')).map((key) => key.split('.')[0] ?? ''));

/** Whether keys stand below this path: `labd`, `contexts`, `contexts.prod`, `contexts.prod.labd`. */
function holdsKeys([first = '', context, ...below]: readonly string[]): boolean {
  if (first !== 'contexts') return context === undefined && tables.has(first);
  if (context === undefined) return true;
  return contextPattern.test(context) && below.every((name, index) => index === 0 && tables.has(name));
}

export class ConfigFile {
  readonly path: string;
  readonly #document: Document;
  readonly #lines: LineCounter;
  /** For all contexts; filled by `check`. */
  readonly values: FileValues = new Map();
  /** By context; filled by `check`. */
  readonly contexts = new Map<string, FileValues>();

  private constructor(path: string, document: Document, lines: LineCounter) {
    this.path = path;
    this.#document = document;
    this.#lines = lines;
  }

  /** An absent file is an empty one. @throws CommandError (exit 3) with file and line when it is no YAML */
  static open(path: string): ConfigFile {
    return ConfigFile.parse(path, readText(path));
  }

  /** @throws CommandError (exit 3) with file and line */
  static parse(path: string, text: string): ConfigFile {
    const lines = new LineCounter();
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
    const error = document.errors[0];
    if (error !== undefined) {
      const [message = ''] = error.message.split('\n');
      throw fault(`${path}:${lines.linePos(error.pos[0]).line}`, `not valid YAML: ${message}`);
    }
    return new ConfigFile(path, document, lines);
  }

  /**
   * Checks every key and value and fills `values` and `contexts`. Apart from `open`, so that `config set` can mend a
   * file with a wrong value in it. @throws CommandError (exit 3) with file, line, key and what is expected
   */
  check(): this {
    const { contents } = this.#document;
    // A file of comments only has an empty value in it.
    if (contents === null || (isScalar(contents) && contents.value === null)) return this;
    this.#walk(contents, []);
    return this;
  }

  #walk(node: Node, path: readonly string[]): void {
    if (!isMap(node)) {
      const what = path.length === 0 ? 'found no keys' : `${path.join('.')}: found a value`;
      throw fault(this.#place(node), `${what}, expected keys and values, such as \`output: wide\``);
    }
    for (const { key, value } of node.items) {
      const name = isScalar(key) ? String(key.value) : '';
      const at = [...path, name];
      if (at.length === 2 && at[0] === 'contexts' && contextPattern.test(name)) this.contexts.set(name, new Map());
      // `contexts:` with nothing below it, as one leaves it while editing.
      if (value === null || (isScalar(value) && value.value === null)) continue;
      if (holdsKeys(at)) this.#walk(value as Node, at);
      else this.#take(at, value as Node, this.#place(key as Node));
    }
  }

  /** A leaf: its key must be known and its value must fit. */
  #take(at: readonly string[], node: Node, place: string): void {
    const dotted = at.join('.');
    const found = parsePlace(dotted);
    if ('problem' in found) throw fault(place, found.problem, 'labctl config list shows the keys');
    const { key, context, path } = found;
    if (key === undefined || path.length !== at.length) {
      throw fault(place, `${dotted}: keys with a dot are nested`, `write ${path.join(': and below it ')}: VALUE`);
    }
    const { expected, fits } = keyDef(key);
    // A context named 2024 is a number to YAML; what was written counts.
    const value = isScalar(node) ? (typeof node.value === 'string' ? node.value : (node.source ?? '')) : undefined;
    if (value === undefined || !fits(value)) {
      const given = value === undefined ? 'a list or keys' : JSON.stringify(value);
      throw fault(place, `${dotted}: found ${given}, expected ${expected}`, `labctl config set ${dotted} VALUE`);
    }
    const values = context === undefined ? this.values : this.contexts.get(context);
    values?.set(key, { value, place });
  }

  #place(node: Node): string {
    return node.range ? `${this.path}:${this.#lines.linePos(node.range[0]).line}` : this.path;
  }

  /** Puts a value in, or takes the key out (undefined). Not written until `save`. @throws CommandError (exit 3) */
  set(path: readonly string[], value: string | undefined): void {
    try {
      if (value !== undefined) this.#document.setIn(path, value);
      else this.#remove(path);
    } catch {
      // A parent is a text or a list: only its owner knows what was meant.
      const parent = path.slice(0, -1).join('.') || 'the file';
      throw fault(this.path, `${path.join('.')} cannot be changed: ${parent} holds no keys`, `edit ${this.path}`);
    }
  }

  /** Takes tables that became empty with it. */
  #remove(path: readonly string[]): void {
    if (!this.#document.hasIn(path)) return;
    this.#document.deleteIn(path);
    const parent = path.slice(0, -1);
    const left: unknown = parent.length === 0 ? undefined : this.#document.getIn(parent);
    if (isMap(left) && left.items.length === 0) this.#remove(parent);
  }

  toString(): string {
    const { contents, commentBefore, comment } = this.#document;
    // An emptied map would be written as `{}`, and the next key would go inside the braces.
    const isEmpty = contents === null || (isMap(contents) && contents.items.length === 0);
    if (!isEmpty) return this.#document.toString({ lineWidth: 0 });
    const inner = isMap(contents) ? [contents.commentBefore, contents.comment] : [];
    const comments = [commentBefore, ...inner, comment].filter((text) => typeof text === 'string');
    return comments.map((text) => `${text.replace(/^/gm, '#')}\n`).join('');
  }

  /** Writes the file whole, 0600 in a folder of 0700; a link stays a link. @throws CommandError */
  save(): void {
    const folder = dirname(this.path);
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      if (basename(folder) === '.labctl') chmodSync(folder, 0o700);
      writePrivateFile(linkTarget(this.path), this.toString());
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
      throw new CommandError(`${this.path} cannot be written (${code})`, { cause: error });
    }
  }
}

/** A link to a file kept elsewhere must not be replaced by the file. */
function linkTarget(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** '' when there is none. @throws CommandError (exit 3) for one that others may write, or that cannot be read */
function readText(path: string): string {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const { mode, size } = fstatSync(file);
    if ((mode & 0o022) !== 0) {
      throw fault(
        path,
        'may be written by others, who could send you to a labd of theirs',
        `chmod 600 ${shellQuote(path)}`,
      );
    }
    if (size > fileBytesMax) throw fault(path, `is larger than ${fileBytesMax} bytes`);
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof CommandError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    if (code === 'ENOENT') return '';
    throw fault(path, `cannot be read (${code})`);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
