/**
 * How things are named on the command line (CT-1):
 *
 *     server/web-1   app/kube-system/nginx   srv web-1   server/web-1,web-2   web-1 (where a server is meant)
 *
 * A word with a slash stands alone. A word without one is a type when names follow it, else the name of a server where
 * the command says that servers are meant.
 */
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { findType, isNamespaced, parseType, type ResourceType } from './resource-type.ts';

export type ResourceRef = {
  type: ResourceType;
  /** Undefined for types without namespaces. */
  namespace: string | undefined;
  /** A name, or an id in lower case. */
  name: string;
};

/** What `get`, `describe` and `delete` are given: a type, and the things of it that are named (none = all of them). */
export type Selection = { type: ResourceType; refs: ResourceRef[] };

export type RefOptions = {
  /** The type of a bare name; without it a bare name is a usage error (CT-1: exec, logs, cp and port-forward mean servers). */
  bare?: ResourceType;
};

export const defaultNamespace = 'default';

const namePattern = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;
const uuidPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** What names of some types may hold beside CT-1: MACs, the shown part of tokens, users of an identity provider, key ids, and models as engines name them. */
const otherNames: Partial<Record<ResourceType, RegExp>> = {
  machine: /^[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}$/,
  token: /^lmj_[0-9a-z]{8}$/,
  user: /^[a-z0-9](?:[a-z0-9._@+-]{0,251}[a-z0-9])?$/,
  key: /^[A-Za-z0-9]{8,64}$/,
  alias: /^[A-Za-z0-9][\w.:@+-]{0,252}$/,
};

const usage = (problem: string, hint = 'write type/name, such as server/web-1') =>
  new CommandError(problem, { hint, exitCode: exitCodes.usage });

/** In an error: on one line, whatever it holds, and not longer than a line. */
const shown = (text: string) => JSON.stringify(text.length > 80 ? `${text.slice(0, 79)}…` : text);

/** Checks one part of a reference. `whole` is what the person typed. */
function parseName(part: 'name' | 'namespace', text: string, whole: string, type: ResourceType): string {
  if (text === '') throw usage(`the ${part} in ${shown(whole)} is empty`);
  if (part === 'name' && uuidPattern.test(text)) return text.toLowerCase();
  const fits = (name: string) => namePattern.test(name) || (part === 'name' && otherNames[type]?.test(name) === true);
  if (fits(text)) return text;
  // Labels on machines and firmware screens print them in capitals.
  if (type === 'machine' && fits(text.toLowerCase()) && /[:-]/.test(text)) return text.toLowerCase();
  const where = text === whole ? '' : ` in ${shown(whole)}`;
  const problem = `the ${part} ${shown(text)}${where} is not valid`;
  const lower = text.toLowerCase();
  if (lower !== text && fits(lower)) throw usage(problem, `names are in lower case: ${lower}`);
  throw usage(problem, 'a name holds a-z, 0-9, . and -, begins and ends with a letter or digit, and has at most 253');
}

/** `server/web-1` or `app/kube-system/nginx`: a word with a slash in it. */
function parsePath(word: string): ResourceRef {
  const parts = word.split('/');
  if (parts.length > 3)
    throw usage(`${shown(word)} has ${parts.length} parts`, 'write type/name or type/namespace/name');
  const [typeText = '', ...rest] = parts;
  if (typeText === '') throw usage(`the type in ${shown(word)} is empty`);
  const type = parseType(typeText);
  if (rest.length === 1) return refOf(type, rest[0] ?? '', word);
  if (!isNamespaced(type)) {
    throw usage(`the namespace in ${shown(word)} is too much: ${type} names have none`, `write ${type}/name`);
  }
  const [namespace = '', name = ''] = rest;
  return {
    type,
    namespace: parseName('namespace', namespace, word, type),
    name: parseName('name', name, word, type),
  };
}

function refOf(type: ResourceType, name: string, whole: string): ResourceRef {
  return {
    type,
    namespace: isNamespaced(type) ? defaultNamespace : undefined,
    name: parseName('name', name, whole, type),
  };
}

/** One word with its commas: `server/a,server/b`, and short `server/a,b`. */
function parseList(word: string, type: ResourceType | undefined, options: RefOptions): ResourceRef[] {
  const refs: ResourceRef[] = [];
  let known = type;
  for (const piece of word.split(',')) {
    const of = known ?? options.bare;
    if (piece.includes('/')) refs.push(parsePath(piece));
    else if (of !== undefined) refs.push(refOf(of, piece, word));
    else
      throw usage(
        `${shown(piece)} has no type`,
        `write type/name, such as server/${namePattern.test(piece) ? piece : 'web-1'}`,
      );
    known = type ?? refs.at(-1)?.type;
  }
  return refs;
}

/**
 * Every thing that the words name, in their order, each once.
 * @throws CommandError (exit 2) naming the part at fault
 */
export function parseRefs(words: readonly string[], options: RefOptions = {}): ResourceRef[] {
  const [first, ...others] = words;
  if (first === undefined) throw usage('the name is missing');
  const type = first.includes('/') || first.includes(',') ? undefined : findType(first);
  const typed = type !== undefined && others.length > 0;
  // A type with nothing after it: a server may be named like a type, but only where bare names are taken.
  if (type !== undefined && !typed && options.bare === undefined)
    throw usage(`the name after ${shown(first)} is missing`);
  if (type === undefined && options.bare === undefined && !/[/,]/.test(first)) {
    // The word stands where a type does: its nearest one helps more than talk of slashes.
    parseType(first);
  }
  const refs = (typed ? others : words).flatMap((word) => parseList(word, typed ? type : undefined, options));
  const seen = new Map(refs.map((ref) => [formatRef(ref), ref]));
  return [...seen.values()];
}

/** Exactly one thing. @throws CommandError (exit 2) */
export function parseRef(words: readonly string[], options: RefOptions = {}): ResourceRef {
  const [ref, second] = parseRefs(words, options);
  if (ref === undefined) throw usage('the name is missing');
  if (second !== undefined) throw usage(`one thing at a time: ${formatRef(ref)} or ${formatRef(second)}`);
  return ref;
}

/** `servers`, `server/web-1`, `server web-1 web-2`: for commands that also take a type alone. @throws CommandError (exit 2) */
export function parseSelection(words: readonly string[]): Selection {
  const [first] = words;
  if (first === undefined) throw usage('the type is missing', 'write a type, such as servers');
  if (words.length === 1 && !/[/,]/.test(first)) return { type: parseType(first), refs: [] };
  const refs = parseRefs(words);
  const type = refs[0]?.type ?? parseType(first);
  const other = refs.find((ref) => ref.type !== type);
  if (other !== undefined) throw usage(`one type at a time: ${type} or ${other.type}`);
  return { type, refs };
}

/** As it can be typed again: `server/web-1`, `app/kube-system/nginx`. */
export function formatRef({ type, namespace, name }: ResourceRef): string {
  return namespace === undefined ? `${type}/${name}` : `${type}/${namespace}/${name}`;
}
