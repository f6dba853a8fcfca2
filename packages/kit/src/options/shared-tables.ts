/**
 * One labmesh.toml may serve every program of a machine. Each reads its own tables and must let those of the others pass,
 * but no others: a table that nobody reads is a spelling mistake (LD-9). So that no program has a list that grows old,
 * this is the only one; a test holds it against all options that the sources declare.
 */
import type { OptionDefs } from './option-def.ts';
import type { OptionsFile } from './read-tables.ts';

/** Every top-level table of labmesh.toml. */
export const sharedTables = [
  'agent',
  'arena',
  'attest',
  'audit',
  'ca',
  'compat',
  'conplane',
  'database',
  'discovery',
  'endpoint',
  'endpoints',
  'engine',
  'exec',
  'gateway',
  'hub',
  'keepalive',
  'labd',
  'labman',
  'limits',
  'log',
  'login',
  'models',
  'queue',
  'recordings',
  'redis',
  'retry',
  'sandbox',
  'secrets',
  'telemetry',
  'training',
  'verification',
  'verify',
] as const;

/** The file as a program with these options reads it: what is neither its own nor another's is an unknown key. */
export function besideOthers(defs: OptionDefs, file: OptionsFile): OptionsFile {
  const own = new Set(Object.values(defs).map((def) => def.file?.split('.')[0]));
  return { ...file, known: sharedTables.filter((table) => !own.has(table)) };
}
