/** The kinds of things that a person can name (CT-2), and every word for them. */
import { didYouMean } from '@labmesh/kit/nearest';
import type { Kind } from '@labmesh/wire/fleet/access-words';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';

type Row = {
  /** The word of the access rules and of the API's paths; the plural. */
  kind: Kind;
  short?: string;
  /** Its names are `namespace/name`; without a namespace `default` is meant. */
  namespaced?: true;
};

export const resourceTypes = {
  server: { kind: 'servers', short: 'srv' },
  agent: { kind: 'agents' },
  user: { kind: 'users' },
  role: { kind: 'roles' },
  permission: { kind: 'permissions', short: 'perm' },
  binding: { kind: 'bindings' },
  token: { kind: 'tokens' },
  certificate: { kind: 'certificates', short: 'cert' },
  session: { kind: 'sessions' },
  recording: { kind: 'recordings' },
  bastion: { kind: 'bastions' },
  machine: { kind: 'machines' },
  cluster: { kind: 'clusters' },
  app: { kind: 'apps', namespaced: true },
  chart: { kind: 'charts' },
  module: { kind: 'modules' },
  network: { kind: 'networks', short: 'net' },
  vm: { kind: 'vms' },
  node: { kind: 'nodes' },
  key: { kind: 'keys' },
  alias: { kind: 'aliases' },
} as const satisfies Record<string, Row>;

export type ResourceType = keyof typeof resourceTypes;

export const typeNames = Object.keys(resourceTypes) as readonly ResourceType[];

const rowOf = (type: ResourceType): Row => resourceTypes[type];

/** Singular, plural and short of every type, in lower case. */
const words = new Map<string, ResourceType>(
  typeNames.flatMap((type) => {
    const { kind, short } = rowOf(type);
    return [type, kind, ...(short === undefined ? [] : [short])].map((word) => [word, type] as const);
  }),
);

/** Every word that means a type, for completion. */
export const typeWords: readonly string[] = [...words.keys()];

export const kindOf = (type: ResourceType): Kind => rowOf(type).kind;
export const isNamespaced = (type: ResourceType): boolean => rowOf(type).namespaced === true;

/** The type a word means: singular, plural or short, any case. Undefined for other words. */
export const findType = (word: string): ResourceType | undefined => words.get(word.toLowerCase());

/** The same, for words that must be a type. @throws CommandError (exit 2) with the nearest one */
export function parseType(word: string): ResourceType {
  const type = findType(word);
  if (type !== undefined) return type;
  const problem =
    word === '' ? 'the type is empty' : `unknown type ${JSON.stringify(word)}${didYouMean(word, words.keys())}`;
  throw new CommandError(problem, { hint: `types: ${typeNames.join(', ')}`, exitCode: exitCodes.usage });
}
